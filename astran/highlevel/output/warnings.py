"""Warnings in words: what a careful astronomer would point at before the numbers are used."""

from __future__ import annotations

import math
from collections.abc import Sequence

from astran.highlevel.geometry import neighbour_distance, separation, vector
from astran.highlevel.maps.exclusion import SAME_SOURCE_DEG
from astran.highlevel.maps.known_sources import find_source
from astran.results.document import FieldSourceNumbers, Results, RunNumbers

WIDEST_OFF_SIGMA = 1.15
FEW_OFF_COUNTS = 10
TAIL_SIGMAS = 3.0
HALO = 0.1
"""So much of a source's excess in the tail is nothing special: the tail of the point spread."""
UNBALANCED = 0.6
CRAB_FACTOR, SAME_PLACE_DEG = 1.5, 0.1
"""The Crab's flux is to be right within this factor."""
SURE_OFFSET = 5.0
"""In units of the position's error."""
POINT_SPREAD_DEG, SEEN = 0.15, 5.0
"""Gammas of a point source reach so far; it matters for a source above so many sigma."""


def find_warnings(results: Results, wanted_off: int | None) -> list[str]:
    """What is odd in the results. What the diagnostics tell is in `diagnostics.notes`."""
    said: list[str] = []
    stacked, runs, sky = results.stacked, results.runs, results.map
    numbers = sorted({run.off_regions for run in runs})
    if (
        wanted_off is not None
        and min(run.off_regions + len(run.off_spoiled_by) for run in runs) < wanted_off
    ):
        said.append(
            f"{wanted_off} OFF regions do not fit beside the ON region in every run: "
            f"{numbers[0]} were used where they do not."
        )
    elif len(numbers) > 1 and not any(run.off_spoiled_by for run in runs):
        listed = " or ".join(str(n) for n in numbers)
        said.append(f"The number of OFF regions differs between the runs ({listed}).")
    spoilers = sorted({name for run in runs for name in run.off_spoiled_by})
    if spoilers:
        said.append(
            f"OFF regions that would hold gammas of {' and '.join(spoilers)} were left out."
        )
    closest = min(neighbour_distance(run.offset_deg, int(run.off_regions)) for run in runs)
    gap = closest - stacked.theta_cut.typical_deg
    if gap < POINT_SPREAD_DEG and stacked.significance > SEEN:
        said.append(
            f"OFF regions begin {gap:.2f} deg from the target, where the source's own gammas may "
            "still reach: the excess may be too small. Fewer OFF regions would be further away."
        )
    if stacked.n_off < FEW_OFF_COUNTS:
        said.append(
            f"There are only {stacked.n_off} OFF counts: the background is hardly known, take "
            "the significance with care."
        )
    tail = results.theta2 and results.theta2.tail
    if (
        tail
        and abs(tail.ratio - 1) > TAIL_SIGMAS * tail.ratio_error
        and abs(tail.on - tail.background) > HALO * max(stacked.excess, 0.0)
    ):
        said.append(
            f"ON and OFF differ in the theta2 tail (ratio {tail.ratio:.2f} +- "
            f"{tail.ratio_error:.2f}): an extended source, a further source, "
            "or an uneven camera."
        )
    if sky and sky.off_sigma is not None and sky.off_sigma > WIDEST_OFF_SIGMA:
        said.append(
            f"The significance map is wider than it should be outside of the source (sigma "
            f"{sky.off_sigma:.2f} instead of 1): its background is not well described, do not "
            "trust weak spots in it."
        )
    fit = sky.fit if sky else None
    if sky and fit and fit.offset_deg > max(SAME_SOURCE_DEG, SURE_OFFSET * fit.error_deg):
        near = fit.offset_deg < sky.excluded_radius_deg
        said += [
            f"The peak of the map lies {fit.offset_deg:.2f} deg from the target, at RA "
            f"{fit.ra_deg:.3f}, Dec {fit.dec_deg:+.3f} deg: is it another source? So close to the "
            "target the two cannot be told apart."
        ] * near
    if sky:
        said += [_describe_source(source, stacked.theta_cut.typical_deg) for source in sky.sources]
    return said + _wobble_balance(runs) + _crab(results)


def _describe_source(source: FieldSourceNumbers, theta_deg: float) -> str:
    """A source elsewhere in the field."""
    kind = "A source" if source.detected else "A possible source"
    nearest = source.counterparts[0] if source.counterparts else None
    known = (
        f"{nearest.name} of the catalogue is {nearest.distance_deg:.2f} deg from it"
        if nearest
        else "the catalogue knows none there"
    )
    reach = source.excluded_radius_deg + theta_deg
    mixed = (
        " Its gammas reach into the ON region of the target, whose excess holds part of them."
        if source.offset_deg < reach
        else ""
    )
    return (
        f"{kind} {source.offset_deg:.2f} deg from the target, {source.name}, at RA "
        f"{source.ra_deg:.3f}, Dec {source.dec_deg:+.3f} deg: {source.significance:.1f} sigma, "
        f"{source.significance_after_trials:.1f} after {source.trials:.0f} trials; {known}. It is "
        f"left out of OFF regions and background.{mixed}"
    )


def _wobble_balance(runs: Sequence[RunNumbers]) -> list[str]:
    """Livetime on the two sides of the source, by the position angle of the pointing."""
    x = sum(r.livetime_h * math.sin(math.radians(r.position_angle_deg)) for r in runs)
    y = sum(r.livetime_h * math.cos(math.radians(r.position_angle_deg)) for r in runs)
    total = sum(r.livetime_h for r in runs)
    if len(runs) > 1 and math.hypot(x, y) > UNBALANCED * total:
        return [
            "The wobble positions are not balanced: most livetime is on one side of the source, "
            "so that camera gradients do not cancel."
        ]
    return []


def _crab(results: Results) -> list[str]:
    """The Crab Nebula itself is a test of area, energies and livetime."""
    found = results.spectrum.numbers
    target = results.target
    known = find_source("Crab")
    if known is None or found is None or found.crab is None:
        return []
    if float(separation(known.direction, vector(target.ra_deg, target.dec_deg))) > SAME_PLACE_DEG:
        return []
    flux = found.crab.value
    if 1 / CRAB_FACTOR <= flux <= CRAB_FACTOR:
        return []
    return [
        f"The Crab Nebula comes out at {flux:.2g} of its own flux: check effective area, energies "
        "(their units), livetime and cuts before any number is used."
    ]
