"""The table EVENTS: its columns, and whether the events can be what they should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from astran.gadf.arrays import Floats, Ints, Mask
from astran.gadf.columns import column_names, read_column
from astran.gadf.file_findings import FindingCode, FindingLog, format_share
from astran.gadf.sky import separation, vector

UNITS = {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
COLUMNS = ("EVENT_ID", *UNITS)
FEWEST_EVENTS = 100
"""Fewer tell nothing about the run as a whole."""
CENTRED_DEG, NEAR_DEG = 0.65, 0.25
"""Mean event position and pointing agree better than the first, or the pointing is wrong; worse
than the second is a note."""
SOURCE_DEG = 0.3
CHANCE = 3.0
ENERGIES_TEV = 0.002, 100.0
"""The median energy of a run of a Cherenkov telescope lies between these."""


def _no_floats() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class EventList:
    """Events, in the order of the file."""

    event_id: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    time: Floats = field(default_factory=_no_floats)
    """[s]."""
    ra: Floats = field(default_factory=_no_floats)
    """In [0, 360) [deg]."""
    dec: Floats = field(default_factory=_no_floats)
    energy: Floats = field(default_factory=_no_floats)
    """[TeV]."""
    gammaness: Floats | None = None
    rows: int = 0
    missing: tuple[str, ...] = ()
    """Columns."""
    non_finite: dict[str, int] = field(default_factory=dict)
    """Number of values that are not finite, of the columns that have any."""

    @property
    def same_id(self) -> int:
        """How many events have the EVENT_ID of another one."""
        return int(self.event_id.size - np.unique(self.event_id).size)

    @property
    def energy_range_tev(self) -> tuple[float, float] | None:
        """Of the finite energies."""
        good = self.energy[np.isfinite(self.energy)]
        return (float(good.min()), float(good.max())) if good.size else None

    @property
    def usable(self) -> Mask:
        """Which events have possible values."""
        values = (self.time, self.ra, self.dec, self.energy)
        finite = np.logical_and.reduce([np.isfinite(value) for value in values])
        with np.errstate(invalid="ignore"):
            return np.asarray(finite & (np.abs(self.dec) <= 90) & (self.energy > 0))

    @cached_property
    def repeated(self) -> Mask:
        """Which events repeat an earlier one: two of its time, its EVENT_ID and its direction."""
        found = np.zeros(self.time.size, bool)
        keys: tuple[tuple[Floats | Ints, ...], ...] = (
            (self.time, self.event_id),
            (self.time, self.ra, self.dec),
            (self.event_id, self.ra, self.dec),
        )
        for key in keys:
            order = np.lexsort(key)
            same = np.ones(max(self.time.size - 1, 0), bool)
            for column in key:
                same &= np.diff(column[order]) == 0
            found[order[1:]] |= same
        return found

    def directions(self) -> Floats:
        """Unit vectors, shape (n, 3)."""
        return vector(self.ra, self.dec)


def read_events(hdu: Any, log: FindingLog) -> EventList:
    """Read and judge an event list by itself."""
    names = column_names(hdu)
    rows = 0 if hdu.data is None else len(hdu.data)
    missing = tuple(name for name in COLUMNS if name not in names)
    if missing:
        log.error(FindingCode.COLUMNS, f"It lacks the event columns {', '.join(missing)}.")
    if not rows:
        log.error(FindingCode.NO_EVENTS, "It holds no event after the cuts.")
    if missing or not rows:
        return EventList(missing=missing, rows=rows)
    values = {name: read_column(hdu, name, unit, log) for name, unit in UNITS.items()}
    gammaness = "GAMMANESS" in names
    events = EventList(
        event_id=np.asarray(hdu.data[names["EVENT_ID"]]).astype(np.int64),
        time=values["TIME"],
        ra=values["RA"] % 360.0,
        dec=values["DEC"],
        energy=values["ENERGY"],
        gammaness=np.asarray(hdu.data[names["GAMMANESS"]], float) if gammaness else None,
        rows=rows,
        non_finite=_count_non_finite(hdu),
    )
    _check_values(events, log)
    return events


def _count_non_finite(hdu: Any) -> dict[str, int]:
    columns = ((name, hdu.data[name]) for name in hdu.data.names)
    counts = {
        name: int(np.count_nonzero(~np.isfinite(values)))
        for name, values in columns
        if values.dtype.kind == "f"
    }
    return {name: count for name, count in counts.items() if count}


def _check_values(events: EventList, log: FindingLog) -> None:
    def impossible(wrong: Mask, what: str) -> None:
        if number := int(np.count_nonzero(wrong)):
            share = format_share(number, events.rows)
            log.error(FindingCode.VALUES, f"{share} of the events have {what}.")

    values = {"TIME": events.time, "RA": events.ra, "DEC": events.dec, "ENERGY": events.energy}
    for name, column in values.items():
        impossible(~np.isfinite(column), f"no finite {name}")
    impossible(events.energy <= 0, "no energy above zero")
    impossible(np.abs(events.dec) > 90, "a DEC beyond its range (-90 to 90 deg)")
    if not events.usable.any():
        return
    repeated, same_id = int(events.repeated.sum()), events.same_id
    if repeated:
        text = f"{repeated} events that are in its list twice were dropped."
        log.note(FindingCode.REPEATED, text)
    elif same_id:
        text = f"{same_id:,} events have a number that another event has, too."
        log.note(FindingCode.REPEATED, text)
    middle = float(np.median(events.energy[events.usable]))
    if not ENERGIES_TEV[0] <= middle <= ENERGIES_TEV[1]:
        text = f"Its median energy is {middle:.3g} TeV: is the unit of ENERGY right?"
        log.note(FindingCode.VALUES, text)


def check_source_dependence(hdus: Any, events: EventList, log: FindingLog) -> None:
    """Find DL3 in which every event was given an assumed source position."""
    if any(hdu.name.upper() == "AL_CUTS" or "AL_CUT" in hdu.header for hdu in hdus):
        log.error(
            FindingCode.SOURCE_DEPENDENT,
            "It is source-dependent DL3 (alpha cut): no theta2, no sky map.",
        )
    elif events.ra.size >= 20:
        some = slice(None, None, max(1, events.ra.size // 500))
        sample = np.round(np.stack([events.ra[some], events.dec[some]], axis=1), 2)
        if len(np.unique(sample, axis=0)) <= min(8, len(sample) // 5):
            log.error(
                FindingCode.SOURCE_DEPENDENT,
                "Its events lie at a few fixed positions (source-dependent DL3?): no theta2, no "
                "sky map.",
            )


def check_centre(direction: Floats, axis: Floats, source: Floats | None, log: FindingLog) -> None:
    """Compare the middle of the events with the pointing.

    Parameters
    ----------
    source : its events would draw the mean to it, so that they are not looked at
    """
    far = direction if source is None else direction[separation(direction, source) > SOURCE_DEG]
    if len(far) < FEWEST_EVENTS:
        return
    middle = far.mean(axis=0)
    middle /= np.linalg.norm(middle)
    away = float(separation(middle, axis))
    spread = float(np.sqrt((separation(far, middle) ** 2).mean() / 2))
    chance = CHANCE * spread / np.sqrt(len(far))
    if away > CENTRED_DEG + chance:
        log.error(
            FindingCode.POINTING,
            f"Its events scatter around a point {away:.1f} deg away from the pointing in its "
            "header.",
        )
    elif away > NEAR_DEG + chance:
        log.note(
            FindingCode.POINTING,
            f"Its events are centred {away:.2f} deg from its pointing: an uneven camera, or a "
            "wrong pointing.",
        )
