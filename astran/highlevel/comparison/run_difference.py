"""What differs between two files of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from astran.gadf.arrays import Mask
from astran.gadf.event_list import EventList
from astran.gadf.sky import separation, vector
from astran.highlevel.arrays import Floats
from astran.highlevel.comparison.changes import Change, ChangeKind
from astran.highlevel.comparison.event_match import EventMatch, match_events
from astran.highlevel.comparison.irf_difference import changed_tables, is_cut_table
from astran.highlevel.comparison.measured_cuts import GoneEvents
from astran.highlevel.comparison.run_facts import RunFacts, Words

SAME_ENERGY = 2e-6
"""Energies may differ by this fraction: single precision, rounded in several steps."""
SAME_DIRECTION_DEG = 1e-4
"""Right ascensions in single precision are known to 3e-5 deg."""
SAME_TIME_S = 1e-3
SAME_FRACTION = 1e-6
ZERO_KNOWN_S = 1e-5
"""How well the moments of two different reference times are told apart."""


@dataclass(frozen=True)
class OnRegion:
    """A circle on the sky, ICRS."""

    ra_deg: float
    dec_deg: float
    radius_deg: float


@dataclass(frozen=True)
class RunDifference:
    """Two files of one run. Events are those with possible values, each once."""

    obs_id: int
    night: str
    old_events: int
    new_events: int
    common: int
    other_time: int
    old_livetime_s: float | None
    new_livetime_s: float | None
    changes: tuple[Change, ...] = ()
    lost: GoneEvents | None = None
    gained: GoneEvents | None = None
    """Events that only old, only new has, though the good time of the other covers them."""
    log_energy: Floats | None = None
    """ln(new / old) of the common events, shape (n,); None: all are the same."""
    moved_deg: Floats | None = None
    """Angular distances between new and old directions, shape (n,); None: all are the same."""
    shift_deg: tuple[float, float] = (0.0, 0.0)
    """Median shift to the east and to the north."""
    on_events: tuple[int, int, int] | None = None
    """Within a distance of the target: of old, of new, of both lists."""

    @property
    def only_old(self) -> int:
        return self.old_events - self.common

    @property
    def only_new(self) -> int:
        return self.new_events - self.common


def in_region(events: EventList, circle: OnRegion) -> Mask:
    """Which events are in a region, shape (n,)."""
    place = vector(circle.ra_deg, circle.dec_deg)
    return np.asarray(separation(events.directions(), place) <= circle.radius_deg)


def same_run(facts: RunFacts, circle: OnRegion | None = None) -> RunDifference:
    """A run whose files are identical."""
    number, live = facts.events.time.size, facts.livetime_s
    run = facts.file.header.obs_id or 0
    on = 0 if circle is None else int(in_region(facts.events, circle).sum())
    return RunDifference(
        *(run, facts.night, number, number, number, 0, live, live),
        on_events=None if circle is None else (on, on, on),
    )


def compare_runs(old: RunFacts, new: RunFacts, circle: OnRegion | None = None) -> RunDifference:
    """Compare two files of one run.

    Parameters
    ----------
    circle : in which events are counted
    """
    zero, known = _zero_difference(old, new)
    match = match_events(old.events, new.events, zero, known, _start_shift(old, new, zero))
    run = old.file.header.obs_id or 0
    first, second = old.events, new.events
    ratio = np.log(second.energy[match.new] / first.energy[match.old])
    there, here = first.directions()[match.old], second.directions()[match.new]
    moved = _distances(there, here)
    found = [*_recorded(old, new, run), *_times(old, new, match, zero, run)]
    lost = gained = None
    if match.only_old.any() or match.only_new.any():
        other_good_time = any(one.kind is ChangeKind.GOOD_TIME for one in found)
        back = match.shift_s - zero
        lost = _gone(old, match.only_old, match, new if other_good_time else None, back)
        gained = _gone(new, match.only_new, match, old if other_good_time else None, -back)
    same_energy = not ratio.size or float(np.abs(ratio).max()) <= SAME_ENERGY
    same_place = not moved.size or float(moved.max()) <= SAME_DIRECTION_DEG
    return RunDifference(
        obs_id=run,
        night=old.night or new.night,
        old_events=first.time.size,
        new_events=second.time.size,
        common=match.common,
        other_time=match.other_time.size,
        old_livetime_s=old.livetime_s,
        new_livetime_s=new.livetime_s,
        changes=tuple(found),
        lost=lost,
        gained=gained,
        log_energy=None if same_energy else ratio,
        moved_deg=None if same_place else moved,
        shift_deg=(0.0, 0.0) if same_place else _shift(first, second, match),
        on_events=None if circle is None else _count_on(first, second, match, circle),
    )


def _zero_difference(old: RunFacts, new: RunFacts) -> tuple[float, float]:
    """What to add to the new times, and how well it is known [s]."""
    first, second = old.file.header, new.file.header
    if (first.reference_mjd, first.timescale) == (second.reference_mjd, second.timescale):
        return 0.0, 0.0
    starts = old.start_s(), new.start_s()
    if starts[0] is None or starts[1] is None:
        return 0.0, 0.0
    return starts[1] - starts[0], ZERO_KNOWN_S


def _start_shift(old: RunFacts, new: RunFacts, zero: float) -> float:
    first, second = old.file.good_time.intervals, new.file.good_time.intervals
    return float(second[0, 0] + zero - first[0, 0]) if len(first) and len(second) else 0.0


def _recorded(old: RunFacts, new: RunFacts, run: int) -> Iterator[Change]:
    """Header words, IRFs, pointing."""
    for text in _changed_words(old.software, new.software):
        yield Change(ChangeKind.SOFTWARE, text, (run,))
    for text in _changed_words(old.cuts, new.cuts):
        yield Change(ChangeKind.CUT, text, (run,))
    tables = changed_tables(old.irfs, new.irfs)
    for kind, text in tables.items():
        yield Change(ChangeKind.CUT if is_cut_table(kind) else ChangeKind.IRF, text, (run,))
    if not any(not is_cut_table(kind) for kind in tables):
        # of another IRF they belong to it
        for text in _changed_words(old.thresholds, new.thresholds):
            yield Change(ChangeKind.CUT, text, (run,))
    for text in _changed_words(_models(old, new), _models(new, old)):
        yield Change(ChangeKind.MODELS, text, (run,))
    first, second = old.file.header, new.file.header
    for kind, name, one, other in (
        (ChangeKind.POINTING, "pointing", first.pointing, second.pointing),
        (
            ChangeKind.TARGET,
            "position of the object",
            first.object_position,
            second.object_position,
        ),
    ):
        if one is not None and other is not None:
            away = float(separation(vector(*one), vector(*other)))
            if away > SAME_DIRECTION_DEG:
                yield Change(kind, f"{name} moved by {away:.3g} deg", (run,), (), {"deg": away})


def _models(facts: RunFacts, other: RunFacts) -> Words:
    """Words of models; a folder does not count where both files tell its content."""
    digests = "RFDIGEST" in facts.models and "RFDIGEST" in other.models
    return {
        word: values for word, values in facts.models.items() if not (word == "RFMODEL" and digests)
    }


def _changed_words(old: Words, new: Words) -> Iterator[str]:
    """What both files tell, and differently; each pair of values once."""
    for word in old:
        pairs = (
            (value, new[word][place])
            for place, value in old[word].items()
            if word in new and place in new[word]
        )
        for before, after in dict.fromkeys(pairs):
            if not _same_value(before, after):
                yield f"{word} {_short(before)} -> {_short(after)}"
    for word in old.keys() ^ new.keys():
        values = (old.get(word) or new[word]).values()
        where = "old" if word in old else "new"
        yield f"{word} {_short(next(iter(values)))} only in {where}"


def _same_value(old: object, new: object) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(old - new) <= SAME_FRACTION * max(abs(old), abs(new))
    return str(old) == str(new)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _times(
    old: RunFacts, new: RunFacts, match: EventMatch, zero: float, run: int
) -> Iterator[Change]:
    """Good time, livetime, and the times and numbers of the events."""
    if match.shift_s:
        text = f"all times moved by {match.shift_s:.6g} s"
        yield Change(ChangeKind.TIME, text, (run,), (), {"s": match.shift_s})
    if match.renumbered:
        yield Change(ChangeKind.NUMBERS, "EVENT_ID counts otherwise; matched by time", (run,))
    if match.other_time.size:
        yield Change(
            ChangeKind.TIME, f"{match.other_time.size:,} EVENT_ID stand at other times", (run,)
        )
    first, second = old.file.good_time, new.file.good_time
    moved = second.intervals + zero - match.shift_s
    # edges are often rounded otherwise than events
    near = max(SAME_TIME_S, 2 * match.resolution_s)
    same = moved.shape == first.intervals.shape and bool(
        np.all(np.abs(moved - first.intervals) <= near)
    )
    if not same:
        text = f"good time {_seconds(first.sum_s)} -> {_seconds(second.sum_s)}"
        if first.sum_s and second.sum_s and abs(first.sum_s - second.sum_s) <= near:
            text = f"good time lies elsewhere ({_seconds(first.sum_s)} in both)"
        yield Change(ChangeKind.GOOD_TIME, text, (run,))
    lives = [(first.deadc, second.deadc)]
    if same:
        lives.append((first.livetime_s, second.livetime_s))
    if any(one and other and not _same_value(one, other) for one, other in lives):
        one, other = lives[-1] if same else lives[0]
        unit = _seconds if same else _factor
        text = f"{'livetime' if same else 'DEADC'} {unit(one)} -> {unit(other)}"
        if same and not _same_value(first.deadc or 0, second.deadc or 0):
            text += f", DEADC {_factor(first.deadc)} -> {_factor(second.deadc)}"
        yield Change(ChangeKind.LIVETIME, text, (run,))


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"


def _factor(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _gone(
    facts: RunFacts, gone: Mask, match: EventMatch, other: RunFacts | None, moved_s: float
) -> GoneEvents | None:
    """Events of one list that were neither put to another time nor lie outside of the `other` good
    time, into which `moved_s` takes the times; None: there are none."""
    left = gone & ~np.isin(facts.events.event_id, match.other_time)
    if other is not None and len(other.file.good_time.intervals):
        left &= other.file.good_time.contains(facts.events.time + moved_s, 0.0)
    return GoneEvents.of(facts.columns(), left, ~gone) if left.any() else None


def _distances(old: Floats, new: Floats) -> Floats:
    chord = np.sqrt(((old - new) ** 2).sum(axis=-1))
    found: Floats = np.degrees(2 * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))
    return found


def _shift(old: EventList, new: EventList, match: EventMatch) -> tuple[float, float]:
    """Median shift to the east and to the north [deg]."""
    dec = old.dec[match.old]
    east = (new.ra[match.new] - old.ra[match.old] + 180.0) % 360.0 - 180.0
    return (
        float(np.median(east * np.cos(np.radians(dec)))),
        float(np.median(new.dec[match.new] - dec)),
    )


def _count_on(
    old: EventList, new: EventList, match: EventMatch, circle: OnRegion
) -> tuple[int, int, int]:
    first, second = in_region(old, circle), in_region(new, circle)
    both = first[match.old] & second[match.new]
    return int(first.sum()), int(second.sum()), int(both.sum())
