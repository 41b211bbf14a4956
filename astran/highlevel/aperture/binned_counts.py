"""The counts of a night in parts: by band of energy, and night by night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from astran.base.night import Night
from astran.highlevel.aperture.counts import RunCounts
from astran.highlevel.aperture.statistics import Counts, stack

BAND_EDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""[TeV]; below the first and above the last there is a band each."""


@dataclass(frozen=True, slots=True)
class EnergyBin:
    """Counts in a band of reconstructed energy [TeV]; none: open end."""

    energy_min: float | None
    energy_max: float | None
    counts: Counts


def counts_by_energy(parts: Sequence[RunCounts]) -> Iterator[EnergyBin]:
    """Stacked counts by band, for bands in which an event was counted."""
    edges = (0.0, *BAND_EDGES, np.inf)
    masks = [part.passed for part in parts]
    for low, high in pairwise(edges):
        found = []
        for part, passed in zip(parts, masks, strict=True):
            inside = (part.run.energy >= low) & (part.run.energy < high)
            n_on, n_off = int(passed[0, inside].sum()), int(passed[1:, inside].sum())
            found.append(Counts(n_on, n_off, part.alpha, part.run.livetime_s))
        counts = stack(found)
        if counts.n_on + counts.n_off:
            yield EnergyBin(low or None, None if np.isinf(high) else high, counts)


def counts_by_night(parts: Sequence[RunCounts]) -> dict[Night, list[RunCounts]]:
    """The runs of each night, in order of time."""
    found: dict[Night, list[RunCounts]] = {}
    for part in parts:
        found.setdefault(part.run.night, []).append(part)
    return found
