"""Throwing showers onto the telescope: spectra, impact area and field of view.

Most showers of a steep spectrum are too faint or too far away to trigger. Energies are therefore
taken band by band, and in each band only showers within reach of the telescope are drawn; how many
were thrown in all is counted as if every one had been followed. The reach is set where the mean
light of the band's brightest showers falls below `Traits.faintest`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from astran.demo.shower import (
    CAMERA_RADIUS,
    FOCAL_LENGTH,
    Array,
    Images,
    Rng,
    Showers,
    Traits,
    apply_trigger,
    make_image,
    mean_light,
    shower_maximum,
)

_GRID_PER_DECADE = 500
_BANDS_PER_DECADE = 8
_CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class SampledSpectrum:
    """A spectrum, tabulated: `cumulative[i]` is the integral from `energy[0]` to `energy[i]`."""

    energy: Array
    """Grid [TeV], (m,)."""
    cumulative: Array
    """Integral flux, in whatever unit the spectrum has per area and time, (m,)."""

    @property
    def total(self) -> float:
        return float(self.cumulative[-1])

    def between(self, low: float, high: float) -> float:
        """Integral between two energies [TeV]."""
        return self._upto(high) - self._upto(low)

    def _upto(self, energy: float) -> float:
        return float(np.interp(energy, self.energy, self.cumulative))

    def draw(self, rng: Rng, n: int, low: float, high: float) -> Array:
        """Energies between two limits [TeV], (n,)."""
        level = rng.uniform(self._upto(low), self._upto(high), n)
        return np.interp(level, self.cumulative, self.energy)


def _tabulate(energy: Array, differential: Array) -> SampledSpectrum:
    # power-law integral of each cell: exact for a power law, better than trapezia for any other
    slope = np.diff(np.log(differential)) / np.diff(np.log(energy))
    cell = np.diff(energy * differential) / (slope + 1.0)
    return SampledSpectrum(energy, np.concatenate([[0.0], np.cumsum(cell)]))


def _grid(low: float, high: float) -> Array:
    return np.geomspace(low, high, int(_GRID_PER_DECADE * np.log10(high / low)) + 1)


def power_law(low: float, high: float, index: float, norm: float = 1.0) -> SampledSpectrum:
    """norm (E / TeV)^index between two energies [TeV]; the index is not -1."""
    energy = _grid(low, high)
    return _tabulate(energy, norm * energy**index)


def crab_spectrum(low: float, high: float, scale: float = 1.0) -> SampledSpectrum:
    """The Crab Nebula, in 1/(m2 s): log-parabola of MAGIC (JHEAP 5-6 (2015) 30), times `scale`."""
    energy = _grid(low, high)
    differential = 3.23e-7 * energy ** (-2.47 - 0.24 * np.log10(energy))
    return _tabulate(energy, scale * differential)


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """Directions from which showers come: an annulus around the pointing."""

    inner: float
    """[deg]"""
    outer: float
    """[deg]"""

    @property
    def solid_angle(self) -> float:
        """[sr]"""
        return float(2 * np.pi * (np.cos(np.radians(self.inner)) - np.cos(np.radians(self.outer))))

    def within(self, reach: float) -> FieldOfView:
        """The part of the field within `reach` of the pointing [deg]."""
        return FieldOfView(min(self.inner, reach), min(self.outer, reach))

    def draw(self, rng: Rng, n: int) -> tuple[Array, Array]:
        """Positions in the camera plane [m], two arrays (n,), uniform over the solid angle."""
        limits = np.cos(np.radians([self.inner, self.outer]))
        radius = FOCAL_LENGTH * np.tan(np.arccos(rng.uniform(limits[1], limits[0], n)))
        angle = rng.uniform(-np.pi, np.pi, n)
        return radius * np.cos(angle), radius * np.sin(angle)


@dataclass(frozen=True, slots=True)
class EnergySlice:
    """A band of energy and how far away its showers can still trigger."""

    low: float
    high: float
    impact: float
    """[m]"""
    angle: float
    """Between shower and pointing, for which an image can still fall into the camera [deg]."""


def energy_slices(
    spectrum: SampledSpectrum, max_impact: float, zenith: float, traits: Traits
) -> Iterator[EnergySlice]:
    """The bands of a spectrum in which a shower can trigger at all."""
    low, high = float(spectrum.energy[0]), float(spectrum.energy[-1])
    edges = np.geomspace(low, high, int(np.ceil(_BANDS_PER_DECADE * np.log10(high / low))) + 1)
    impacts = np.linspace(0.0, max_impact, 400)
    for bottom, top in itertools.pairwise(edges):
        _, distance = shower_maximum(np.full(len(impacts), top), zenith)
        bright = np.flatnonzero(mean_light(top, impacts, distance, traits) >= traits.faintest)
        if not len(bright):
            continue
        reach = float(impacts[min(bright[-1] + 1, len(impacts) - 1)])
        # nearer maxima stand farther from the source in the camera: three sigma of scatter
        near = 1e3 * float(distance[0]) * np.exp(traits.depth_shift - 3 * traits.depth_scatter)
        angle = np.degrees(np.arctan(reach / near) + np.arctan(CAMERA_RADIUS / FOCAL_LENGTH))
        yield EnergySlice(
            float(bottom), float(top), reach, float(angle) + 3 * traits.transverse + 0.1
        )


def field_showers(
    rng: Rng,
    thrown: int,
    spectrum: SampledSpectrum,
    field: FieldOfView,
    max_impact: float,
    zenith: float,
    traits: Traits,
) -> Images:
    """Images of `thrown` showers from anywhere in a field, impacts uniform over a disc.

    Parameters
    ----------
    thrown : showers over the whole spectrum, field and disc
    max_impact : radius of the disc [m]
    zenith : of the pointing [deg]
    """
    parts = []
    for band in energy_slices(spectrum, max_impact, zenith, traits):
        part = field.within(band.angle)
        if part.outer <= part.inner:
            continue
        share = spectrum.between(band.low, band.high) / spectrum.total
        share *= (band.impact / max_impact) ** 2 * part.solid_angle / field.solid_angle
        for showers in _chunks(rng, rng.binomial(thrown, share), band, spectrum, zenith, traits):
            x, y = part.draw(rng, len(showers))
            parts.append(make_image(rng, showers, x, y, traits))
    return _join(parts)


def source_showers(
    rng: Rng,
    exposure: float,
    spectrum: SampledSpectrum,
    max_impact: float,
    zenith: float,
    traits: Traits,
) -> tuple[int, Showers]:
    """Showers of a source seen for `exposure` [s]: how many were thrown, and those that triggered.

    The spectrum is in 1/(m2 s); directions are left to the caller, since the source moves through
    the camera.
    """
    thrown = int(rng.poisson(spectrum.total * np.pi * max_impact**2 * exposure))
    parts: list[Showers] = []
    for band in energy_slices(spectrum, max_impact, zenith, traits):
        share = spectrum.between(band.low, band.high) / spectrum.total
        share *= (band.impact / max_impact) ** 2
        n = rng.binomial(thrown, share)
        parts.extend(_chunks(rng, n, band, spectrum, zenith, traits))
    fields = (np.concatenate(values) for values in zip(*map(_arrays, parts), strict=True))
    return thrown, Showers(*fields)


def _chunks(
    rng: Rng, n: int, band: EnergySlice, spectrum: SampledSpectrum, zenith: float, traits: Traits
) -> Iterator[Showers]:
    while n > 0:
        size = min(n, _CHUNK)
        n -= size
        energy = spectrum.draw(rng, size, band.low, band.high)
        impact = band.impact * np.sqrt(rng.random(size))
        yield apply_trigger(rng, energy, impact, zenith, traits)[1]


def _arrays(showers: Showers) -> tuple[Array, ...]:
    return (
        showers.energy,
        showers.impact,
        showers.depth,
        showers.distance,
        showers.intensity,
    )


def _join(parts: list[Images]) -> Images:
    showers = Showers(
        *(
            np.concatenate(values)
            for values in zip(*(_arrays(part.showers) for part in parts), strict=True)
        )
    )
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    return Images(
        showers,
        np.concatenate([part.source_x for part in parts]),
        np.concatenate([part.source_y for part in parts]),
        np.arange(len(showers)),
        columns,
    )
