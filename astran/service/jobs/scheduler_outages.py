"""A scheduler that does not answer: nothing follows for the jobs, but the operator is alerted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from astran.database import chores, events
from astran.service.context import Context
from astran.service.outgoing.enqueue import tell_operator

_log = logging.getLogger(__name__)

NAME = "scheduler-outage"
_ALERTED = "scheduler-outage-told"
PATIENCE = timedelta(minutes=30)
"""An outage of this length is reported to the operator."""


def note_outage(context: Context, db: Connection, reason: str) -> None:
    """The scheduler did not answer."""
    now = context.clock.now()
    before = chores.get_hold(db, NAME)
    if before is None:
        chores.set_hold(db, NAME, chores.Hold(now + PATIENCE, 1, reason))
        text = f"{context.scheduler.display_name} does not answer: {reason}"
        events.note_event(db, now, "scheduler-unavailable", text)
        _log.warning("%s", text)
        return
    chores.set_hold(db, NAME, chores.Hold(before.until, before.failures + 1, reason))
    if now < before.until or chores.get_hold(db, _ALERTED) is not None:
        return
    chores.set_hold(db, _ALERTED, chores.Hold(before.until, 1, reason))
    _alert(context, db, before.until - PATIENCE, before.failures + 1, reason)


def note_answer(context: Context, db: Connection) -> None:
    """The scheduler answered."""
    before = chores.get_hold(db, NAME)
    if before is None:
        return
    chores.release_hold(db, NAME)
    now = context.clock.now()
    since = before.until - PATIENCE
    text = f"{context.scheduler.display_name} answers again, after {_minutes(now - since)}"
    events.note_event(db, now, "scheduler-back", text)
    _log.info("%s", text)
    if chores.release_hold(db, _ALERTED):
        _tell(
            context,
            db,
            f"outage.end.{since:%Y%m%d%H%M%S}",
            "the scheduler answers again",
            f"{text}. The analyses go on by themselves.",
        )


@dataclass(frozen=True, slots=True)
class SchedulerOutage:
    """A scheduler that does not answer."""

    since: datetime
    polls: int
    reason: str
    """The last error."""


def get_outage(db: Connection) -> SchedulerOutage | None:
    """The present outage; None where the scheduler answered at the last poll."""
    hold = chores.get_hold(db, NAME)
    return (
        None if hold is None else SchedulerOutage(hold.until - PATIENCE, hold.failures, hold.reason)
    )


def outage_since(db: Connection) -> datetime | None:
    """Since when the scheduler has not answered; None where it did at the last poll."""
    found = get_outage(db)
    return None if found is None else found.since


def report_unknown_state(context: Context, db: Connection, key: str, raw_state: str) -> None:
    """A state that ASTRAN does not know: reported to the operator once a day."""
    now = context.clock.now()
    text = f"{key}: the scheduler reports the unknown state {raw_state!r}"
    _log.warning("%s", text)
    _tell(
        context,
        db,
        f"strange.{raw_state}.{now:%Y%m%d}",
        f"the scheduler reports the unknown state {raw_state!r}",
        f"{text}. The task counts neither as a success nor as a failure until the scheduler "
        "reports a known one or no longer knows the job. Please report the state to ASTRAN's "
        "developers.",
    )


def _alert(context: Context, db: Connection, begin: datetime, polls: int, reason: str) -> None:
    name = context.scheduler.display_name
    _tell(
        context,
        db,
        f"outage.{begin:%Y%m%d%H%M%S}",
        f"no answer from {name} for {_minutes(context.clock.now() - begin)}",
        f"{name} has not answered since {begin:%Y-%m-%d %H:%M} UTC ({polls} polls).\n"
        f"The last error: {reason}\n\n"
        "No job counts as failed because of this, and nothing is submitted twice: ASTRAN keeps "
        "asking and goes on when the scheduler answers. Try `astran doctor`.",
    )


def _tell(context: Context, db: Connection, key: str, title: str, text: str) -> None:
    events.note_event(db, context.clock.now(), "alert", f"{title}: {text}")
    if context.site.mail is not None:
        tell_operator(context, db, key=key, title=title, text=text)


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:.0f} min"
