"""Where the source is: peak of the significance map, and a fit of a Gaussian to the counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import erf

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.maps.trials import after_trials, effective_trials, exact_significance

FIT_RADIUS_DEG = 0.4
LEAST_SIGNIFICANCE = 5.0
"""A weaker peak is not fitted."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Largest significance of a map. x to the east, y to the north of the target [deg]."""

    significance: float
    """Li & Ma, of its pixel alone."""
    x: float
    y: float
    excess: float
    """In the ON circle."""
    trials: float
    """Independent positions among which it is the highest."""
    after_trials: float
    """Significance with these; for a place that was not chosen before."""

    @property
    def offset(self) -> float:
        return float(np.hypot(self.x, self.y))


@dataclass(frozen=True, slots=True)
class PositionFit:
    """Gaussian source on the background of the map; statistical errors, one sigma [deg]."""

    x: float
    y: float
    x_error: float
    y_error: float
    width: float
    """Sigma of the Gaussian: source and point spread together [deg]."""
    excess: float

    @property
    def offset(self) -> float:
        return float(np.hypot(self.x, self.y))


def find_peak(
    sky: SkyMap, where: Mask | None = None, chosen_among: Mask | None = None
) -> Peak | None:
    """The peak, its place refined between pixels by a paraboloid; none for an empty map.

    Parameters
    ----------
    where : pixels among which it is looked for; none: all
    chosen_among : pixels that count as trials; none: those of `where`
    """
    image = sky.significance
    seen = np.isfinite(image) if where is None else np.isfinite(image) & where
    if not seen.any():
        return None
    inside = np.where(seen, image, -np.inf)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(inside)), image.shape))
    best = float(image[row, column])
    x, y = float(sky.axis[column]), float(sky.axis[row])
    reach = max(1, round(sky.radius_deg / 2 / sky.bin_deg))
    if reach <= min(row, column) and max(row, column) < len(image) - reach:
        patch = image[row - reach : row + reach + 1, column - reach : column + reach + 1]
        if np.isfinite(patch).all():
            step = np.arange(-reach, reach + 1)
            u, v = (part.ravel() for part in np.meshgrid(step, step))
            terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
            _, a, b, aa, ab, bb = np.linalg.lstsq(terms, patch.ravel(), rcond=None)[0]
            curvature = np.array([[2 * aa, ab], [ab, 2 * bb]])
            if (np.linalg.eigvalsh(curvature) < 0).all():
                shift = np.linalg.solve(curvature, [-a, -b])
                if np.abs(shift).max() <= reach:
                    x, y = x + float(shift[0]) * sky.bin_deg, y + float(shift[1]) * sky.bin_deg
    exact = exact_significance(
        best, *(float(part[row, column]) for part in (sky.n_on, sky.n_off, sky.alpha))
    )
    pixels = int(seen.sum() if chosen_among is None else chosen_among.sum())
    trials = effective_trials(exact, pixels, sky.bin_deg, sky.radius_deg)
    excess = float(sky.excess[row, column])
    return Peak(best, x, y, excess, trials, after_trials(exact, trials))


def fit_position(sky: SkyMap, peak: Peak) -> PositionFit | None:
    """Fit counts about the peak with background plus a symmetric Gaussian (Poisson likelihood,
    Cash 1979, ApJ 228, 939); none for a weak peak or where the fit does not converge."""
    if peak.significance < LEAST_SIGNIFICANCE:
        return None
    x, y = np.meshgrid(sky.axis, sky.axis)
    near = np.hypot(x - peak.x, y - peak.y) < FIT_RADIUS_DEG
    counts, background = sky.counts[near], np.clip(sky.background[near], 1e-6, None)
    px, py, half = x[near], y[near], sky.bin_deg / 2

    def expected(values: Floats) -> Floats:
        x0, y0, log_width, log_excess = values
        scale = np.sqrt(2) * np.exp(log_width)
        fx = erf((px + half - x0) / scale) - erf((px - half - x0) / scale)
        fy = erf((py + half - y0) / scale) - erf((py - half - y0) / scale)
        return background + np.exp(log_excess) * fx * fy / 4

    def statistic(values: Floats) -> float:
        model = expected(values)
        return float(2 * (model - counts * np.log(model)).sum())

    first = max(float((counts - background).sum()), 5.0)
    start = np.array([peak.x, peak.y, np.log(0.08), np.log(first)])
    bounds = [
        (peak.x - 0.3, peak.x + 0.3),
        (peak.y - 0.3, peak.y + 0.3),
        (np.log(0.01), np.log(0.5)),
        (np.log(1.0), np.log(1e7)),
    ]
    found = minimize(statistic, start, method="L-BFGS-B", bounds=bounds)
    hessian = _hessian(statistic, found.x)
    try:
        covariance = 2 * np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        return None
    variance = np.diag(covariance)[:2]
    if not found.success or not np.isfinite(variance).all() or (variance <= 0).any():
        return None
    x_error, y_error = (float(v) for v in np.sqrt(variance))
    return PositionFit(
        x=float(found.x[0]),
        y=float(found.x[1]),
        x_error=x_error,
        y_error=y_error,
        width=float(np.exp(found.x[2])),
        excess=float(np.exp(found.x[3])),
    )


def _hessian(function: object, at: Floats) -> Floats:
    """Second derivatives by central differences."""
    assert callable(function)
    step = np.array([1e-3, 1e-3, 1e-2, 1e-2])
    size = at.size
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            di, dj = np.eye(size)[i] * step, np.eye(size)[j] * step
            value = (
                function(at + di + dj)
                - function(at + di - dj)
                - function(at - di + dj)
                + function(at - di - dj)
            ) / (4 * step[i] * step[j])
            result[i, j] = result[j, i] = value
    return result
