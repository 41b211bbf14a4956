"""Flux points: differential fluxes in bins of energy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.limits import expected_limit, upper_limit
from astran.highlevel.spectral.norm import Norm, fit_norm
from astran.highlevel.spectral.shapes import Shape
from astran.highlevel.spectral.spectra import (
    CountsSpectrum,
    point_bounds,
)

POINT_SIGMAS = 3.0
LEAST_EXPECTED = 0.5
"""Bins of a flux point in which fewer gammas are expected, and none came, tell nothing."""


@dataclass(frozen=True)
class FluxPoint:
    """Differential flux in an energy bin; energies in TeV."""

    energy_min: float
    energy_max: float
    energy: float
    reference_flux: float
    """Of the model, at `energy` [cm-2 s-1 TeV-1]; the norm is relative to it."""
    norm: Norm
    n_on: int
    n_off: int
    expected: float
    expected_limit: float | None = None
    """The upper limit that this exposure was to give without a source, in units of the norm."""

    @property
    def is_limit(self) -> bool:
        return self.norm.sqrt_ts < POINT_SIGMAS


def flux_points(spectrum: CountsSpectrum, shape: Shape, confidence: float) -> list[FluxPoint]:
    """Points at five per decade, their edges among those of the spectrum."""
    bounds = point_bounds(spectrum.edges)
    expected = spectrum.expected(shape)
    found = []
    for first, last in pairwise(bounds):
        bins = slice(int(first), int(last))
        used = np.flatnonzero(spectrum.used[bins] & (spectrum.alpha[bins] > 0))
        if used.size == 0:
            continue
        n_on, n_off, alpha = spectrum.part(bins)
        norm = fit_norm(n_on, n_off, alpha, expected[bins], confidence)
        gammas = float(expected[bins].sum())
        if norm is None or (gammas < LEAST_EXPECTED and n_on.sum() == 0):
            continue
        norm, usual = _limits_of_point(norm, (n_on, n_off, alpha), expected[bins], confidence)
        low = float(spectrum.edges[first + used[0]])
        high = float(spectrum.edges[first + used[-1] + 1])
        middle = float(np.sqrt(low * high))
        found.append(
            FluxPoint(
                energy_min=low,
                energy_max=high,
                energy=middle,
                reference_flux=float(shape(np.array([middle]))[0]),
                norm=norm,
                n_on=int(n_on.sum()),
                n_off=int(n_off.sum()),
                expected=gammas,
                expected_limit=usual,
            )
        )
    return found


def _limits_of_point(
    norm: Norm,
    counts: tuple[Floats, Floats, Floats],
    expected: Floats,
    confidence: float,
) -> tuple[Norm, float | None]:
    """The norm with the upper limit of a point's counts in one bin, and the limit that was to be
    expected without a source."""
    n_on, n_off, alpha = counts
    used = alpha > 0
    on, off, total = (np.array([float(part[used].sum())]) for part in (n_on, n_off, expected))
    background = float((alpha * n_off)[used].sum())
    ratio = background / off if background > 0 else np.array([float(alpha[used].mean())])
    if not total[0] > 0:
        return norm, None
    best = float(((on - ratio * off) / total)[0])
    limit = upper_limit(on, off, ratio, total, (best, 0.0), confidence)
    return replace(norm, limit=limit), expected_limit(off, ratio, total, confidence)
