"""Counts by the wobble method: the ON region and OFF regions at the same offset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from astran.highlevel.aperture.statistics import Counts
from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.dl3.run import Dl3Run, Excluded
from astran.highlevel.geometry import (
    deproject,
    neighbour_distance,
    separation,
    wobble_positions,
)
from astran.highlevel.maps.exclusion import POINT_REACH_DEG, contaminated_by
from astran.highlevel.maps.known_sources import KnownSource

MOST_OFF_REGIONS = 3
"""Taken where the request names no number: more gain little and come close to the source."""
ON_AXIS_DEG = 0.3
"""Closer runs point at the target; the usual offsets begin at 0.35 deg."""
ON_AXIS_OFF_DEG = 0.5
MOST_ON_AXIS = 6
"""Distance from the target and number of the OFF regions of runs that point at it."""
_EDGE_DEG = 1e-6


class CutKind(StrEnum):
    """How theta is cut."""

    FIXED = "fixed"
    ENERGY_DEPENDENT = "energy-dependent"


@dataclass(frozen=True, slots=True)
class ThetaCut:
    """The directional cut of a night."""

    kind: CutKind
    theta_deg: float | None
    """Radius of the regions; none where it depends on the energy."""
    origin: str
    """Where it comes from, for the reader."""


@dataclass(frozen=True)
class RunCounts:
    """One run with the distance of its events to the ON and OFF positions."""

    run: Dl3Run
    """Only with the events of the energy range."""
    target: Floats
    """Unit vector."""
    offset: float
    """Of the target from the pointing [deg]."""
    theta: Floats
    """Distances [deg], shape (1 + OFF positions, events); ON first."""
    limit: Floats
    """The cut for each event [deg], shape (events,)."""
    spoiled: tuple[str, ...] = ()
    """Known sources because of which OFF positions are left out."""
    steps: int = 0
    """Into so many equal steps the wobble circle is divided; 0: OFF positions + 1."""
    off_exposure: float | None = None
    """Of all OFF positions in units of that of ON, where they have another offset than ON; none:
    it is their number."""
    off_centres: tuple[Floats, ...] = ()
    """Of the OFF regions, unit vectors."""

    @property
    def off_regions(self) -> int:
        return len(self.theta) - 1

    @property
    def alpha(self) -> float:
        """Positions of the same offset have the same acceptance and livetime."""
        return 1.0 / (self.off_regions if self.off_exposure is None else self.off_exposure)

    @property
    def passed(self) -> Mask:
        """Which events lie in which region, shape of `theta`."""
        return self.theta <= self.limit

    @property
    def counts(self) -> Counts:
        passed = self.passed
        return Counts(
            n_on=int(passed[0].sum()),
            n_off=int(passed[1:].sum()),
            alpha=self.alpha,
            livetime_s=self.run.livetime_s,
        )


@dataclass(frozen=True)
class CutChoice:
    """The cut of a night, the runs that it fits, and what the reader should know about it."""

    cut: ThetaCut
    runs: tuple[Dl3Run, ...]
    excluded: tuple[Excluded, ...] = ()
    warnings: tuple[str, ...] = ()


def choose_cut(
    runs: Sequence[Dl3Run],
    target: Floats,
    wanted: float | None,
    fallback: float,
    fallback_name: str,
) -> CutChoice:
    """Decide on the theta cut of a night.

    A wanted fixed cut wins. Else the files decide: their RAD_MAX_2D tables, or their RAD_MAX
    value. Else the fallback [deg], which `fallback_name` describes.
    """
    if wanted is not None:
        return CutChoice(ThetaCut(CutKind.FIXED, wanted, "as requested"), tuple(runs))
    if any(run.rad_max_table is not None for run in runs):
        return _with_tables(runs, target)
    values = Counter(run.rad_max for run in runs if run.rad_max is not None)
    untold = [run for run in runs if run.point_like and run.rad_max is None]
    told: tuple[str, ...] = ()
    if untold:
        told = (
            f"The point-like IRFs of {len(untold)} of {len(runs)} runs do not state their theta "
            "cut: if it is another one than that of the counts, fluxes are wrong.",
        )
    if not values:
        return CutChoice(ThetaCut(CutKind.FIXED, fallback, fallback_name), tuple(runs), (), told)
    common = values.most_common(1)[0][0]
    assert common is not None
    warnings = told
    if len(values) > 1:
        listed = ", ".join(f"{value:g}" for value in sorted(v for v in values if v is not None))
        warnings += (
            f"The runs have IRFs for different theta cuts ({listed} deg): {common:g} deg is "
            "used for all.",
        )
    return CutChoice(
        ThetaCut(CutKind.FIXED, common, "RAD_MAX of the IRFs"), tuple(runs), (), warnings
    )


def _with_tables(runs: Sequence[Dl3Run], target: Floats) -> CutChoice:
    kept: list[Dl3Run] = []
    excluded: list[Excluded] = []
    for run in runs:
        if run.rad_max_table is None:
            reason = "it has no RAD_MAX table, unlike other runs."
        else:
            offset = float(separation(run.pointing, target))
            low, high = run.rad_max_table.offset_range
            if low - _EDGE_DEG <= offset <= high + _EDGE_DEG:
                kept.append(run)
                continue
            reason = (
                f"the target's offset of {offset:.3f} deg lies outside of its RAD_MAX table "
                f"({low:g} to {high:g} deg)."
            )
        cure = " A fixed theta cut would let it count."
        excluded.append(Excluded(run.obs_id, run.path.name, reason + cure))
    cut = ThetaCut(CutKind.ENERGY_DEPENDENT, None, "RAD_MAX_2D of the IRFs")
    return CutChoice(cut, tuple(kept), tuple(excluded))


def offset_limits_deg(run: Dl3Run, offset: float, cut: ThetaCut) -> Floats:
    """The theta cut for each event of a run [deg]."""
    if cut.theta_deg is not None:
        return np.broadcast_to(cut.theta_deg, run.energy.shape)
    assert run.rad_max_table is not None
    return run.rad_max_table.evaluate(run.energy, offset)


def fits_off_regions(offset: float, off_regions: int, radius: float) -> bool:
    """Whether so many OFF circles overlap neither the ON circle nor one another."""
    return neighbour_distance(offset, off_regions) >= 2 * radius - _EDGE_DEG


def max_off_regions(offset: float, radius: float, at_most: int) -> int:
    """Largest number of OFF regions that fit, 0 if not even the opposite one does."""
    return next((n for n in range(at_most, 0, -1) if fits_off_regions(offset, n, radius)), 0)


def threshold_for(runs: Sequence[Dl3Run], target: Floats, off_regions: int) -> float | None:
    """Least energy [TeV] from which on a wanted number of OFF regions fits in every run, for
    energy-dependent cuts; none where it fits at every energy at which there are events."""
    threshold = 0.0
    for run in runs:
        assert run.rad_max_table is not None
        offset = float(separation(run.pointing, target))
        cuts = run.rad_max_table.at_offset(offset)
        edges = run.rad_max_table.energy
        filled = np.histogram(run.energy, edges)[0] > 0
        for index in np.flatnonzero(filled):
            if not fits_off_regions(offset, off_regions, float(cuts[index])):
                threshold = max(threshold, float(edges[index + 1]))
    return threshold or None


def off_threshold(
    runs: Sequence[Dl3Run], target: Floats, off_regions: int | None
) -> tuple[int, float | None]:
    """Number of OFF regions for energy-dependent cuts, and the least energy [TeV] for it.

    A wide cut at the lowest energies must not cost the whole night its OFF regions, nor may the
    choice cost the night its events: without a wish, the most regions (three at most) for which
    at least half of the events lie above the threshold.
    """
    if off_regions is not None:
        return off_regions, threshold_for(runs, target, off_regions)
    energies = np.concatenate([run.energy for run in runs]) if runs else np.zeros(0)
    for number in range(MOST_OFF_REGIONS, 1, -1):
        threshold = threshold_for(runs, target, number)
        if threshold is None or np.count_nonzero(energies >= threshold) * 2 >= energies.size:
            return number, threshold
    return 1, None


def count_run(
    run: Dl3Run,
    target: Floats,
    cut: ThetaCut,
    off_regions: int | None,
    sources: Sequence[KnownSource] = (),
) -> RunCounts | Excluded:
    """Measure the distance of every event of a run to its ON and OFF positions.

    Parameters
    ----------
    off_regions : wanted number; fewer are taken where they do not fit. None: as many as fit,
        at most `MOST_OFF_REGIONS`.
    sources : known sources; OFF regions into which their gammas reach are left out
    """
    offset = float(separation(run.pointing, target))
    limit = offset_limits_deg(run, offset, cut)
    radius = cut.theta_deg if cut.theta_deg is not None else float(limit.max(initial=0.0))
    number = max_off_regions(offset, radius, off_regions or MOST_OFF_REGIONS)
    if number == 0:
        return Excluded(
            run.obs_id,
            run.path.name,
            f"it points {offset:.2f} deg from the target: no OFF region of {radius:.2f} deg "
            "fits at that offset.",
        )
    on, *off = wobble_positions(target, run.pointing, number)
    clean, names = _clean_positions(off, radius, sources)
    if not clean:
        return Excluded(
            run.obs_id,
            run.path.name,
            f"all its OFF regions would hold gammas of {' and '.join(names)}.",
        )
    theta = np.stack([separation(run.direction, place) for place in (on, *clean)])
    return RunCounts(run, target, offset, theta, limit, names, number + 1, off_centres=tuple(clean))


def _clean_positions(
    places: Sequence[Floats], radius: float, sources: Sequence[KnownSource]
) -> tuple[list[Floats], tuple[str, ...]]:
    """OFF positions without a source, and the sources of the others. Where tails of sources reach
    all positions, those that hold the tails alone are taken."""
    for tails in (True, False):
        spoilers = [contaminated_by(place, radius, sources, tails=tails) for place in places]
        clean = [place for place, source in zip(places, spoilers, strict=True) if source is None]
        if clean:
            break
    return clean, tuple(dict.fromkeys(source.name for source in spoilers if source is not None))


def points_at(run: Dl3Run, target: Floats) -> bool:
    """Whether a run points at the target, rather than beside it."""
    return float(separation(run.pointing, target)) < ON_AXIS_DEG


def count_on_axis(
    run: Dl3Run,
    target: Floats,
    cut: ThetaCut,
    sources: Sequence[KnownSource],
    acceptance: Callable[[Floats], Floats],
) -> RunCounts | Excluded:
    """Count a run that points so close to the target that no OFF region fits at its offset: the
    OFF regions are circles about the target, further out, where fewer events are accepted.

    Parameters
    ----------
    acceptance : relative density of background events in directions, shape (n, 3)
    """
    offset = float(separation(run.pointing, target))
    limit = offset_limits_deg(run, offset, cut)
    radius = cut.theta_deg if cut.theta_deg is not None else float(limit.max(initial=0.0))
    away = max(ON_AXIS_OFF_DEG, 2 * radius + POINT_REACH_DEG)
    number = min(MOST_ON_AXIS, int(np.pi / np.arcsin(min(radius / away, 1.0))))
    turns = 2 * np.pi * np.arange(number) / number
    places = list(deproject(away * np.sin(turns), away * np.cos(turns), target))
    clean, names = _clean_positions(places, radius, sources)
    density = acceptance(np.stack([target, *clean]))
    if not clean or not (density > 0).all():
        return Excluded(
            run.obs_id,
            run.path.name,
            f"it points {offset:.2f} deg from the target, where no OFF region fits, and there is "
            f"no free one at {away:.2f} deg from the target either.",
        )
    theta = np.stack([separation(run.direction, place) for place in (target, *clean)])
    exposure = float(density[1:].sum() / density[0])
    return RunCounts(
        run,
        target,
        offset,
        theta,
        limit,
        names,
        off_exposure=exposure,
        off_centres=tuple(clean),
    )
