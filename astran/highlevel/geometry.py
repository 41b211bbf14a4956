"""Directions on the sky as unit vectors: separations, OFF positions, tangential projection.

All angles are in degrees. Arrays of directions have the shape (n, 3).
"""

from __future__ import annotations

import numpy as np

from astran.gadf.arrays import Floats
from astran.gadf.sky import separation as separation
from astran.gadf.sky import vector as vector


def radec(direction: Floats) -> tuple[float, float]:
    """Right ascension in [0, 360) and declination of one unit vector."""
    x, y, z = (float(part) for part in direction)
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arcsin(z)))


def rotated(point: Floats, axis: Floats, angle: float) -> Floats:
    """A point turned about an axis, both unit vectors (Rodrigues' formula)."""
    turn = np.radians(angle)
    return (
        point * np.cos(turn)
        + np.cross(axis, point) * np.sin(turn)
        + axis * np.dot(axis, point) * (1 - np.cos(turn))
    )


def wobble_positions(target: Floats, pointing: Floats, off_regions: int) -> list[Floats]:
    """The target and its OFF positions: all at the target's offset from the pointing, in equal
    steps of position angle. With one OFF position it is the opposite one."""
    step = 360.0 / (off_regions + 1)
    return [rotated(target, pointing, k * step) for k in range(off_regions + 1)]


def neighbour_distance(offset: float, off_regions: int) -> float:
    """Distance between neighbouring positions on the wobble circle."""
    half = np.sin(np.radians(offset)) * np.sin(np.pi / (off_regions + 1))
    return float(np.degrees(2 * np.arcsin(half)))


def project(directions: Floats, centre: Floats) -> tuple[Floats, Floats]:
    """Tangential (gnomonic, TAN) projection about a centre: x to the east, y to the north.

    Directions more than 80 deg away have no useful image and become NaN.
    """
    east = np.array([-centre[1], centre[0], 0.0])
    length = np.hypot(east[0], east[1])
    east = np.array([0.0, 1.0, 0.0]) if length < 1e-12 else east / length
    north = np.cross(centre, east)
    depth = directions @ centre
    depth = np.where(depth > 0.17, depth, np.nan)
    return np.degrees(directions @ east / depth), np.degrees(directions @ north / depth)


def deproject(x: Floats, y: Floats, centre: Floats) -> Floats:
    """The unit vectors of points in the tangential plane about a centre; inverse of `project`."""
    east = np.array([-centre[1], centre[0], 0.0])
    length = np.hypot(east[0], east[1])
    east = np.array([0.0, 1.0, 0.0]) if length < 1e-12 else east / length
    north = np.cross(centre, east)
    vectors = (
        centre + np.radians(x)[..., np.newaxis] * east + np.radians(y)[..., np.newaxis] * north
    )
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def altitude(ra: float, dec: float, mjd_utc: float, longitude: float, latitude: float) -> float:
    """Altitude of an ICRS direction, to about 0.2 deg: enough for a run table.

    Greenwich mean sidereal time after Meeus, Astronomical Algorithms, equation 12.4, without
    precession, nutation and refraction.
    """
    hour_angle = _hour_angle(ra, mjd_utc, longitude)
    lat, d = np.radians(latitude), np.radians(dec)
    sine = np.sin(lat) * np.sin(d) + np.cos(lat) * np.cos(d) * np.cos(hour_angle)
    return float(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))


def parallactic_angle(
    ra: float, dec: float, mjd_utc: float, longitude: float, latitude: float
) -> float:
    """Direction of the zenith as seen from an ICRS direction, north through east [deg].

    Meeus, Astronomical Algorithms, equation 14.1; to about 0.3 deg unless close to the zenith.
    """
    hour_angle = _hour_angle(ra, mjd_utc, longitude)
    lat, d = np.radians(latitude), np.radians(dec)
    across = np.sin(hour_angle) * np.cos(lat)
    along = np.sin(lat) * np.cos(d) - np.cos(lat) * np.sin(d) * np.cos(hour_angle)
    return float(np.degrees(np.arctan2(across, along)))


def _hour_angle(ra: float, mjd_utc: float, longitude: float) -> float:
    """[rad], positive to the west."""
    days = mjd_utc - 51544.5
    sidereal = 280.46061837 + 360.98564736629 * days
    return float(np.radians(sidereal + longitude - ra))
