"""What earlier work tells: counts and typical durations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from sqlalchemy import Connection, func, select

from astran.base.states import TaskState
from astran.database.schema import tables as t


def task_counts(db: Connection) -> dict[TaskState, int]:
    """How many tasks of live analyses are in each state that is not final."""
    live = [state.value for state in TaskState if not state.final]
    query = (
        select(t.task.c.state, func.count())
        .where(t.task.c.state.in_(live))
        .group_by(t.task.c.state)
    )
    return {TaskState(state): number for state, number in db.execute(query)}


def count_requests(db: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """How many requests of each kind came in a time."""
    query = (
        select(t.request.c.command, func.count())
        .where(t.request.c.created >= since, t.request.c.created < until)
        .group_by(t.request.c.command)
    )
    return {row[0]: row[1] for row in db.execute(query)}


def typical_seconds(db: Connection, newest: int = 100) -> Sequence[tuple[str, float]]:
    """Median wall time of the newest finished tasks, by stage in the order of the chain [s]."""
    query = (
        select(t.stage.c.name, t.stage.c.position, t.attempt.c.elapsed_s)
        .join_from(t.attempt, t.task)
        .join(t.stage, t.stage.c.id == t.task.c.stage_id)
        .where(t.attempt.c.elapsed_s.is_not(None), t.attempt.c.outcome == "ok")
        .order_by(t.attempt.c.id.desc())
        .limit(newest)
    )
    times: dict[str, list[float]] = {}
    order: dict[str, int] = {}
    for name, position, elapsed in db.execute(query):
        times.setdefault(name, []).append(elapsed)
        order[name] = max(position, order.get(name, 0))
    return [(name, median(times[name])) for name in sorted(times, key=lambda n: order[n])]


def turnarounds(db: Connection, newest: int = 200) -> dict[str, float]:
    """By stage: median time from submission to end of the newest finished tasks [s].

    It holds the time in the queue, too, as it has been lately.
    """
    query = (
        select(t.stage.c.name, t.submission.c.submitted, t.attempt.c.ended)
        .join_from(t.attempt, t.task, t.task.c.id == t.attempt.c.task_id)
        .join(t.stage, t.stage.c.id == t.task.c.stage_id)
        .join(t.submission, t.submission.c.id == t.attempt.c.submission_id)
        .where(t.attempt.c.ended.is_not(None), t.attempt.c.outcome == "ok")
        .where(t.submission.c.submitted.is_not(None))
        .order_by(t.attempt.c.id.desc())
        .limit(newest)
    )
    times: dict[str, list[float]] = {}
    for name, submitted, ended in db.execute(query):
        times.setdefault(name, []).append((ended - submitted).total_seconds())
    return {stage: median(found) for stage, found in times.items()}


def submitted_at(db: Connection, submissions: Sequence[int]) -> dict[int, datetime]:
    """When batches of jobs were submitted, by their row id."""
    c = t.submission.c
    query = select(c.id, c.submitted).where(c.id.in_(submissions), c.submitted.is_not(None))
    return {row.id: row.submitted for row in db.execute(query)}


def stage_figures(
    db: Connection, analysis_id: int
) -> dict[str, tuple[float | None, float | None, int]]:
    """By stage: total time of its tasks [s], largest memory of any task [MB], attempts made."""
    query = (
        select(
            t.stage.c.name,
            func.sum(t.attempt.c.elapsed_s),
            func.max(t.attempt.c.max_rss_mb),
            func.count(),
        )
        .join_from(t.attempt, t.task)
        .join(t.stage, t.stage.c.id == t.task.c.stage_id)
        .where(t.task.c.analysis_id == analysis_id, t.attempt.c.outcome != "void")
        .group_by(t.stage.c.name)
    )
    return {name: (wall, memory, tries) for name, wall, memory, tries in db.execute(query)}
