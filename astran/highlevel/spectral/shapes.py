"""Spectral shapes: reference spectra of the Crab Nebula, and integrals of any shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from astran.highlevel.arrays import Floats

Shape: TypeAlias = Callable[[Floats], Floats]
"""Differential flux [cm-2 s-1 TeV-1] at energies [TeV]."""
ERG_PER_TEV = 1.602176634


@dataclass(frozen=True)
class Reference:
    """A published spectrum."""

    name: str
    citation: str
    shape: Shape
    energy_min: float
    energy_max: float
    """Range in which it was measured [TeV]."""


def power_law(amplitude: float, index: float, reference: float = 1.0) -> Shape:
    """amplitude (E / reference)**-index."""
    return lambda energy: amplitude * (energy / reference) ** -index


def log_parabola(amplitude: float, alpha: float, beta: float, reference: float = 1.0) -> Shape:
    """amplitude (E / reference)**(-alpha - beta ln(E / reference))."""
    return lambda energy: (
        amplitude * (energy / reference) ** (-alpha - beta * np.log(energy / reference))
    )


def exponential_cutoff(
    amplitude: float, index: float, inverse_cutoff: float, reference: float = 1.0
) -> Shape:
    """amplitude (E / reference)**-index exp(-E inverse_cutoff); `inverse_cutoff` in 1/TeV."""
    return lambda energy: (
        amplitude * (energy / reference) ** -index * np.exp(-energy * inverse_cutoff)
    )


CRAB = Reference(
    name="Crab, MAGIC 2015",
    citation="Aleksić et al. 2015, JHEAp 5, 30",
    shape=log_parabola(3.23e-11, 2.47, 0.24 / np.log(10)),
    energy_min=0.05,
    energy_max=30.0,
)
"""The Crab unit."""
CRAB_HESS = Reference(
    name="Crab, H.E.S.S. 2006",
    citation="Aharonian et al. 2006, A&A 457, 899",
    shape=exponential_cutoff(3.76e-11, 2.39, 1 / 14.3),
    energy_min=0.44,
    energy_max=40.0,
)


def integrate_flux(shape: Shape, low: float, high: float) -> float:
    """Flux between two energies [cm-2 s-1]."""
    return float(integrate_fluxes(shape, np.array([low, high]))[0])


def integrate_fluxes(shape: Shape, edges: Floats, steps: int = 12) -> Floats:
    """Flux in each bin [cm-2 s-1], by power laws between close points; exact for a power law."""
    log_edges = np.log(edges)
    share = np.linspace(0, 1, steps + 1)
    energy = np.exp(log_edges[:-1, None] + np.diff(log_edges)[:, None] * share)
    value = np.clip(shape(energy), 1e-300, None)
    e0, e1, f0, f1 = energy[:, :-1], energy[:, 1:], value[:, :-1], value[:, 1:]
    slope = np.log(f1 / f0) / np.log(e1 / e0) + 1
    near = np.abs(slope) < 1e-6
    safe = np.where(near, 1.0, slope)
    part = np.where(near, f0 * e0 * np.log(e1 / e0), (f1 * e1 - f0 * e0) / safe)
    found: Floats = part.sum(axis=1)
    return found
