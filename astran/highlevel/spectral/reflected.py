"""OFF regions for spectra: as many circles as fit on the wobble circle.

With a fixed cut these are gammapy's reflected regions: circles of the ON region's size side by
side, with a gap of 0.1 rad beside the ON region (Berge, Funk, Hinton 2007, A&A 466, 1219).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.aperture.counts import RunCounts, ThetaCut
from astran.highlevel.arrays import Floats
from astran.highlevel.geometry import rotated, separation
from astran.highlevel.maps.exclusion import contaminated_by
from astran.highlevel.maps.known_sources import KnownSource

GAP_RAD = 0.1
STEP_RAD = 0.1
"""How far to move on where a region would hold a known source."""


def reflected_positions(
    target: Floats,
    pointing: Floats,
    radius: float,
    sources: Sequence[KnownSource] = (),
) -> list[Floats]:
    """Centres of the OFF regions, unit vectors; none where the target is too close to the
    pointing."""
    offset = float(separation(pointing, target))
    if radius >= offset:
        return []
    size = 2 * np.arcsin(np.sin(np.radians(radius)) / np.sin(np.radians(offset)))
    angle, last = size + GAP_RAD, 2 * np.pi - size - GAP_RAD
    found: list[Floats] = []
    while angle <= last:
        place = rotated(target, pointing, -float(np.degrees(angle)))
        if contaminated_by(place, radius, sources) is None:
            found.append(place)
            angle += size
        else:
            angle += STEP_RAD
    return found


@dataclass(frozen=True)
class OffEvents:
    """The OFF events of a run, those of all regions together."""

    energy: Floats
    """[TeV]."""
    time: Floats
    centres: tuple[Floats, ...]
    """Of the OFF regions, unit vectors."""


def off_events(
    part: RunCounts, cut: ThetaCut, sources: Sequence[KnownSource], wanted: int | None
) -> OffEvents:
    """The OFF events of a run for its spectrum.

    The counts' own OFF regions are kept where their number was asked for, where the cut depends
    on the energy, and where reflected regions would be fewer.
    """
    run = part.run
    places: list[Floats] = []
    if cut.theta_deg is not None and wanted is None:
        places = reflected_positions(part.target, run.pointing, cut.theta_deg, sources)
    if len(places) <= part.off_regions:
        index = np.concatenate([np.flatnonzero(passed) for passed in part.passed[1:]])
        return OffEvents(run.energy[index], run.time[index], part.off_centres)
    assert cut.theta_deg is not None
    index = np.concatenate(
        [np.flatnonzero(separation(run.direction, place) <= cut.theta_deg) for place in places]
    )
    return OffEvents(run.energy[index], run.time[index], tuple(places))
