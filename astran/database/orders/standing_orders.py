"""Standing orders: the same analysis for every new night of a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from astran.base.states import AnalysisState
from astran.database import analyses
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.events import note_event
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


class OrderState(StrEnum):
    """Life of a standing order."""

    ACTIVE = "active"
    ENDED = "ended"
    """Its last night is over."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Order:
    """One standing order, with what its request says about the mail thread."""

    id: int
    label: str
    config: Mapping[str, Any]
    requester: str
    first_night: str
    last_night: str
    state: OrderState
    created: datetime
    subject: str
    in_reply_to: str
    references: tuple[str, ...]
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`S3`: how people refer to it."""
        return f"S{self.id}"


_READER = RowReader(Order, t.standing_order, t.request, references=t.request.c.refs)


def _select() -> Any:
    return _READER.query.join_from(t.standing_order, t.request)


def create_order(
    db: Connection,
    now: datetime,
    origin: RequestOrigin,
    label: str,
    config: Mapping[str, Any],
    nights: tuple[str, str],
    requester: str,
) -> Order:
    """Store a request and its standing order for the nights from the first to the last one."""
    request_id = analyses.add_request(db, now, origin)
    key = db.execute(
        insert(t.standing_order).values(
            request_id=request_id,
            label=label,
            config=dict(config),
            requester=requester,
            first_night=nights[0],
            last_night=nights[1],
            state=OrderState.ACTIVE,
            created=now,
        )
    ).inserted_primary_key
    assert key is not None
    note_event(db, now, "order", f"standing order S{key[0]} for {label} by {requester}")
    found = get_order(db, key[0])
    assert found is not None
    return found


def get_order(db: Connection, order_id: int) -> Order | None:
    """The order, if there is one."""
    return _READER.first(db, _select().where(t.standing_order.c.id == order_id))


def active_orders(db: Connection, requester: str | None = None) -> list[Order]:
    """Orders that are in force (of one requester), oldest first."""
    query = _select().where(t.standing_order.c.state == OrderState.ACTIVE)
    if requester is not None:
        query = query.where(t.standing_order.c.requester == requester)
    return _READER.all(db, query.order_by(t.standing_order.c.id))


def end_order(db: Connection, now: datetime, order: Order, to: OrderState) -> bool:
    """End an order; False where it has ended already."""
    done = db.execute(
        update(t.standing_order)
        .where(t.standing_order.c.id == order.id, t.standing_order.c.state == OrderState.ACTIVE)
        .values(state=to, ended=now)
    )
    if done.rowcount == 1:
        note_event(db, now, f"order-{to}", f"standing order {order.name} for {order.label}")
    return done.rowcount == 1


def nights_done(db: Connection, order: Order) -> frozenset[str]:
    """The nights for which this order has started an analysis."""
    query = select(t.order_night.c.night).where(t.order_night.c.standing_order_id == order.id)
    return frozenset(db.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class OrderNight:
    """What came of one night of an order."""

    night: str
    """YYYYMMDD."""
    analysis_id: int
    state: AnalysisState
    words: str
    """What was said of it at its end; empty where it has not ended."""


def night_outcomes(db: Connection, order: Order) -> list[OrderNight]:
    """Every night of an order that was analysed, oldest first."""
    query = (
        select(t.order_night.c.night, t.analysis.c.id, t.analysis.c.state, t.event.c.text)
        .join_from(t.order_night, t.analysis, t.order_night.c.analysis_id == t.analysis.c.id)
        .join(
            t.event,
            (t.event.c.analysis_id == t.analysis.c.id)
            & (t.event.c.kind == literal("analysis-") + t.analysis.c.state),
            isouter=True,
        )
        .where(t.order_night.c.standing_order_id == order.id)
        .order_by(t.order_night.c.night)
    )
    found = []
    for night, key, value, words in db.execute(query):
        state = AnalysisState(value)
        found.append(OrderNight(night, key, state, words or "" if state.final else ""))
    return found


def start_night(
    db: Connection,
    now: datetime,
    order: Order,
    night: str,
    label: str,
    config: Mapping[str, Any],
    workdir: Path,
) -> Analysis | None:
    """The analysis of one night of an order, once and for all; None where there is one already."""
    origin = RequestOrigin(
        command="repeat",
        subject=order.subject,
        in_reply_to=order.in_reply_to,
        references=order.references,
        params=order.params,
    )
    try:
        with db.begin_nested():
            analysis = analyses.create_analysis(
                db, now, origin, label, config, workdir, order.requester
            )
            db.execute(
                insert(t.order_night).values(
                    standing_order_id=order.id, analysis_id=analysis.id, night=night
                )
            )
    except IntegrityError:
        return None
    return analysis
