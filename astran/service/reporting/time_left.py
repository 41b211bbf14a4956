"""How long an analysis will still take, learnt from how long its stages took before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from astran.database.history import durations
from astran.database.tasks import AttemptRow, TaskRow
from astran.service.context import Context

_LEAST = 0.1
"""A task that has taken its usual time is taken to need so much of it still."""


def remaining_seconds(
    context: Context, db: Connection, rows: Sequence[TaskRow], attempts: Mapping[int, AttemptRow]
) -> float | None:
    """Estimated time to the end of an analysis [s]; None where history does not tell."""
    usual = durations.turnarounds(db)
    begun = durations.submitted_at(db, [a.submission_id for a in attempts.values()])
    since = {
        task: begun[attempt.submission_id]
        for task, attempt in attempts.items()
        if attempt.submission_id in begun
    }
    return longest_path(rows, usual, since, context.clock.now())


def longest_path(
    rows: Sequence[TaskRow],
    usual: Mapping[str, float],
    since: Mapping[int, datetime],
    now: datetime,
) -> float | None:
    """The longest chain of tasks that have not ended, each taking the usual time of its stage.

    Parameters
    ----------
    rows : the tasks in the order of the plan: a task comes after those that it waits for
    usual : by stage, from submission to end [s]
    since : when tasks (by id) were submitted, for those under way

    Returns None where a stage that is still to come has no history, or where there is no plan yet.
    """
    if not rows:
        return None
    end: dict[str, float] = {}
    for row in rows:
        if row.state.final:
            end[row.spec.key] = 0.0
            continue
        typical = usual.get(row.spec.stage)
        if typical is None:
            return None
        waits = [end.get(key, 0.0) for key in (*row.spec.needs, *row.spec.after)]
        left = typical
        if row.state.live and row.id in since:
            gone = (now - since[row.id]).total_seconds()
            left = max(typical - gone, _LEAST * typical)
        end[row.spec.key] = max(waits, default=0.0) + left
    return max(end.values())
