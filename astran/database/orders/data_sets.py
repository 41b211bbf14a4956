"""Data sets: one request for several nights, of which each becomes an analysis of its own.

The whole is an analysis, too: it waits for those of its nights and stacks them. Which nights belong
to it is written in the transaction that makes it; the analysis of a night is made in the one that
writes it into the row of the night. So none is lost or doubled, whatever dies on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from astran.base.states import AnalysisState
from astran.database import analyses
from astran.database.analyses import DATA_SET, NIGHT, Analysis, RequestOrigin
from astran.database.events import note_event
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t

ALL = ""
"""In place of a target: each that was observed in the night."""
AWAITED = "its data are still to come"
"""Remark on a night that is waited for."""


@dataclass(frozen=True, slots=True)
class DataSetOptions:
    """What holds for a data set as a whole."""

    agreed: bool
    """Whether it may start: it is small, or its requester said GO."""
    held: bool
    """No further night starts, and what waits in the queue stays there."""


@dataclass(frozen=True, slots=True)
class DataSetNight:
    """One night of one target of a data set."""

    id: int
    night: str
    """YYYYMMDD."""
    target: str
    """Name; `ALL` until it is known what was observed."""
    runs: int | None
    """Runs that can be analysed, or files of DL3; None: not counted yet."""
    livetime_s: float | None
    """Of the runs, as their data tell [s]; None: not known."""
    core_hours: float | None
    """What its tasks ask for, at most; None: not known."""
    remark: str
    """Why there is no analysis of it, or what it waits for; empty: nothing to remark."""
    child_id: int | None
    """Its analysis; None: not started."""
    state: AnalysisState | None
    """Of its analysis."""

    @property
    def counted(self) -> bool:
        return self.runs is not None

    @property
    def has_data(self) -> bool:
        """Whether it is to be analysed."""
        return bool(self.runs) or self.remark == AWAITED

    @property
    def over(self) -> bool:
        """Whether nothing more is to come of it."""
        if self.state is not None:
            return self.state.final
        return self.counted and not self.has_data


_c = t.data_set_night.c
_NIGHTS = RowReader(DataSetNight, t.data_set_night, state=t.analysis.c.state)
_OPTIONS = RowReader(DataSetOptions, t.data_set)


def create_data_set(
    db: Connection,
    now: datetime,
    origin: RequestOrigin,
    label: str,
    config: Mapping[str, Any],
    nights: Iterable[tuple[str, str]],
    workdir: Path,
    requester: str,
) -> Analysis:
    """Store a request for several nights, and its nights as (night, target)."""
    several = replace(origin, command=DATA_SET)
    whole = analyses.create_analysis(db, now, several, label, config, workdir, requester)
    db.execute(insert(t.data_set).values(analysis_id=whole.id, agreed=False, held=False))
    rows = [{"analysis_id": whole.id, "night": n, "target": target} for n, target in nights]
    db.execute(insert(t.data_set_night), rows)
    return whole


def nights_of(db: Connection, analysis_id: int) -> list[DataSetNight]:
    """The nights of a data set, oldest first."""
    query = (
        select(*_NIGHTS.columns)
        .join_from(t.data_set_night, t.analysis, _c.child_id == t.analysis.c.id, isouter=True)
        .where(_c.analysis_id == analysis_id)
        .order_by(_c.night, _c.target, _c.id)
    )
    return [_typed(one) for one in _NIGHTS.all(db, query)]


def _typed(one: DataSetNight) -> DataSetNight:
    return one if one.state is None else replace(one, state=AnalysisState(one.state))


def options_of(db: Connection, analysis_id: int) -> DataSetOptions:
    """What holds for a data set as a whole."""
    query = select(*_OPTIONS.columns).where(t.data_set.c.analysis_id == analysis_id)
    found = _OPTIONS.first(db, query)
    assert found is not None
    return found


def change_options(db: Connection, analysis_id: int, **values: bool) -> None:
    """Set `agreed` or `held`."""
    db.execute(update(t.data_set).where(t.data_set.c.analysis_id == analysis_id).values(**values))


def note_count(
    db: Connection,
    night: DataSetNight,
    runs: int,
    livetime_s: float | None = None,
    core_hours: float | None = None,
    remark: str = "",
) -> None:
    """Store what a night holds, once."""
    db.execute(
        update(t.data_set_night)
        .where(_c.id == night.id, _c.runs.is_(None))
        .values(runs=runs, livetime_s=livetime_s, core_hours=core_hours, remark=remark)
    )


def leave_out(db: Connection, night: DataSetNight, remark: str) -> None:
    """Note that a night that has data is not started, and why."""
    db.execute(
        update(t.data_set_night)
        .where(_c.id == night.id, _c.child_id.is_(None))
        .values(runs=0, remark=remark)
    )


def name_targets(
    db: Connection, analysis_id: int, night: DataSetNight, targets: Sequence[str]
) -> None:
    """Put the targets that were observed in the place of `ALL`, once."""
    gone = db.execute(delete(t.data_set_night).where(_c.id == night.id, _c.target == ALL))
    if gone.rowcount == 1 and targets:
        rows = [{"analysis_id": analysis_id, "night": night.night, "target": n} for n in targets]
        db.execute(insert(t.data_set_night), rows)


def start_child(
    db: Connection,
    now: datetime,
    whole: Analysis,
    night: DataSetNight,
    label: str,
    config: Mapping[str, Any],
    workdir: Path,
) -> Analysis | None:
    """The analysis of a night, once; None where it has another one than the caller saw, or where
    the data set goes on no more."""
    if analyses.lock(db, whole.id) is not AnalysisState.RUNNING:
        return None
    if analyses.get_analysis(db, whole.id).cancel_wanted:
        return None
    with db.begin_nested() as savepoint:
        origin = RequestOrigin(
            command=NIGHT,
            subject=whole.subject,
            in_reply_to=whole.in_reply_to,
            references=whole.references,
            params=whole.params,
        )
        child = analyses.create_analysis(db, now, origin, label, config, workdir, whole.requester)
        same = _c.child_id.is_(None) if night.child_id is None else _c.child_id == night.child_id
        done = db.execute(
            update(t.data_set_night).where(_c.id == night.id, same).values(child_id=child.id)
        )
        if done.rowcount != 1:
            savepoint.rollback()
            return None
    text = f"{child.name}: {night.target}, {night.night}"
    note_event(db, now, "night-started", text, whole.id)
    return child


def whole_of(db: Connection, child_id: int) -> tuple[Analysis, DataSetNight] | None:
    """The data set to which the analysis of a night belongs, and the night."""
    found = db.execute(select(_c.analysis_id).where(_c.child_id == child_id)).scalar()
    if found is None:
        return None
    night = next(one for one in nights_of(db, found) if one.child_id == child_id)
    return analyses.get_analysis(db, found), night


def note_end(db: Connection, now: datetime, child: Analysis, text: str) -> None:
    """Write into the history of a data set that the analysis of one of its nights has ended."""
    if child.command != NIGHT:
        return
    whole = db.execute(select(_c.analysis_id).where(_c.child_id == child.id)).scalar()
    if whole is not None:
        note_event(db, now, "night-ended", f"{child.name}: {text}", whole)


def stop_children(db: Connection, analysis_id: int) -> int:
    """Ask for the end of all analyses of nights that are under way; returns how many."""
    live = [one.child_id for one in nights_of(db, analysis_id) if one.child_id and not one.over]
    for child in live:
        analyses.change_analysis(db, child, cancel_wanted=True)
    return len(live)
