"""Checks that a run must pass before it counts. Nothing here knows about the analysis itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.time import Time

from astran.highlevel.arrays import Floats, Mask
from astran.highlevel.geometry import separation, vector

EVENT_COLUMNS = ("TIME", "RA", "DEC", "ENERGY")
MOVING = ("DRIFT", "RASTER", "SLEW", "SCAN")
"""Observation modes (GADF) without one fixed pointing."""
LEAST_ONTIME_S = 1.0
POINTING_AGREES_DEG = 0.2
"""The POINTING table and the header agree so well."""
_GTI_MARGIN_S = 1.0
"""Some writers round the intervals to whole seconds; their first and last events count."""
_RUN_IN_NAME = re.compile(r"(?:[Rr]un|obs_id)_?0*(\d+)")


class RunRejected(Exception):
    """A run that must not count; the message says why, for the reader of the report."""


def require_hdu(hdus: Any, name: str) -> Any:
    """The HDU of that name, with a table in it."""
    try:
        hdu = hdus[name]  # reads the file only as far as needed
    except KeyError:
        raise RunRejected(f"it has no {name} table") from None
    if hdu.header.get("XTENSION", "").strip() != "BINTABLE":
        raise RunRejected(f"its {name} extension is no table")
    if "DATASUM" in hdu.header and not hdu.verify_datasum():
        raise RunRejected(f"its {name} table is damaged: the checksum is wrong")
    return hdu


def header_number(header: Any, key: str, default: float | None = None) -> float:
    """A finite number from a header."""
    value = header.get(key)
    if value is None or value == "":
        if default is None:
            raise RunRejected(f"the header keyword {key} is missing")
        return default
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = np.nan
    if not np.isfinite(result):
        raise RunRejected(f"the header keyword {key} is no number ({value!r})")
    return result


def obs_id(header: Any, path: Path) -> int:
    """The run number: OBS_ID, else the number after `Run` in the file's name."""
    value = header.get("OBS_ID")
    try:
        return int(value)
    except (TypeError, ValueError):
        match = _RUN_IN_NAME.search(path.name)
        if match is None:
            raise RunRejected("the header keyword OBS_ID is missing or no number") from None
        return int(match.group(1))


def pointing(header: Any) -> tuple[float, float]:
    """RA and Dec of the pointing [deg]."""
    mode = str(header.get("OBS_MODE", "POINTING")).strip().upper()
    if mode in MOVING:
        raise RunRejected(f"it has no fixed pointing (OBS_MODE is {mode})")
    ra, dec = header_number(header, "RA_PNT"), header_number(header, "DEC_PNT")
    if abs(dec) > 90:
        raise RunRejected(f"the pointing declination {dec:g} deg is impossible")
    return ra % 360.0, dec


def dead_time_factor(header: Any) -> float:
    """DEADC: livetime / ontime."""
    value = header_number(header, "DEADC")
    if not 0 < value <= 1.0 + 1e-6:
        raise RunRejected(f"DEADC is {value:g}, so that there is no valid livetime")
    return min(value, 1.0)


def reference_mjd(header: Any) -> float:
    """MJD at which the TIME column is zero, in the scale TIMESYS. GADF writes it in two parts,
    OGIP allows MJDREF as well."""
    if header.get("MJDREFI") is None and header.get("MJDREF") is not None:
        return header_number(header, "MJDREF")
    return header_number(header, "MJDREFI") + header_number(header, "MJDREFF", 0.0)


def only_one(hdus: Any, name: str) -> None:
    """Refuse a file with several tables of a name: GADF has one observation per file."""
    found = sum(hdu.name.upper() == name for hdu in hdus)
    if found > 1:
        raise RunRejected(f"it has {found} {name} tables, so that it is not clear which counts")


def same_pointing(hdus: Any, axis: Floats) -> None:
    """Refuse a run whose POINTING table says something else than its header."""
    for hdu in hdus:
        names = [] if hdu.name.upper() != "POINTING" else [n.upper() for n in hdu.columns.names]
        if not {"RA_PNT", "DEC_PNT"} <= set(names):
            continue
        ra, dec = (np.asarray(hdu.data[name], float).ravel() for name in ("RA_PNT", "DEC_PNT"))
        good = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
        if not good.any():
            continue
        middle = vector(ra[good], dec[good]).mean(axis=0)
        away = float(separation(middle / np.linalg.norm(middle), axis))
        if away > POINTING_AGREES_DEG:
            raise RunRejected(
                f"its POINTING table and its header differ by {away:.1f} deg, so that the "
                "pointing is not known"
            )


def parse_time(seconds: float, mjdref: float, header: Any) -> datetime:
    """UTC of a TIME value."""
    scale = str(header.get("TIMESYS") or "UTC").strip().lower()
    if scale not in Time.SCALES or scale == "local":
        raise RunRejected(f"the time scale TIMESYS = {scale!r} is not known")
    days = mjdref + seconds / 86400.0
    if not 47892 < days < 88069:  # 1990 and 2100
        raise RunRejected(f"its times are impossible (MJD {days:.1f}): MJDREF or TIME is wrong")
    value: datetime = Time(mjdref, seconds / 86400.0, format="mjd", scale=scale).utc.to_datetime(
        timezone=UTC
    )
    return value


def good_times(hdu: Any, mjdref: float) -> tuple[Floats, list[str]]:
    """Good time intervals, shape (n, 2) [s after mjdref], sorted, overlaps merged; and what is odd
    about them."""
    table = hdu.data
    if table is None or len(table) == 0:
        raise RunRejected("its GTI table has no rows")
    names = {name.upper() for name in table.names}
    if not {"START", "STOP"} <= names:
        raise RunRejected("its GTI table has no columns START and STOP")
    shift = 0.0
    if hdu.header.get("MJDREFI") is not None:
        shift = (reference_mjd(hdu.header) - mjdref) * 86400.0
    written = np.stack([_seconds(hdu, "START"), _seconds(hdu, "STOP")], axis=1)
    sound = np.isfinite(written).all(axis=1) & (written[:, 1] >= written[:, 0])
    notes = []
    if not sound.all():
        notes.append(
            f"{int((~sound).sum())} good time intervals that are NaN or end before they begin "
            "were dropped."
        )
    rows = written[sound & (written[:, 1] > written[:, 0])] + shift
    merged: list[list[float]] = []
    for start, stop in rows[np.argsort(rows[:, 0])]:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], float(stop))
        else:
            merged.append([float(start), float(stop)])
    if sum(stop - start for start, stop in merged) < LEAST_ONTIME_S:
        raise RunRejected("its good time intervals have no length, so that there is no livetime")
    return np.array(merged), notes


def _seconds(hdu: Any, name: str) -> Floats:
    """A column of times [s]: the unit is that of the column, else TIMEUNIT."""
    by_name = {column.name.upper(): column for column in hdu.columns}
    column = by_name[name]
    written = column.unit or hdu.header.get("TIMEUNIT") or "s"
    try:
        factor = units.Unit(written).to("s")
    except (ValueError, units.UnitsError) as error:
        raise RunRejected(f"its column {name} has the unit {written!r}, not s") from error
    return np.asarray(hdu.data[column.name], float) * factor


def within_gti(times: Floats, gti: Floats) -> Mask:
    """Which times lie within the good time intervals, their edges included."""
    index = np.searchsorted(gti[:, 0] - _GTI_MARGIN_S, times, side="right") - 1
    return (index >= 0) & (times <= gti[np.clip(index, 0, None), 1] + _GTI_MARGIN_S)


def finite_events(ra: Floats, dec: Floats, energy: Floats, time: Floats) -> Mask:
    """Which events have usable values in every column."""
    finite = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(energy) & np.isfinite(time)
    with np.errstate(invalid="ignore"):
        return finite & (np.abs(dec) <= 90.0) & (energy > 0)


def not_source_dependent(hdus: Any, ra: Floats, dec: Floats) -> None:
    """Refuse DL3 in which every event was given an assumed source position."""
    for hdu in hdus:
        if hdu.name.upper() == "AL_CUTS" or "AL_CUT" in hdu.header:
            raise RunRejected("it is source-dependent DL3 (alpha cut): no theta2, no sky map")
    if ra.size >= 20:
        some = slice(None, None, max(1, ra.size // 500))
        sample = np.round(np.stack([ra[some], dec[some]], axis=1), 2)
        if len(np.unique(sample, axis=0)) <= min(8, len(sample) // 5):
            raise RunRejected(
                "its events lie at a few fixed positions (source-dependent DL3?): "
                "no theta2, no sky map"
            )
