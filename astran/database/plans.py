"""Storing a plan: stages, tasks, their inputs, and the data and software they are about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from astran.base.states import TaskState
from astran.base.tasks import Plan, Task
from astran.database.events import note_event
from astran.database.history.resource_usage import task_kinds
from astran.database.schema import tables as t
from astran.database.tasks import wake_analyses


def store_plan(
    db: Connection,
    now: datetime,
    analysis_id: int,
    plan: Plan,
    *,
    date: str,
    source: tuple[str, float, float],
    started_runs: frozenset[int] = frozenset(),
) -> None:
    """Store the tasks of a plan in state PLANNED; those whose key is stored already stay as they
    are.

    Parameters
    ----------
    date : night, YYYYMMDD
    source : name, right ascension and declination [deg, ICRS]
    started_runs : runs whose tasks were stored before, however the plan would make them now
    """
    night_id = _ensure(db, t.night, date=date)
    source_id = _source(db, *source)
    software = {name: _ensure(db, t.software, name=name, version=v) for name, v in plan.versions}
    of = select(t.stage.c.name, t.stage.c.id).where(t.stage.c.analysis_id == analysis_id)
    stages = {row.name: row.id for row in db.execute(of)}
    there = select(t.task.c.key, t.task.c.id).where(t.task.c.analysis_id == analysis_id)
    ids = {row.key: row.id for row in db.execute(there)}
    new = [task for task in plan.tasks if task.key not in ids and task.run not in started_runs]
    kind = task_kinds(plan)
    for task in new:
        if task.stage not in stages:
            stages[task.stage] = _insert(
                db, t.stage, analysis_id=analysis_id, name=task.stage, position=len(stages)
            )
        run_id = None
        if task.run is not None:
            run_id = _ensure(db, t.run, number=task.run, night_id=night_id, source_id=source_id)
        plain = task.to_json()
        ids[task.key] = _insert(
            db,
            t.task,
            analysis_id=analysis_id,
            stage_id=stages[task.stage],
            run_id=run_id,
            software_id=software.get(plan.software(task)[0]),
            key=task.key,
            state=TaskState.PLANNED,
            fingerprint=task.fingerprint,
            spec=plain,
            resources=plain["resources"],
            exclude=[],
            kind=str(kind[task.key]),
        )
    inputs = [row for task in new for row in _inputs(ids, task)]
    if inputs:
        db.execute(insert(t.task_input), inputs)
    wake_analyses(db, {analysis_id})
    note_event(db, now, "planned", f"{len(new)} tasks in {len(stages)} stages", analysis_id)


def _inputs(ids: dict[str, int], task: Task) -> Iterator[dict[str, Any]]:
    """Rows for what a task reads: files as they are now, and other tasks."""
    none = {"task_id": ids[task.key], "path": "", "size": None, "mtime_ns": None}
    for path in task.inputs:
        try:
            status = Path(path).stat()
            known = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        except OSError:
            known = {}
        yield {**none, **known, "path": path, "producer_id": None}
    for key in (*task.needs, *task.after):
        yield {**none, "producer_id": ids[key]}


def _insert(db: Connection, table: Table, **values: Any) -> int:
    key = db.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _ensure(db: Connection, table: Table, **values: Any) -> int:
    query = select(table.c.id).filter_by(**values)
    found = db.execute(query).scalar()
    return int(found) if found is not None else _insert(db, table, **values)


def _source(db: Connection, name: str, ra: float, dec: float) -> int:
    found = db.execute(select(t.source.c.id).where(t.source.c.name == name)).scalar()
    if found is not None:
        return int(found)
    return _insert(db, t.source, name=name, ra_deg=ra, dec_deg=dec)
