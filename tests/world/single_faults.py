"""Each fault once: at every call of a reference night, refused, late and killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from world.play import Played, play_schedule
from world.schedule import Say, Schedule, Tick, Word
from world.world_faults import Fault, Strike

TICKS = 10
NIGHT = Schedule(
    seed=0,
    steps=(
        Say(0, Word.LAUNCH, 0),
        Tick(0, 20),
        Tick(0, 60),
        Say(1, Word.LAUNCH, 0),
        *(Tick(0, 90) for _ in range(TICKS - 2)),
    ),
    users=2,
    work_s=(20.0, 40.0),
)
"""Two users, who ask for the same night."""
FAULTS = (Fault.REFUSED, Fault.LATE, Fault.KILLED_BEFORE, Fault.KILLED_AFTER)


def reference() -> Played:
    """The night without any fault."""
    return play_schedule(NIGHT)


def all_single_faults() -> Iterator[Schedule]:
    """The night with one fault, for each call of each port in each tick."""
    counts = reference().by_tick
    ticks = [number for number, step in enumerate(NIGHT.steps) if isinstance(step, Tick)]
    for position, calls in zip(ticks, counts, strict=False):
        for port in sorted(calls.keys() - {"any"}):
            for number in range(1, calls[port] + 1):
                for fault in FAULTS:
                    yield _with(position, Strike(port, number, fault))


def sample(part: int, of: int) -> Iterator[Schedule]:
    """Every `of`-th of them."""
    numbers = count()
    return (one for one in all_single_faults() if next(numbers) % of == part)


def _with(position: int, strike: Strike) -> Schedule:
    steps = list(NIGHT.steps)
    step = steps[position]
    assert isinstance(step, Tick)
    steps[position] = replace(step, strikes=(strike,))
    return replace(NIGHT, steps=tuple(steps))
