"""Which Monte Carlo nodes a run needs, where only those around its pointing are wanted.

lstchain_create_dl3_file interpolates between the nodes of one triangle: that of the Delaunay
triangulation in the plane of cos(zenith) and sin(delta) which holds the pointing (lstchain,
high_level/interpolate.py); delta is the angle between the shower axis and the geomagnetic field
(get_geomagnetic_delta in reco/utils.py). The circle around a Delaunay triangle holds no node; so
the triangle is there also among fewer nodes, and the result is the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

FIELD = (37.3663, -4.8443)
"""Inclination and declination of the field in the LST Monte Carlo [deg]."""
MARGIN = ((-1.0, 0.0, 1.0), (-3.0, 0.0, 3.0))
"""Zenith and azimuth [deg] around the mean pointing for which nodes are taken, too: what lstchain
averages over DL2, and the field of its day, are not known here."""
TIE = 3
"""Decimals to which lstchain takes two nodes for one place."""
BEYOND_DEG = 2.0
"""Zenith distance outside of the nodes from which on it is said."""
_NAME = re.compile(r"theta_(\d+(?:\.\d+)?)_az_(\d+(?:\.\d+)?)")

Place = tuple[float, float]
"""cos(zenith), sin(delta)"""


def nodes_around(
    names: Sequence[str], zenith: float, azimuth: float, nearest: bool = False
) -> frozenset[str] | None:
    """The nodes that the DL3 tool can come to use for a pointing.

    Parameters
    ----------
    names : of all nodes, like theta_23.630_az_100.758
    zenith, azimuth : of the run [deg]
    nearest : the tool takes the nearest node and does not interpolate

    Returns
    -------
    None where the names do not tell the pointings
    """
    places = _places(names)
    if places is None:
        return None
    points = sorted(set(places.values()))
    chosen: set[Place] = set()
    for away, aside in product(*MARGIN):
        at = node_position(max(0.0, zenith + away), azimuth + aside)
        chosen.add(min(points, key=lambda point: math.dist(point, at)))
        if not nearest:
            chosen.update(enclosing_triangle(points, at))
    kept = {_rounded(point) for point in chosen}
    return frozenset(name for name, point in places.items() if _rounded(point) in kept)


def superfluous_twins(names: Sequence[str], zenith: float, azimuth: float) -> frozenset[str]:
    """Nodes that must not be there for a pointing.

    Where two corners of the triangle around the pointing are one place to three decimals, lstchain
    takes for both the node that is nearer in azimuth, and stops at a flat triangle (QH6154; its
    issue 1346). Without the other node it interpolates, with nodes that it would have taken anyway.

    Parameters
    ----------
    names : of all nodes, like theta_23.630_az_100.758
    zenith, azimuth : of the run [deg]
    """
    places = _places(names) or {}
    points = sorted(set(places.values()))
    corners: set[Place] = set()
    for away, aside in product(*MARGIN):
        at = node_position(max(0.0, zenith + away), azimuth + aside)
        corners |= _twins(enclosing_triangle(points, at))
    by_place: dict[Place, list[str]] = {}
    for name, point in places.items():
        if point in corners:
            by_place.setdefault(_rounded(point), []).append(name)
    far = (
        sorted(twins, key=lambda name: abs(_azimuth(name) - azimuth))[1:]
        for twins in by_place.values()
    )
    return frozenset(name for twins in far for name in twins)


def beyond_nodes(names: Sequence[str], zenith: float) -> tuple[float, float] | None:
    """Least and largest zenith distance of the nodes [deg], where a pointing lies more than
    BEYOND_DEG outside of them; None: it does not, or the names do not tell."""
    matches = [_NAME.fullmatch(name) for name in names]
    zeniths = [float(match[1]) for match in matches if match is not None]
    if not zeniths or len(zeniths) < len(names):
        return None
    least, most = min(zeniths), max(zeniths)
    return None if least - BEYOND_DEG <= zenith <= most + BEYOND_DEG else (least, most)


def _places(names: Sequence[str]) -> dict[str, Place] | None:
    """Where each node is in the plane; None where the names do not tell."""
    matches = {name: _NAME.fullmatch(name) for name in names}
    return (
        {
            name: node_position(float(match[1]), float(match[2]))
            for name, match in matches.items()
            if match is not None
        }
        if all(matches.values())
        else None
    )


def _azimuth(name: str) -> float:
    match = _NAME.fullmatch(name)
    return float(match[2]) if match else 0.0


def _twins(corners: Sequence[Place]) -> set[Place]:
    rounded = [_rounded(point) for point in corners]
    return {point for point, at in zip(corners, rounded, strict=True) if rounded.count(at) > 1}


def node_position(zenith: float, azimuth: float) -> Place:
    """A pointing [deg] in the plane of the interpolation."""
    zen, incl = math.radians(zenith), math.radians(FIELD[0])
    turn = math.radians(azimuth - FIELD[1])
    cos_delta = math.sin(incl) * math.cos(zen) - math.cos(incl) * math.sin(zen) * math.cos(turn)
    return math.cos(zen), math.sqrt(max(0.0, 1 - cos_delta**2))


def enclosing_triangle(points: Sequence[Place], at: Place) -> tuple[Place, ...]:
    """The corners of the Delaunay triangle that holds a place; nothing if it lies outside.

    From any triangle around the place, each point inside the circle of its corners leads to a
    better one: the paraboloid over the plane is the lower hull of the triangulation.
    """
    corners = _any_triangle(points, at)
    while corners:
        inside = next((p for p in points if p not in corners and _in_circle(corners, p)), None)
        if inside is None:
            break
        better = (c for c in _with(corners, inside) if _holds(c, at))
        corners = next(better, ())
    return corners


def _any_triangle(points: Sequence[Place], at: Place) -> tuple[Place, ...]:
    ring = sorted(
        (math.atan2(point[1] - at[1], point[0] - at[0]), point) for point in points if point != at
    )
    if len(ring) < 3:
        return ()
    angles = [angle for angle, _ in ring]
    if any(b - a >= math.pi for a, b in pairwise([*angles, angles[0] + 2 * math.pi])):
        return ()  # all points lie to one side
    opposite = angles[0] + math.pi
    before = max((one for one in ring if one[0] <= opposite), key=lambda one: one[0])
    after = min((one for one in ring if one[0] > opposite), key=lambda one: one[0])
    return (ring[0][1], before[1], after[1])


def _with(corners: tuple[Place, ...], point: Place) -> Iterator[tuple[Place, ...]]:
    a, b, c = corners
    yield from ((a, b, point), (b, c, point), (c, a, point))


def _turn(a: Place, b: Place, c: Place) -> float:
    """Twice the area of a triangle, above zero if it turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _holds(corners: tuple[Place, ...], at: Place) -> bool:
    a, b, c = corners
    area = _turn(a, b, c)
    if abs(area) < 1e-15:
        return False
    sides = (_turn(a, b, at), _turn(b, c, at), _turn(c, a, at))
    return all(side * area >= 0 for side in sides)


def _in_circle(corners: tuple[Place, ...], point: Place) -> bool:
    """Whether a point lies within the circle through the corners, and not just on it."""
    rows = [(x - point[0], y - point[1]) for x, y in corners]
    (ax, ay), (bx, by), (cx, cy) = rows
    a, b, c = (x * x + y * y for x, y in rows)
    determinant = a * (bx * cy - cx * by) - b * (ax * cy - cx * ay) + c * (ax * by - bx * ay)
    area = _turn(*corners)
    return determinant * area > 1e-12 * abs(area)


def _rounded(point: Place) -> Place:
    return round(point[0], TIE), round(point[1], TIE)
