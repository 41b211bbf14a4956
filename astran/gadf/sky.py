"""Directions on the sky as unit vectors, shape (..., 3). Angles in degrees."""

from __future__ import annotations

import numpy as np

from astran.gadf.arrays import Floats


def vector(ra: Floats | float, dec: Floats | float) -> Floats:
    """Unit vectors of the directions, shape (..., 3)."""
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def separation(directions: Floats, point: Floats) -> Floats:
    """Angle between each direction and a point, by the chord: exact for small angles, too."""
    chord = np.sqrt(((directions - point) ** 2).sum(axis=-1))
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))
