"""What a DL3 file says of one run, as far as two of them are compared by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astran.base.night import Night
from astran.gadf.dl3_file import Dl3File, read_dl3
from astran.gadf.event_list import EventList
from astran.gadf.file_findings import FindingLog
from astran.gadf.fits_open import open_fits
from astran.gadf.irf_hdus import read_irfs
from astran.gadf.sky import separation, vector
from astran.highlevel.arrays import Floats

SOFTWARE_WORDS = ("CREATOR", "VERSION", "SOFTVER", "EVTVER", "ASTVER", "LSTVER", "DL2ENGIN")
CUT_WORDS = (
    *("EV_CLASS", "GH_CUT", "GH_EFF", "RAD_MAX", "TH_CONT", "AL_CUT", "AL_CONT", "PRED_MAX"),
    *("CUTTYPE", "CUTGH", "CUTTHETA", "CUTGHEFF", "CUTTHCON", "CUTINT", "SELDIGST"),
)
"""Header words of cuts: GADF, lstchain, ASTRAN (docs/provenance.md), H.E.S.S. (EV_CLASS) and FACT
(PRED_MAX)."""
THRESHOLD_WORDS = ("LO_THRES", "HI_THRES")
MODEL_WORDS = ("RFMODEL", "RFDIGEST", "NSBTUNE", "IRFUSED", "IRFMODE", "CONFIG")
CUT_TABLES = ("rad_max", "gh_cuts")
Words = Mapping[str, Mapping[str, object]]
"""Header words: by word, then by HDU, the value."""


@dataclass(frozen=True)
class RunFacts:
    """One run as its file has it."""

    file: Dl3File
    events: EventList
    """Possible values, each event once; also those outside of the good time."""
    night: str
    """YYYYMMDD; empty: not known."""
    software: Words
    cuts: Words
    thresholds: Words
    models: Words
    irfs: Mapping[str, Any] = field(default_factory=dict)
    """HDUs by kind, those in other files included."""

    @property
    def livetime_s(self) -> float | None:
        """Good time times DEADC, as the high-level analysis counts."""
        good = self.file.good_time
        if good.sum_s is None or good.deadc is None:
            return None
        return good.sum_s * good.deadc

    def start_s(self) -> float | None:
        """UTC of TIME = 0, in seconds of the Unix epoch; to some microseconds."""
        if not self.events.time.size:
            return None
        first = float(self.events.time[0])
        moment = self.file.header.utc(first)
        return None if moment is None else moment.timestamp() - first

    def columns(self) -> dict[str, Floats]:
        """Values by which events may have been cut: numbers of the table, shape (n,), and angular
        distances from pointing and object [deg]."""
        found: dict[str, Floats] = {"ENERGY": self.events.energy}
        table = next(hdu for hdu in self.file.hdus if hdu.name.upper() == "EVENTS").data
        kept = _kept(self.file.events)
        for name in table.names:
            known = name.upper() in ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY", "OBS_ID")
            values = table[name]
            if not known and values.ndim == 1 and values.dtype.kind in "fiu":
                found[name.upper()] = np.asarray(values, float)[kept]
        header = self.file.header
        for label, place in (("offset", header.pointing), ("theta", header.object_position)):
            if place is not None:
                axis = vector(*place)
                found[f"{label} [deg]"] = separation(self.events.directions(), axis)
        return found


def read_run_facts(path: Path, irf_files: Sequence[Path] = ()) -> RunFacts | str | None:
    """Read a file; why it cannot be used where that is so, None where it holds no events by
    design."""
    file = read_dl3(path)
    if file.holds_only_irfs:
        return None
    if not file.hdus or file.header.obs_id is None or file.events.missing:
        errors = file.findings.errors
        return errors[0].text if errors else "It cannot be read."
    irfs = dict(file.irfs.hdus)
    for other in irf_files:
        irfs = {**_shared_irfs(other), **irfs}
    places = {"primary": file.hdus[0].header}
    places |= {hdu.name.upper(): hdu.header for hdu in file.hdus if hdu.name.upper() == "EVENTS"}
    with_irfs = {**places, **{kind: hdu.header for kind, hdu in irfs.items()}}
    return RunFacts(
        file=file,
        events=_select(file.events),
        night=_night(file),
        software=_words(places, SOFTWARE_WORDS),
        cuts=_words(with_irfs, CUT_WORDS),
        thresholds=_words(with_irfs, THRESHOLD_WORDS),
        models=_words(with_irfs, MODEL_WORDS),
        irfs=irfs,
    )


@lru_cache(maxsize=16)
def _shared_irfs(path: Path) -> Mapping[str, Any]:
    """HDUs by kind of a file that often holds the IRFs of all runs of a folder."""
    with open_fits(path) as hdus:
        found = read_irfs(tuple(hdus), FindingLog()).hdus
        for hdu in found.values():
            _ = hdu.data  # before the file is closed
    return found


def _kept(events: EventList) -> Any:
    return events.usable & ~events.repeated


def _select(events: EventList) -> EventList:
    kept = _kept(events)
    return EventList(
        event_id=events.event_id[kept],
        time=events.time[kept],
        ra=events.ra[kept],
        dec=events.dec[kept],
        energy=events.energy[kept],
        rows=int(kept.sum()),
    )


def _night(file: Dl3File) -> str:
    times = file.events.time[np.isfinite(file.events.time)]
    begin = file.good_time.intervals[0, 0] if len(file.good_time.intervals) else None
    first = begin if begin is not None else times.min() if times.size else None
    moment = None if first is None else file.header.utc(float(first))
    if moment is None:
        return ""
    longitude = file.header.site[0] if file.header.site else 0.0
    return str(Night.of(moment + timedelta(hours=longitude / 15)))


def _words(headers: Mapping[str, Any], names: Sequence[str]) -> Words:
    found: dict[str, dict[str, object]] = {}
    for place, header in headers.items():
        for name in names:
            value = header.get(name)
            if value not in (None, ""):
                text = value.strip() if isinstance(value, str) else value
                found.setdefault(name, {})[place] = text
    return found
