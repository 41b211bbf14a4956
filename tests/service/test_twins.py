"""Two analyses need the same product for everyone at the same time: it is made once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.cli.common import make_context
from astran.config.yaml_files import load_site
from astran.database import analyses, plans, tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.production.job.scripts import write_scripts
from astran.service.context import Context
from astran.service.jobs import submission
from astran.service.jobs.submission import find_ready, submit_tasks
from astran.service.tick import run_tick

TOOL = """
import shutil, sys, time
open(sys.argv[3], "a").write("made\\n")
time.sleep(0.5)
shutil.copy(sys.argv[1], sys.argv[2])
"""
CONFIG = {"target": {"name": "Crab", "ra": 83.6, "dec": 22.0}, "date": "20231207"}


def an_irf(path: Path) -> Path:
    """The least that passes as an IRF of lstchain."""
    area = fits.BinTableHDU(Table({"EFFAREA": np.ones((1, 5))}), name="EFFECTIVE AREA")
    energy = fits.BinTableHDU(Table({"MATRIX": np.ones((1, 5))}), name="ENERGY DISPERSION")
    for table in (area, energy):
        table.header["RAD_MAX"] = 0.2
    fits.HDUList([fits.PrimaryHDU(), area, energy]).writeto(path)
    return path


class Two:
    """A site with the local pool, and two analyses with one task of the same work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "work/shared/irf/global_0123/irf_x.fits"
        self.irf = an_irf(folder / "irf.fits")
        self.counter = folder / "counter"
        path = folder / "site.yml"
        settings: dict[str, Any] = {"site": "T", "workdir": str(folder / "work")}
        settings["scheduler"] = {"kind": "local", "local": {"cores": 2, "memory_mb": 64000}}
        path.write_text(json.dumps(settings))
        self.context: Context = make_context(load_site(path))
        self.analyses = [self._launch(label) for label in ("Crab", "Mrk421")]

    def _launch(self, label: str) -> Analysis:
        now = datetime.now(UTC)
        with self.context.db.begin() as db:
            made = analyses.create_analysis(
                db, now, RequestOrigin(), label, CONFIG, self.folder / "work", ""
            )
            analyses.move_analysis(db, now, made, AnalysisState.RUNNING)
            task = self._task(made.folder)
            source = ("Crab", 83.6, 22.0)
            plans.store_plan(db, now, made.id, Plan((task,)), date="20231207", source=source)
            write_scripts(task, self.context.site, None, sys.executable)
            return analyses.get_analysis(db, made.id)

    def _task(self, folder: Path) -> Task:
        asked = Task(
            key="irf-theta_10.000_az_102.199",
            stage=Stage.IRF,
            argv=(
                *(sys.executable, "-c", TOOL),
                *(str(self.irf), "{work}/irf_x.fits", str(self.counter)),
            ),
            outputs=(Output("irf_x.fits", str(self.shared), ProductKind.IRF),),
            folder=str(folder),
            script=str(folder / "Script_irf.sh"),
            log=str(folder / "irf.log"),
            record=str(folder / "irf.record.json"),
            fingerprint="the same work",
        )
        return replace(asked, resources=replace(asked.resources, memory_mb=100))

    def states(self) -> list[TaskState]:
        with self.context.db.begin() as db:
            return [row.state for one in self.analyses for row in tasks.of_analysis(db, one.id)]

    def run(self) -> None:
        until = time.monotonic() + 60
        while not all(state.final for state in self.states()):
            assert time.monotonic() < until, self.states()
            assert run_tick(self.context, mail=False).faults == []
            time.sleep(0.1)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    made.context.db.close()


def test_the_twin_waits_and_takes_what_the_other_made(two: Two) -> None:
    two.run()
    assert two.counter.read_text() == "made\n"
    assert sorted(two.states()) == [TaskState.DONE, TaskState.REUSED]
    assert two.shared.is_file() and not two.shared.is_symlink()


def test_launchers_that_look_at_the_same_moment_submit_it_once(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found no twin; the second one finds it when it writes its intent."""
    real, (one, other) = submission.affordable_tasks, two.analyses

    def meanwhile(context: Context, analysis: Analysis, ready: Any) -> Any:
        monkeypatch.setattr(submission, "affordable_tasks", real)
        assert submit_tasks(context, other, find_ready(context, other)) == 1
        return real(context, analysis, ready)

    monkeypatch.setattr(submission, "affordable_tasks", meanwhile)
    assert submit_tasks(two.context, one, find_ready(two.context, one)) == 0
    two.run()
    assert two.counter.read_text() == "made\n"
    assert sorted(two.states()) == [TaskState.DONE, TaskState.REUSED]
