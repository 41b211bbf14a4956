"""What is odd about the data taking, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import chi2

from astran.results.diagnostic_parts import Diagnostics, RunRates

UNSTEADY = 1e-6
SCATTER = 0.15
"""The event rate within a run scatters by more than so much: clouds, or a changing threshold."""
RATE_CHANGE = 0.25
RATE_SIGMAS = 5.0
"""A run whose event rate differs from that of the others by so much, and so significantly."""
DEAD_TIME = 20.0
"""Percent."""
LOW_ZENITH = 60.0
"""Zenith distance beyond which energies and thresholds are another matter [deg]."""
MOST_NAMED = 5


def describe_observations(diagnostics: Diagnostics) -> list[str]:
    """Warnings from `diagnostics` of results.json."""
    runs = diagnostics.runs or ()
    said = []
    unsteady = [
        run.obs_id
        for run in runs
        if run.steady_ndf > 0
        and run.scatter > SCATTER
        and float(chi2.sf(run.steady_chi2, run.steady_ndf)) < UNSTEADY
    ]
    if unsteady:
        said.append(
            f"The event rate changes within {_named(unsteady)}: clouds, or a changing threshold?"
        )
    if odd := _outliers(runs):
        said.append(
            f"The event rate of {_named(odd)} is not that of the other runs at the same zenith "
            "distance: clouds, or other settings?"
        )
    if dead := [run.obs_id for run in runs if run.dead_time_percent > DEAD_TIME]:
        worst = max(run.dead_time_percent for run in runs)
        said.append(f"The dead time of {_named(dead)} is up to {worst:.0f} %.")
    low = [run.obs_id for run in runs if (run.zenith_deg or 0.0) > LOW_ZENITH]
    if low:
        said.append(
            f"{_named(low).capitalize()} {'was' if len(low) == 1 else 'were'} taken beyond "
            f"{LOW_ZENITH:.0f} deg from the zenith: the energy threshold is high there."
        )
    return said


def _outliers(runs: Sequence[RunRates]) -> list[int]:
    """Runs whose event rate differs from a straight line in cos(zenith) through the others."""
    known = [run for run in runs if run.field_per_s > 0]
    if len(known) < 4:
        return []
    rate = np.log([run.field_per_s for run in known])
    error = np.array([run.field_error / run.field_per_s for run in known])
    zenith = [run.zenith_deg for run in known]
    slope = np.zeros(len(known))
    if all(value is not None for value in zenith) and np.ptp(np.array(zenith, float)) > 5:
        x = np.log(np.cos(np.radians(np.clip(np.array(zenith, float), 0, 85))))
        slope = _robust_slope(x, rate) * x
    away = rate - slope - np.median(rate - slope)
    odd = (np.abs(away) > math.log(1 + RATE_CHANGE)) & (np.abs(away) > RATE_SIGMAS * error)
    return [run.obs_id for run, bad in zip(known, odd, strict=True) if bad]


def _robust_slope(x: Any, y: Any) -> float:
    """Median of the slopes between all pairs (Theil and Sen)."""
    first, second = np.triu_indices(len(x), 1)
    apart = np.abs(x[second] - x[first]) > 0.01
    if not apart.any():
        return 0.0
    return float(np.median((y[second] - y[first])[apart] / (x[second] - x[first])[apart]))


def _named(runs: Sequence[int]) -> str:
    listed = ", ".join(str(run) for run in runs[:MOST_NAMED])
    if len(runs) == 1:
        return f"run {listed}"
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return f"runs {listed}{more}"
