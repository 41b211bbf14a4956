"""When something last happened to analyses: the steps that lead on, and what people were told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, select

from astran.base.states import AnalysisState, TaskState
from astran.database.schema import tables as t

_NO_STEP = (TaskState.PLANNED, TaskState.SUBMITTING)
"""A task that is tried again and again moves between these, and gets nowhere."""
STEPS = (
    *(f"analysis-{state}" for state in AnalysisState),
    *(f"task-{state}" for state in TaskState if state not in _NO_STEP),
)


def newest_events(
    db: Connection, analysis_ids: Collection[int], kinds: Collection[str]
) -> dict[int, datetime]:
    """By analysis: when the newest event of these kinds was; without those that have none."""
    c = t.event.c
    query = (
        select(c.analysis_id, func.max(c.at))
        .where(c.analysis_id.in_(sorted(analysis_ids)), c.kind.in_(sorted(kinds)))
        .group_by(c.analysis_id)
    )
    return {row[0]: row[1] for row in db.execute(query)}
