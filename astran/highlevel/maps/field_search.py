"""Sources elsewhere in the field: found in the significance map, and kept out of the background.

What is found is taken out of the rings and the acceptance, and the map is made again, until
nothing new is found. So a bright source neither hides a weaker one nor digs a hole beside itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from astran.highlevel.arrays import Floats
from astran.highlevel.geometry import deproject, radec, separation
from astran.highlevel.maps.exclusion import (
    MAP_REACH_DEG,
    SAME_SOURCE_DEG,
    Exclusion,
    make_exclusion,
)
from astran.highlevel.maps.known_sources import KnownSource, load_catalogue
from astran.highlevel.maps.position import Peak, find_peak, fit_position
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.maps.trials import effective_trials

LEAST_AFTER_TRIALS = 3.0
"""A peak of so many sigma after trials is kept out of the background and named [sigma]."""
DETECTED = 5.0
"""From here on it is called a source, below a possible one [sigma]."""
MOST_LOOKS = 16
COUNTERPART_DEG = 0.2
HALO_STEP_DEG, LARGEST_GROWTH_DEG = 0.1, 0.6
HALO_PART = 0.05
"""What touches the circle of a source and holds less than this part of its excess is its halo: the
tail of the point spread."""


@dataclass(frozen=True)
class FieldSource:
    """A significant excess away from the target."""

    name: str
    direction: Floats
    """Unit vector, by a fit to the counts where that converges."""
    peak: Peak
    """In the last map; x and y from the target [deg]."""
    counterparts: tuple[tuple[str, float], ...]
    """Sources of the catalogue nearby, with their distance [deg], the nearest first."""
    radius: float
    """Of the circle that is kept out of the background [deg]."""

    @property
    def detected(self) -> bool:
        return self.peak.after_trials >= DETECTED

    @property
    def as_known(self) -> KnownSource:
        """For the choice of OFF regions: its gammas reach as far as its circle."""
        ra, dec = radec(self.direction)
        return KnownSource(self.name, self.direction, 0.0, ra, dec, tail=self.radius)


@dataclass(frozen=True)
class FieldSearch:
    """The map, and what was found in it."""

    sky: SkyMap
    """Of the whole field."""
    sources: tuple[FieldSource, ...]
    finished: bool
    """False: there would be more, but the number of looks is limited."""

    def trials_at(self, significance: float) -> float:
        """Independent places in the whole field for so high a peak."""
        pixels = int(self.sky.valid.sum())
        return effective_trials(significance, pixels, self.sky.bin_deg, self.sky.radius_deg)


def search_field(
    make: Callable[[Exclusion], SkyMap],
    target: Floats,
    target_radius: float,
    known: Sequence[KnownSource],
) -> FieldSearch:
    """Make the map until nothing new is found in it.

    Parameters
    ----------
    make : makes the map of the whole field with what must not count as background
    target_radius : of the target's circle [deg]
    known : catalogue sources in the field, which never count as background
    """
    found: list[FieldSource] = []
    grown: dict[int, float] = {}
    """By the circle's place: 0 is the target, then those of the catalogue."""
    for _ in range(MOST_LOOKS):
        circles = _circles(target, target_radius, known, found, grown)
        sky = make(circles)
        peak = find_peak(sky, _unexplained(sky, found))
        finished = peak is None or peak.after_trials < LEAST_AFTER_TRIALS
        if peak is None or finished:
            break
        place = deproject(np.array(peak.x), np.array(peak.y), target)
        owner = _halo_owner(sky, place, peak, circles)
        if owner is None:
            found.append(_field_source(place, peak))
        elif owner <= len(known):
            grown[owner] = grown.get(owner, 0.0) + HALO_STEP_DEG
        else:
            index = owner - len(known) - 1
            wider = found[index].radius + HALO_STEP_DEG
            found[index] = replace(found[index], radius=wider)
    return FieldSearch(sky, tuple(_measured(sky, one) for one in found), finished)


def _measured(sky: SkyMap, source: FieldSource) -> FieldSource:
    """The source as the last map shows it, whose background no longer holds any source."""
    x, y = np.meshgrid(sky.axis, sky.axis)
    near = separation(deproject(x, y, sky.target), source.direction) < sky.radius_deg
    peak = find_peak(sky, near, sky.valid)
    if peak is None:
        return source
    fit = fit_position(sky, peak)
    known = fit is not None and np.hypot(fit.x - peak.x, fit.y - peak.y) < sky.radius_deg
    x0, y0 = (fit.x, fit.y) if fit is not None and known else (peak.x, peak.y)
    place = deproject(np.array(x0), np.array(y0), sky.target)
    return replace(source, peak=peak, direction=place)


def _circles(
    target: Floats,
    target_radius: float,
    known: Sequence[KnownSource],
    found: Sequence[FieldSource],
    grown: dict[int, float],
) -> Exclusion:
    base = make_exclusion(target, target_radius, known)
    radii = [radius + grown.get(index, 0.0) for index, radius in enumerate(base.radii)]
    return Exclusion(
        (*base.centres, *(source.direction for source in found)),
        (*radii, *(source.radius for source in found)),
        (*base.names, *(source.name for source in found)),
    )


def _unexplained(sky: SkyMap, found: Sequence[FieldSource]) -> Floats:
    """Pixels outside of the target's circle and of what was found: a source of the catalogue may
    still be found."""
    circles = sky.exclusion
    kept = [
        index for index, name in enumerate(("", *circles.names)) if not index or _has(found, name)
    ]
    own = Exclusion(
        tuple(circles.centres[index] for index in kept),
        tuple(circles.radii[index] for index in kept),
    )
    x, y = np.meshgrid(sky.axis, sky.axis)
    mask: Floats = sky.valid & own.free(deproject(x, y, sky.target))
    return mask


def _has(found: Sequence[FieldSource], name: str) -> bool:
    return any(source.name == name for source in found)


def _halo_owner(sky: SkyMap, place: Floats, peak: Peak, circles: Exclusion) -> int | None:
    """The circle to whose source a peak at its edge belongs; none: it is a source of its own."""
    for index, (centre, radius) in enumerate(zip(circles.centres, circles.radii, strict=True)):
        away = float(separation(place, centre))
        if not SAME_SOURCE_DEG < away < radius + sky.radius_deg + HALO_STEP_DEG:
            continue
        if radius < MAP_REACH_DEG + LARGEST_GROWTH_DEG and peak.excess < HALO_PART * _excess_at(
            sky, centre
        ):
            return index
    return None


def _excess_at(sky: SkyMap, direction: Floats) -> float:
    """Excess in the ON circle about a direction; 0 outside of the map."""
    x, y = np.meshgrid(sky.axis, sky.axis)
    away = np.where(sky.valid, separation(deproject(x, y, sky.target), direction), np.inf)
    nearest = np.unravel_index(int(np.argmin(away)), away.shape)
    return float(sky.excess[nearest]) if away[nearest] < 2 * sky.bin_deg else 0.0


def _field_source(place: Floats, peak: Peak) -> FieldSource:
    near = sorted(
        (away, source.name)
        for source in load_catalogue()
        if (away := float(separation(source.direction, place)))
        < max(COUNTERPART_DEG, source.radius)
    )
    return FieldSource(
        name=_name(*radec(place)),
        direction=place,
        peak=peak,
        counterparts=tuple((name, away) for away, name in near),
        radius=MAP_REACH_DEG,
    )


def _name(ra: float, dec: float) -> str:
    """By its place, as the IAU recommends (J2000, cut off): J0534+220."""
    minutes = int(ra * 4)
    tenths = int(abs(dec) * 10)
    sign = "-" if dec < 0 else "+"
    return f"J{minutes // 60:02d}{minutes % 60:02d}{sign}{tenths:03d}"
