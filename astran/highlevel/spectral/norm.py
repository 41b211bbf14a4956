"""How much of a given spectrum is in some counts: one number and its errors.

Where counts are many the statistic is WSTAT; where they are few, weighted sums have no bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.limits import CONFIDENCE, upper_limit
from astran.highlevel.spectral.wstat import wstat

ENOUGH_OFF = 25
"""With fewer OFF counts a run's own background says less than that of all runs."""
UNLIKE_SIGMAS = 3.0
"""A norm that differs so much from the common one has the error of its own counts."""
LEAST_BACKGROUND = 0.5
"""OFF counts per bin that are taken for certain, so that no bin without any has no error."""
NO_RISE = "the counts do not bound the flux from above"


@dataclass(frozen=True, slots=True)
class Norm:
    """In units of the given spectrum."""

    value: float
    error: float
    error_low: float
    error_high: float
    limit: float | None
    """Upper limit, above zero; none where the counts allow none (`NO_RISE`)."""
    sqrt_ts: float
    """Significance against no signal, signed."""


def fit_norm(
    n_on: Floats,
    n_off: Floats,
    alpha: Floats,
    expected: Floats,
    confidence: float = CONFIDENCE,
) -> Norm | None:
    """Fit counts in energy bins with `expected` signal times a number; the best one by WSTAT.

    Returns none where no signal is expected, or where the counts say nothing.
    """
    used = alpha > 0
    n_on, n_off, alpha, expected = n_on[used], n_off[used], alpha[used], expected[used]
    total = float(expected.sum())
    if not (np.isfinite(total) and total > 0) or float(n_on.sum() + n_off.sum()) == 0:
        return None

    def statistic(norm: float) -> float:
        return wstat(n_on, n_off, alpha, norm * expected)

    background = float((alpha * n_off).sum())
    excess = float(n_on.sum()) - background
    spread = np.sqrt(float(n_on.sum()) + float((alpha**2 * n_off).sum()) + 1.0)
    least = -0.9 * max(background, 0.0) / total
    most = (max(excess, 0.0) + 12 * spread) / total
    found = minimize_scalar(
        statistic, bounds=(least, most), method="bounded", options={"xatol": 1e-5 * most}
    )
    best, lowest = float(found.x), float(found.fun)
    if not (np.isfinite(best) and np.isfinite(lowest)):
        return None
    high = _crossing(statistic, best, lowest + 1.0, most)
    low = _crossing(statistic, best, lowest + 1.0, least)
    ts = max(statistic(0.0) - lowest, 0.0)
    return Norm(
        value=best,
        error=(high - low) / 2,
        error_low=best - low,
        error_high=high - best,
        limit=upper_limit(n_on, n_off, alpha, expected, (best, lowest), confidence),
        sqrt_ts=float(np.copysign(np.sqrt(ts), best)),
    )


def _crossing(
    statistic: Callable[[float], float], start: float, level: float, away: float
) -> float:
    """Where the statistic reaches a level on the way from `start` to `away`; `away` where it does
    not."""
    if not statistic(away) > level:
        return away
    width = 1e-8 * abs(away - start)
    edge: float = brentq(lambda norm: statistic(norm) - level, start, away, xtol=width, rtol=1e-5)
    return edge


def measure_norm(
    n_on: Floats,
    n_off: Floats,
    alpha: Floats,
    expected: Floats,
    background: Floats,
    typical: float,
    confidence: float = CONFIDENCE,
) -> tuple[Norm, float] | None:
    """The norm of few counts, without bias down to none; and the best one by WSTAT.

    The value is the sum of the excesses over the sum of the expected signals, both weighted by
    bin. The weights and the error come from a background that more counts tell than these, so that
    neither follows their own fluctuation: a bin that holds little by chance must not count for
    more.

    Parameters
    ----------
    background : counts expected in the ON region by bin, as all runs tell
    typical : norm for which the weights are the best

    Returns none where no signal is expected.
    """
    used = (alpha > 0) & (expected > 0)
    if not used.any():
        return None
    n_on, n_off, alpha, expected, background = (
        part[used] for part in (n_on, n_off, alpha, expected, background)
    )
    fitted = fit_norm(n_on, n_off, alpha, expected, confidence)
    own, common = float((alpha * n_off).sum()), float(background.sum())
    if n_off.sum() >= ENOUGH_OFF and common > 0:
        background = background * own / common
    dark = (1 + alpha) * np.maximum(background, LEAST_BACKGROUND * alpha)
    weight = expected / (max(typical, 0.0) * expected + dark)
    scale = float((weight * expected).sum())
    value = float((weight * (n_on - alpha * n_off)).sum()) / scale

    def spread(norm: float) -> float:
        variance = weight**2 * (max(norm, 0.0) * expected + dark)
        return float(np.sqrt(variance.sum())) / scale

    error = spread(typical)
    if abs(value - typical) > UNLIKE_SIGMAS * error:
        error = spread(value)
    if fitted is None:  # no counts at all
        limit = upper_limit(n_on, n_off, alpha, expected, (0.0, 0.0), confidence)
        return Norm(value, error, error, error, limit, 0.0), 0.0
    found = replace(fitted, value=value, error=error, error_low=error, error_high=error)
    return found, fitted.value
