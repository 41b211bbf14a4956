"""Reads a DL3 file and judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from astran.base.errors import ProductError
from astran.base.files import require_present
from astran.gadf.arrays import Floats, Mask
from astran.gadf.event_list import (
    FEWEST_EVENTS,
    EventList,
    check_centre,
    check_source_dependence,
    read_events,
)
from astran.gadf.file_findings import FindingCode, FindingLog, format_share
from astran.gadf.fits_open import BROKEN, describe_damage, open_verified
from astran.gadf.good_time import GoodTime, read_good_time
from astran.gadf.header import EventHeader, check_pointing_table, read_header
from astran.gadf.irf_hdus import IrfTables, area_begins_tev, describe_odd_energies, read_irfs
from astran.gadf.sky import vector

TABLES = ("EVENTS", "GTI")
FAR_NODE_DEG = 3.0
"""Difference in zenith angle between IRF and data that is worth a note."""


@dataclass(frozen=True, kw_only=True)
class Dl3File:
    """A file of one observation; what could not be read is empty or None."""

    path: Path
    findings: FindingLog
    header: EventHeader = field(default_factory=EventHeader)
    events: EventList = field(default_factory=EventList)
    good_time: GoodTime = field(default_factory=GoodTime)
    irfs: IrfTables = field(default_factory=IrfTables)
    hdus: tuple[Any, ...] = ()
    """All HDUs, with their data."""
    checksums: str = "none"
    """ok, bad, or none: the file carries none."""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def hdu_names(self) -> list[str]:
        return [hdu.name or f"HDU {index}" for index, hdu in enumerate(self.hdus)]

    @property
    def missing_hdus(self) -> list[str]:
        names = self.hdu_names
        return [*(name for name in TABLES if name not in names), *self.irfs.missing]

    @property
    def holds_only_irfs(self) -> bool:
        """Whether it has IRFs or an index, so that it need not have events."""
        kinds = {str(hdu.header.get("HDUCLAS1", "")).strip().upper() for hdu in self.hdus}
        return not set(TABLES) & set(self.hdu_names) and bool(kinds & {"RESPONSE", "INDEX"})

    @property
    def kept_events(self) -> Mask:
        """Which events count: possible values, within the good time, and there once."""
        events = self.events
        return events.usable & self.good_time.contains(events.time) & ~events.repeated


def read_dl3(path: Path, source: Floats | None = None) -> Dl3File:
    """Read a DL3 file of any telescope, all of it; what is wrong with it becomes a finding.

    Parameters
    ----------
    source : unit vector of the source; None: it is the object of the header
    """
    log, wrong_checksums = FindingLog(), list[str]()
    found: dict[str, Any] = {}
    try:
        require_present(path)
        with open_verified(path, wrong_checksums) as hdus:
            found["hdus"] = tuple(hdus)
            for hdu in hdus:
                _ = hdu.data  # what cannot be read must not be called good
            _read(found, path, source, log)
    except ProductError as error:
        log.error(FindingCode.UNREADABLE, error.message)
    except BROKEN as error:
        log.error(FindingCode.UNREADABLE, _describe(error, opened="hdus" in found))
    if wrong_checksums:
        found["checksums"] = "bad"
        text = f"Its content is not what it was written as: {'; '.join(wrong_checksums)}."
        log.error(FindingCode.CHECKSUM, text)
    return Dl3File(path=path, findings=log, **found)


def _describe(error: BaseException, *, opened: bool) -> str:
    reason = describe_damage(error)
    if opened and not reason.startswith("it is"):
        return f"It is damaged: its content cannot be read ({reason})."
    return f"It cannot be read: {reason}."


def _read(found: dict[str, Any], path: Path, source: Floats | None, log: FindingLog) -> None:
    hdus: Sequence[Any] = found["hdus"]
    # astropy takes these words out of the headers and keeps them
    if any(getattr(hdu, "_checksum", None) is not None for hdu in hdus):
        found["checksums"] = "ok"
    found["irfs"] = irfs = read_irfs(hdus, log)
    tables = {name: _one_table(hdus, name, log) for name in TABLES}
    table = tables["EVENTS"]
    if table is None:
        return
    found["versions"] = _versions(table.header, hdus[0].header)
    found["header"] = header = read_header(table.header, path, log)
    found["events"] = events = read_events(table, log)
    found["good_time"] = read_good_time(
        tables["GTI"], table.header, header, events.time[np.isfinite(events.time)], log
    )
    check_source_dependence(hdus, events, log)
    if header.pointing is not None:
        axis = vector(*header.pointing)
        check_pointing_table(hdus, axis, log)
        if source is None and header.object_position is not None:
            source = vector(*header.object_position)
        check_centre(events.directions()[events.usable], axis, source, log)
    _check_irfs_against_data(irfs, events, header, log)


def _one_table(hdus: Sequence[Any], name: str, log: FindingLog) -> Any | None:
    """The HDU of that name: GADF has one observation per file."""
    found = [hdu for hdu in hdus if hdu.name.upper() == name]
    if not found:
        log.error(FindingCode.TABLES, f"It has no {name} table.")
        return None
    if len(found) > 1:
        text = f"It has {len(found)} {name} tables, so that it is not clear which counts."
        log.error(FindingCode.TABLES, text)
    if found[0].header.get("XTENSION", "").strip() != "BINTABLE":
        log.error(FindingCode.TABLES, f"Its {name} extension is no table.")
        return None
    return found[0]


def _versions(header: Any, primary: Any) -> dict[str, str]:
    words = (("creator", "CREATOR"), ("format", "HDUVERS"))
    values = ((name, str(header.get(word, primary.get(word, ""))).strip()) for name, word in words)
    return {name: value for name, value in values if value}


def _check_irfs_against_data(
    irfs: IrfTables, events: EventList, header: EventHeader, log: FindingLog
) -> None:
    """Events must have been cut as the gammas of the IRF were, and be of its pointing.

    lstchain says only in its log that a pointing lies outside of the IRF nodes. Interpolated IRFs
    carry the pointing of the data, the nearest node carries its own.
    """
    cut = irfs.cuts.gammaness_cut
    below = 0
    if cut is not None and events.gammaness is not None:
        below = int(np.count_nonzero(events.gammaness < cut))
    if below:
        log.error(
            FindingCode.EVENT_CUTS,
            f"{format_share(below, events.rows)} of the events are below the gammaness cut of its "
            f"IRF ({cut:g}).",
        )
    energies = events.energy[events.usable]
    area = area_begins_tev(irfs.hdus["aeff"]) if "aeff" in irfs.hdus else None
    if area and energies.size >= FEWEST_EVENTS:
        said = describe_odd_energies(float(np.median(energies)), area)
        if said:
            log.note(FindingCode.VALUES, f"Its {said}")
    data, irf = header.zenith_deg, irfs.zenith_deg
    if data is not None and irf is not None and abs(data - irf) > FAR_NODE_DEG:
        log.note(
            FindingCode.IRF_POINTING,
            f"The IRFs are for zenith {irf:.1f} deg, the run is at {data:.1f} deg: it lies outside "
            "of the simulated pointings, so that the nearest was used.",
        )
