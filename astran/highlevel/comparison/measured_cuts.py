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


def find_cuts(
    values: Mapping[str, Floats], gone: Mask, kept: Mask
) -> tuple[tuple[MeasuredCut, ...], int]:
    """The cuts that removed events, and how many events they leave unexplained.

    Parameters
    ----------
    values : of the events of one list, shape (n,) each
    gone : those that the other list does not have, shape (n,)
    kept : those that it has, shape (n,)

    No cut is named where less than `EXPLAINED` of the events is accounted for.
    """
    total = int(gone.sum())
    left, found = gone.copy(), list[MeasuredCut]()
    while left.any() and kept.any() and len(found) < MOST_CUTS:
        best = max(
            (_divide(name, column, left, kept) for name, column in values.items()),
            key=lambda pair: pair[0].gone,
            default=None,
        )
        if best is None or not _is_no_chance(best[0].gone, int(kept.sum()), len(values)):
            break
        found.append(best[0])
        left &= ~best[1]
    unexplained = int(left.sum())
    if not found or total - unexplained < EXPLAINED * total:
        return (), total
    return tuple(found), unexplained


def _divide(name: str, column: Floats, gone: Mask, kept: Mask) -> tuple[MeasuredCut, Mask]:
    """The better one of a lower and an upper limit of a column, with the events beyond it."""
    smallest, largest = float(np.min(column[kept])), float(np.max(column[kept]))
    below, above = gone & (column < smallest), gone & (column > largest)
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
