"""Spherical geometry against astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from astran.highlevel import geometry

TARGET, POINTING = (83.6331, 22.0145), (83.2, 22.1)


def test_separation_equals_astropy() -> None:
    ra, dec = np.array([83.6, 84.0, 263.6, 83.63310001]), np.array([22.0, -20.0, 1.0, 22.0145])
    theirs = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*TARGET, unit="deg")).deg
    ours = geometry.separation(geometry.vector(ra, dec), geometry.vector(*TARGET))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_off_positions_have_the_offset_of_the_target_and_equal_steps(number: int) -> None:
    target, pointing = geometry.vector(*TARGET), geometry.vector(*POINTING)
    places = geometry.wobble_positions(target, pointing, number)
    offset = geometry.separation(pointing, target)
    assert len(places) == number + 1
    centre = SkyCoord(*POINTING, unit="deg")
    angles = []
    for place in places:
        assert geometry.separation(place, pointing) == pytest.approx(float(offset), abs=1e-10)
        angles.append(centre.position_angle(SkyCoord(*geometry.radec(place), unit="deg")).deg)
    steps = np.diff(np.sort(np.array(angles)))
    np.testing.assert_allclose(steps, 360 / (number + 1), atol=1e-6)
    gap = geometry.separation(places[0], places[1])
    assert geometry.neighbour_distance(float(offset), number) == pytest.approx(float(gap))


def test_projection_is_the_tangential_one_of_wcs() -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], TARGET
    wcs.wcs.cdelt, wcs.wcs.crpix = [1, 1], [1, 1]
    ra, dec = np.array([83.0, 84.5, 82.2]), np.array([21.0, 22.5, 23.3])
    theirs = wcs.wcs_world2pix(ra, dec, 0)
    directions = geometry.vector(ra, dec)
    ours = geometry.project(directions, geometry.vector(*TARGET))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    back = geometry.deproject(*ours, geometry.vector(*TARGET))
    np.testing.assert_allclose(back, directions, atol=1e-12)


def test_the_far_side_of_the_sky_has_no_image() -> None:
    x, _ = geometry.project(
        geometry.vector(np.array([263.0]), np.array([-22.0])), geometry.vector(*TARGET)
    )
    assert np.isnan(x).all()


def test_altitude_is_good_enough_for_a_run_table() -> None:
    # Crab from La Palma; the header of the run says 69.70 deg for this moment
    mjd = 52706 + 333779446.0 / 86400
    assert geometry.altitude(83.983, 22.244, mjd, -17.89, 28.762) == pytest.approx(69.7, abs=0.5)
