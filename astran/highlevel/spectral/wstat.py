"""WSTAT: Poisson counts with a background known from Poisson counts, profiled.

https://heasarc.gsfc.nasa.gov/xanadu/xspec/manual/XSappendixStatistics.html
"""

from __future__ import annotations

import numpy as np

from astran.highlevel.arrays import Floats


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
