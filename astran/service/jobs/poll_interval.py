"""How often the scheduler is asked: often while things change, seldom while nothing does.

The pause grows with each poll that found nothing new and falls back with each change and each
submission. Jitter keeps many installations from asking one cluster in step.
"""

from __future__ import annotations

import random
from datetime import timedelta

from sqlalchemy import Connection

from astran.config.site import SchedulerSettings
from astran.database import chores
from astran.service.context import Context

_HOLD_NAME = "scheduler-look"
GROWTH = 1.5
JITTER = 0.2
"""Each pause is longer or shorter by up to this fraction."""


def is_poll_due(context: Context, db: Connection) -> bool:
    """Whether it is time to ask."""
    if context.scheduler.poll_every_tick:
        return True
    hold = chores.get_hold(db, _HOLD_NAME)
    return hold is None or context.clock.now() >= hold.until


def note_poll(context: Context, db: Connection, changed: bool) -> None:
    """Note a poll, and when the next one is due."""
    if context.scheduler.poll_every_tick:
        return
    before = chores.get_hold(db, _HOLD_NAME)
    unchanged = 0 if changed or before is None else before.failures + 1
    until = context.clock.now() + next_pause(context.site.scheduler, unchanged, context.rng)
    chores.set_hold(db, _HOLD_NAME, chores.Hold(until, unchanged, ""))


def next_pause(settings: SchedulerSettings, unchanged: int, rng: random.Random) -> timedelta:
    """Time to the next poll after so many polls in a row that found nothing new."""
    shortest, longest = settings.poll_shortest_s, settings.poll_longest_s
    # the exponent is bounded, or it would leave the range of floats after some days
    wanted = shortest * GROWTH ** min(unchanged, 60)
    return timedelta(seconds=min(wanted, longest) * rng.uniform(1 - JITTER, 1 + JITTER))


def poll_soon(db: Connection) -> None:
    """Something was submitted or asked for: poll at the next tick."""
    chores.release_hold(db, _HOLD_NAME)
