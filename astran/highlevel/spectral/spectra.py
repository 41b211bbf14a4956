"""Counts and response by energy: of one run, and stacked.

Runs are stacked before a fit, because with few OFF counts per bin the statistic is biased: many
runs fitted jointly give a spectrum that is too soft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.aperture.counts import RunCounts, ThetaCut
from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.options import Threshold
from astran.highlevel.spectral.irfs import SpectralResponse, make_response
from astran.highlevel.spectral.shapes import Shape, integrate_fluxes

BINS_PER_DECADE = 20
LOWEST_TEV, HIGHEST_TEV = 0.01, 100.0
EDGE_ROUNDING = 1e-6
FEWEST_BINS = 4


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

    def part(self, bins: slice) -> tuple[Floats, Floats, Floats]:
        """n_on, n_off and alpha of some bins."""
        return self.n_on[bins], self.n_off[bins], self.alpha[bins]


@dataclass(frozen=True)
class RunSpectrum:
    """Of one run; with the events' times, for a light curve."""

    part: RunCounts
    spectrum: CountsSpectrum
    response: SpectralResponse
    off_regions: int
    on_energy: Floats
    on_time: Floats
    off_energy: Floats
    off_time: Floats


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


def usable_bins(edges: Floats, found: SpectralResponse, chosen_low: bool, rule: Threshold) -> Mask:
    """Which bins lie above the threshold of a run.

    A wish for a range wins over the rule about the effective area, but not over a threshold that
    the makers of the files state.
    """
    if rule is Threshold.AREA:
        threshold = found.area_begins
    elif found.stated is None:
        threshold = 0.0 if chosen_low else found.area_begins
    elif rule is Threshold.LOWEST:
        threshold = min(found.stated, found.area_begins)
    else:
        threshold = found.stated
    tiny = 1 + EDGE_ROUNDING
    keep: Mask = (edges[:-1] * tiny >= threshold) & (edges[1:] <= found.ceiling * tiny)
    return keep


def run_spectrum(
    part: RunCounts,
    cut: ThetaCut,
    edges: Floats,
    chosen_low: bool,
    rule: Threshold,
    off: tuple[Floats, Floats, int],
) -> RunSpectrum:
    """Counts and response of a run; NoResponse where its IRFs cannot be used."""
    found = make_response(part, cut, edges)
    mask = usable_bins(edges, found, chosen_low, rule)
    on = part.passed[0]
    off_energy, off_time, regions = off
    n_on = np.histogram(part.run.energy[on], edges)[0] * mask
    n_off = np.histogram(off_energy, edges)[0] * mask
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
        spectrum=spectrum,
        response=found,
        off_regions=regions,
        on_energy=part.run.energy[on],
        on_time=part.run.time[on],
        off_energy=off_energy,
        off_time=off_time,
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
