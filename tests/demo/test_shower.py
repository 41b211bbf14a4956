"""Image parameters of simulated showers."""

import numpy as np
import pytest

from astran.demo.shower import (
    CAMERA_RADIUS,
    GAMMA,
    PROTON,
    Showers,
    apply_trigger,
    fold_axis,
    make_image,
    mean_light,
    shower_maximum,
)

ZENITH = 20.0


def some_showers(n: int, energy: float = 0.3, impact: float = 110.0, traits=GAMMA) -> Showers:
    rng = np.random.default_rng(1)
    return apply_trigger(rng, np.full(n, energy), np.full(n, impact), ZENITH, traits)[1]


def test_high_energies_reach_deeper_into_the_atmosphere():
    depth, distance = shower_maximum(np.array([0.03, 0.3, 3.0]), ZENITH)
    assert np.all(np.diff(depth) > 0)
    assert np.all(np.diff(distance) < 0)
    # 100 GeV: about 280 g/cm2 and 8 km above the telescope near zenith
    depth, distance = shower_maximum(np.array([0.1]), 0.0)
    assert depth[0] == pytest.approx(280, abs=15)
    assert distance[0] == pytest.approx(8.2, abs=0.5)


def test_shower_maximum_moves_away_with_zenith_angle():
    near, far = (shower_maximum(np.array([0.1]), zenith)[1][0] for zenith in (0.0, 50.0))
    assert far > 1.5 * near


def test_light_is_flat_in_the_pool_and_falls_beyond():
    impact = np.array([0.0, 60.0, 120.0, 250.0, 400.0])
    light = mean_light(np.full(5, 0.3), impact, np.full(5, 8.3), GAMMA)
    assert light[2] / light[0] < 1.3
    assert light[3] < 0.4 * light[2]
    assert light[4] < 0.4 * light[3]


def test_light_grows_with_energy_and_protons_give_less():
    energy = np.array([0.1, 1.0])
    gammas = mean_light(energy, np.zeros(2), np.full(2, 8.0), GAMMA)
    protons = mean_light(energy, np.zeros(2), np.full(2, 8.0), PROTON)
    assert 10 < gammas[1] / gammas[0] < 13
    assert np.all(protons < 0.5 * gammas)


def test_trigger_has_a_threshold_near_20_gev():
    shares = [len(some_showers(4000, energy)) / 4000 for energy in (0.005, 0.02, 0.1)]
    assert shares[0] < 0.02
    assert 0.05 < shares[1] < 0.95
    assert shares[2] > 0.99


def test_images_lie_in_the_camera_and_point_back_to_their_shower():
    showers = some_showers(20_000)
    n = len(showers)
    rng = np.random.default_rng(2)
    x = rng.uniform(-1.5, 1.5, n)
    images = make_image(rng, showers, x, np.zeros(n), GAMMA)
    assert 0 < len(images) < n
    assert images.columns["r"].max() < CAMERA_RADIUS
    assert np.array_equal(images.source_x, x[images.kept])
    assert np.array_equal(images.showers.energy, showers.energy[images.kept])


def test_gamma_axis_and_signs_tell_the_direction():
    showers = some_showers(20_000)
    n = len(showers)
    images = make_image(np.random.default_rng(3), showers, np.zeros(n), np.zeros(n), GAMMA)
    c = images.columns
    toward = np.arctan2(-c["y"], -c["x"])
    miss = np.degrees(np.abs(fold_axis(toward - c["psi"])))
    assert np.median(miss) < 10.0
    side = np.sign(-c["x"] * np.cos(c["psi"]) - c["y"] * np.sin(c["psi"]))
    # lstchain's signs: both are negative on the side of the source
    assert np.mean(np.sign(c["skewness"]) == -side) > 0.7
    assert np.mean(np.sign(c["time_gradient"]) == -side) > 0.9


def test_protons_are_broader_and_less_oriented():
    widths, misses = [], []
    # energies at which both give about 300 p.e.
    for traits, energy in ((GAMMA, 0.1), (PROTON, 0.3)):
        showers = some_showers(20_000, energy, traits=traits)
        n = len(showers)
        c = make_image(np.random.default_rng(4), showers, np.zeros(n), np.zeros(n), traits).columns
        same = (c["intensity"] > 200) & (c["intensity"] < 400)
        widths.append(np.median(c["width"][same]))
        misses.append(np.median(np.abs(fold_axis(np.arctan2(c["y"], c["x"]) - c["psi"]))[same]))
    assert widths[1] > 1.3 * widths[0]
    assert misses[1] > 2 * misses[0]


def test_values_stay_within_their_meaning():
    showers = some_showers(20_000, energy=5.0, impact=300.0)
    n = len(showers)
    c = make_image(np.random.default_rng(5), showers, np.zeros(n), np.zeros(n), GAMMA).columns
    assert all(np.all(np.isfinite(values)) for values in c.values())
    assert np.all((c["wl"] > 0) & (c["wl"] < 1))
    assert np.all((c["psi"] >= -np.pi / 2) & (c["psi"] < np.pi / 2))
    assert np.all((c["leakage_intensity_width_2"] >= 0) & (c["leakage_intensity_width_2"] < 1))
    assert np.allclose(c["log_intensity"], np.log10(c["intensity"]))


def test_an_axis_is_folded_into_half_a_turn():
    angles = np.array([0.0, np.pi, -np.pi / 2, np.pi / 2, 3.0])
    folded = fold_axis(angles)
    assert np.all((folded >= -np.pi / 2) & (folded < np.pi / 2))
    assert np.allclose(np.tan(folded[[0, 1, 4]]), np.tan(angles[[0, 1, 4]]))
