"""Words of a DL3 header: run, pointing, reference time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from astropy.time import Time

from astran.base.night_data import run_number
from astran.gadf.arrays import Floats
from astran.gadf.columns import read_column
from astran.gadf.file_findings import FindingCode, FindingLog
from astran.gadf.sky import separation, vector

MOVING = ("DRIFT", "RASTER", "SLEW", "SCAN")
"""Observation modes (GADF) without one fixed pointing."""
POINTING_AGREES_DEG = 0.2
"""The POINTING table and the header agree so well."""
FAR_FROM_SOURCE_DEG = 5.0
"""A pointing so far from the source is odd: LST-1 sees 2.2 deg around its pointing."""
YEARS_MJD = 47892, 88069
"""1990 and 2100."""
_RUN_IN_NAME = re.compile(r"(?:[Rr]un|obs_id)_?0*(\d+)")


@dataclass(frozen=True, kw_only=True)
class EventHeader:
    """Header of an event list. None: it does not tell. Angles in degrees, ICRS."""

    obs_id: int | None = None
    object: str = ""
    telescope: str = ""
    pointing: tuple[float, float] | None = None
    """Right ascension in [0, 360) and declination."""
    object_position: tuple[float, float] | None = None
    altitude_deg: float | None = None
    azimuth_deg: float | None = None
    site: tuple[float, float] | None = None
    """Longitude and latitude."""
    reference_mjd: float | None = None
    """Zero of TIME, in the scale TIMESYS."""
    timescale: str = "utc"

    @property
    def zenith_deg(self) -> float | None:
        return None if self.altitude_deg is None else 90.0 - self.altitude_deg

    @property
    def offset_deg(self) -> float | None:
        """Of the pointing from the object."""
        if self.pointing is None or self.object_position is None:
            return None
        return float(separation(vector(*self.pointing), vector(*self.object_position)))

    def utc(self, seconds: float) -> datetime | None:
        """The moment of a TIME value; None: it is not known."""
        mjd = self.reference_mjd
        if mjd is None or not YEARS_MJD[0] < mjd + seconds / 86400.0 < YEARS_MJD[1]:
            return None
        moment = Time(mjd, seconds / 86400.0, format="mjd", scale=self.timescale)
        value: datetime = moment.utc.to_datetime(timezone=UTC)
        return value


def number(header: Any, word: str) -> float | None:
    """A finite number of a header."""
    value = header.get(word)
    good = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if good else None


def required_number(header: Any, word: str, code: FindingCode, log: FindingLog) -> float | None:
    """A finite number of a header; what lacks is an error."""
    value = number(header, word)
    if value is None:
        found = header.get(word)
        what = "missing" if found in (None, "") else f"no number ({found!r})"
        log.error(code, f"The header keyword {word} is {what}.")
    return value


def read_header(header: Any, path: Path, log: FindingLog) -> EventHeader:
    """Read and judge the header of an event list."""
    found = EventHeader(
        obs_id=_obs_id(header, path, log),
        object=str(header.get("OBJECT", "")).strip(),
        telescope=str(header.get("TELESCOP", "")).strip(),
        pointing=_pointing(header, log),
        object_position=_position(number(header, "RA_OBJ"), number(header, "DEC_OBJ")),
        altitude_deg=number(header, "ALT_PNT"),
        azimuth_deg=number(header, "AZ_PNT"),
        site=_pair(number(header, "GEOLON"), number(header, "GEOLAT")),
        reference_mjd=reference_mjd(header, log),
        timescale=_timescale(header, log),
    )
    _check_frame(header, log)
    zenith, away = found.zenith_deg, found.offset_deg
    if zenith is not None and not 0 <= zenith < 90:
        log.error(FindingCode.POINTING, f"It pointed at a zenith distance of {zenith:g} deg.")
    if away is not None and away > FAR_FROM_SOURCE_DEG:
        text = f"The telescope pointed {away:.1f} deg away from the source."
        log.note(FindingCode.POINTING, text)
    return found


def _check_frame(header: Any, log: FindingLog) -> None:
    """All directions are ICRS (GADF); FK5 of J2000 is the same to some milliarcseconds."""
    words = (header.get("RADESYS"), header.get("RADECSYS"))
    frame = next((str(word).strip().upper() for word in words if str(word or "").strip()), "ICRS")
    equinox = str(header.get("EQUINOX") or "").strip().upper().lstrip("J").rstrip("0").rstrip(".")
    if frame not in ("ICRS", "FK5"):
        log.error(FindingCode.FRAME, f"Its coordinates are of the frame {frame}, not ICRS.")
    elif frame == "FK5" and equinox not in ("", "2", "2000"):
        log.error(FindingCode.FRAME, f"Its coordinates are of the equinox {header['EQUINOX']}.")


def _obs_id(header: Any, path: Path, log: FindingLog) -> int | None:
    """OBS_ID, else the number after `Run` in the file's name."""
    value, named = header.get("OBS_ID"), run_number(path.name)
    if value is not None:
        if named is not None and int(value) != named:
            text = f"It carries the run number {int(value)}, its name says {named}."
            log.error(FindingCode.RUN_NUMBER, text)
        return int(value)
    match = _RUN_IN_NAME.search(path.name)
    if match is None:
        log.error(FindingCode.RUN_NUMBER, "It does not tell its run number (OBS_ID).")
        return None
    text = "It does not tell its run number (OBS_ID): that of its name is used."
    log.note(FindingCode.RUN_NUMBER, text)
    return int(match[1])


def _pointing(header: Any, log: FindingLog) -> tuple[float, float] | None:
    mode = str(header.get("OBS_MODE", "POINTING")).strip().upper()
    if mode in MOVING:
        log.error(FindingCode.POINTING, f"It has no fixed pointing (OBS_MODE is {mode}).")
    ra = required_number(header, "RA_PNT", FindingCode.POINTING, log)
    dec = required_number(header, "DEC_PNT", FindingCode.POINTING, log)
    if dec is not None and abs(dec) > 90:
        text = f"The declination of its pointing, {dec:g} deg, is impossible."
        log.error(FindingCode.POINTING, text)
    return _position(ra, dec)


def _position(ra: float | None, dec: float | None) -> tuple[float, float] | None:
    pair = _pair(ra, dec)
    return None if pair is None or abs(pair[1]) > 90 else (pair[0] % 360.0, pair[1])


def _pair(first: float | None, second: float | None) -> tuple[float, float] | None:
    return None if first is None or second is None else (first, second)


def reference_mjd(header: Any, log: FindingLog) -> float | None:
    """MJD at which the TIME column is zero. GADF writes it in two parts, OGIP allows MJDREF."""
    whole = number(header, "MJDREF") if header.get("MJDREFI") is None else None
    if whole is not None:
        return whole
    days = required_number(header, "MJDREFI", FindingCode.REFERENCE_TIME, log)
    if days is None or header.get("MJDREFF") in (None, ""):
        return days
    part = required_number(header, "MJDREFF", FindingCode.REFERENCE_TIME, log)
    return None if part is None else days + part


def _timescale(header: Any, log: FindingLog) -> str:
    scale = str(header.get("TIMESYS") or "UTC").strip().lower()
    if scale in Time.SCALES and scale != "local":
        return scale
    log.error(FindingCode.REFERENCE_TIME, f"The time scale TIMESYS = {scale!r} is not known.")
    return "utc"


def check_pointing_table(hdus: Any, axis: Floats, log: FindingLog) -> None:
    """Compare the POINTING table with the pointing of the header."""
    for hdu in hdus:
        names = [] if hdu.name.upper() != "POINTING" else [n.upper() for n in hdu.columns.names]
        if not {"RA_PNT", "DEC_PNT"} <= set(names):
            continue
        ra, dec = (read_column(hdu, name, "deg", log) for name in ("RA_PNT", "DEC_PNT"))
        good = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
        if not good.any():
            continue
        middle = vector(ra[good], dec[good]).mean(axis=0)
        away = float(separation(middle / np.linalg.norm(middle), axis))
        if away > POINTING_AGREES_DEG:
            log.error(
                FindingCode.POINTING,
                f"Its POINTING table and its header differ by {away:.1f} deg, so that the pointing "
                "is not known.",
            )
