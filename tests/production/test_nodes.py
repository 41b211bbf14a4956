"""The nodes around a pointing are those between which lstchain interpolates."""

from __future__ import annotations

import math
import random

import pytest
from scipy.spatial import Delaunay

from astran.telescopes.lst.planning.mc_nodes import (
    beyond_nodes,
    enclosing_triangle,
    node_position,
    nodes_around,
    superfluous_twins,
)

NODES = [
    f"theta_{zenith:.3f}_az_{azimuth:.3f}"
    for zenith, azimuth in (
        (10.0, 102.199), (10.0, 248.117), (14.984, 175.158), (14.984, 355.158), (23.63, 100.758),
        (23.63, 259.265), (32.059, 102.217), (32.059, 248.099), (43.197, 87.604), (43.197, 262.712),
        (52.374, 83.127), (52.374, 301.217), (60.528, 59.336), (60.528, 287.0),
    )
]  # fmt: skip
"""Some of the LST test pointings, some made up."""


def delta(zenith: float, azimuth: float) -> float:
    """[deg]"""
    return math.degrees(math.asin(node_position(zenith, azimuth)[1]))


def test_the_plane_is_that_of_lstchain() -> None:
    # ZEN_PNT, AZ_PNT and B_DELTA of an IRF by lstchain 0.12.3
    assert delta(32.059, 248.099) == pytest.approx(50.350097, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_triangle_is_that_of_qhull(seed: int) -> None:
    chance = random.Random(seed)
    points = [(chance.random(), chance.random()) for _ in range(40)]
    ours = Delaunay(points)
    for _ in range(100):
        at = (chance.uniform(-0.1, 1.1), chance.uniform(-0.1, 1.1))
        simplex = int(ours.find_simplex(at))
        corners = {points[i] for i in ours.simplices[simplex]} if simplex >= 0 else set()
        assert set(enclosing_triangle(points, at)) == corners


def test_among_the_chosen_nodes_the_triangle_is_the_same() -> None:
    for zenith, azimuth in ((18.1, 252.4), (35.0, 265.0), (27.0, 95.0), (48.0, 85.0)):
        chosen = nodes_around(NODES, zenith, azimuth)
        assert chosen is not None and 3 <= len(chosen) < len(NODES)
        everywhere = [node_position(*map(float, (n.split("_")[1], n.split("_")[3]))) for n in NODES]
        near = [
            node_position(*map(float, (n.split("_")[1], n.split("_")[3]))) for n in sorted(chosen)
        ]
        at = node_position(zenith, azimuth)
        assert set(enclosing_triangle(near, at)) == set(enclosing_triangle(everywhere, at))


def test_nodes_at_the_same_place_stay_together() -> None:
    """lstchain chooses between them by the azimuth."""
    chosen = nodes_around(NODES, 12.0, 240.0)
    assert chosen is not None
    assert {"theta_10.000_az_102.199", "theta_10.000_az_248.117"} <= chosen


def test_outside_of_all_nodes_the_nearest() -> None:
    chosen = nodes_around(NODES, 70.0, 289.0)
    assert chosen is not None and "theta_60.528_az_287.000" in chosen
    assert len(chosen) <= 4


def test_only_the_nearest_where_that_is_asked_for() -> None:
    near, all_around = (
        nodes_around(NODES, 23.0, 257.0, nearest=True),
        nodes_around(NODES, 23.0, 257.0),
    )
    assert near is not None and all_around is not None
    assert "theta_23.630_az_259.265" in near
    assert near <= all_around and len(near) < len(all_around)


def test_names_that_tell_no_pointing() -> None:
    assert nodes_around(["gamma", *NODES], 20.0, 100.0) is None


def test_too_few_nodes_for_any_triangle() -> None:
    assert nodes_around(NODES[:2], 20.0, 100.0) == frozenset(NODES[:2])
    assert enclosing_triangle([(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)], (1.0, 1.0)) == ()


def chosen_by_lstchain(names: list[str], zenith: float, azimuth: float) -> list[str]:
    """As check_in_delaunay_triangle and get_nearest_az_node of lstchain 0.12.3 choose."""
    pointings = [tuple(map(float, (n.split("_")[1], n.split("_")[3]))) for n in names]
    points = [node_position(*one) for one in pointings]
    triangles = Delaunay(points)
    simplex = int(triangles.find_simplex(node_position(zenith, azimuth)))
    rounded = [(round(x, 3), round(y, 3)) for x, y in points]
    chosen = []
    for corner in triangles.simplices[simplex] if simplex >= 0 else ():
        same = [i for i, place in enumerate(rounded) if place == rounded[corner]]
        chosen.append(names[min(same, key=lambda i: abs(pointings[i][1] - azimuth))])
    return chosen


def test_without_its_twin_a_node_makes_no_flat_triangle() -> None:
    """lstchain issue 1346: QH6154, as two corners of the triangle are one node."""
    names = ["theta_23.630_az_100.000", "theta_23.630_az_250.250", "theta_40.000_az_175.000"]
    names += ["theta_40.000_az_355.000", "theta_5.000_az_175.000"]
    zenith, azimuth = 19.47, 248.03
    out = superfluous_twins(names, zenith, azimuth)
    before = chosen_by_lstchain(names, zenith, azimuth)
    assert len(before) == 3 and len(set(before)) == 2, "the case is one"
    assert out == {"theta_23.630_az_100.000"}
    left = [name for name in names if name not in out]
    after = chosen_by_lstchain(left, zenith, azimuth)
    assert len(after) == len(set(after)) == 3
    assert set(before) < set(after)


def test_nodes_beside_which_nothing_is_flat_all_stay() -> None:
    for zenith, azimuth in ((18.1, 252.4), (35.0, 265.0), (27.0, 95.0), (48.0, 85.0)):
        assert superfluous_twins(NODES, zenith, azimuth) == frozenset()


def test_a_pointing_beyond_the_nodes_is_told() -> None:
    names = [name for name in NODES if float(name.split("_")[1]) < 33]
    assert beyond_nodes(names, 58.0) == (10.0, 32.059)
    assert beyond_nodes(names, 3.0) == (10.0, 32.059)
    assert beyond_nodes(names, 33.0) is None
    assert beyond_nodes(["gamma"], 58.0) is None
