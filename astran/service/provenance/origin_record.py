"""What the database tells of the origin of an analysis: inputs by identity, versions, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Connection

from astran.base.tasks import Stage
from astran.database import analyses, tasks
from astran.database.tasks import TaskRow
from astran.service.provenance.graph import FileNode, Role, lineage_of_tasks

MOST_TASKS = 3000
_KINDS = {
    Role.DL1: "data",
    Role.MODELS: "models",
    Role.MC: "models",
}
_NOT_COMPARED = ("target", "date", "runs", "telescope", "folder", "waiting", "site")
"""Which data an analysis is of shows in its runs."""


@dataclass(frozen=True, slots=True)
class OriginRecord:
    """An analysis as it is stored."""

    name: str
    label: str
    folder: Path
    dl3: tuple[Path, ...]
    """Folders from which its results were made."""
    argv: tuple[str, ...]
    """Command of its high-level task; empty: it has none."""
    started: str
    """ISO 8601; empty: not yet."""
    config_yaml: str
    """The configuration of the analysis."""
    record: Mapping[str, Mapping[str, str]]
    """`data`, `models`, `software`, `cuts`, `settings`: each name with its identity or value."""


def read_origin(db: Connection, analysis_id: int) -> OriginRecord:
    """The origin of an analysis (StoreError where there is none)."""
    analysis = analyses.get_analysis(db, analysis_id)
    rows = tasks.of_analysis(db, analysis_id)
    argv = highlevel_argv_of(rows)
    # inputs alone are asked for: no name of a person is told
    lineage, _ = lineage_of_tasks(db, rows, lambda _: True, MOST_TASKS)
    record: dict[str, dict[str, str]] = {"software": dict(analysis.versions)}
    record |= {"cuts": {}, "settings": {}}
    for node in lineage.files.values():
        if kind := _KINDS.get(node.role):
            record.setdefault(kind, {})[Path(node.path).name] = _identity(node)
    for key, value in _flat("", analysis.config):
        if not key.startswith(_NOT_COMPARED):
            record["cuts" if _is_cut(key) else "settings"][key] = value
    return OriginRecord(
        name=analysis.name,
        label=analysis.label,
        folder=analysis.folder,
        dl3=_dl3_folders(argv),
        argv=argv,
        started="" if analysis.started is None else analysis.started.isoformat(),
        config_yaml=yaml.safe_dump(dict(analysis.config), sort_keys=False),
        record=record,
    )


def highlevel_argv_of(rows: list[TaskRow]) -> tuple[str, ...]:
    """The command of the high-level task."""
    found = [row.spec.argv for row in rows if row.spec.stage == Stage.HIGHLEVEL]
    return found[-1] if found else ()


def _dl3_folders(argv: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(word.removeprefix("--dl3=")) for word in argv if word.startswith("--dl3="))


def _identity(node: FileNode) -> str:
    """What tells a file apart from another of its name."""
    return node.sha256 or f"{node.size} bytes of {node.modified}"


def _is_cut(key: str) -> bool:
    return key.startswith(("dl3.", "quality.")) or "cut" in key or "energy_m" in key


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(f"{name}.", value)
        elif value not in (None, "", [], ()):
            yield name, str(value)
