"""Standing orders: each morning, the last night of a target is analysed by itself.

A night belongs to an order once: its row in the store, unique by order and night, is written in the
transaction that makes the analysis.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection

from astran.base.errors import CatalogueError, ConfigError
from astran.base.night import Night
from astran.database import analyses, chores, events
from astran.database.chores import Hold
from astran.database.orders import standing_orders
from astran.database.orders.standing_orders import Order, OrderState
from astran.service.context import Context
from astran.service.intake import quotas
from astran.service.outgoing import enqueue
from astran.service.planning import find_data
from astran.telescopes.configuration import build_analysis

_log = logging.getLogger(__name__)

NAME = "orders"
_MORNING = time(8, tzinfo=UTC)
"""Dawn at La Palma comes before it all year."""
EVERY = timedelta(minutes=10)
"""Pause between two looks for new data."""
_LOOKED = "orders-looked"
"""Until when all nights of all orders were dealt with: after a pause the look goes back so far."""
_FARTHEST = timedelta(days=90)


def plan_standing_orders(context: Context, db: Connection) -> None:
    """See to it that standing orders are looked after."""
    chores.plan_chore(db, NAME, context.clock.now() + EVERY)


def run_standing_orders(context: Context) -> None:
    """Start what is due, end what is over."""
    now = context.clock.now()
    with context.db.begin() as db:
        if not chores.due_chores(db, now, NAME):
            return
        found = standing_orders.active_orders(db)
        if found:
            chores.postpone_chore(db, NAME, now + EVERY)
        else:
            chores.strike_chore(db, NAME)
        looked = chores.get_hold(db, _LOOKED)
    whole = [_look(context, order, now, looked.until if looked else None) for order in found]
    if all(whole):
        with context.db.begin() as db:
            chores.set_hold(db, _LOOKED, Hold(now, 0, ""))


def _look(context: Context, order: Order, now: datetime, looked: datetime | None) -> bool:
    """Start the nights that are there; whether none had to be put off."""
    since = max(looked or order.created, now - _FARTHEST)
    nights = _nights(context, order, now, since)
    with context.db.begin() as db:
        known = standing_orders.nights_done(db, order)
    started = [
        _start_if_there(context, order, night) for night in nights if str(night) not in known
    ]
    if not all(started):
        return False
    # the night after the last one has gone by, and its data had their time
    grace = timedelta(hours=24 + context.site.data.dl1_deadline_h)
    if Night.of(now - grace) > Night.parse(order.last_night):
        with context.db.begin() as db:
            if (
                standing_orders.end_order(db, now, order, OrderState.ENDED)
                and context.site.mail is not None
            ):
                enqueue.enqueue_order_summary(context, db, order)
    return True


def _nights(context: Context, order: Order, now: datetime, since: datetime) -> list[Night]:
    """Nights whose data may have appeared after a time, oldest first."""
    back = int(context.site.data.dl1_deadline_h // 24) + 1 + max((now - since).days, 0)
    days = [Night.of(now - timedelta(days=n)) for n in range(back, -1, -1)]
    # before its morning a night may still bring more runs
    days = [night for night in days if now >= _morning(night)]
    first, last = Night.parse(order.first_night), Night.parse(order.last_night)
    return [night for night in days if first <= night <= last]


def _morning(night: Night) -> datetime:
    return datetime.combine(night.evening + timedelta(days=1), _MORNING)


def _start_if_there(context: Context, order: Order, night: Night) -> bool:
    """Start a night where it has data; False where that must be put off."""
    config = build_analysis({**order.config, "date": str(night)}, "The standing order")
    try:
        data = find_data(context, config)
    except (CatalogueError, ConfigError) as error:
        # no run of this target in that night, as a rule
        _log.info("%s, %s: %s", order.name, night.iso, error)
        return True
    # runs that can never be analysed are worth a word, too: its report says why
    if not data.runs and all(gap.may_come for gap in data.missing):
        return True
    now = context.clock.now()
    with context.db.begin() as db:
        analyses.lock_launches(db)
        if reason := quotas.quota_exceeded(context, db, order.requester):
            events.note_event(db, now, "quota", f"{order.name}: {reason}")
            return False
        fresh = standing_orders.get_order(db, order.id)
        if fresh is None or fresh.state is not OrderState.ACTIVE:
            return True
        analysis = standing_orders.start_night(
            db, now, order, str(night), config.label, config.plain(), context.site.workdir
        )
        if analysis is not None and context.site.mail is not None:
            enqueue.enqueue_confirmation(context, db, analysis, config, None)
            _log.info("%s: %s %s", order.name, analysis.name, analysis.label)
    return True
