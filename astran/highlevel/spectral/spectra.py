"""Counts and response by energy: of one run, and stacked.

Runs are stacked before a fit, because with few OFF counts per bin the statistic is biased: many
runs fitted jointly give a spectrum that is too soft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.aperture.counts import RunCounts, ThetaCut
from astran.highlevel.arrays import Floats, Ints, Mask
from astran.highlevel.options import Threshold
from astran.highlevel.spectral.irfs import (
    AREA_FRACTION,
    Responses,
    SpectralResponse,
    make_response,
)
from astran.highlevel.spectral.reflected import OffEvents
from astran.highlevel.spectral.shapes import Shape, integrate_fluxes

BINS_PER_DECADE = 20
POINTS_PER_DECADE = 5
LEAST_OFF_COUNTS = 30
"""OFF counts of all runs that a wide bin holds at least."""
EVENTS_BEGIN, FEWEST_EVENTS = 0.1, 100
"""The events of a run begin where a tenth of a decade holds this part of those at the peak; where
there are enough to see it."""
LOWEST_TEV, HIGHEST_TEV = 0.01, 100.0
EDGE_ROUNDING = 1e-6
FEWEST_BINS = 4


@dataclass(frozen=True)
class WideCounts:
    """Counts in few wide bins."""

    n_on: Floats
    n_off: Floats
    alpha: Floats
    expected: Floats
    """Signal of a spectral shape."""

    @property
    def data(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.n_on, self.n_off, self.alpha, self.expected


@dataclass(frozen=True)
class CountsSpectrum:
    """Counts in bins of reconstructed energy, of one run or of several."""

    edges: Floats
    """[TeV], shape (n + 1,)."""
    true_edges: Floats
    n_on: Floats
    n_off: Floats
    background: Floats
    """Sum of alpha times OFF."""
    off_exposure: Floats
    """Sum over the runs of livetime / alpha, by bin."""
    livetime: Floats
    """By bin, as thresholds differ from run to run [s]."""
    exposure: Floats
    """Effective area times livetime by true energy [cm2 s]."""
    matrix: Floats
    """Exposure times energy dispersion, shape (true, reconstructed) [cm2 s]; zero in bins that a
    run may not use."""
    used: Mask
    """Bins that at least one run may use."""

    @property
    def alpha(self) -> Floats:
        """ON exposure / OFF exposure; 0 where no run may be used."""
        with np.errstate(divide="ignore", invalid="ignore"):
            measured = np.where(self.n_off > 0, self.background / self.n_off, 0.0)
            geometric = np.where(self.off_exposure > 0, self.livetime / self.off_exposure, 0.0)
        return np.where(measured > 0, measured, geometric)

    def expected(self, shape: Shape) -> Floats:
        """Signal counts of a spectral shape, by bin."""
        found: Floats = integrate_fluxes(shape, self.true_edges) @ self.matrix
        return found

    def wide(self, bounds: Ints, shape: Shape) -> WideCounts:
        """Counts and expected signal in wide bins, whose edges are some of `edges`."""

        def total(values: Floats) -> Floats:
            found: Floats = np.add.reduceat(values * good, bounds[:-1])
            return found

        good = (self.used & (self.alpha > 0)).astype(float)
        n_off, background = total(self.n_off), total(self.background)
        exposure = total(self.off_exposure)
        with np.errstate(divide="ignore", invalid="ignore"):
            measured = np.where(n_off > 0, background / n_off, 0.0)
            geometric = np.where(exposure > 0, total(self.livetime) / exposure, 0.0)
        return WideCounts(
            n_on=total(self.n_on),
            n_off=n_off,
            alpha=np.where(measured > 0, measured, geometric),
            expected=total(self.expected(shape)),
        )

    def background_of(self, part: CountsSpectrum, bounds: Ints) -> Floats:
        """Background that this spectrum tells for a part of it, in wide bins."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(self.livetime > 0, part.livetime / self.livetime, 0.0)
        found: Floats = np.add.reduceat(self.background * share, bounds[:-1])
        return found

    def wide_bounds(self) -> Ints:
        """Indices of `edges` of wide bins, five per decade at most, that hold enough OFF counts."""
        bounds = point_bounds(self.edges)
        kept, held = [int(bounds[-1])], 0.0
        for first, last in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
            held += float(self.n_off[first:last].sum())
            if held >= LEAST_OFF_COUNTS:
                kept.append(int(first))
                held = 0.0
        if len(kept) == 1:
            kept.append(0)
        kept[-1] = 0  # what is left below is too little for a bin of its own
        return np.array(kept[::-1])

    def part(self, bins: slice) -> tuple[Floats, Floats, Floats]:
        """n_on, n_off and alpha of some bins."""
        return self.n_on[bins], self.n_off[bins], self.alpha[bins]


@dataclass(frozen=True)
class RunSpectrum:
    """Of one run; with the events' times, for a light curve."""

    part: RunCounts
    threshold: RunThreshold
    spectrum: CountsSpectrum
    response: SpectralResponse
    off_regions: int
    on_energy: Floats
    on_time: Floats
    off_energy: Floats
    off_time: Floats
    off_centres: tuple[Floats, ...] = ()
    """Of the OFF regions, unit vectors."""


def energy_edges(low: float | None, high: float | None) -> Floats:
    """20 bins per decade that lie within a wanted range [TeV], with edges at 1, 10, ... TeV, so
    that spectra of different nights can be stacked. The range actually covered may thus be up to
    12 % smaller at each end: it is told with the results.

    A range too narrow for that gets bins of its own, from end to end.
    """
    first = LOWEST_TEV if low is None else low
    last = HIGHEST_TEV if high is None else high
    exponents = np.arange(-6 * BINS_PER_DECADE, 4 * BINS_PER_DECADE + 1) / BINS_PER_DECADE
    grid = 10**exponents
    inside = grid[(grid >= first * (1 - EDGE_ROUNDING)) & (grid <= last * (1 + EDGE_ROUNDING))]
    return inside if inside.size > FEWEST_BINS else np.geomspace(first, last, FEWEST_BINS + 1)


def point_bounds(edges: Floats) -> Ints:
    """Indices of edges at five per decade; all where the edges are others."""
    decades = np.round(np.log10(edges) * POINTS_PER_DECADE, 6)
    inner = np.flatnonzero(np.abs(decades - np.round(decades)) < 1e-3)
    if inner.size < 3:
        return np.arange(edges.size)
    return np.unique(np.concatenate([[0], inner, [edges.size - 1]]))


@dataclass(frozen=True, slots=True)
class RunThreshold:
    """Least reconstructed energy of a run."""

    energy_tev: float
    origin: str
    """Where it comes from, in words."""


def find_threshold(
    energy: Floats, found: SpectralResponse, chosen_low: bool, rule: Threshold
) -> RunThreshold:
    """The threshold of a run by a rule, as far as its effective area and events support it.

    A wish for a range wins over the rule about the effective area, but not over a threshold that
    the makers of the files state. One that they state below the data is not believed.
    """
    by_area = f"effective area at {AREA_FRACTION:.0%} of its maximum"
    begin = events_begin(energy)
    stated = found.stated
    unbelieved = ""
    if stated is not None and stated < min(max(found.area_supports, begin), found.area_begins):
        unbelieved = f" (LO_THRES of {stated:.3g} TeV lies below the data)"
        stated = None
    if rule is Threshold.AREA or (stated is None and not chosen_low):
        threshold, origin = found.area_begins, by_area + unbelieved
    elif stated is None:
        threshold, origin = 0.0, "as chosen"
    elif rule is Threshold.LOWEST and found.area_begins < stated:
        threshold, origin = found.area_begins, by_area
    else:
        threshold, origin = stated, "LO_THRES of the files"
    if threshold < begin and not (chosen_low and threshold == 0.0):
        threshold, origin = begin, "where the events begin"
    return RunThreshold(threshold, origin)


def events_begin(energy: Floats) -> float:
    """Energy at which the events begin [TeV]; 0 where they are too few to tell."""
    if energy.size < FEWEST_EVENTS:
        return 0.0
    counts, edges = np.histogram(np.log10(energy), np.arange(-3.0, 3.01, 0.1))
    place = int(np.argmax(counts))
    least = EVENTS_BEGIN * counts[place]
    while place > 0 and counts[place - 1] >= least:
        place -= 1
    return float(10 ** edges[place])


def usable_bins(edges: Floats, ceiling: float, threshold: RunThreshold) -> Mask:
    """Which bins lie above the threshold of a run."""
    tiny = 1 + EDGE_ROUNDING
    keep: Mask = (edges[:-1] * tiny >= threshold.energy_tev) & (edges[1:] <= ceiling * tiny)
    return keep


def run_spectrum(
    part: RunCounts,
    cut: ThetaCut,
    edges: Floats,
    chosen_low: bool,
    rule: Threshold,
    off: OffEvents,
    made: Responses | None = None,
) -> RunSpectrum:
    """Counts and response of a run; NoResponse where its IRFs cannot be used. `made`: as of
    `make_response`."""
    found = make_response(part, cut, edges, made)
    threshold = find_threshold(part.run.energy, found, chosen_low, rule)
    mask = usable_bins(edges, found.ceiling, threshold)
    on = part.passed[0]
    regions = len(off.centres)
    n_on = np.histogram(part.run.energy[on], edges)[0] * mask
    n_off = np.histogram(off.energy, edges)[0] * mask
    livetime = part.run.livetime_s * mask
    spectrum = CountsSpectrum(
        edges=edges,
        true_edges=found.true_edges,
        n_on=n_on.astype(float),
        n_off=n_off.astype(float),
        background=n_off / regions,
        off_exposure=livetime * regions,
        livetime=livetime,
        exposure=found.exposure,
        matrix=found.exposure[:, None] * found.dispersion * mask,
        used=mask,
    )
    return RunSpectrum(
        part=part,
        threshold=threshold,
        spectrum=spectrum,
        response=found,
        off_regions=regions,
        on_energy=part.run.energy[on],
        on_time=part.run.time[on],
        off_energy=off.energy,
        off_time=off.time,
        off_centres=off.centres,
    )


def stack_spectra(parts: Sequence[CountsSpectrum]) -> CountsSpectrum:
    """Sum of spectra in the same bins."""
    first = parts[0]

    def total(name: str) -> Floats:
        found: Floats = np.sum([getattr(part, name) for part in parts], axis=0)
        return found

    return CountsSpectrum(
        edges=first.edges,
        true_edges=first.true_edges,
        n_on=total("n_on"),
        n_off=total("n_off"),
        background=total("background"),
        off_exposure=total("off_exposure"),
        livetime=total("livetime"),
        exposure=total("exposure"),
        matrix=total("matrix"),
        used=np.any([part.used for part in parts], axis=0),
    )
