"""The IRFs of a DL3 or IRF file: which there are, their cuts, whether they can be used."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astran.base.night_data import IrfCuts
from astran.gadf.arrays import Floats
from astran.gadf.columns import read_column
from astran.gadf.file_findings import FindingCode, FindingLog
from astran.gadf.fits_open import BROKEN, open_fits
from astran.gadf.header import number
from astran.gadf.rad_max import RadMaxTable

TITLES = {
    "aeff": "EFFECTIVE AREA",
    "edisp": "ENERGY DISPERSION",
    "psf": "PSF",
    "bkg": "BACKGROUND",
    "rad_max": "RAD_MAX",
    "gh_cuts": "GH_CUTS",
}
"""Kinds of IRFs, with the names that lstchain gives their HDUs."""
_CLASSES = {
    "EFF_AREA": "aeff",
    "EDISP": "edisp",
    "RPSF": "psf",
    "PSF": "psf",
    "BKG": "bkg",
    "RAD_MAX": "rad_max",
}
"""HDUCLAS2 of the data format."""
_NAMES = {title: kind for kind, title in TITLES.items()}
_NAMES |= {"AEFF": "aeff", "EDISP": "edisp", "POINT SPREAD FUNCTION": "psf", "BKG": "bkg"}
_VALUES = {"aeff": "EFFAREA", "edisp": "MATRIX"}
_CUTS = {
    "gammaness_cut": "GH_CUT",
    "theta_cut": "RAD_MAX",
    "gh_efficiency": "GH_EFF",
    "theta_containment": "TH_CONT",
}
"""Header words of lstchain, in the header of each IRF."""
_OF_ONE_RUN = ("OBS_ID", "DATE", "TSTART", "TSTOP", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY")
"""Words of the headers of IRFs that do not tell of these."""
LARGEST_RAD_MAX_DEG = 5.0
LEAST_AREA_M2, LARGEST_AREA_M2 = 300.0, 3e7
"""The largest effective area of a Cherenkov telescope or an array of them lies between these."""
OTHER_SCALE = 20.0
"""Events begin at the energy at which the effective area does, within this factor."""
AREA_BEGINS = 0.1
"""The area begins where it is this part of its maximum."""


@dataclass(frozen=True, kw_only=True)
class IrfTables:
    """The IRFs of one file."""

    hdus: dict[str, Any] = field(default_factory=dict)
    """By kind."""
    missing: tuple[str, ...] = ()
    """Names of the HDUs without which the others cannot be used."""
    point_like: bool = False
    """Whether they hold only the gammas within a theta cut."""
    cuts: IrfCuts = field(default_factory=IrfCuts)
    rad_max_deg: float | None = None
    """Fixed theta cut of point-like IRFs."""
    rad_max_table: RadMaxTable | None = None
    zenith_deg: float | None = None
    azimuth_deg: float | None = None
    b_delta_deg: float | None = None


def read_irfs(hdus: Any, log: FindingLog) -> IrfTables:
    """Read and judge the IRFs of an open file."""
    found: dict[str, Any] = {}
    for hdu in hdus:
        written = str(hdu.header.get("HDUCLAS2", "")).strip().upper()
        kind = _CLASSES.get(written) or _NAMES.get(hdu.name.upper())
        if kind is not None:
            found.setdefault(kind, hdu)
    header = found["aeff"].header if "aeff" in found else {}
    cuts = _read_cuts(found)
    unnamed = "aeff" in found and not header.get("HDUCLAS3") and "psf" not in found
    point_like = unnamed or any(_is_point_like(hdu) for hdu in hdus)
    fixed, table = _theta_cut(hdus, log)
    irfs = IrfTables(
        hdus=found,
        missing=_find_missing(found, header, cuts, point_like=point_like),
        point_like=point_like,
        cuts=cuts,
        rad_max_deg=fixed,
        rad_max_table=table,
        zenith_deg=number(header, "ZEN_PNT"),
        azimuth_deg=number(header, "AZ_PNT"),
        b_delta_deg=number(header, "B_DELTA"),
    )
    for name in irfs.missing:
        log.error(FindingCode.IRFS, f"It lacks the HDU {name}.")
    for kind in _VALUES.keys() & found.keys():
        if not _has_values(found[kind], _VALUES[kind]):
            title = TITLES[kind].lower()
            text = f"Its {title} is not finite, or nowhere above zero."
            log.error(FindingCode.IRFS, text)
    if "aeff" in found:
        _check_area(found["aeff"], log)
    return irfs


def hash_irfs(hdus: Any) -> str | None:
    """The same for files whose effective area, energy dispersion, point spread and theta cut are
    the same to the bit; none where this cannot be told.

    Background models do not count, nor do words of the headers that tell of one run.
    """
    found = hashlib.blake2b(digest_size=16)
    for hdu in hdus:
        written = str(hdu.header.get("HDUCLAS2", "")).strip().upper()
        kind = _CLASSES.get(written) or _NAMES.get(hdu.name.upper())
        if kind is None or kind == "bkg":
            continue
        if getattr(hdu.data, "dtype", None) is None or _has_heap(hdu):
            return None
        words = hdu.header.tostring(sep="\n", padding=False).split("\n")
        kept = (word for word in words if not word.startswith(_OF_ONE_RUN))
        found.update("\n".join(kept).encode())
        found.update(hdu.data.tobytes())
    return found.hexdigest()


def _has_heap(hdu: Any) -> bool:
    """Whether a table has columns of varying length, which stand beside its rows."""
    columns = getattr(hdu, "columns", None)
    return columns is None or any("P" in c.format or "Q" in c.format for c in columns)


def read_irf_file(path: Path) -> tuple[IrfTables, FindingLog]:
    """The IRFs of a file, and what is wrong with them.

    Raises
    ------
    ProductError : it cannot be read
    """
    log = FindingLog()
    with open_fits(path) as hdus:
        return read_irfs(tuple(hdus), log), log


@lru_cache(maxsize=64)
def read_theta_cut(path: Path) -> tuple[float | None, RadMaxTable | None, FindingLog]:
    """The fixed cut [deg] or the table of an IRF file, which is often shared by all runs of a
    folder; with what is wrong with it."""
    log = FindingLog()
    with open_fits(path) as hdus:
        return *_theta_cut(hdus, log), log


def _is_point_like(hdu: Any) -> bool:
    return str(hdu.header.get("HDUCLAS3", "")).strip().upper() == "POINT-LIKE"


def _find_missing(
    found: dict[str, Any], header: Any, cuts: IrfCuts, *, point_like: bool
) -> tuple[str, ...]:
    """A point-like IRF says how large the ON region is, a full one has a point spread function;
    cuts by energy are tables."""
    wanted = ["aeff", "edisp"]
    if "aeff" in found and not point_like:
        wanted += ["psf"]
    elif "aeff" in found and header.get("RAD_MAX") is None:
        wanted += ["rad_max"]
    wanted += ["gh_cuts"] if cuts.gh_efficiency is not None else []
    wanted += ["rad_max"] if cuts.theta_containment is not None else []
    return tuple(TITLES[kind] for kind in dict.fromkeys(wanted) if kind not in found)


def _has_values(hdu: Any, column: str) -> bool:
    values = None if hdu.data is None or column not in hdu.data.names else hdu.data[column]
    return values is not None and bool(np.all(np.isfinite(values)) and np.any(values > 0))


def _check_area(hdu: Any, log: FindingLog) -> None:
    area = _area_by_energy(hdu)
    if area is None:
        return
    if said := describe_odd_area(float(area[1].max())):
        log.note(FindingCode.IRFS, f"Its {said}")


def describe_odd_area(largest_m2: float) -> str:
    """What is wrong with the largest effective area, without `Its` before it; empty: nothing."""
    if not largest_m2 > 0 or LEAST_AREA_M2 <= largest_m2 <= LARGEST_AREA_M2:
        return ""
    return (
        f"effective area reaches {largest_m2:.2g} m2, which no Cherenkov telescope has: is its "
        "unit right? Fluxes are wrong by the same factor."
    )


def describe_odd_energies(median_tev: float, area_begins_tev: float) -> str:
    """What is odd about events that are far from the effective area; empty: nothing."""
    if 1 / OTHER_SCALE <= median_tev / area_begins_tev <= OTHER_SCALE:
        return ""
    return (
        f"events have a median energy of {median_tev:.3g} TeV, its effective area begins at "
        f"{area_begins_tev:.3g} TeV: is the unit of ENERGY, or that of the IRFs, right? Spectrum "
        "and fluxes are not to be trusted."
    )


def _area_by_energy(hdu: Any) -> tuple[Floats, Floats] | None:
    """Energies [TeV] and the largest area at each [m2]; none where it cannot be told."""
    quiet = FindingLog()
    try:
        low, high = (read_column(hdu, f"ENERG_{end}", "TeV", quiet).ravel() for end in ("LO", "HI"))
        values = read_column(hdu, "EFFAREA", "m2", quiet).reshape(-1, low.size)
    except BROKEN:
        return None
    return None if quiet else (np.sqrt(low * high), np.nan_to_num(values).max(axis=0))


def area_begins_tev(hdu: Any) -> float | None:
    """Where the effective area reaches a tenth of its maximum; none where it cannot be told."""
    area = _area_by_energy(hdu)
    if area is None or not area[1].max() > 0:
        return None
    return float(area[0][int(np.argmax(area[1] >= AREA_BEGINS * area[1].max()))])


def _read_cuts(found: dict[str, Any]) -> IrfCuts:
    """After an interpolation lstchain keeps GH_EFF and TH_CONT only with the tables of the cuts."""
    headers = [found[kind].header for kind in ("aeff", "gh_cuts", "rad_max") if kind in found]
    values = {}
    for name, word in _CUTS.items():
        told = [float(header[word]) for header in headers if header.get(word) is not None]
        if told and math.isfinite(told[0]):
            values[name] = told[0]
    return IrfCuts(**values)


def _theta_cut(hdus: Any, log: FindingLog) -> tuple[float | None, RadMaxTable | None]:
    fixed: float | None = None
    for hdu in hdus:
        kind = str(hdu.header.get("HDUCLAS4", "")).strip().upper()
        if kind == "RAD_MAX_2D" or hdu.name.upper() == "RAD_MAX":
            try:
                return None, RadMaxTable.read(hdu)
            except BROKEN as error:
                text = f"Its RAD_MAX table cannot be used: {error}."
                log.error(FindingCode.THETA_CUT, text)
                return None, None
        value = hdu.header.get("RAD_MAX")
        if fixed is None and value is not None and _is_point_like(hdu):
            if isinstance(value, int | float) and 0 < value < LARGEST_RAD_MAX_DEG:
                fixed = float(value)
            else:
                text = f"The theta cut of its IRFs is impossible (RAD_MAX = {value!r})."
                log.error(FindingCode.THETA_CUT, text)
    return fixed, None
