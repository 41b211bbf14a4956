"""How much of a given spectrum is in some counts: one number, its errors and its upper limit.

The statistic is WSTAT: Poisson counts with a background known from Poisson counts, profiled
(https://heasarc.gsfc.nasa.gov/xanadu/xspec/manual/XSappendixStatistics.html).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from astran.highlevel.arrays import Floats

LIMIT_SIGMAS = 2.0
"""Upper limits are where the statistic has risen by this squared: 95 % for one parameter. It rises
from the best value that is not negative, so that a limit is always above zero (the bounded
likelihood of Rolke, Lopez, Conrad 2005, NIM A 551, 493)."""
LIMIT_METHOD = "profile likelihood (WSTAT), the norm bounded at zero; 95 %"
_MOST_DOUBLINGS = 60
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


def wstat(n_on: Floats, n_off: Floats, alpha: Floats, signal: Floats) -> float:
    """Sum over the bins, zero for a perfect description."""
    total = alpha * (n_on + n_off) - (1 + alpha) * signal
    root = np.sqrt(np.clip(total**2 + 4 * alpha * (1 + alpha) * n_off * signal, 0, None))
    background = np.clip((total + root) / (2 * (1 + alpha)), 0, None)
    on_model = np.clip(signal + background, 1e-12, None)
    off_model = background / alpha
    with np.errstate(divide="ignore", invalid="ignore"):
        on_term = np.where(n_on > 0, n_on * np.log(n_on / on_model), 0.0)
        off_term = np.where(n_off > 0, n_off * np.log(n_off / np.clip(off_model, 1e-12, None)), 0.0)
    return float(2 * (on_model - n_on + on_term + off_model - n_off + off_term).sum())


def fit_norm(n_on: Floats, n_off: Floats, alpha: Floats, expected: Floats) -> Norm | None:
    """Fit counts in energy bins with `expected` signal times a number.

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
        limit=_upper_limit(statistic, max(best, 0.0), most),
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


def _upper_limit(statistic: Callable[[float], float], start: float, step: float) -> float | None:
    """Where the statistic has risen far enough above that of `start`, the best value that is not
    negative; none where it never does."""
    level = statistic(start) + LIMIT_SIGMAS**2
    for doubling in range(_MOST_DOUBLINGS):
        end = start + step * 2.0**doubling
        if statistic(end) > level:
            found = _crossing(statistic, start, level, end)
            return found if found > 0 else None
    return None
