"""When something about an analysis last changed, for all analyses at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from astran.base.states import AnalysisState
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class AnalysisMark:
    """An analysis with the number of its newest event: every change leaves one."""

    analysis_id: int
    state: AnalysisState
    config: Mapping[str, Any]
    newest_event: int


def analysis_marks(db: Connection) -> list[AnalysisMark]:
    """All analyses, oldest first."""
    newest = (
        select(t.event.c.analysis_id, func.max(t.event.c.id).label("newest"))
        .group_by(t.event.c.analysis_id)
        .subquery()
    )
    query = (
        select(t.analysis.c.id, t.analysis.c.state, t.analysis.c.config, newest.c.newest)
        .join_from(t.analysis, newest, newest.c.analysis_id == t.analysis.c.id, isouter=True)
        .order_by(t.analysis.c.id)
    )
    return [
        AnalysisMark(key, AnalysisState(state), config, event or 0)
        for key, state, config, event in db.execute(query)
    ]
