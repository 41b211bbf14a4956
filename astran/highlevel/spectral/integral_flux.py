"""The integral flux above a threshold, also in units of the Crab Nebula's above the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from astran.highlevel.spectral.fit import Model
from astran.highlevel.spectral.norm import Norm
from astran.highlevel.spectral.shapes import CRAB, Shape, integrate_flux, power_law
from astran.highlevel.spectral.spectra import CountsSpectrum, WideCounts

STEPS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
"""Thresholds in each decade (Renard series R10), so that nights are compared above the same one."""
THRESHOLDS_TEV = tuple(round(step * 10.0**power, 6) for power, step in product(range(-2, 3), STEPS))
ROUNDING = 0.02
INDEX_ERROR = 0.3
"""Of an index that is assumed."""


@dataclass(frozen=True)
class IntegralFlux:
    """What turns norms of a spectral shape into fluxes above a threshold."""

    energy_min: float
    energy_max: float
    """[TeV]."""
    of_shape: float
    """Flux of norm 1 [cm-2 s-1]."""
    of_crab: float
    """The Crab Nebula's between the same energies [cm-2 s-1]."""
    shape_error: float
    """Relative error of the flux by that of the shape, the norm apart."""

    def measure(self, norm: Norm) -> tuple[float, float]:
        """Flux and its error, that of the shape included [cm-2 s-1]."""
        error = np.hypot(norm.error, norm.value * self.shape_error)
        return norm.value * self.of_shape, float(error) * self.of_shape


def choose_threshold(low: float, high: float, *, chosen: bool) -> float:
    """The least of the fixed thresholds from which on there are data [TeV].

    Parameters
    ----------
    low, high : range of the data [TeV]
    chosen : the lower end was asked for, so that it is the threshold
    """
    fitting = [one for one in THRESHOLDS_TEV if low * (1 - ROUNDING) <= one <= high / 2]
    return low if chosen or not fitting else fitting[0]


def integral_flux(
    energies: tuple[float, float], shape: Shape, best: Model | None, norm_error: float, free: float
) -> IntegralFlux:
    """For a shape in an energy range [TeV].

    Parameters
    ----------
    norm_error : relative error of the norm while the shape is fixed
    free : relative error of the flux by the shape where nothing was fitted
    """
    flux = integrate_flux(shape, *energies)
    part = free
    if best is not None:
        _, error = best.flux(*energies)
        part = float(np.sqrt(max((error / flux) ** 2 - norm_error**2, 0.0)))
    return IntegralFlux(*energies, flux, integrate_flux(CRAB.shape, *energies), part)


def assumed_shape_error(
    stacked: CountsSpectrum, wide: WideCounts, energies: tuple[float, float], index: float
) -> float:
    """Relative error of the flux for the error of an assumed index: the same counts are another
    flux for another index."""
    scale = wide.expected / np.maximum((1 + wide.alpha) * wide.alpha * wide.n_off, 1.0)

    def flux_per_signal(other: float) -> float:
        shape = power_law(1.0, other)
        bounds = stacked.wide_bounds()
        signal = float((scale * stacked.wide(bounds, shape).expected).sum())
        return integrate_flux(shape, *energies) / signal if signal > 0 else 0.0

    middle: Sequence[float] = [flux_per_signal(index + d * INDEX_ERROR) for d in (-1, 0, 1)]
    return abs(middle[2] - middle[0]) / (2 * middle[1]) if middle[1] > 0 else 0.0
