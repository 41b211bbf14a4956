"""Counting statistics: significance after Li & Ma, excess and rates with errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from astran.highlevel.arrays import Floats


def li_ma(n_on: Any, n_off: Any, alpha: Any) -> Floats:
    """Significance of an excess, signed: negative for a deficit.

    Li & Ma 1983, ApJ 272, 317, equation 17; the terms with no counts are zero, their limit.

    Parameters
    ----------
    n_on, n_off : counts, scalar or arrays that broadcast
    alpha : ON exposure / OFF exposure; where it is not positive the result is NaN
    """
    on, off, ratio = np.broadcast_arrays(
        np.asarray(n_on, float), np.asarray(n_off, float), np.asarray(alpha, float)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        total = on + off
        first = np.where(on > 0, on * np.log((1 + ratio) / ratio * on / total), 0.0)
        second = np.where(off > 0, off * np.log((1 + ratio) * off / total), 0.0)
        size = np.sqrt(2 * np.clip(first + second, 0, None))
        signed = np.where(on < ratio * off, -size, size)
    return np.where(ratio > 0, signed, np.nan)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts in the ON region and in the OFF regions, with their exposure."""

    n_on: int
    n_off: int
    alpha: float
    """ON exposure / OFF exposure."""
    livetime_s: float
    variance_off: float | None = None
    """Variance of the background estimate; none: alpha**2 n_off (one common alpha)."""

    @property
    def background(self) -> float:
        """Counts expected in the ON region without a source."""
        return self.alpha * self.n_off

    @property
    def excess(self) -> float:
        return self.n_on - self.background

    @property
    def background_variance(self) -> float:
        if self.variance_off is not None:
            return self.variance_off
        return self.alpha**2 * self.n_off

    @property
    def excess_error(self) -> float:
        """One sigma, by propagation of Poisson errors."""
        return float(np.sqrt(self.n_on + self.background_variance))

    @property
    def significance(self) -> float:
        """Li & Ma significance; zero where nothing was counted at all."""
        return float(li_ma(self.n_on, self.n_off, self.alpha))

    @property
    def minutes(self) -> float:
        return self.livetime_s / 60.0

    @property
    def rate(self) -> float:
        """Excess per minute of livetime."""
        return self.excess / self.minutes

    @property
    def rate_error(self) -> float:
        return self.excess_error / self.minutes

    @property
    def background_rate(self) -> float:
        """Background in the ON region per minute of livetime."""
        return self.background / self.minutes

    @property
    def background_rate_error(self) -> float:
        return float(np.sqrt(self.background_variance)) / self.minutes


def stack(parts: Sequence[Counts]) -> Counts:
    """Counts of several runs together.

    The background is the sum of the runs' backgrounds, so that the excess is the sum of their
    excesses. The common alpha is background / n_off; with no OFF counts it is the ratio of the
    exposures, which are the livetimes times 1 for ON and times 1/alpha for OFF.
    """
    n_on = sum(part.n_on for part in parts)
    n_off = sum(part.n_off for part in parts)
    livetime = sum(part.livetime_s for part in parts)
    if n_off > 0:
        alpha = sum(part.background for part in parts) / n_off
    else:
        alpha = livetime / sum(part.livetime_s / part.alpha for part in parts)
    return Counts(n_on, n_off, alpha, livetime, sum(part.background_variance for part in parts))
