"""Upper limits of a flux by the CLs method, and those that an exposure was to give.

CLs = P(data or less | signal and background) / P(data or less | background) (Read 2002,
J. Phys. G 28, 2693). A limit is the signal at which it falls to 1 - confidence; so it is always
above zero, and
a deficit makes it no stronger than the exposure deserves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nbinom, norm, poisson

from astran.highlevel.arrays import Floats
from astran.highlevel.spectral.wstat import wstat

CONFIDENCE = 0.95
MOST_EXACT = 2000
"""ON counts in one bin up to which the limit is summed over counts."""
FEW_COUNTS = 10
"""Above so many ON counts half of the chance of just these counts is taken (mid-P), so that limits
hold as often as they say and not more often, which sums over whole numbers do."""
_MOST_DOUBLINGS = 80


def limit_method(confidence: float) -> str:
    """What to say beside limits."""
    return f"CLs (signal bounded at zero; background profiled); {100 * confidence:g} %"


def upper_limit(
    n_on: Floats,
    n_off: Floats,
    alpha: Floats,
    expected: Floats,
    best: tuple[float, float],
    confidence: float,
) -> float | None:
    """Upper limit of the norm of `expected`; none where the counts do not bound it.

    One bin: by sums over Poisson counts. Several: by the profile likelihood, with the asymptotic
    formulae of Cowan et al. 2011, EPJC 71, 1554, equations 65 and 66.

    Parameters
    ----------
    best : the norm with the least statistic, which may be negative, and that statistic
    """
    if n_on.size == 1 and n_on[0] <= MOST_EXACT:
        found = _limit_of_counts(int(n_on[0]), float(n_off[0]), float(alpha[0]), confidence)
        return found / float(expected[0]) if found else None
    null = alpha * (n_on + n_off) / (1 + alpha)

    def log_cls(signal: float) -> float:
        if signal <= best[0]:
            return 0.0
        root = np.sqrt(max(wstat(n_on, n_off, alpha, signal * expected) - best[1], 0.0))
        mean = np.sqrt(max(wstat(null, null / alpha, alpha, signal * expected), 0.0))
        return float(norm.logsf(root) - norm.logcdf(mean - root))

    return _falls_to(log_cls, np.log(1 - confidence), max(best[0], 0.0), expected, null)


def expected_limit(
    n_off: Floats, alpha: Floats, expected: Floats, confidence: float
) -> float | None:
    """The median upper limit that an exposure gives where there is no source (sensitivity)."""
    if n_off.size == 1 and alpha[0] * n_off[0] <= MOST_EXACT:
        off, ratio = float(n_off[0]), float(alpha[0])
        median = int(nbinom.median(off, 1 / (1 + ratio))) if off else 0
        found = _limit_of_counts(median, off, ratio, confidence)
        return found / float(expected[0]) if found else None
    null = alpha * n_off

    def missing(signal: float) -> float:
        return -float(np.sqrt(max(wstat(null, n_off, alpha, signal * expected), 0.0)))

    return _falls_to(missing, float(norm.ppf((1 - confidence) / 2)), 0.0, expected, null)


def _limit_of_counts(n_on: int, n_off: float, alpha: float, confidence: float) -> float | None:
    """Of ON counts in one bin. The background follows the OFF counts as in the exact test of two
    Poisson counts (Cousins, Linnemann, Tucker 2008, NIM A 595, 480)."""
    counts = np.arange(n_on + 1)
    share = nbinom.pmf(counts, n_off, 1 / (1 + alpha)) if n_off else (counts == 0).astype(float)
    if not share.sum() > 1e-250:
        share = (counts == n_on).astype(float)  # so deep a deficit: all is background
    half = 0.5 if n_on > FEW_COUNTS else 0.0

    def chance(signal: float) -> float:
        rest = n_on - counts
        return float(share @ (poisson.cdf(rest, signal) - half * poisson.pmf(rest, signal)))

    none = chance(0.0)

    def log_cls(signal: float) -> float:
        return float(np.log(max(chance(signal) / none, 1e-300)))

    one = np.ones(1)
    return _falls_to(log_cls, np.log(1 - confidence), 0.0, one, np.array([float(n_on)]))


def _falls_to(
    function: Callable[[float], float], level: float, start: float, expected: Floats, counts: Floats
) -> float | None:
    """Where a falling function reaches a level beyond `start`; none where it never does."""
    step = float((1 + np.sqrt(counts.sum())) / expected.sum())
    low = start
    for doubling in range(_MOST_DOUBLINGS):
        high = start + step * 2.0**doubling
        if function(high) <= level:
            found = float(
                brentq(lambda x: function(x) - level, low, high, xtol=1e-6 * high, rtol=1e-6)
            )
            return found if found > 0 else None
        low = high
    return None
