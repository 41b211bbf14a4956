"""Small products, good ones unless told otherwise, for tests of checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tables
from astropy.io import fits
from astropy.table import Table

from astran.telescopes.lst.dl2_file import ALWAYS
from astran.telescopes.lst.hdf5_open import DL1_TABLE

RATE = 3000.0


def events(mc: bool = False, rate: float = RATE, n: int = 3000, **changes: Any) -> np.ndarray:
    """A table of DL2 events with the columns that later steps need."""
    columns: dict[str, Any] = {
        "event_id": np.arange(n),
        "tel_id": np.ones(n, dtype=int),
        "event_type": np.full(n, 32),
        "intensity": np.full(n, 100.0),
        **{name: np.full(n, 0.5) for name in ("alt_tel", "az_tel")},
        **{name: np.full(n, 0.7) for name in ("reco_energy", "reco_alt", "reco_az", "gammaness")},
    }
    if mc:
        names = ("mc_energy", "mc_alt", "mc_az", "mc_alt_tel", "mc_az_tel")
        columns.update({name: np.full(n, 0.3) for name in names})
    else:
        columns["dragon_time"] = 1.7e9 + np.arange(n) / rate
        columns["delta_t"] = np.full(n, 1 / rate)
    columns.update(changes)
    columns = {name: value for name, value in columns.items() if value is not None}
    table = np.zeros(n, dtype=[(name, np.asarray(value).dtype) for name, value in columns.items()])
    for name, value in columns.items():
        table[name] = value
    return table


def write_dl2(path: Path, table: np.ndarray) -> Path:
    with tables.open_file(str(path), "w") as handle:
        group = "/dl2/event/telescope/parameters"
        handle.create_table(group, "LST_LSTCam", obj=table, createparents=True)
    return path


def natural(**changes: Any) -> np.ndarray:
    """Events at random, each followed by a dead time of 7 us."""
    n, rate = changes.get("n", 3000), changes.pop("rate", RATE)
    gaps = 7e-6 + np.random.default_rng(1).exponential(1 / rate, n)
    return events(**{"dragon_time": 1.7e9 + np.cumsum(gaps), "delta_t": gaps, **changes})


def whole_dl2(path: Path, table: np.ndarray | None = None) -> Path:
    """With the tables that lstchain takes over from DL1."""
    write_dl2(path, natural() if table is None else table)
    with tables.open_file(str(path), "a") as handle:
        for name in ALWAYS:
            where, _, leaf = name.rpartition("/")
            handle.create_table(where, leaf, obj=np.zeros(1, [("a", "i8")]), createparents=True)
        handle.root._v_attrs["LSTCHAIN_VERSION"] = "0.12.3"
    return path


def dl1_of(path: Path, rows: int, bad: int = 0) -> Path:
    """DL1 of so many events, `bad` of them without parameters."""
    table = np.zeros(rows, [(name, "f8") for name in ("intensity", "width", "length", "wl")])
    table["intensity"] = 100.0
    table["width"][:bad] = np.nan
    with tables.open_file(str(path), "w") as handle:
        where, _, leaf = DL1_TABLE.rpartition("/")
        handle.create_table(where, leaf, obj=table, createparents=True)
    return path


POINTING = {
    "RA_PNT": 83.2,
    "DEC_PNT": 22.0,
    "RA_OBJ": 83.633,
    "DEC_OBJ": 22.014,
    "ONTIME": 1200.0,
    "DEADC": 1172 / 1200,
    "MJDREFI": 58392,
    "MJDREFF": 0.0,
    "CREATOR": "lstchain v0.12.3",
}
GLOBAL = {"gammaness_cut": 0.7, "theta_cut": 0.2}
BY_ENERGY = {"gh_efficiency": 0.7, "theta_containment": 0.68}
WORDS = {
    "gammaness_cut": "GH_CUT",
    "theta_cut": "RAD_MAX",
    "gh_efficiency": "GH_EFF",
    "theta_containment": "TH_CONT",
}


def irf_hdus(cuts: dict[str, float], azimuth: float = 100.758, area: float = 1e5) -> list[Any]:
    header = fits.Header({WORDS[name]: value for name, value in cuts.items()})
    header.update({"ZEN_PNT": 23.63, "AZ_PNT": azimuth, "B_DELTA": 50.1})
    header["HDUCLAS3"] = "POINT-LIKE"
    aeff = Table({"EFFAREA": np.full((1, 1, 5), area)})
    hdus = [
        fits.BinTableHDU(aeff, header, name="EFFECTIVE AREA"),
        fits.BinTableHDU(Table({"MATRIX": np.ones((1, 5))}), header, name="ENERGY DISPERSION"),
    ]
    if "gh_efficiency" in cuts:
        hdus.append(fits.BinTableHDU(Table({"cut": [0.5]}), name="GH_CUTS"))
    if "theta_containment" in cuts:
        axes = {
            "ENERG_LO": [[0.01]],
            "ENERG_HI": [[10.0]],
            "THETA_LO": [[0.3]],
            "THETA_HI": [[0.5]],
        }
        table = Table({**axes, "RAD_MAX": [[[0.2]]]})
        hdus.append(fits.BinTableHDU(table, name="RAD_MAX"))
    return hdus


def write_irf(path: Path, cuts: dict[str, float], **more: Any) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *irf_hdus(cuts, **more)]).writeto(path)
    return path


def write_dl3(
    path: Path,
    run: int = 15861,
    cuts: dict[str, float] = GLOBAL,
    n: int = 50,
    gti: tuple[float, ...] = (1000.0, 2200.0),
    least_gammaness: float = 0.71,
    **header: Any,
) -> Path:
    rng = np.random.default_rng(run)
    table = Table(
        {
            "EVENT_ID": np.arange(n),
            "TIME": np.linspace(1000.0, 2200.0, n),
            "RA": rng.normal(POINTING["RA_PNT"], 1.0, n),
            "DEC": rng.normal(POINTING["DEC_PNT"], 1.0, n),
            "ENERGY": np.full(n, 1.0),
            "GAMMANESS": np.linspace(least_gammaness, 1.0, n),
        }
    )
    words = {"OBS_ID": run, "OBJECT": "Crab", "LIVETIME": 1172.0, "ALT_PNT": 66.0}
    words |= {**POINTING, **header}
    words = {key: value for key, value in words.items() if value is not None}
    intervals = Table({"START": gti[::2], "STOP": gti[1::2]}, dtype=(float, float))
    hdus = [
        fits.PrimaryHDU(),
        fits.BinTableHDU(table, fits.Header(words), name="EVENTS"),
        fits.BinTableHDU(intervals, name="GTI"),
        *irf_hdus(cuts),
    ]
    fits.HDUList(hdus).writeto(path)
    return path
