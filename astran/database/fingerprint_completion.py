"""Fingerprints of tasks whose product depends on which tasks before them succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, update

from astran.base.states import TaskState
from astran.base.tasks import fingerprint
from astran.database.schema import tables as t
from astran.database.tasks import MAX_BOUND_ROWS, TaskRow


def complete_fingerprints(db: Connection, rows: Sequence[TaskRow]) -> list[TaskRow]:
    """The rows, all of which are ready, with whole fingerprints; these are stored, too."""
    done = []
    for row in rows:
        own = row.spec.fingerprint if row.depends_on_success else ""
        if own:
            before = _before(db, row)
            whole = fingerprint(own=own, before=before) if all(before) else ""
            if whole != row.fingerprint:
                query = update(t.task).where(t.task.c.id == row.id)
                db.execute(query.values(fingerprint=whole))
            row = replace(row, fingerprint=whole)
        done.append(row)
    return done


def _before(db: Connection, row: TaskRow) -> list[str]:
    """Fingerprints of what succeeded of all that the task waited for, sorted; one is empty if its
    product is like no other."""
    keys = [*row.needs, *row.after]
    good = [state.value for state in TaskState if state.succeeded]
    found: list[str] = []
    for start in range(0, len(keys), MAX_BOUND_ROWS):
        query = select(t.task.c.fingerprint).where(
            t.task.c.analysis_id == row.analysis_id,
            t.task.c.key.in_(keys[start : start + MAX_BOUND_ROWS]),
            t.task.c.state.in_(good),
        )
        found += db.execute(query).scalars()
    return sorted(found)
