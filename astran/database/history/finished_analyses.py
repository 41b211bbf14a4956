"""How long whole analyses took, with what they had to do: what the next ones are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from astran.base.states import AnalysisState
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class FinishedAnalysis:
    """What an analysis had to do, and how long it took."""

    stages: frozenset[str]
    """Stages that it ran for single runs, instead of taking their products over."""
    tasks: int
    """Tasks of these stages."""
    seconds: float
    """From its plan to its report, waits in the queue included."""


def finished_analyses(db: Connection, newest: int) -> Sequence[FinishedAnalysis]:
    """The newest analyses with a result, newest first.

    Those of which runs had begun before the plan was complete are left out: their time says
    little.
    """
    a, c = t.analysis.c, t.task.c
    with_result = (AnalysisState.DONE.value, AnalysisState.PARTIAL.value)
    some = (
        select(a.id)
        .where(a.state.in_(with_result), a.started.is_not(None), a.ended.is_not(None))
        .order_by(a.id.desc())
        .limit(newest)
    )
    query = (
        select(
            a.id,
            a.started,
            a.ended,
            t.stage.c.name,
            func.count(c.id.distinct()).label("number"),
            func.min(t.submission.c.intent).label("begun"),
        )
        .join_from(t.analysis, t.task, c.analysis_id == a.id)
        .join(t.stage, t.stage.c.id == c.stage_id)
        .join(t.attempt, t.attempt.c.task_id == c.id)
        .join(t.submission, t.submission.c.id == t.attempt.c.submission_id)
        .where(a.id.in_(some.scalar_subquery()), c.run_id.is_not(None))
        .group_by(a.id, a.started, a.ended, t.stage.c.name)
        .order_by(a.id.desc())
    )
    rows: dict[int, list[FinishedAnalysis | None]] = {}
    for row in db.execute(query):
        seconds = (row.ended - row.started).total_seconds()
        early = row.begun < row.started or seconds <= 0
        one = None if early else FinishedAnalysis(frozenset({row.name}), row.number, seconds)
        rows.setdefault(row.id, []).append(one)
    return [_together([part for part in parts if part]) for parts in rows.values() if all(parts)]


def _together(parts: Sequence[FinishedAnalysis]) -> FinishedAnalysis:
    stages = frozenset().union(*(part.stages for part in parts))
    return FinishedAnalysis(stages, sum(part.tasks for part in parts), parts[0].seconds)
