"""How energies and directions of the common events changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from astran.highlevel.comparison.changes import Change, ChangeKind
from astran.highlevel.comparison.run_difference import RunDifference

MEDIAN_ERROR = 1.2533
"""Of a median of n values that scatter by sigma: sqrt(pi/2) sigma / sqrt(n) (normal law)."""
CLEAR = 3.0
"""Standard errors from which on a common scale or shift is there."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class ValueDifference:
    """How a value of the common events changed."""

    median: float
    error: float
    """Of the median."""
    width_68: float
    """Half of the range of the middle 68 %; of directions: within which 68 % are."""
    events: int


def measure_energies(found: Sequence[RunDifference]) -> tuple[ValueDifference, Change] | None:
    """E_new / E_old of the common events of the runs in which energies differ; None: in none."""
    pairs = [(one.obs_id, one.log_energy) for one in found if one.log_energy is not None]
    if not pairs:
        return None
    logs = np.concatenate([values for _, values in pairs])
    runs = tuple(run for run, _ in pairs)
    low, middle, high = np.asarray(np.percentile(logs, [16, 50, 84])).tolist()
    width = (high - low) / 2
    error = max(MEDIAN_ERROR * width / np.sqrt(logs.size), 1e-7)
    ratio = float(np.exp(middle))
    value = ValueDifference(ratio, ratio * error, width, logs.size)
    numbers = {"scale": ratio, "error": ratio * error, "width_68": width}
    changed = int(np.count_nonzero(np.abs(logs) > 2 * ROUNDING))
    if abs(middle) > max(CLEAR * error, ROUNDING):
        text = f"energies {ratio:.4f} +- {ratio * error:.2g} times the old"
        if width > ROUNDING:
            text += f", scatter {100 * width:.2g} % (68 %)"
        return value, Change(ChangeKind.ENERGY_SCALE, text, runs, (), numbers)
    text = (
        f"{changed:,} of {logs.size:,} energies differ, no common scale "
        f"({ratio:.4f} +- {ratio * error:.2g})"
    )
    return value, Change(ChangeKind.ENERGY, text, runs, (), numbers)


def measure_directions(found: Sequence[RunDifference]) -> tuple[ValueDifference, Change] | None:
    """Angular distances [deg] of the common events of the runs in which directions differ; None: in
    none."""
    pairs = [(one, one.moved_deg) for one in found if one.moved_deg is not None]
    if not pairs:
        return None
    moved = np.concatenate([values for _, values in pairs])
    runs = tuple(one.obs_id for one, _ in pairs)
    middle, within = np.asarray(np.percentile(moved, [50, 68])).tolist()
    error = MEDIAN_ERROR * within / np.sqrt(moved.size)
    east, north = (float(np.median([one.shift_deg[n] for one, _ in pairs])) for n in (0, 1))
    value = ValueDifference(middle, float(error), within, moved.size)
    text = f"directions moved by {middle:.2g} deg (median), 68 % by less than {within:.2g} deg"
    if np.hypot(east, north) > max(CLEAR * error, 1e-5) and np.hypot(east, north) > middle / 2:
        text += f"; all by {east:+.2g} deg east, {north:+.2g} deg north"
    numbers = {"median_deg": middle, "within_68_deg": within, "east_deg": east, "north_deg": north}
    return value, Change(ChangeKind.DIRECTION, text, runs, (), numbers)
