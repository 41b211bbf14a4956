"""Requests and analyses, and their guarded transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from astran.base.errors import StoreError
from astran.base.scheduler import Priority
from astran.base.states import ANALYSIS_MOVES, AnalysisState
from astran.database import unfinished_tasks
from astran.database.events import note_event
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class Analysis:
    """One row of `analysis`, with what its request says about the mail thread."""

    id: int
    label: str
    folder: Path
    config: Mapping[str, Any]
    requester: str
    priority: Priority
    state: AnalysisState
    cancel_wanted: bool
    created: datetime
    started: datetime | None
    ended: datetime | None
    next_look: datetime | None
    next_step: datetime | None
    faults: int
    trouble: str
    """Of the site, that is being waited out; empty: none."""
    trouble_since: datetime | None
    notes: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[int, str], ...]
    reason: str
    subject: str
    in_reply_to: str
    references: tuple[str, ...]
    params: Mapping[str, Any]
    command: str
    """What its request is: launch, retry, repeat, or one of those below."""

    @property
    def name(self) -> str:
        """`A12`: how people refer to it."""
        return f"A{self.id}"

    @property
    def is_data_set(self) -> bool:
        """Whether it stacks the analyses of several nights."""
        return self.command == DATA_SET

    @property
    def recipient(self) -> str:
        """Who gets its letters; empty: nobody, as for a night of a data set, which tells of it."""
        return "" if self.command == NIGHT else self.requester


DATA_SET, NIGHT = "data-set", "night"
"""Commands of requests: several nights as a whole, and one of them."""


_READER = RowReader(Analysis, t.analysis, t.request, references=t.request.c.refs)
_LIVE = [state.value for state in AnalysisState if not state.final]


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """Where a request came from; the defaults are those of a hand-run."""

    command: str = "launch"
    message_id: int | None = None
    sender_id: int | None = None
    subject: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None

    @property
    def priority(self) -> Priority:
        """What it asks for; daily where it asks for nothing."""
        return Priority((self.params or {}).get("priority", Priority.DAILY))


def create_analysis(
    db: Connection,
    now: datetime,
    origin: RequestOrigin,
    label: str,
    config: Mapping[str, Any],
    workdir: Path,
    requester: str,
    hand_key: str | None = None,
) -> Analysis:
    """Store a request and its analysis, with a folder of its own.

    The folder is `<workdir>/<label>`, or `<label>_2`, `_3`, … where that is taken. The priority is
    that of the request's parameters.
    """
    request_id = add_request(db, now, origin)
    analysis_id = db.execute(
        insert(t.analysis).values(
            request_id=request_id,
            label=label,
            folder=str(_free_folder(db, workdir, label)),
            config=dict(config),
            requester=requester,
            priority=origin.priority,
            hand_key=hand_key,
            state=AnalysisState.RECEIVED,
            created=now,
            notes=[],
            versions=[],
            left_out=[],
        )
    ).inserted_primary_key
    assert analysis_id is not None
    note_event(db, now, "received", f"{label} requested by {requester or 'hand'}", analysis_id[0])
    return get_analysis(db, analysis_id[0])


def add_request(db: Connection, now: datetime, origin: RequestOrigin) -> int:
    """Store a request; returns its row id."""
    key = db.execute(
        insert(t.request).values(
            message_id=origin.message_id,
            sender_id=origin.sender_id,
            command=origin.command,
            subject=origin.subject,
            in_reply_to=origin.in_reply_to,
            refs=list(origin.references),
            params=dict(origin.params or {}),
            created=now,
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def _free_folder(db: Connection, workdir: Path, label: str) -> Path:
    number = 1
    while True:
        folder = workdir / (label if number == 1 else f"{label}_{number}")
        query = select(t.analysis.c.id).where(t.analysis.c.folder == str(folder))
        if not folder.exists() and db.execute(query).first() is None:
            return folder
        number += 1


_QUERY = _READER.query.join_from(t.analysis, t.request)


def get_analysis(db: Connection, analysis_id: int) -> Analysis:
    """The analysis (StoreError where there is none)."""
    found = _READER.first(db, _QUERY.where(t.analysis.c.id == analysis_id))
    if found is None:
        raise StoreError(f"There is no analysis A{analysis_id}.", "`astran status` lists them.")
    return found


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, by whom."""

    sender: str
    subject: str
    in_reply_to: str
    references: tuple[str, ...]
    params: Mapping[str, Any]


_REQUEST = RowReader(Request, t.request, sender=t.sender.c.address, references=t.request.c.refs)


def get_request(db: Connection, request_id: int) -> Request:
    """A stored request (StoreError where there is none)."""
    query = _REQUEST.query.join_from(t.request, t.sender)
    found = _REQUEST.first(db, query.where(t.request.c.id == request_id))
    if found is None:
        raise StoreError(f"There is no request {request_id}.")
    return found


_OFFER, _TAKEN = "offer", "taken"


def add_offer(db: Connection, now: datetime, origin: RequestOrigin) -> int:
    """Store a corrected request that its sender may start with one word."""
    return add_request(db, now, replace(origin, command=_OFFER))


def offers_to(db: Connection, sender: str, since: datetime) -> list[tuple[int, Request]]:
    """The requests that were offered to a sender and not started yet, the newest first."""
    query = (
        select(t.request.c.id)
        .join_from(t.request, t.sender)
        .where(
            t.sender.c.address == sender,
            t.request.c.command == _OFFER,
            t.request.c.created >= since,
        )
        .order_by(t.request.c.id.desc())
        .limit(100)
    )
    return [(key, get_request(db, key)) for key in db.execute(query).scalars()]


def take_offer(db: Connection, request_id: int) -> bool:
    """Mark an offered request as started; False where it is already."""
    query = update(t.request).where(t.request.c.id == request_id, t.request.c.command == _OFFER)
    return db.execute(query.values(command=_TAKEN)).rowcount == 1


def by_hand_key(db: Connection, key: str) -> Analysis | None:
    """The hand-run of the same file with the same content, if there was one."""
    return _READER.first(db, _QUERY.where(t.analysis.c.hand_key == key))


def with_orphans(db: Connection) -> list[Analysis]:
    """Ended analyses of which a task lives all the same, oldest first."""
    query = _QUERY.where(t.analysis.c.id.in_(unfinished_tasks.analyses_with_unfinished()))
    query = query.where(t.analysis.c.state.not_in(_LIVE)).order_by(t.analysis.c.id)
    return _READER.all(db, query)


def live_analyses(db: Connection) -> list[Analysis]:
    """All analyses that have not ended, oldest first."""
    query = _QUERY.where(t.analysis.c.state.in_(_LIVE)).order_by(t.analysis.c.id)
    return _READER.all(db, query)


def newest_analyses(
    db: Connection, limit: int, requester: str | None = None, *, nights: bool = True
) -> list[Analysis]:
    """The newest analyses, of one requester or of all; `nights` False: without those of the nights
    of data sets."""
    query = _QUERY.order_by(t.analysis.c.id.desc()).limit(limit)
    if not nights:
        query = query.where(t.request.c.command != NIGHT)
    if requester is not None:
        query = query.where(t.analysis.c.requester == requester)
    return _READER.all(db, query)


def ended_between(db: Connection, since: datetime, until: datetime) -> list[Analysis]:
    """Analyses that ended in a time, oldest first."""
    query = _QUERY.where(t.analysis.c.ended >= since, t.analysis.c.ended < until)
    return _READER.all(db, query.order_by(t.analysis.c.id))


LAUNCHES = 0x41535452514F
"""Number of the lock for `lock_launches` in the database."""


def lock_launches(db: Connection) -> None:
    """From here to the end of the transaction nobody else counts or makes analyses for a quota.

    To be the first act of its transaction. On SQLite every transaction is alone; PostgreSQL needs
    a lock, or several services would each count before the others' analyses are there.
    """
    if db.dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(LAUNCHES)))


def live_count(db: Connection) -> int:
    """How many analyses have not ended."""
    return sum(live_by_requester(db).values())


def live_by_requester(db: Connection) -> dict[str, int]:
    """How many analyses have not ended, by requester; a hand-run has none (""). A data set counts
    once, whatever its nights are."""
    c = t.analysis.c
    query = (
        select(c.requester, func.count())
        .join_from(t.analysis, t.request)
        .where(c.state.in_(_LIVE), t.request.c.command != NIGHT)
        .group_by(c.requester)
    )
    return {row[0]: row[1] for row in db.execute(query)}


def launches_by_requester(db: Connection, since: datetime) -> dict[str, int]:
    """How many analyses were asked for by mail since a time, by requester."""
    c = t.analysis.c
    query = (
        select(c.requester, func.count())
        .select_from(t.analysis)
        .join(t.request)
        .where(c.created >= since, t.request.c.command.in_(("launch", "retry", DATA_SET)))
        .where(c.requester != "")
        .group_by(c.requester)
    )
    return {row[0]: row[1] for row in db.execute(query)}


def move_analysis(
    db: Connection,
    now: datetime,
    analysis: Analysis,
    to: AnalysisState,
    text: str = "",
    **values: Any,
) -> bool:
    """Move an analysis to another state, if it still is in the state that the caller saw.

    Returns False where somebody else moved it first. A move that the table of transitions does not
    know is a fault in ASTRAN and raises StoreError.

    No analysis ends while a task of it lives: a move to a final state cancels what has not begun,
    and is refused (False, nothing written) where the scheduler has, or may have, a task of it.
    """
    if to not in ANALYSIS_MOVES[analysis.state]:
        raise StoreError(f"{analysis.name} cannot go from {analysis.state} to {to}.")
    if to is AnalysisState.RUNNING:
        values.setdefault("started", now)
    if to.final:
        values.setdefault("ended", now)
    values.setdefault("next_step", None)
    with db.begin_nested() as savepoint:
        if to.final and not _nothing_lives(db, now, analysis):
            savepoint.rollback()
            return False
        done = db.execute(
            update(t.analysis)
            .where(t.analysis.c.id == analysis.id, t.analysis.c.state == analysis.state)
            .values(state=to, **values)
        )
        if done.rowcount != 1:
            savepoint.rollback()
            return False
    note_event(db, now, f"analysis-{to}", text or f"{analysis.state} -> {to}", analysis.id)
    return True


def _nothing_lives(db: Connection, now: datetime, analysis: Analysis) -> bool:
    """Cancel what has not begun; whether then no task lives any more.

    The tasks come before the lock of the analysis, in the order of every other transaction. Nobody
    who waits for that lock adds a task afterwards: see `lock`.
    """
    unfinished_tasks.cancel_not_begun(db, now, analysis.id, "not run, because the analysis ended")
    lock(db, analysis.id)
    return not unfinished_tasks.has_unfinished(db, analysis.id)


def lock(db: Connection, analysis_id: int) -> AnalysisState:
    """The state of an analysis, which nobody else changes before the end of the transaction.

    Whoever gives an analysis tasks to do asks for it first: no analysis ends beside that.
    """
    query = select(t.analysis.c.state).where(t.analysis.c.id == analysis_id).with_for_update()
    return AnalysisState(db.execute(query).scalar_one())


def change_analysis(db: Connection, analysis_id: int, **values: Any) -> None:
    """Set plain columns of an analysis (never its state)."""
    db.execute(update(t.analysis).where(t.analysis.c.id == analysis_id).values(**values))
