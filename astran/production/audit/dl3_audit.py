"""All that a DL3 file tells, by the gamma-astro-data-formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from astran.base.night_data import run_number
from astran.production.audit.findings import AuditFindings, Dl3Audit, Gti, describe_file

if TYPE_CHECKING:
    from astran.gadf.dl3_file import Dl3File

IRF_KINDS = ("aeff", "bkg", "edisp", "psf", "rad_max")


def audit_dl3(path: Path) -> Dl3Audit:
    """Look at a DL3 file of any telescope, all of it."""
    audit, findings = Dl3Audit(run=run_number(path.name)), AuditFindings()
    if not describe_file(audit, path, findings):
        return audit
    from astran.gadf.dl3_file import read_dl3

    file = read_dl3(path)
    findings.take(file.findings)
    if file.hdus:
        _describe_content(file, audit)
    audit.settle(findings)
    return audit


def _describe_content(file: Dl3File, audit: Dl3Audit) -> None:
    """Fill in what the file holds."""
    header, events, irfs = file.header, file.events, file.irfs
    audit.hdus, audit.missing_hdus = file.hdu_names, file.missing_hdus
    audit.checksums = file.checksums
    audit.irfs = [kind for kind in IRF_KINDS if kind in irfs.hdus]
    audit.point_like = irfs.point_like if "aeff" in irfs.hdus else None
    audit.irf_zenith_deg = _round(irfs.zenith_deg)
    audit.cuts = {name: float(value) for name, value in irfs.cuts.known}
    if "EVENTS" not in audit.hdus:
        return
    audit.run = audit.run if header.obs_id is None else header.obs_id
    audit.source, audit.telescope, audit.versions = header.object, header.telescope, file.versions
    if header.pointing is not None:
        audit.ra_deg, audit.dec_deg = header.pointing
    audit.zenith_deg, audit.azimuth_deg = _round(header.zenith_deg), header.azimuth_deg
    audit.offset_deg = _round(header.offset_deg)
    audit.events, audit.missing_columns = events.rows, list(events.missing)
    audit.non_finite = events.non_finite
    if events.event_id.size:
        audit.duplicate_events = events.same_id
    if energies := events.energy_range_tev:
        audit.energy_min_tev, audit.energy_max_tev = energies
    _describe_times(file, audit)


def _describe_times(file: Dl3File, audit: Dl3Audit) -> None:
    good = file.good_time
    audit.ontime_s, audit.livetime_s = _round(good.ontime_s), _round(good.livetime_s)
    audit.deadc = _round(good.deadc, 6)
    if "GTI" in audit.hdus:
        audit.gti = Gti(
            number=good.number,
            sum_s=_round(good.sum_s),
            ordered=good.ordered,
            events_outside=good.events_outside,
        )
    if len(good.intervals):
        ends = map(file.header.utc, (float(good.intervals[0, 0]), float(good.intervals[-1, 1])))
        audit.start, audit.stop = (
            None if moment is None else moment.isoformat(timespec="seconds") for moment in ends
        )


def _round(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
