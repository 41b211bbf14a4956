"""Background acceptance made from the data themselves.

DL3 of point-like analyses has no background model. Here the shape of the acceptance over the
field of view comes from the events outside of the source. With one wobble position it is a radial
profile. With two or more it is that profile times a smooth two-dimensional correction in
field-of-view coordinates: what the source covers in one run, its wobble partner shows free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.events import Run
from astran.highlevel.geometry import deproject, project, separation

SAME_POINTING_DEG = 0.05
SMOOTHING_DEG = 0.15
GRID_DEG = 0.05
FIELD_EDGE = 0.03
"""The field of view ends where the acceptance falls below this part of its maximum."""
PRIOR_COUNTS = 5.0
"""The correction leans towards the radial profile with the weight of so many counts."""
LEAST_COUNTS_2D = 500
LEAST_COVER = 0.2
"""Part of the exposure that must see a point of the field free of the source."""


class Background(StrEnum):
    """How the acceptance was made."""

    RADIAL = "radial"
    TWO_D = "2d"


@dataclass(frozen=True)
class Group:
    """Runs of one pointing. Positions are in the tangential plane about that pointing [deg]."""

    centre: Floats
    direction: Floats
    """Unit vectors of the events, shape (n, 3)."""
    x: Floats
    y: Floats
    free: Mask
    """Events outside of the excluded circle."""
    livetime_s: float


@dataclass(frozen=True)
class Acceptance:
    """Relative number of background events per solid angle over the field of view."""

    method: Background
    radius: float
    """Of the field of view [deg]."""
    knots: Floats
    values: Floats
    """Radial profile: offset [deg], density."""
    correction: Floats | None
    """Factor on a grid of `GRID_DEG` about the pointing, for the two-dimensional method."""

    def evaluate(self, x: Floats, y: Floats) -> Floats:
        """Density at points of the field of view; 0 outside, also where x is NaN."""
        offset = np.hypot(x, y)
        inside = offset <= self.radius
        density = np.interp(np.where(inside, offset, 0.0), self.knots, self.values)
        if self.correction is not None:
            middle = (len(self.correction) - 1) / 2
            place = [np.where(inside, part, 0.0) / GRID_DEG + middle for part in (y, x)]
            density = density * map_coordinates(self.correction, place, order=1, mode="nearest")
        return np.where(inside, density, 0.0)


def group_runs(runs: Sequence[Run], target: Floats, excluded_deg: float) -> list[Group]:
    """Join runs of the same pointing; each event keeps its place in its own run's field."""
    groups: list[list[Run]] = []
    for run in runs:
        near = (g for g in groups if separation(g[0].pointing, run.pointing) < SAME_POINTING_DEG)
        home = next(near, None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    made = []
    for members in groups:
        livetimes = np.array([run.livetime_s for run in members])
        centre = np.average([run.pointing for run in members], axis=0, weights=livetimes)
        direction = np.concatenate([run.direction for run in members])
        placed = [project(run.direction, run.pointing) for run in members]
        made.append(
            Group(
                centre=centre / np.linalg.norm(centre),
                direction=direction,
                x=np.concatenate([x for x, _ in placed]),
                y=np.concatenate([y for _, y in placed]),
                free=separation(direction, target) > excluded_deg,
                livetime_s=float(livetimes.sum()),
            )
        )
    return made


def make_acceptance(
    groups: Sequence[Group], target: Floats, excluded_deg: float, largest_deg: float
) -> Acceptance:
    """The common acceptance of all runs of a night.

    Parameters
    ----------
    excluded_deg : radius about the target that does not count
    largest_deg : no field of view larger than this
    """
    half = int(np.ceil(largest_deg / GRID_DEG))
    axis = np.arange(-half, half + 1) * GRID_DEG
    gx, gy = np.meshgrid(axis, axis)
    free = [_free_on_grid(group, target, excluded_deg, gx, gy) for group in groups]
    weights = np.array([max(int(group.free.sum()), 1) for group in groups], float)
    weights /= weights.sum()
    knots, values = _profile(groups, free, weights, np.hypot(gx, gy))
    beyond = np.flatnonzero(values < FIELD_EDGE * values.max())
    radius = min(float(knots[beyond[0]]) if beyond.size else largest_deg, largest_deg)
    radial = Acceptance(Background.RADIAL, radius, knots, values, None)
    counted = sum(int((g.free & (np.hypot(g.x, g.y) <= radius)).sum()) for g in groups)
    cover = sum(w * mask for w, mask in zip(weights, free, strict=True))
    seen = bool((cover[np.hypot(gx, gy) <= radius] >= LEAST_COVER).all())
    if len(groups) < 2 or counted < LEAST_COUNTS_2D or not seen:
        return radial
    edges = (np.arange(2 * half + 2) - half - 0.5) * GRID_DEG
    found = np.zeros_like(gx)
    expected = np.zeros_like(gx)
    shape = radial.evaluate(gx, gy)
    for group, mask in zip(groups, free, strict=True):
        inside = group.free & (np.hypot(group.x, group.y) <= radius)
        found += np.histogram2d(group.y[inside], group.x[inside], bins=(edges, edges))[0]
        model = shape * mask
        expected += model * inside.sum() / model.sum()
    sigma = SMOOTHING_DEG / GRID_DEG
    prior = PRIOR_COUNTS / (4 * np.pi * sigma**2)
    correction = (gaussian_filter(found, sigma) + prior) / (
        gaussian_filter(expected, sigma) + prior
    )
    return Acceptance(Background.TWO_D, radius, knots, values, correction)


def _free_on_grid(
    group: Group, target: Floats, excluded_deg: float, gx: Floats, gy: Floats
) -> Mask:
    return separation(deproject(gx, gy, group.centre), target) > excluded_deg


def _profile(
    groups: Sequence[Group], free: Sequence[Mask], weights: Floats, offset: Floats
) -> tuple[Floats, Floats]:
    """Density of events against the offset, in bins of about equal counts."""
    distance = np.concatenate([np.hypot(g.x, g.y)[g.free] for g in groups])
    distance = distance[distance <= offset.max() / np.sqrt(2)]
    if distance.size == 0:
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])
    number = int(np.clip(distance.size / 150, 4, 40))
    upper = np.asarray(np.quantile(distance, np.linspace(0, 1, number + 1)[1:]))
    edges = np.unique(np.append(0.0, upper))
    counts = np.histogram(distance, edges)[0].astype(float)
    area = np.zeros(counts.shape)
    moment = np.zeros(counts.shape)
    for mask, weight in zip(free, weights, strict=True):
        here = offset[mask]
        area = area + weight * np.histogram(here, edges)[0]
        moment = moment + weight * np.histogram(here, edges, weights=here)[0]
    usable = area > 0
    density = counts[usable] / area[usable]
    knots = moment[usable] / area[usable]
    if not usable.any():
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])
    return knots, density
