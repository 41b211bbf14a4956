"""Finds a cut in the events themselves: one value divides those that are gone from those kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from astran.gadf.arrays import Mask
from astran.highlevel.arrays import Floats

CHANCE = 1e-3
"""A division that chance makes more often than this is no cut."""
EXPLAINED = 0.9
"""Cuts are named if they account for at least this part of the events that are gone."""
MOST_CUTS = 3


@dataclass(frozen=True)
class MeasuredCut:
    """A cut on one value, known to lie between two others."""

    column: str
    least: bool
    """Whether events below are cut, else those above."""
    low: float
    high: float
    """All that is gone is beyond one, all that is kept beyond the other."""
    gone: int
    """Events on the wrong side."""

    def agrees_with(self, other: MeasuredCut) -> bool:
        """Whether one cut can be both."""
        alike = (self.column, self.least) == (other.column, other.least)
        return alike and max(self.low, other.low) <= min(self.high, other.high)

    def with_other(self, other: MeasuredCut) -> MeasuredCut:
        return MeasuredCut(
            self.column,
            self.least,
            max(self.low, other.low),
            min(self.high, other.high),
            self.gone + other.gone,
        )

    def __str__(self) -> str:
        return f"{self.column} {'>' if self.least else '<'} {_round_between(self.low, self.high)}"


@dataclass(frozen=True)
class GoneEvents:
    """Events of one list that another does not have, beside those that both have."""

    values: Mapping[str, Floats]
    """By which they may have been cut, shape (n,) each."""
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    """Of the values of the events that were kept."""
    kept: int

    @classmethod
    def of(cls, values: Mapping[str, Floats], gone: Mask, kept: Mask) -> GoneEvents:
        """Of the values of all events of a list; `gone` and `kept` say which are which."""
        there = kept.any()
        return cls(
            {name: column[gone] for name, column in values.items()},
            {
                name: float(column[kept].min()) if there else -np.inf
                for name, column in values.items()
            },
            {
                name: float(column[kept].max()) if there else np.inf
                for name, column in values.items()
            },
            int(kept.sum()),
        )

    @property
    def number(self) -> int:
        return next((column.size for column in self.values.values()), 0)

    def removed_by(self, cut: MeasuredCut) -> Mask:
        """Which of the events a cut removes; none where it would have removed kept ones, too."""
        if cut.column not in self.values:
            return np.zeros(self.number, bool)
        column = self.values[cut.column]
        if cut.least:
            fits, beyond = self.lowest[cut.column] > cut.low, column < cut.high
        else:
            fits, beyond = self.highest[cut.column] < cut.high, column > cut.low
        return np.asarray(beyond & fits)


def find_cuts(gone: GoneEvents) -> tuple[MeasuredCut, ...]:
    """The cuts that removed events; none where they account for less than `EXPLAINED` of them."""
    left: Mask = np.ones(gone.number, bool)
    found: list[MeasuredCut] = []
    while left.any() and gone.kept and len(found) < MOST_CUTS:
        cut, beyond = max(
            (_divide(name, gone, left) for name in gone.values), key=lambda pair: pair[0].gone
        )
        if not _is_no_chance(cut.gone, gone.kept, len(gone.values)):
            break
        found.append(cut)
        left &= ~beyond
    return tuple(found) if gone.number - left.sum() >= EXPLAINED * gone.number else ()


def find_common_cuts(runs: Mapping[int, GoneEvents]) -> tuple[list[CutOfRuns], dict[int, int]]:
    """The cuts that removed events of several runs, and by run how many events they do not explain.

    First of all runs together, as one cut shows in all of them; where that tells nothing, run by
    run. A run with too few events to tell by itself shares the cuts of the others where they
    explain its events.
    """
    together = list(find_cuts(_pool(list(runs.values())))) if runs else []
    cuts = together or join_cuts([cut for gone in runs.values() for cut in find_cuts(gone)])
    removed = {run: [gone.removed_by(cut) for cut in cuts] for run, gone in runs.items()}
    found = []
    for number, cut in enumerate(cuts):
        counts = {run: int(masks[number].sum()) for run, masks in removed.items()}
        concerned = tuple(run for run, count in counts.items() if count)
        found.append(CutOfRuns(cut, concerned, sum(counts.values())))
    left = {
        run: gone.number - int(np.logical_or.reduce(removed[run]).sum() if cuts else 0)
        for run, gone in runs.items()
    }
    return found, {run: number for run, number in left.items() if number}


@dataclass(frozen=True)
class CutOfRuns:
    """A cut with the runs in which it removed events."""

    cut: MeasuredCut
    runs: tuple[int, ...]
    gone: int


def _pool(parts: Sequence[GoneEvents]) -> GoneEvents:
    names = [name for name in parts[0].values if all(name in part.values for part in parts)]
    return GoneEvents(
        {name: np.concatenate([part.values[name] for part in parts]) for name in names},
        {name: min(part.lowest[name] for part in parts) for name in names},
        {name: max(part.highest[name] for part in parts) for name in names},
        sum(part.kept for part in parts),
    )


def _divide(name: str, gone: GoneEvents, left: Mask) -> tuple[MeasuredCut, Mask]:
    """The better one of a lower and an upper limit of a column, with the events beyond it."""
    column, smallest, largest = gone.values[name], gone.lowest[name], gone.highest[name]
    below, above = left & (column < smallest), left & (column > largest)
    if below.sum() >= above.sum():
        low = float(column[below].max()) if below.any() else -np.inf
        return MeasuredCut(name, True, low, smallest, int(below.sum())), below
    return MeasuredCut(name, False, largest, float(column[above].min()), int(above.sum())), above


def _is_no_chance(gone: int, kept: int, columns: int) -> bool:
    """Whether so many outermost events, on either side of any column, are more than chance."""
    return gone > 0 and 2 * columns / comb(gone + kept, gone) < CHANCE


def join_cuts(found: Sequence[MeasuredCut]) -> list[MeasuredCut]:
    """Cuts of several runs that can be one as one."""
    joined: list[MeasuredCut] = []
    for cut in found:
        place = next((n for n, other in enumerate(joined) if cut.agrees_with(other)), None)
        if place is None:
            joined.append(cut)
        else:
            joined[place] = joined[place].with_other(cut)
    return joined


def _round_between(low: float, high: float) -> str:
    """The shortest number between two others."""
    middle = (low + high) / 2
    for digits in range(1, 8):
        text = f"{middle:.{digits}g}"
        if low <= float(text) <= high:
            return text
    return f"{middle:.8g}"
