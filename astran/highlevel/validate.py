"""Checks that a run must pass before it counts. Nothing here knows about the analysis itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy.time import Time

from astran.highlevel.arrays import Floats, Mask

EVENT_COLUMNS = ("TIME", "RA", "DEC", "ENERGY")
MOVING = ("DRIFT", "RASTER", "SLEW", "SCAN")
"""Observation modes (GADF) without one fixed pointing."""
LEAST_ONTIME_S = 1.0
LARGEST_SPREAD_DEG = 1.0
"""Mean event position and pointing must agree so well; a bright source moves it by less."""
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
    return hdu


def number(header: Any, key: str, default: float | None = None) -> float:
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
    ra, dec = number(header, "RA_PNT"), number(header, "DEC_PNT")
    if abs(dec) > 90:
        raise RunRejected(f"the pointing declination {dec:g} deg is impossible")
    return ra % 360.0, dec


def dead_time_factor(header: Any) -> float:
    """DEADC: livetime / ontime."""
    value = number(header, "DEADC")
    if not 0 < value <= 1.0 + 1e-6:
        raise RunRejected(f"DEADC is {value:g}, so that there is no valid livetime")
    return min(value, 1.0)


def reference_mjd(header: Any) -> float:
    """MJD at which the TIME column is zero, in the scale TIMESYS."""
    return number(header, "MJDREFI") + number(header, "MJDREFF", 0.0)


def moment(seconds: float, mjdref: float, header: Any) -> datetime:
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


def good_times(hdu: Any, mjdref: float) -> Floats:
    """Good time intervals, shape (n, 2) [s after mjdref], sorted, overlaps merged."""
    table = hdu.data
    if table is None or len(table) == 0:
        raise RunRejected("its GTI table has no rows")
    names = {name.upper() for name in table.names}
    if not {"START", "STOP"} <= names:
        raise RunRejected("its GTI table has no columns START and STOP")
    shift = 0.0
    if hdu.header.get("MJDREFI") is not None:
        shift = (reference_mjd(hdu.header) - mjdref) * 86400.0
    rows = np.stack([np.asarray(table["START"], float), np.asarray(table["STOP"], float)], axis=1)
    rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 1] > rows[:, 0])] + shift
    merged: list[list[float]] = []
    for start, stop in rows[np.argsort(rows[:, 0])]:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], float(stop))
        else:
            merged.append([float(start), float(stop)])
    if sum(stop - start for start, stop in merged) < LEAST_ONTIME_S:
        raise RunRejected("its good time intervals have no length, so that there is no livetime")
    return np.array(merged)


def inside(times: Floats, gti: Floats) -> Mask:
    """Which times lie within the good time intervals, their edges included."""
    index = np.searchsorted(gti[:, 0] - _GTI_MARGIN_S, times, side="right") - 1
    return (index >= 0) & (times <= gti[np.clip(index, 0, None), 1] + _GTI_MARGIN_S)


def whole(ra: Floats, dec: Floats, energy: Floats, time: Floats) -> Mask:
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
        places = np.unique(np.round(np.stack([ra, dec], axis=1), 2), axis=0)
        if len(places) <= min(8, ra.size // 5):
            raise RunRejected(
                "its events lie at a few fixed positions (source-dependent DL3?): "
                "no theta2, no sky map"
            )
