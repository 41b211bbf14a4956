"""How many trials a look at a whole map is, and what is left of a significance after them."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtri_exp
from scipy.stats import binom, norm

EXACT_BELOW = 8.0
"""Weaker significances are checked with exact probabilities [sigma]."""


def effective_trials(significance: float, pixels: int, bin_deg: float, radius_deg: float) -> float:
    """Number of independent positions among which a map shows so high a peak.

    The chance that any of n correlated pixels exceeds a threshold is that of n (1 - q)^2
    independent ones, where q is the chance that a pixel exceeds it if its neighbour does: in each
    of the two directions a cluster of pixels above the threshold counts once. Neighbouring circles
    share the part rho of their events, so that q follows from a normal distribution in two
    dimensions with that correlation. The oversampling of a map counts: with pixels of 0.02 deg and
    circles of 0.1 deg there are some tens of trials per circle.

    Parameters
    ----------
    pixels : of the part of the map that is looked at
    radius_deg : of the circle about each pixel
    """
    half = min(bin_deg / (2 * radius_deg), 1.0)
    rho = 2 / np.pi * (np.arccos(half) - half * np.sqrt(1 - half**2))
    z = float(np.clip(significance, 0.0, EXACT_BELOW))
    width = np.sqrt(1 - rho**2)
    both = quad(lambda x: norm.pdf(x) * norm.sf((z - rho * x) / width), z, z + 10, limit=200)[0]
    alone = 1 - both / float(norm.sf(z))
    return max(1.0, pixels * float(alone) ** 2)


def after_trials(significance: float, trials: float) -> float:
    """Significance of the largest of so many independent values: 1 - (1 - p)^n as sigmas."""
    log_p = log_ndtr(-significance)  # of the local p value
    if log_p < -30:
        return float(-ndtri_exp(log_p + np.log(trials)))
    log_none = trials * np.log1p(-np.exp(log_p))
    return float(norm.isf(-np.expm1(log_none)))


def exact_significance(li_ma: float, n_on: float, n_off: float, alpha: float) -> float:
    """The smaller one of a Li & Ma significance and the exact one, which is the chance of at least
    n_on of all counts in the ON region: with few counts the former is too high."""
    if not 0 < li_ma < EXACT_BELOW:
        return li_ma
    chance = binom.sf(n_on - 1, n_on + n_off, alpha / (1 + alpha))
    return float(min(li_ma, norm.isf(chance)))
