"""The background acceptance over the field of view.

Where all runs bring a background model, its shape is used. DL3 of point-like analyses has none:
then the acceptance is made from the events outside of the sources. With one wobble position it is
a radial profile. With two or more it is a smooth two-dimensional density in field-of-view
coordinates: what the source covers in one run, its wobble partner shows free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import i0e, i1e

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.geometry import project, separation
from astran.highlevel.maps.exclusion import Exclusion
from astran.highlevel.options import Background

SAME_POINTING_DEG = 0.05
SMOOTHING_DEG = 0.15
GRID_DEG = 0.05
LARGEST_MODEL_DEG = 2.0
"""Background models are not trusted further out."""
FIELD_EDGE = 0.03
"""The field of view ends where the acceptance falls below this part of its maximum."""
COUNTS_PER_KNOT, COUNTS_PER_STEADY_KNOT, MOST_KNOTS = 150, 1500, 16
"""Of the radial profile, and of the steady one that is corrected in two dimensions."""
LARGEST_HOLE_DEG, FILLED_FROM_DEG = 0.3, 1.0
"""A radial profile that begins further out is continued to the middle by its part within 1 deg."""
LEAST_COUNTS_2D = 500
LEAST_COVER = 0.2
"""Part of the exposure that must see a point of the field free of the source."""


@dataclass(frozen=True)
class PointingGroup:
    """Runs of one pointing. Positions are in the tangential plane about that pointing [deg]."""

    centre: Floats
    x: Floats
    y: Floats
    free: Mask
    """Events outside of the excluded circles."""
    livetime_s: float
    runs: tuple[Dl3Run, ...]

    def free_count(self, radius: float) -> int:
        """Events outside of the excluded circles within that offset [deg]."""
        return int((self.free & (np.hypot(self.x, self.y) <= radius)).sum())


@dataclass(frozen=True)
class Acceptance:
    """Relative number of background events per solid angle over the field of view."""

    method: Background
    radius: float
    """Of the field of view [deg]."""
    knots: Floats
    values: Floats
    """Radial profile: offset [deg], density. Not used where there is an image."""
    image: Floats | None = None
    """Density on a grid of `GRID_DEG` about the pointing, y first."""
    cover: Floats | None = None
    """Part of the exposure from which the image was made, on the same grid; none where the events
    of one place hardly count in the density there."""

    def evaluate(self, x: Floats, y: Floats) -> Floats:
        """Density at points of the field of view; 0 outside, also where x is NaN."""
        offset = np.hypot(x, y)
        inside = offset <= self.radius
        if self.image is None:
            density = self._radial(np.where(inside, offset, 0.0))
        else:
            density = _on_grid(self.image, x, y, inside)
        return np.where(inside, density, 0.0)

    def own_share(self, x: Floats, y: Floats, radius: float, share: float) -> Floats:
        """How much an event within a circle adds to the density's prediction for that circle.

        The density is smoothed with a Gaussian, of which a circle about an event in it holds, on
        the average, 1 - exp(-t) (I0(t) + I1(t)) with t = radius^2 / sigma^2.

        Parameters
        ----------
        x, y : centre of the circle [deg]
        radius : of the circle [deg]
        share : part of the whole exposure that was taken with this pointing
        """
        if self.cover is None:
            return np.zeros_like(x)
        inside = np.hypot(x, y) <= self.radius
        t = (radius / SMOOTHING_DEG) ** 2
        held = 1 - i0e(t) - i1e(t)
        cover = _on_grid(self.cover, x, y, inside)
        return np.where(inside, share * held / np.maximum(cover, LEAST_COVER), 0.0)

    def _radial(self, offset: Floats) -> Floats:
        """A smooth curve through the knots: the density is even in the offset, so that near the
        middle it is linear in its square."""
        x, y = self.knots**2, np.log(np.maximum(self.values, 1e-6 * self.values.max()))
        place = np.clip(offset**2, x[0], x[-1])
        curve: Floats = np.exp(PchipInterpolator(x, y)(place))
        return curve


def _on_grid(image: Floats, x: Floats, y: Floats, inside: Mask) -> Floats:
    middle = (len(image) - 1) / 2
    place = [np.where(inside, part, 0.0) / GRID_DEG + middle for part in (y, x)]
    value: Floats = map_coordinates(image, place, order=1, mode="nearest")
    return value


def group_runs(runs: Sequence[Dl3Run], excluded: Exclusion) -> list[PointingGroup]:
    """Join runs of the same pointing; each event keeps its place in its own run's field."""
    groups: list[list[Dl3Run]] = []
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
        placed = [project(run.direction, run.pointing) for run in members]
        made.append(
            PointingGroup(
                centre=centre / np.linalg.norm(centre),
                x=np.concatenate([x for x, _ in placed]),
                y=np.concatenate([y for _, y in placed]),
                free=np.concatenate([excluded.free(run.direction) for run in members]),
                livetime_s=float(livetimes.sum()),
                runs=tuple(members),
            )
        )
    return made


def make_acceptances(
    groups: Sequence[PointingGroup],
    excluded: Exclusion,
    largest_deg: float,
    energies: tuple[float | None, float | None] = (None, None),
    wanted: Background | None = None,
) -> list[Acceptance]:
    """The acceptance of each group of runs.

    Parameters
    ----------
    excluded : circles whose events do not count
    largest_deg : no field of view larger than this
    energies : of the events [TeV]; for background models
    wanted : the kind; none: the files' model, else the best that the data allow. A kind that is
        not to be had is replaced by the next one.
    """
    grid = _grid(largest_deg)
    modelled = all(run.background is not None for group in groups for run in group.runs)
    if wanted in (None, Background.IRF) and modelled:
        return [_from_models(group, grid, energies) for group in groups]
    common = _from_data(groups, excluded, largest_deg, grid, wanted is Background.RADIAL)
    return [common] * len(groups)


def _grid(largest_deg: float) -> tuple[Floats, Floats]:
    half = int(np.ceil(largest_deg / GRID_DEG))
    axis = np.arange(-half, half + 1) * GRID_DEG
    gx, gy = np.meshgrid(axis, axis)
    return gx, gy


def _from_models(
    group: PointingGroup, grid: tuple[Floats, Floats], energies: tuple[float | None, float | None]
) -> Acceptance:
    image = np.zeros_like(grid[0])
    radius = float(grid[0].max())
    for run in group.runs:
        assert run.background is not None
        image += run.ontime_s * run.background.image(*grid, *energies, run.zenith_angles)
        radius = min(radius, run.background.radius, LARGEST_MODEL_DEG)
    empty = np.array([0.0, 1.0])
    return Acceptance(Background.IRF, radius, empty, empty, image)


def _from_data(
    groups: Sequence[PointingGroup],
    excluded: Exclusion,
    largest_deg: float,
    grid: tuple[Floats, Floats],
    only_radial: bool,
) -> Acceptance:
    gx, gy = grid
    offset = np.hypot(gx, gy)
    free = [excluded.free_at(gx, gy, group.centre) for group in groups]
    weights = np.array([group.livetime_s for group in groups])
    weights /= weights.sum()
    knots, values = _profile(groups, free, weights, offset, COUNTS_PER_KNOT)
    beyond = np.flatnonzero(values < FIELD_EDGE * values.max())
    radius = min(float(knots[beyond[0]]) if beyond.size else largest_deg, largest_deg)
    radial = Acceptance(Background.RADIAL, radius, knots, values)
    counted = sum(g.free_count(radius) for g in groups)
    cover = np.sum([w * mask for w, mask in zip(weights, free, strict=True)], axis=0)
    seen = bool((cover[offset <= radius] >= LEAST_COVER).all())
    if only_radial or len(groups) < 2 or counted < LEAST_COUNTS_2D or not seen:
        return radial
    edges = np.append(gx[0] - GRID_DEG / 2, gx[0, -1] + GRID_DEG / 2)
    found = np.zeros_like(gx)
    for group in groups:
        found += np.histogram2d(group.y[group.free], group.x[group.free], bins=(edges, edges))[0]
    sigma = SMOOTHING_DEG / GRID_DEG
    # smoothing would flatten the fall to the edge: only what differs from a steady fall is smoothed
    steady = _profile(groups, free, weights, offset, COUNTS_PER_STEADY_KNOT)
    expected = Acceptance(Background.RADIAL, radius, *steady).evaluate(gx, gy)
    ratio = gaussian_filter(found, sigma) / np.maximum(
        gaussian_filter(expected * cover, sigma), 1e-3 * expected.max()
    )
    image = expected * ratio
    return Acceptance(Background.TWO_D, radius, knots, values, image, gaussian_filter(cover, sigma))


def _profile(
    groups: Sequence[PointingGroup],
    free: Sequence[Mask],
    weights: Floats,
    offset: Floats,
    counts_per_knot: int,
) -> tuple[Floats, Floats]:
    """Density of events against the offset, in bins of about equal counts."""
    distance = np.concatenate([np.hypot(g.x, g.y)[g.free] for g in groups])
    distance = distance[distance <= offset.max() / np.sqrt(2)]
    if distance.size == 0:
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])
    number = int(np.clip(distance.size / counts_per_knot, 4, MOST_KNOTS))
    upper = np.asarray(np.quantile(distance, np.linspace(0, 1, number + 1)[1:]))
    edges = np.unique(np.append(0.0, upper))
    counts = np.histogram(distance, edges)[0].astype(float)
    area = np.zeros(counts.shape)
    moment = np.zeros(counts.shape)
    for mask, weight in zip(free, weights, strict=True):
        here = offset[mask]
        area = area + weight * np.histogram(here, edges)[0]
        moment = moment + weight * np.histogram(here, edges, weights=here**2)[0]
    usable = area > 0
    density = counts[usable] / area[usable]
    knots = np.sqrt(moment[usable] / area[usable])
    if not usable.any():
        return np.array([0.0, 1.0]), np.array([1.0, 1.0])
    if knots[0] > LARGEST_HOLE_DEG and knots.size > 2:
        # all runs point at the target: its circle is filled by a straight line in the square
        near = knots <= max(FILLED_FROM_DEG, knots[2])
        _, log_middle = np.polyfit(knots[near] ** 2, np.log(np.maximum(density[near], 1e-9)), 1)
        knots = np.append(0.0, knots)
        density = np.append(np.exp(log_middle), density)
    return knots, density
