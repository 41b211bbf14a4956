"""Which events of two event lists are the same: by EVENT_ID, checked by their times."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from astran.gadf.arrays import Mask
from astran.gadf.event_list import EventList
from astran.highlevel.arrays import Floats, Ints

FINEST_CLOCK_S = 1e-6
"""No camera reads two showers within it: the dead time of one is several microseconds."""
MOST_ROUNDING = 7
"""Times may be rounded to seconds, to tenths, and so on, down to this power of ten."""
MOSTLY = 0.5
"""Part of the events from which on something holds for the list as a whole."""
TICKS = 8
"""Times are compared as whole numbers of the clock's resolution divided by this."""
SAMPLE = 2000
"""Events by which a shift is looked for."""
BY_CHANCE = 0.05
"""Events within one resolution of each other: above this, times alone tell nothing."""


@dataclass(frozen=True)
class EventMatch:
    """Two event lists of one run, laid beside each other."""

    old: Ints
    """Places of the common events in the old list, shape (n,)."""
    new: Ints
    """Their places in the new list, shape (n,)."""
    only_old: Mask
    only_new: Mask
    shift_s: float = 0.0
    """By which all times moved; 0 where that is less than the resolution."""
    resolution_s: float = FINEST_CLOCK_S
    other_time: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Numbers that are in both lists, at times that are not the same: they do not count as
    common."""
    renumbered: bool = False
    """The numbers are others: the events were matched by their times alone."""

    @property
    def common(self) -> int:
        return int(self.old.size)


def clock_resolution(time: Floats) -> float:
    """What the times of a list can tell apart [s]: the power of ten to which they are rounded, what
    a double holds of them, at least a microsecond."""
    if not time.size:
        return FINEST_CLOCK_S
    held = 4 * float(np.spacing(np.abs(time).max()))
    for power in range(MOST_ROUNDING):
        step = 10.0**-power
        parts = time / step
        if np.all(np.abs(parts - np.round(parts)) <= max(1e-3, held / step)):
            return max(step, held, FINEST_CLOCK_S)
    return max(held, FINEST_CLOCK_S)


def match_events(
    old: EventList,
    new: EventList,
    zero_s: float = 0.0,
    least_s: float = 0.0,
    start_shift_s: float = 0.0,
) -> EventMatch:
    """Find the common events.

    Parameters
    ----------
    zero_s : is added to the times of the new list so that both count from the same moment [s]
    least_s : how well that moment is known [s]
    start_shift_s : by which the begin of the good time moved, to a second [s]; for events whose
        numbers are others

    Numbers that stand several times are told apart by time. A shift that most events share is found
    and taken off. Where most numbers have no partner, and the times tell the events apart, these
    alone decide.
    """
    times = old.time, new.time + zero_s
    resolution = max(clock_resolution(old.time), clock_resolution(new.time), least_s)
    shift = _common_shift(old.event_id, times[0], new.event_id, times[1], resolution)
    first, second = _pairs(old.event_id, times[0], new.event_id, times[1] - shift, resolution)
    fewest = min(old.time.size, new.time.size)
    renumbered = False
    if first.size < MOSTLY * fewest and _told_apart(times[0], resolution):
        moved = _densest_shift(*times, start_shift_s, resolution)
        nothing = (np.zeros_like(one.event_id) for one in (old, new))
        alone = _pairs(next(nothing), times[0], next(nothing), times[1] - moved, resolution)
        if alone[0].size > max(MOSTLY * fewest, 2 * first.size):
            (first, second), shift, renumbered = alone, moved, True
    only_old, only_new = np.ones(old.time.size, bool), np.ones(new.time.size, bool)
    only_old[first], only_new[second] = False, False
    other = np.intersect1d(old.event_id[only_old], new.event_id[only_new])
    return EventMatch(
        old=first,
        new=second,
        only_old=only_old,
        only_new=only_new,
        shift_s=shift,
        resolution_s=resolution,
        other_time=other[:0] if renumbered else other,
        renumbered=renumbered,
    )


def _common_shift(
    old_id: Ints, old_time: Floats, new_id: Ints, new_time: Floats, resolution: float
) -> float:
    """The difference in time that most events share whose number stands once in each list."""
    old_once, old_place = _once(old_id)
    new_once, new_place = _once(new_id)
    _, first, second = np.intersect1d(old_once, new_once, assume_unique=True, return_indices=True)
    if not first.size:
        return 0.0
    moved = new_time[new_place[second]] - old_time[old_place[first]]
    shift = float(np.median(moved))
    if abs(shift) <= resolution or np.mean(np.abs(moved - shift) <= resolution) < MOSTLY:
        return 0.0
    return shift


def _densest_shift(old: Floats, new: Floats, near: float, resolution: float) -> float:
    """The shift, 0 or within a second of `near`, that most pairs of events have [s]."""
    some = old[:: max(1, old.size // SAMPLE)]
    theirs = np.sort(new)
    best, most = 0.0, 0
    for middle in dict.fromkeys((0.0, near)):
        first: Ints = np.asarray(np.searchsorted(theirs, some + middle - 1.0))
        last: Ints = np.asarray(np.searchsorted(theirs, some + middle + 1.0))
        parts = (theirs[first[n] : last[n]] - some[n] for n in range(some.size))
        apart = np.sort(np.concatenate([*parts, np.zeros(0)]))
        if not apart.size:
            continue
        inside = np.searchsorted(apart, apart + 2 * resolution, "right") - np.arange(apart.size)
        place = int(np.argmax(inside))
        if inside[place] > most:
            most = int(inside[place])
            best = float(np.median(apart[place : place + most]))
    return 0.0 if abs(best) <= resolution else best


def _once(numbers: Ints) -> tuple[Ints, Ints]:
    values, places, counts = np.unique(numbers, return_index=True, return_counts=True)
    return values[counts == 1], places[counts == 1]


def _told_apart(time: Floats, resolution: float) -> bool:
    gaps = np.diff(np.sort(time))
    return bool(gaps.size) and float(np.mean(gaps <= 2 * resolution)) < BY_CHANCE


def _pairs(
    old_id: Ints, old_time: Floats, new_id: Ints, new_time: Floats, resolution: float
) -> tuple[Ints, Ints]:
    """Places of events of the same number within one resolution, each event in one pair at most."""
    none: Ints = np.zeros(0, np.int64)
    if not (old_id.size and new_id.size):
        return none, none
    _, group = np.unique(np.concatenate([old_id, new_id]), return_inverse=True)
    time = np.concatenate([old_time, new_time])
    ticks = np.round((time - time.min()) / (resolution / TICKS)).astype(np.int64)
    keys = group.astype(np.int64) * (ticks.max() + 4 * TICKS) + ticks
    old_keys, new_keys = keys[: old_id.size], keys[old_id.size :]
    old_order, new_order = np.argsort(old_keys, kind="stable"), np.argsort(new_keys, kind="stable")
    mine, theirs = old_keys[old_order], new_keys[new_order]
    right = np.clip(np.searchsorted(theirs, mine), 0, theirs.size - 1)
    left = np.clip(right - 1, 0, None)
    nearer = np.where(np.abs(theirs[left] - mine) < np.abs(theirs[right] - mine), left, right)
    # the second of two events with the same key belongs to the second of theirs
    rank = np.arange(mine.size) - np.searchsorted(mine, mine)
    partner = np.searchsorted(theirs, theirs[nearer]) + rank
    there = partner < theirs.size
    partner = np.where(there, partner, 0)
    there &= (theirs[partner] == theirs[nearer]) & (np.abs(theirs[partner] - mine) <= TICKS)
    chosen = np.flatnonzero(there)
    _, kept = np.unique(partner[chosen], return_index=True)
    chosen = chosen[kept]
    return old_order[chosen], new_order[partner[chosen]]
