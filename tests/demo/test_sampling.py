"""Throwing showers: spectra, field of view, and the bands that save work without changing it."""

import itertools

import numpy as np
import pytest

from astran.demo.sampling import (
    FieldOfView,
    crab_spectrum,
    energy_slices,
    field_showers,
    power_law,
    source_showers,
)
from astran.demo.shower import GAMMA, PROTON, apply_trigger, make_image

ZENITH = 20.0
REACH = 700.0


def test_power_law_integral_is_exact():
    spectrum = power_law(0.01, 100.0, -2.62, norm=3.0)
    exact = 3.0 * (0.01**-1.62 - 100.0**-1.62) / 1.62
    assert spectrum.total == pytest.approx(exact, rel=1e-6)
    assert spectrum.between(0.1, 1.0) == pytest.approx(3.0 * (0.1**-1.62 - 1) / 1.62, rel=1e-3)


def test_energies_follow_the_power_law():
    spectrum = power_law(0.01, 100.0, -2.0)
    energy = spectrum.draw(np.random.default_rng(1), 200_000, 0.1, 10.0)
    assert energy.min() >= 0.1
    assert energy.max() <= 10.0
    # integral above E falls as 1/E - 1/10
    for limit in (0.2, 1.0, 5.0):
        expected = (1 / limit - 0.1) / (10 - 0.1)
        assert np.mean(energy > limit) == pytest.approx(expected, rel=0.05)


def test_crab_is_as_bright_as_magic_found_it():
    # above 1 TeV: about 2e-11 /cm2/s, that is 2e-7 /m2/s
    assert crab_spectrum(0.01, 50.0).between(1.0, 50.0) == pytest.approx(2.0e-7, rel=0.05)
    assert crab_spectrum(0.01, 50.0, 3.0).total == pytest.approx(
        3 * crab_spectrum(0.01, 50.0).total
    )


def test_directions_are_uniform_over_the_solid_angle():
    field = FieldOfView(1.0, 6.0)
    x, y = field.draw(np.random.default_rng(2), 100_000)
    angle = np.degrees(np.arctan(np.hypot(x, y) / 29.30565))
    assert angle.min() >= 1.0 - 1e-9
    assert angle.max() <= 6.0 + 1e-9
    assert np.mean(angle < 3.0) == pytest.approx((9 - 1) / (36 - 1), abs=0.01)
    assert abs(np.mean(x)) < 0.02
    assert field.solid_angle == pytest.approx(np.pi * np.radians(1) ** 2 * 35, rel=0.01)


def test_bands_know_that_faint_showers_must_be_near():
    found = list(energy_slices(power_law(0.005, 50.0, -2.0), REACH, ZENITH, GAMMA))
    reaches = [band.impact for band in found]
    assert reaches == sorted(reaches)
    assert reaches[0] < 250 < reaches[-1] <= REACH
    # neighbouring bands meet: no energy is left out in between
    assert all(a.high == pytest.approx(b.low) for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("traits", "low", "field", "thrown", "lost"),
    [
        (GAMMA, 0.005, FieldOfView(0.0, 6.0), 4_000_000, 0.01),
        (GAMMA, 0.005, FieldOfView(0.3995, 0.4005), 1_000_000, 0.01),
        # protons: the faintest are left out on purpose
        (PROTON, 0.01, FieldOfView(0.0, 8.0), 6_000_000, 0.04),
    ],
)
def test_bands_lose_no_showers(traits, low, field, thrown, lost):
    """The same as throwing every shower over the whole disc and field."""
    spectrum = power_law(low, 50.0, -2.0)
    rng = np.random.default_rng(3)
    quick = field_showers(rng, thrown, spectrum, field, REACH, ZENITH, traits)
    slow = []
    for _ in range(thrown // 1_000_000):
        energy = spectrum.draw(rng, 1_000_000, low, 50.0)
        impact = REACH * np.sqrt(rng.random(1_000_000))
        showers = apply_trigger(rng, energy, impact, ZENITH, traits)[1]
        slow.append(make_image(rng, showers, *field.draw(rng, len(showers)), traits).showers)
    count = sum(map(len, slow))
    assert abs(len(quick) - count) < 4 * np.sqrt(2 * count) + lost * count
    for share in (25, 50, 75):
        energies = np.concatenate([showers.energy for showers in slow])
        expected = np.percentile(energies, share)
        assert np.percentile(quick.showers.energy, share) == pytest.approx(expected, rel=0.1)


def test_a_source_gives_gammas_in_proportion_to_flux_and_time():
    def rate(flux: float, seconds: float) -> float:
        rng = np.random.default_rng(4)
        _, showers = source_showers(
            rng, seconds, crab_spectrum(0.005, 50.0, flux), REACH, ZENITH, GAMMA
        )
        return len(showers) / seconds

    one = rate(1.0, 1000.0)
    assert 2.0 < one < 6.0  # Hz: LST-1 sees a few gammas of the Crab per second
    assert rate(3.0, 1000.0) == pytest.approx(3 * one, rel=0.1)
    assert rate(1.0, 200.0) == pytest.approx(one, rel=0.2)
