"""The theta2 distribution, and how significance grows with livetime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.aperture.counts import ON_AXIS_OFF_DEG, RunCounts
from astran.highlevel.aperture.statistics import Counts, stack
from astran.highlevel.arrays import Floats, Ints
from astran.highlevel.geometry import neighbour_distance

LARGEST_THETA2 = 0.4
SOURCE_REACH_DEG = 0.15
"""Gammas of a point source reach about so far: OFF distances that touch it are not shown."""
TAIL_MARGIN_DEG = 0.2
"""So far beyond the ON region the point spread has ended."""
MOST_BINS = 40
LEAST_RANGE = 0.16
"""[deg2]"""
RANGE_IN_CUTS = 10
"""The range of the histogram in units of the squared cut, at most."""
STEPS = 40
"""About so many points in the cumulative curve."""
SHORTEST_STEP_S = 60.0


@dataclass(frozen=True)
class Theta2:
    """Histogram of squared distances. All arrays have the shape (bins,), edges one more."""

    edges: Floats
    """[deg2]."""
    on: Ints
    off: Ints
    """Summed over all OFF positions."""
    background: Floats
    """Sum of alpha times OFF."""
    background_error: Floats
    tail_from: float
    """Beyond this theta2 [deg2] the source should give nothing."""

    @property
    def tail(self) -> tuple[int, float, float, float] | None:
        """N_on, background, their ratio and its error in the tail; none without counts there."""
        far = self.edges[:-1] >= self.tail_from - 1e-9
        on, background = int(self.on[far].sum()), float(self.background[far].sum())
        if on == 0 or background <= 0:
            return None
        error = float(np.sqrt((self.background_error[far] ** 2).sum()))
        ratio = on / background
        return on, background, ratio, ratio * float(np.hypot(1 / np.sqrt(on), error / background))


def make_theta2_histogram(runs: Sequence[RunCounts], radius: float) -> Theta2:
    """Fill the theta2 histogram of a night.

    Bins divide radius**2, so that a fixed cut falls on an edge. The range ends before the OFF
    distances reach the source itself; up to there OFF circles may share events among each other.
    """
    distances = [
        ON_AXIS_OFF_DEG
        if part.off_exposure is not None
        else neighbour_distance(part.offset, (part.steps or part.off_regions + 1) - 1)
        for part in runs
    ]
    reach = min(distances) - max(radius, SOURCE_REACH_DEG)
    cut = radius**2
    largest = min(max(reach, 0.0) ** 2, max(RANGE_IN_CUTS * cut, LEAST_RANGE), LARGEST_THETA2)
    largest = max(largest, 1.5 * cut)
    division = next((d for d in (5, 4, 3, 2) if largest / cut * d <= MOST_BINS), 1)
    width = cut / division
    while largest / width > 2 * MOST_BINS:
        width *= 2
    edges = np.arange(int(np.ceil(largest / width - 1e-9)) + 1) * width
    # events exactly on the cut belong to it
    edges_used = edges * (1 + 1e-12)
    on = np.zeros(edges.size - 1, int)
    off = np.zeros_like(on)
    background = np.zeros(on.size)
    variance = np.zeros(on.size)
    for part in runs:
        on += np.histogram(part.theta[0] ** 2, edges_used)[0]
        filled = np.histogram(part.theta[1:] ** 2, edges_used)[0]
        off += filled
        background += part.alpha * filled
        variance += part.alpha**2 * filled
    return Theta2(edges, on, off, background, np.sqrt(variance), (radius + TAIL_MARGIN_DEG) ** 2)


@dataclass(frozen=True, slots=True)
class CumulativeStep:
    """State of the analysis after some livetime."""

    obs_id: int
    counts: Counts


def cumulative_significance(runs: Sequence[RunCounts]) -> list[CumulativeStep]:
    """Counts against livetime, in order of time; long runs in several steps, which end at equal
    parts of their good time."""
    total = sum(part.run.ontime_s for part in runs)
    length = max(total / STEPS, SHORTEST_STEP_S)
    done: list[Counts] = []
    steps: list[CumulativeStep] = []
    for part in sorted(runs, key=lambda item: item.run.start):
        pieces = max(1, round(part.run.ontime_s / length))
        index = part.run.piece_of(part.run.time, pieces)
        passed = part.passed
        on = np.bincount(index[passed[0]], minlength=pieces)
        off = np.bincount(np.concatenate([index[p] for p in passed[1:]]), minlength=pieces)
        for k in range(pieces):
            done.append(Counts(int(on[k]), int(off[k]), part.alpha, part.run.livetime_s / pieces))
            steps.append(CumulativeStep(part.run.obs_id, stack(done)))
    return steps
