"""Background models in every order of axes and both alignments that GADF allows."""

from __future__ import annotations

from io import BytesIO
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from astran.gadf.rad_max import RadMaxTable
from astran.highlevel.dl3.background_model import BackgroundModel, find_background_model
from astran.highlevel.geometry import deproject, parallactic_angle, radec, vector

ENERGY = np.array([0.1, 0.3, 1.0])
THETA = np.linspace(0, 2, 4)
DETX, DETY = np.linspace(-2, 2, 6), np.linspace(-2, 2, 8)
LA_PALMA = -17.89, 28.76
MJD = 60000.1
AXES = {"ENERG": (ENERGY, "TeV"), "THETA": (THETA, "deg"), "DETX": (DETX, "deg")}
AXES["DETY"] = (DETY, "deg")


def rates(names: tuple[str, ...]) -> Any:
    """Different in every bin, with axes in the order of the names."""
    shape = tuple(AXES[name][0].size - 1 for name in names)
    return 1.0 + np.arange(np.prod(shape)).reshape(shape)


def table(
    values: Any, order: tuple[str, ...], *, cref: bool, dims: bool, column: str = "BKG"
) -> Any:
    """A table that holds `values`, whose axes are named in `order`, in that order of FITS."""
    columns = []
    for name in sorted(order):
        edges, unit = AXES[name]
        for end, part in (("LO", edges[:-1]), ("HI", edges[1:])):
            columns.append(fits.Column(f"{name}_{end}", f"{part.size}D", unit=unit, array=[part]))
    stored = values.transpose()  # the first axis of FITS is the last of numpy
    dim = f"({','.join(map(str, values.shape))})" if dims else None
    array = [stored] if dims else [stored.ravel()]
    columns.append(fits.Column(column, f"{values.size}D", dim=dim, array=array))
    header = {"HDUCLAS4": "BKG_2D" if "THETA" in order else "BKG_3D", "FOVALIGN": "RADEC"}
    if cref:
        names = ",".join(f"{name}_LO:{name}_HI" for name in order)
        header[f"CREF{len(columns)}"] = f"({names})"
    made = fits.BinTableHDU.from_columns(columns, fits.Header(header), name=column)
    with fits.open(file_of(made)) as hdus:
        return hdus[1].copy()


def file_of(hdu: Any) -> BytesIO:
    file = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    file.seek(0)
    return file


@pytest.mark.parametrize(("cref", "dims"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(
    "order",
    [*permutations(("ENERG", "THETA")), *permutations(("ENERG", "DETX", "DETY"))],
    ids=lambda order: "-".join(order),
)
def test_every_order_of_axes(order: tuple[str, ...], cref: bool, dims: bool) -> None:
    names = ("ENERG", "THETA") if "THETA" in order else ("ENERG", "DETX", "DETY")
    truth = rates(names)
    hdu = table(truth.transpose([names.index(n) for n in order]), order, cref=cref, dims=dims)
    model = BackgroundModel.read(hdu)
    expected = truth if "THETA" in order else truth.swapaxes(1, 2)  # energy, DETY, DETX
    assert model.rate == pytest.approx(expected)


def test_an_order_that_is_not_told_is_not_guessed() -> None:
    hdu = table(rates(("ENERG", "THETA")), ("ENERG", "THETA"), cref=False, dims=False)
    model, said = find_background_model([hdu], ())
    assert model is None
    assert "order of its axes is not told" in said[0]


def test_a_theta_cut_by_energy_in_either_order() -> None:
    truth = rates(("ENERG", "THETA")) / 100
    for order in permutations(("ENERG", "THETA")):
        values = truth if order[0] == "ENERG" else truth.T
        hdu = table(values, order, cref=True, dims=True, column="RAD_MAX")
        assert RadMaxTable.read(hdu).theta == pytest.approx(truth.T)


@pytest.mark.parametrize("told", [None, "", "SKY"])
def test_an_alignment_that_is_not_told_is_said(told: str | None) -> None:
    hdu = table(rates(("ENERG", "DETX", "DETY")), ("ENERG", "DETX", "DETY"), cref=True, dims=True)
    del hdu.header["FOVALIGN"]
    if told is not None:
        hdu.header["FOVALIGN"] = told
    model, said = find_background_model([hdu], ())
    assert model is not None and model.aligned_with_sky
    assert len(said) == 1 and "RADEC" in said[0] and "FOVALIGN" in said[0]


@pytest.mark.parametrize("alignment", ["RADEC", "ALTAZ"])
@pytest.mark.parametrize("hours", [-3.0, 0.0, 2.5])
def test_a_field_that_turns(alignment: str, hours: float) -> None:
    """gammapy's model, at places of the sky that astropy turns into horizontal coordinates."""
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers
    from gammapy.irf import Background3D
    from gammapy.utils.coordinates import sky_to_fov

    hdu = table(rates(("ENERG", "DETX", "DETY")), ("ENERG", "DETX", "DETY"), cref=True, dims=True)
    hdu.header["FOVALIGN"] = alignment
    mine = BackgroundModel.read(hdu)
    with fits.open(file_of(hdu)) as hdus:
        theirs = Background3D.from_hdulist(hdus, hdu="BKG")
    place = EarthLocation.from_geodetic(*LA_PALMA, 2200)
    with iers.conf.set_temp("auto_download", False):
        start = Time(MJD, format="mjd", location=place)
        meridian = start.sidereal_time("apparent", place.lon).deg
        ra, dec = (meridian - 15.0 * hours) % 360, 20.0
        pointing = vector(ra, dec)
        grid = np.linspace(-1.0, 1.0, 5)
        x, y = (part.ravel() for part in np.meshgrid(grid, grid))
        sky = np.array([radec(one) for one in deproject(x, y, pointing)]) * u.deg
        frame = AltAz(obstime=start, location=place)
        centre = SkyCoord(ra, dec, unit="deg")
        seen = SkyCoord(sky[:, 0], sky[:, 1])
        if alignment == "ALTAZ":
            centre, seen = centre.transform_to(frame), seen.transform_to(frame)
            lon, lat = sky_to_fov(seen.az, seen.alt, centre.az, centre.alt)
        else:
            lon, lat = sky_to_fov(seen.ra, seen.dec, centre.ra, centre.dec)
    reference = sum(
        width * theirs.evaluate(energy=e * u.TeV, fov_lon=lon, fov_lat=lat).value
        for width, e in zip(np.diff(ENERGY), np.sqrt(ENERGY[1:] * ENERGY[:-1]), strict=True)
    )
    turn = parallactic_angle(ra, dec, MJD, *LA_PALMA)
    image = mine.image(x, y, None, None, (turn,))
    inside = np.hypot(x, y) < 1.3
    assert image[inside] == pytest.approx(np.asarray(reference)[inside], rel=0.02)


def test_a_long_run_sees_the_field_at_several_angles() -> None:
    hdu = table(rates(("ENERG", "DETX", "DETY")), ("ENERG", "DETX", "DETY"), cref=True, dims=True)
    hdu.header["FOVALIGN"] = "ALTAZ"
    model = BackgroundModel.read(hdu)
    x, y = np.array([0.7, -0.3]), np.array([0.1, 0.8])
    single = [model.image(x, y, None, None, (turn,)) for turn in (10.0, 70.0)]
    assert model.image(x, y, None, None, (10.0, 70.0)) == pytest.approx(np.mean(single, axis=0))
