"""A fast stand-in for air-shower and camera simulation: image parameters without images.

For each shower the parameters that LST-1's DL1 holds (intensity, position, width, length, timing
and so on) are drawn from smooth functions of energy, impact distance and direction. The functions
are hand-tuned to look like LST-1 (energy resolution about 20 %, angular resolution 0.1-0.3 deg);
they are not a measurement of it, and nothing but demonstrations and tests may rest on them.

Units: energy TeV, impact m, distances along the axis km, camera plane m, image sizes deg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A numpy array; shapes are given in the docstrings."""
Rng: TypeAlias = Any
"""numpy.random.Generator."""

FOCAL_LENGTH = 29.30565
"""Effective focal length [m]: sky to camera plane, aberration included (lstchain's value)."""
NOMINAL_FOCAL_LENGTH = 28.0
"""Focal length with which lstchain turns image sizes into degrees [m]."""
CAMERA_RADIUS = 1.13
"""Centroids farther out are lost [m]."""
CAMERA_EDGE = 2.05
"""Images that reach beyond this leak out of the camera [deg]."""

_RADIATION_LENGTH = 36.7  # g/cm2, air
_CRITICAL_ENERGY = 81e-6  # TeV, air
_SCALE_HEIGHT = 8.0  # km, isothermal atmosphere
_GROUND_DEPTH = 1036.0  # g/cm2 at sea level
_SITE_HEIGHT = 2.2  # km
_USUAL_DISTANCE = 8.3  # km, to the maximum of a 100 GeV shower near zenith
_POOL_RADIUS = 120.0  # m, Cherenkov light pool at that distance
_POOL_LIGHT = 3100.0  # p.e. of a 1 TeV gamma shower inside the pool
_TRIGGER_LIGHT = 42.0  # p.e. at which half of the showers trigger
_TRIGGER_WIDTH = 0.045  # of the trigger's turn-on, in log10(p.e.)
_LEAST_LIGHT = 15.0  # p.e. left after image cleaning
_PEDESTAL_VARIANCE = 40.0  # p.e.2 of night-sky background within an image


@dataclass(frozen=True, slots=True)
class Traits:
    """How showers of one kind look; the two kinds differ in these numbers alone."""

    mc_type: int
    """Particle code of lstchain's `mc_type`."""
    light: float
    """Light relative to a gamma shower, at 1 TeV."""
    light_index: float
    """Growth of that with energy, as a power."""
    faintest: float
    """Showers with less mean light than this are not followed: they never trigger [p.e.]."""
    depth_shift: float
    depth_scatter: float
    """Log-normal change of the distance to the shower maximum."""
    light_scatter: float
    """Log-normal scatter of the light, beyond that of gamma showers."""
    transverse: float
    """Scatter of the centroid along the axis from sub-showers [deg]."""
    fatter: tuple[float, float, float, float]
    """Log of the width relative to gammas: constant, growth per decade of light, least, most."""
    longer: tuple[float, float, float, float]
    """The same for the length."""
    width_scatter: float
    length_scatter: float
    axis_scatter: float
    """Scatter of the image axis that does not shrink with light [deg]."""
    skewness: tuple[float, float]
    """Mean at 100 p.e. and growth per decade."""
    skewness_scatter: tuple[float, float]
    """Scatter at 100 p.e. and its power of the light."""
    gradient: float
    """Time gradient per degree of distance from the source [ns/deg2]."""
    gradient_scatter: tuple[float, float]
    kurtosis: tuple[float, float]
    """Mean and scatter."""
    islands: float
    """Mean number of further islands."""


GAMMA = Traits(
    mc_type=0,
    light=1.0,
    light_index=0.0,
    faintest=6.0,
    depth_shift=0.0,
    depth_scatter=0.0,
    light_scatter=0.0,
    transverse=0.0,
    fatter=(0.0, 0.0, 0.0, 0.0),
    longer=(0.0, 0.0, 0.0, 0.0),
    width_scatter=0.0,
    length_scatter=0.0,
    axis_scatter=0.0,
    skewness=(0.30, 0.08),
    skewness_scatter=(0.38, -0.12),
    gradient=16.0,
    gradient_scatter=(3.0, -0.30),
    kurtosis=(2.5, 0.4),
    islands=0.08,
)

PROTON = Traits(
    mc_type=101,
    light=0.38,
    light_index=0.12,
    faintest=14.0,
    depth_shift=-0.08,
    depth_scatter=0.16,
    light_scatter=0.45,
    transverse=0.25,
    fatter=(0.27, 0.25, 0.15, 0.65),
    longer=(0.12, 0.08, 0.05, 0.30),
    width_scatter=0.33,
    length_scatter=0.30,
    axis_scatter=28.0,
    skewness=(0.12, 0.0),
    skewness_scatter=(0.55, 0.0),
    gradient=9.0,
    gradient_scatter=(10.0, 0.0),
    kurtosis=(2.6, 0.6),
    islands=0.5,
)


@dataclass(frozen=True, slots=True)
class Showers:
    """Showers that triggered; all arrays of shape (n,)."""

    energy: Array
    impact: Array
    depth: Array
    """Slant depth of the maximum [g/cm2]."""
    distance: Array
    """From the telescope to the maximum, along the axis [km]."""
    intensity: Array
    """Light in the image [p.e.]."""

    def __len__(self) -> int:
        return len(self.energy)

    def take(self, chosen: Array) -> Showers:
        """The showers at the given indices or under the given mask."""
        return Showers(
            self.energy[chosen],
            self.impact[chosen],
            self.depth[chosen],
            self.distance[chosen],
            self.intensity[chosen],
        )


@dataclass(frozen=True, slots=True)
class Images:
    """Images of the showers that fell into the camera."""

    showers: Showers
    source_x: Array
    """Direction of the shower, in the camera plane, (n,) [m]."""
    source_y: Array
    kept: Array
    """Index of each among the showers that were given."""
    columns: dict[str, Array]
    """DL1 columns, each (n,)."""

    def __len__(self) -> int:
        return len(self.kept)


def shower_maximum(energy: Array, zenith: float) -> tuple[Array, Array]:
    """Slant depth of the maximum [g/cm2] and distance to it [km], (n,), for a zenith angle [deg].

    Depth of a gamma shower in Heitler's and Rossi's picture, X0 (ln(E/Ec) + 1/2), in an isothermal
    atmosphere.
    """
    depth = _RADIATION_LENGTH * (np.log(energy / _CRITICAL_ENERGY) + 0.5)
    slant = np.cos(np.radians(zenith))
    vertical = np.clip(depth * slant, 60.0, 700.0)
    height = _SCALE_HEIGHT * np.log(_GROUND_DEPTH / vertical) - _SITE_HEIGHT
    return depth, np.maximum(height, 1.5) / slant


def mean_light(energy: Array, impact: Array, distance: Array, traits: Traits) -> Array:
    """Mean light of an image [p.e.], (n,): a light pool with a soft rim, thinned by distance."""
    stretch = distance / _USUAL_DISTANCE
    radius = impact / (_POOL_RADIUS * stretch)
    fall = np.maximum(0.62 + 0.18 * np.log10(np.maximum(energy, 0.01) / 0.1), 0.33)
    lateral = np.where(radius < 1.0, 0.84 + 0.16 * radius**2, np.exp((1.0 - radius) / fall))
    kind = traits.light * np.maximum(energy, 0.01) ** traits.light_index
    return _POOL_LIGHT * kind * energy**1.05 * lateral / stretch**2


def apply_trigger(
    rng: Rng, energy: Array, impact: Array, zenith: float, traits: Traits
) -> tuple[Array, Showers]:
    """Let showers shine on the telescope: which triggered (indices), and those."""
    depth, distance = shower_maximum(energy, zenith)
    if traits.depth_scatter:
        distance = distance * np.exp(
            rng.normal(traits.depth_shift, traits.depth_scatter, len(energy))
        )
    mean = mean_light(energy, impact, distance, traits)
    spread = np.hypot(np.clip(0.26 * (energy / 0.1) ** -0.22, 0.10, 0.45), traits.light_scatter)
    light = mean * np.exp(spread * rng.standard_normal(len(mean)) - spread**2 / 2)
    light += rng.standard_normal(len(mean)) * np.sqrt(light + _PEDESTAL_VARIANCE)
    above = np.log10(np.maximum(light, 1.0) / _TRIGGER_LIGHT) / _TRIGGER_WIDTH
    seen = rng.random(len(mean)) < 1.0 / (1.0 + np.exp(-np.clip(above, -50.0, 50.0)))
    index = np.flatnonzero(seen & (light > _LEAST_LIGHT))
    return index, Showers(energy, impact, depth, distance, light).take(index)


def make_image(
    rng: Rng, showers: Showers, source_x: Array, source_y: Array, traits: Traits
) -> Images:
    """Draw the image parameters of showers from given directions (camera plane, [m], (n,))."""
    offset = np.arctan(showers.impact / (1e3 * showers.distance))
    if traits.transverse:
        scatter = np.radians(traits.transverse) * rng.standard_normal(len(showers))
        offset = np.abs(offset + scatter)
    away = rng.uniform(-np.pi, np.pi, len(showers))
    x = source_x + FOCAL_LENGTH * np.tan(offset) * np.cos(away)
    y = source_y + FOCAL_LENGTH * np.tan(offset) * np.sin(away)
    kept = np.flatnonzero(np.hypot(x, y) < CAMERA_RADIUS)
    inside = showers.take(kept)
    source_x, source_y = source_x[kept], source_y[kept]
    x, y, away = x[kept], y[kept], away[kept]
    columns = {"x": x, "y": y, "r": np.hypot(x, y), "phi": np.arctan2(y, x)}
    columns |= _shape(rng, inside.intensity, np.degrees(offset[kept]), traits)
    columns |= _orientation(rng, columns, inside, away, (source_x - x, source_y - y), traits)
    columns |= _leakage(rng, columns)
    columns |= _concentration(rng, inside.intensity)
    return Images(inside, source_x, source_y, kept, columns)


def _brightness(intensity: Array) -> Array:
    """Light in units of 100 p.e., bounded below to keep the powers tame."""
    return np.maximum(intensity / 100.0, 0.2)


def _shape(rng: Rng, intensity: Array, offset: Array, traits: Traits) -> dict[str, Array]:
    n, bright = len(intensity), _brightness(intensity)
    decades = np.log10(bright)
    length = (0.10 + 0.165 * offset) * (1.0 + 0.07 * np.log10(intensity / 300.0))
    width = 0.058 + 0.016 * np.log10(intensity / 50.0) + 0.012 * offset
    for size, more, scatter, floor in (
        (length, traits.longer, traits.length_scatter, 0.035),
        (width, traits.fatter, traits.width_scatter, 0.040),
    ):
        blur = np.hypot(0.13 * bright**-0.25 + floor, scatter)
        size *= np.exp(blur * rng.standard_normal(n))
        size *= np.exp(np.clip(more[0] + more[1] * decades, more[2], more[3]))
    length = np.clip(length, 0.04, 1.2)
    width = np.clip(width, 0.02, 0.95 * length)
    pixels = rng.poisson(np.maximum(4.0 + 2200.0 * length * width * (1.0 + decades), 1.0))
    return {
        "intensity": intensity,
        "log_intensity": np.log10(intensity),
        "length": length,
        "length_uncertainty": length / np.sqrt(2.0 * intensity),
        "width": width,
        "width_uncertainty": width / np.sqrt(2.0 * intensity),
        "wl": width / length,
        "kurtosis": np.maximum(
            rng.normal(traits.kurtosis[0], traits.kurtosis[1], n) + 0.1 * decades, 1.1
        ),
        "n_pixels": np.clip(pixels, 5, 1500),
        "n_islands": 1 + rng.poisson(traits.islands, n),
    }


def _orientation(
    rng: Rng,
    columns: dict[str, Array],
    showers: Showers,
    away: Array,
    to_source: tuple[Array, Array],
    traits: Traits,
) -> dict[str, Array]:
    """Axis, and the two signed quantities that tell head from tail.

    lstchain's convention: skewness and time gradient change sign with the side of the source along
    (cos psi, sin psi), so that they come out negative where the source is on the positive side.
    """
    n, bright = len(showers), _brightness(showers.intensity)
    offset = np.degrees(np.arctan(showers.impact / (1e3 * showers.distance)))
    blur = 10.0 * bright**-0.45 * np.sqrt(0.6 / np.maximum(offset, 0.12))
    turn = np.hypot(blur, traits.axis_scatter) * rng.standard_normal(n)
    psi = fold_axis(away + np.radians(turn))
    side = np.where(to_source[0] * np.cos(psi) + to_source[1] * np.sin(psi) < 0.0, -1.0, 1.0)
    skewness = traits.skewness[0] + traits.skewness[1] * np.log10(bright)
    skewness = skewness + rng.standard_normal(n) * (
        traits.skewness_scatter[0] * bright ** traits.skewness_scatter[1]
    )
    gradient = traits.gradient * (offset - 0.30) + rng.standard_normal(n) * (
        traits.gradient_scatter[0] * bright ** traits.gradient_scatter[1]
    )
    return {
        "psi": psi,
        "skewness": -side * skewness,
        "time_gradient": -side * gradient,
        "intercept": rng.normal(17.0, 1.5, n),
    }


def fold_axis(angle: Array) -> Array:
    """An axis has no direction: its angle in [-pi/2, pi/2)."""
    return (angle + np.pi / 2) % np.pi - np.pi / 2


def _leakage(rng: Rng, columns: dict[str, Array]) -> dict[str, Array]:
    """Share of light and pixels in the outermost one or two rings of the camera."""
    centre = np.degrees(np.arctan(columns["r"] / NOMINAL_FOCAL_LENGTH))
    beyond = np.clip((centre + 1.2 * columns["length"] - CAMERA_EDGE) / 0.9, 0.0, 0.9)
    outer = beyond * rng.uniform(0.6, 1.0, len(beyond))
    return {
        "leakage_intensity_width_1": 0.55 * outer,
        "leakage_intensity_width_2": outer,
        "leakage_pixels_width_1": 0.5 * outer,
        "leakage_pixels_width_2": outer,
    }


def _concentration(rng: Rng, intensity: Array) -> dict[str, Array]:
    n, bright = len(intensity), _brightness(intensity)
    return {
        "concentration_cog": np.clip(rng.normal(0.35 * bright**-0.15, 0.05, n), 0.02, 1.0),
        "concentration_core": np.clip(rng.normal(0.40, 0.06, n), 0.05, 1.0),
        "concentration_pixel": np.clip(rng.normal(0.22 * bright**-0.25, 0.03, n), 0.01, 1.0),
    }
