"""What is odd about a run that counts nevertheless, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.dl3.validation import RunRejected
from astran.highlevel.geometry import separation

LONGEST_GAP_S, LONGEST_GAP = 30.0, 30.0
"""A longer time without events, in seconds and in mean distances, is no chance."""
FEWEST_EVENTS = 100
CENTRED_DEG, NEAR_DEG = 0.65, 0.25
"""Mean event position and pointing agree better than the first, or the pointing is wrong; worse
than the second is told."""
CHANCE = 3.0
ENERGIES_TEV = 0.002, 100.0
"""The median energy of a run of a Cherenkov telescope lies between these."""


def about_values(usable: Mask, in_time: Mask) -> list[str]:
    """Events that were dropped. RunRejected where none is left."""
    if not (usable & in_time).any():
        what = "has usable values" if not usable.any() else "lies within its good time intervals"
        raise RunRejected(f"none of its {usable.size} events {what}")
    notes = []
    if bad := int((~usable).sum()):
        notes.append(f"{bad} events with NaN or impossible values were dropped.")
    if outside := int((usable & ~in_time).sum()):
        notes.append(f"{outside} events outside of the good time intervals were dropped.")
    return notes


def about_livetime(header: Any, ontime: float, deadc: float) -> list[str]:
    """Where keywords of the header say something else."""
    written = header.get("LIVETIME")
    if isinstance(written, int | float) and abs(written - ontime * deadc) > 0.02 * ontime:
        return [
            f"the LIVETIME keyword says {written:.0f} s, good time times DEADC is "
            f"{ontime * deadc:.0f} s; the latter is used."
        ]
    return []


def about_gaps(elapsed: Floats, ontime: float) -> list[str]:
    """Long times without events within the good time: the livetime is too long by them.

    Parameters
    ----------
    elapsed : good time before each event [s]
    """
    if elapsed.size < FEWEST_EVENTS:
        return []
    gaps = np.diff(np.sort(np.concatenate([[0.0], elapsed, [ontime]])))
    long = gaps[gaps > max(LONGEST_GAP_S, LONGEST_GAP * ontime / elapsed.size)]
    if not long.size:
        return []
    return [
        f"it has no events in {long.sum():.0f} s of its {ontime:.0f} s of good time: rates and "
        "fluxes are too low by that part."
    ]


def about_energies(energy: Floats) -> list[str]:
    """Energies that look as if they were in another unit."""
    middle = float(np.median(energy))
    if ENERGIES_TEV[0] <= middle <= ENERGIES_TEV[1]:
        return []
    return [f"its median energy is {middle:.3g} TeV: is the unit of ENERGY right?"]


def about_centre(direction: Floats, axis: Floats, source: Floats | None) -> list[str]:
    """Events that are not centred on the pointing; RunRejected where it cannot be right.

    Parameters
    ----------
    source : its events would draw the mean to it, so that they are not looked at
    """
    far = direction if source is None else direction[separation(direction, source) > 0.3]
    if len(far) < FEWEST_EVENTS:
        return []
    middle = far.mean(axis=0)
    middle /= np.linalg.norm(middle)
    away = float(separation(middle, axis))
    spread = float(np.sqrt((separation(far, middle) ** 2).mean() / 2))
    chance = CHANCE * spread / np.sqrt(len(far))
    if away > CENTRED_DEG + chance:
        raise RunRejected(
            f"its events scatter around a point {away:.1f} deg away from the pointing in its header"
        )
    if away > NEAR_DEG + chance:
        return [
            f"its events are centred {away:.2f} deg from its pointing: an uneven camera, or a "
            "wrong pointing."
        ]
    return []


def doubles(time: Floats, ra: Floats, dec: Floats, energy: Floats) -> Mask:
    """Which events repeat another one in every value; the first of them does not count as one."""
    order = np.lexsort((energy, time))
    same = np.ones(max(time.size - 1, 0), bool)
    for column in (time, ra, dec, energy):
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    found = np.zeros(time.size, bool)
    found[order[1:]] = same
    return found
