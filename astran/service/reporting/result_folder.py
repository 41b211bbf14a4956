"""Where an analysis has its results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from astran.base.tasks import Stage
from astran.database.tasks import TaskRow


def results_folders(rows: Iterable[TaskRow]) -> list[Path]:
    """The folders of results that were made, in the order of the plan."""
    return [
        Path(row.spec.outputs[0].path)
        for row in rows
        if row.spec.stage is Stage.HIGHLEVEL and row.state.succeeded
    ]


def results_folder(rows: Iterable[TaskRow]) -> Path | None:
    """Where the results lie; None where there are none."""
    return next(iter(results_folders(rows)), None)
