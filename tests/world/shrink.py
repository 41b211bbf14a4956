"""From a schedule that breaks an invariant to a short one that breaks the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from world.play import Played, play_schedule
from world.schedule import HandRun, Schedule, Tick


def kind_of(played: Played) -> str:
    """Which invariant was broken first, by its number in docs/guarantees.md; empty: none."""
    return played.breaches[0].split(maxsplit=1)[0] if played.breaches else ""


def shrink(found: Played, most_plays: int = 300) -> Played:
    """The shortest schedule that is found within so many plays by leaving things out."""
    wanted, best = kind_of(found), found
    plays, going = 0, True
    while going and plays < most_plays:
        going = False
        for smaller in _smaller(best.schedule):
            plays += 1
            played = play_schedule(smaller)
            if kind_of(played) == wanted:
                best, going = played, True
                break
            if plays >= most_plays:
                break
    return best


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """With less in it, the largest cuts first."""
    steps = schedule.steps
    size = len(steps) // 2
    while size:
        for begin in range(0, len(steps), size):
            yield replace(schedule, steps=steps[:begin] + steps[begin + size :])
        size //= 2
    if schedule.rates:
        yield replace(schedule, rates={})
    if schedule.fates:
        yield replace(schedule, fates={})
    for name in schedule.rates:
        yield replace(schedule, rates={k: v for k, v in schedule.rates.items() if k != name})
    for name in schedule.fates:
        yield replace(schedule, fates={k: v for k, v in schedule.fates.items() if k != name})
    for number, step in enumerate(steps):
        if isinstance(step, Tick | HandRun):
            for one in step.strikes:
                rest = tuple(strike for strike in step.strikes if strike != one)
                fresh = replace(step, strikes=rest)
                yield replace(schedule, steps=(*steps[:number], fresh, *steps[number + 1 :]))
    if schedule.launchers > 1:
        yield replace(schedule, launchers=schedule.launchers - 1)
