"""Small DL3 files as lstchain_create_dl3_file lays them out, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from astran.highlevel.geometry import deproject, radec, vector

RA, DEC = 83.6331, 22.0145
MJDREFI = 58392  # 2018-10-01, as lstchain counts
ENERGY_EDGES = (0.01, 0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Made:
    """A file and what was put into it."""

    path: Path
    signal: int
    background: int
    ontime: float
    deadc: float


def write_run(
    folder: Path,
    obs_id: int,
    *,
    start: str = "2023-12-07T22:00:00",
    ontime: float = 1200.0,
    deadc: float = 0.95,
    offset: float = 0.4,
    angle: float = 90.0,
    background: int = 4000,
    signal: int = 300,
    psf: float = 0.08,
    rad_max: float | None = 0.2,
    table: Sequence[float] | None = None,
    object_name: str = "Crab",
    name: str | None = None,
    seed: int | None = None,
    place: tuple[float, float] = (RA, DEC),
    scale: float = 1.0,
    change: Callable[[fits.HDUList], Any] | None = None,
) -> Made:
    """Write one run that points `offset` deg from a place at a position angle (north to east).

    `scale` multiplies all energies; `table` gives the three values of a RAD_MAX_2D table;
    `change` may damage the file before it is written.
    """
    rng = np.random.default_rng(obs_id if seed is None else seed)
    turn = np.radians(angle)
    source = vector(*place)
    axis = deproject(np.array([offset * np.sin(turn)]), np.array([offset * np.cos(turn)]), source)[
        0
    ]
    ra_pnt, dec_pnt = radec(axis)
    # acceptance: a Gaussian of 1 deg about the pointing
    bx, by = rng.normal(0, 1.0, (2, background))
    sx, sy = rng.normal(0, psf, (2, signal))
    seen = [radec(d) for d in (*deproject(bx, by, axis), *deproject(sx, sy, source))]
    ra, dec = np.array(seen).T
    number = background + signal
    energy = scale * 0.03 * (1 - rng.random(number)) ** (-1 / 1.7)
    begin = (Time(start, scale="utc").mjd - MJDREFI) * 86400.0
    time = np.sort(begin + rng.random(number) * ontime)
    order = rng.permutation(number)
    columns = [
        fits.Column("EVENT_ID", "K", array=np.arange(number)),
        fits.Column("TIME", "D", unit="s", array=time),
        fits.Column("RA", "D", unit="deg", array=ra[order]),
        fits.Column("DEC", "D", unit="deg", array=dec[order]),
        fits.Column("ENERGY", "D", unit="TeV", array=energy),
        fits.Column("GAMMANESS", "D", array=0.7 + 0.3 * rng.random(number)),
    ]
    clock = {"MJDREFI": MJDREFI, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "UTC"}
    header = {
        "HDUCLASS": "GADF",
        "HDUCLAS1": "EVENTS",
        "OBS_ID": obs_id,
        **clock,
        "ONTIME": ontime,
        "LIVETIME": ontime * deadc,
        "DEADC": deadc,
        "OBJECT": object_name,
        "OBS_MODE": "POINTING",
        "TELESCOP": "CTA-N",
        "RA_PNT": ra_pnt,
        "DEC_PNT": dec_pnt,
        "ALT_PNT": 70.0,
        "AZ_PNT": 180.0,
        "RA_OBJ": place[0],
        "DEC_OBJ": place[1],
    }
    events = fits.BinTableHDU.from_columns(columns, fits.Header(header), name="EVENTS")
    gti = fits.BinTableHDU.from_columns(
        [
            fits.Column("START", "D", unit="s", array=[begin]),
            fits.Column("STOP", "D", unit="s", array=[begin + ontime]),
        ],
        fits.Header({"HDUCLASS": "GADF", "HDUCLAS1": "GTI", **clock}),
        name="GTI",
    )
    pointing = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", unit="s", array=[begin]),
            fits.Column("RA_PNT", "D", unit="deg", array=[ra_pnt]),
            fits.Column("DEC_PNT", "D", unit="deg", array=[dec_pnt]),
        ],
        fits.Header({"HDUCLASS": "GADF", "HDUCLAS1": "POINTING", **clock}),
        name="POINTING",
    )
    response = {"HDUCLASS": "GADF", "HDUCLAS1": "RESPONSE", "HDUCLAS3": "POINT-LIKE"}
    area_header = {**response, "HDUCLAS2": "EFF_AREA", "HDUCLAS4": "AEFF_2D", "GH_CUT": 0.7}
    if rad_max is not None and table is None:
        area_header["RAD_MAX"] = rad_max
    low, high = [ENERGY_EDGES[:-1]], [ENERGY_EDGES[1:]]
    axes = [
        fits.Column("ENERG_LO", "3E", unit="TeV", array=low),
        fits.Column("ENERG_HI", "3E", unit="TeV", array=high),
        fits.Column("THETA_LO", "1E", unit="deg", array=[[0.3]]),
        fits.Column("THETA_HI", "1E", unit="deg", array=[[0.5]]),
    ]
    area = fits.BinTableHDU.from_columns(
        [*axes, fits.Column("EFFAREA", "3E", dim="(3,1)", unit="m2", array=[[[1e4, 1e5, 2e5]]])],
        fits.Header(area_header),
        name="EFFECTIVE AREA",
    )
    hdus = fits.HDUList([fits.PrimaryHDU(), events, gti, pointing, area])
    if table is not None:
        hdus.append(
            fits.BinTableHDU.from_columns(
                [*axes, fits.Column("RAD_MAX", "3E", dim="(3,1)", unit="deg", array=[[table]])],
                fits.Header({**response, "HDUCLAS2": "RAD_MAX", "HDUCLAS4": "RAD_MAX_2D"}),
                name="RAD_MAX",
            )
        )
    if change is not None:
        change(hdus)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"dl3_LST-1.Run{obs_id:05d}.fits")
    hdus.writeto(path, overwrite=True)
    return Made(path, signal, background, ontime, deadc)


def write_night(folder: Path, runs: int = 4, **values: Any) -> list[Made]:
    """Runs of one night that alternate between two wobble positions."""
    return [
        write_run(
            folder,
            15860 + k,
            start=str(np.datetime64("2023-12-07T20:00:00") + np.timedelta64(30 * k, "m")),
            angle=90.0 if k % 2 else 270.0,
            **values,
        )
        for k in range(runs)
    ]
