"""How often the scheduler is asked: often while things change, seldom while nothing does.

The pause grows with each look that found nothing new and falls back with each change and each
submission. A little chance in it keeps many installations from asking one cluster in step.
"""

from __future__ import annotations

import random
from datetime import timedelta

from sqlalchemy import Connection

from astran.database import chores
from astran.service.context import Context

_NAME = "scheduler-look"
GROWTH = 1.5
JITTER = 0.2
"""Each pause is longer or shorter by up to this fraction."""


def is_poll_due(context: Context, db: Connection) -> bool:
    """Whether it is time to ask. The pool of this machine is asked at every tick."""
    if context.scheduler.name == "local":
        return True
    hold = chores.get_hold(db, _NAME)
    return hold is None or context.clock.now() >= hold.until


def note_poll(context: Context, db: Connection, changed: bool, dice: random.Random) -> None:
    """Note a look, and when the next one is due."""
    if context.scheduler.name == "local":
        return
    before = chores.get_hold(db, _NAME)
    quiet = 0 if changed or before is None else before.failures + 1
    until = context.clock.now() + next_pause(context, quiet, dice)
    chores.set_hold(db, _NAME, chores.Hold(until, quiet, ""))


def next_pause(context: Context, quiet: int, dice: random.Random) -> timedelta:
    """Time to the next look after so many looks in a row that found nothing new."""
    settings = context.site.scheduler.slurm
    shortest, longest = settings.poll_shortest_s, settings.poll_longest_s
    # the exponent is bounded, or it would leave the range of floats after some days
    wanted = shortest * GROWTH ** min(quiet, 60)
    return timedelta(seconds=min(wanted, longest) * dice.uniform(1 - JITTER, 1 + JITTER))


def poll_soon(db: Connection) -> None:
    """Something was submitted or asked for: look soon."""
    chores.release_hold(db, _NAME)
