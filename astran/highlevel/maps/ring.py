"""Sky map of excess and significance by the ring method.

At each pixel the ON counts of a circle are compared with the OFF counts of a ring about it; alpha
is the ratio of the background acceptance in the circle to that in the ring (Berge, Funk, Hinton
2007, A&A 466, 1219). The target and known sources are excluded from the OFF counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import fftconvolve

from astran.highlevel.aperture.statistics import li_ma
from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.geometry import deproject, project, radec, separation
from astran.highlevel.maps.acceptance import (
    SAME_POINTING_DEG,
    Acceptance,
    group_runs,
    make_acceptances,
)
from astran.highlevel.maps.exclusion import Exclusion
from astran.highlevel.options import Background

EXCLUDED_DEG = 0.3
"""About the target; further out for a wide ON region or an extended source."""
RING_INNER_DEG = 0.5
RING_WIDTH_DEG = 0.3
LEAST_BACKGROUND = 0.05
"""Pixels with less expected background than this part of the largest are masked."""
LEAST_OFF_COUNTS = 10.0
WIDEST_DEG = 10.0
OWN_PART = 0.75
"""So much of what a circle's own events add to the background that is expected there is taken out.
The rest narrows the significances as much as the scatter of the acceptance, of which Li & Ma do not
know, widens them: a kernel's variance is half of its value in the middle, a quarter of the
correlation."""


@dataclass(frozen=True)
class SkyMap:
    """Images of shape (n, n), the target in the middle; first axis to the north, second axis to
    the **east** (falling to the right on the sky: turned over for display).

    n is odd, so that the target is the centre of a pixel. With the files' background model it is
    even, as in gammapy's map of that width: then the two can be compared pixel by pixel.
    """

    target: Floats
    bin_deg: float
    radius_deg: float
    """Of the ON circle at each pixel."""
    excluded_deg: float
    ring: tuple[float, float]
    """Inner and outer radius of the OFF ring [deg]."""
    method: Background
    field_deg: float
    """Radius of the field of view that was used."""
    exclusion: Exclusion
    """The circles that do not count as background."""
    pointings: tuple[Floats, ...]
    acceptances: tuple[Acceptance, ...]
    """One per pointing."""
    counts: Floats
    background: Floats
    """Expected background per pixel, without the source."""
    n_on: Floats
    n_off: Floats
    alpha: Floats
    valid: Mask
    """Pixels with enough exposure."""

    def crop(self, width: float) -> SkyMap:
        """The middle of the map, of this width [deg]; never larger than the map."""
        margin = max(0, round((len(self.counts) - width / self.bin_deg) / 2))
        if not margin:
            return self
        inner = (slice(margin, -margin),) * 2
        images = ("counts", "background", "n_on", "n_off", "alpha", "valid")
        return replace(self, **{name: getattr(self, name)[inner] for name in images})

    @property
    def excess(self) -> Floats:
        """In the ON circle about each pixel; NaN where masked."""
        return np.where(self.valid, self.n_on - self.alpha * self.n_off, np.nan)

    @property
    def significance(self) -> Floats:
        """Li & Ma; NaN where masked."""
        return np.where(self.valid, li_ma(self.n_on, self.n_off, self.alpha), np.nan)

    @property
    def axis(self) -> Floats:
        """Offsets of the pixel centres from the target [deg], shape (n,)."""
        number = len(self.counts)
        return (np.arange(number) - (number - 1) / 2) * self.bin_deg

    @property
    def off_source(self) -> Mask:
        """Valid pixels whose ON circle does not touch an excluded circle."""
        x, y = np.meshgrid(self.axis, self.axis)
        pixels = deproject(x, y, self.target)
        return self.valid & self.exclusion.grown(self.radius_deg).free(pixels)

    def accepted(self, run: Dl3Run, directions: Floats) -> Floats:
        """Relative density of background events of a run in directions, shape (n, 3)."""
        acceptance = next(
            (
                acceptance
                for pointing, acceptance in zip(self.pointings, self.acceptances, strict=True)
                if float(separation(pointing, run.pointing)) < SAME_POINTING_DEG
            ),
            self.acceptances[0],
        )
        return acceptance.evaluate(*project(directions, run.pointing))

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """RA and Dec of an offset from the target in the tangential plane [deg]."""
        return radec(deproject(np.array(x), np.array(y), self.target))


def make_map(
    runs: Sequence[Dl3Run],
    target: Floats,
    width: float,
    bin_deg: float,
    radius: float,
    circles: Exclusion,
    energies: tuple[float | None, float | None] = (None, None),
    background: Background | None = None,
    *,
    whole_field: bool = False,
) -> SkyMap:
    """Compute the map.

    Parameters
    ----------
    width : of the map [deg]; rounded to whole pixels
    bin_deg : size of a pixel [deg]
    radius : of the ON circle [deg]
    circles : what does not count as background; the first is the target's
    energies : of the events [TeV]; none: no limit
    background : the kind of acceptance; none: the best there is
    whole_field : make it as wide as the fields of view of all runs, if that is more
    """
    inner = max(RING_INNER_DEG, radius + EXCLUDED_DEG, circles.radii[0])
    outer = inner + RING_WIDTH_DEG
    groups = group_runs(runs, circles)
    acceptances = make_acceptances(groups, circles, width / 2 + 1.5, energies, background)
    method = acceptances[0].method
    if whole_field:
        reach = [
            float(separation(group.centre, target)) + acceptance.radius
            for group, acceptance in zip(groups, acceptances, strict=True)
        ]
        width = max(width, min(2 * max(reach), WIDEST_DEG))
    margin = int(np.ceil(outer / bin_deg))
    number = 2 * round(width / 2 / bin_deg) + (method is not Background.IRF) + 2 * margin
    edges = (np.arange(number + 1) - number / 2) * bin_deg
    axis = (edges[1:] + edges[:-1]) / 2
    px, py = np.meshgrid(axis, axis)
    pixels = deproject(px, py, target)
    free = circles.free(pixels)
    # solid angle of a pixel in the tangential plane shrinks with its distance from the centre
    solid = (1 + np.radians(np.hypot(px, py)) ** 2) ** -1.5
    counts = np.zeros_like(px)
    expected = np.zeros_like(px)
    own = np.zeros_like(px)
    livetime = sum(group.livetime_s for group in groups)
    for group, acceptance in zip(groups, acceptances, strict=True):
        image = np.zeros_like(px)
        for run in group.runs:
            inside = np.hypot(*project(run.direction, run.pointing)) <= acceptance.radius
            ex, ey = project(run.direction[inside], target)
            image += np.histogram2d(ey, ex, bins=(edges, edges))[0]
        place = project(pixels, group.centre)
        shape = acceptance.evaluate(*place) * solid
        counts += image
        if (total := float(shape[free].sum())) > 0:
            shape *= float(image[free].sum()) / total
            expected += shape
            own += shape * acceptance.own_share(*place, radius, group.livetime_s / livetime)
    disk = _kernel(0.0, radius, bin_deg)
    ring = _kernel(inner, outer, bin_deg)
    crop = (slice(margin, -margin),) * 2
    n_on, n_off, b_on, b_off, n_free, b_free = (
        fftconvolve(image, kernel, mode="same")[crop]
        for image, kernel in (
            (counts, disk),
            (counts * free, ring),
            (expected, disk),
            (expected * free, ring),
            (counts * free, disk),
            (expected * free, disk),
        )
    )
    n_on, n_off = np.round(n_on), np.round(n_off)
    valid = (b_on > LEAST_BACKGROUND * b_on.max()) & (n_off >= LEAST_OFF_COUNTS) & (b_off > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(expected > 0, own / expected, 0.0)[crop]
        # what the circle's own events added to their prediction
        added = OWN_PART * share / (1 - share) * (n_free - b_free)
        b_on = np.clip(b_on - added, 0.1 * b_on, None)
        alpha = np.where(valid, b_on / b_off, np.nan)
    return SkyMap(
        target=target,
        bin_deg=bin_deg,
        radius_deg=radius,
        excluded_deg=circles.radii[0],
        ring=(inner, outer),
        method=method,
        field_deg=max(acceptance.radius for acceptance in acceptances),
        exclusion=circles,
        pointings=tuple(group.centre for group in groups),
        acceptances=tuple(acceptances),
        counts=counts[crop],
        background=expected[crop],
        n_on=n_on,
        n_off=n_off,
        alpha=alpha,
        valid=valid,
    )


def _kernel(inner: float, outer: float, bin_deg: float) -> Floats:
    half = int(np.ceil(outer / bin_deg))
    axis = np.arange(-half, half + 1) * bin_deg
    distance = np.hypot(*np.meshgrid(axis, axis))
    tiny = 1e-9
    return ((distance >= inner - tiny) & (distance <= outer + tiny)).astype(float)
