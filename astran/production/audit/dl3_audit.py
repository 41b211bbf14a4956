"""All that can be told of a DL3 file, by the gamma-astro-data-formats
(https://gamma-astro-data-formats.readthedocs.io/en/v0.3)."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.night_data import run_number
from astran.production.audit.dl3_irfs import look_at_irfs
from astran.production.audit.findings import AuditFindings, Dl3Audit, describe_file, share
from astran.production.audit.gti import look_at_times
from astran.production.checks.dl3 import COLUMNS
from astran.production.checks.fits_files import fits_damage, read_cuts

ANGLES = {"RA": (-360.0, 360.0), "DEC": (-90.0, 90.0)}
"""Some right ascensions are counted from -180 deg, or have not been wrapped."""
FAR_DEG = 5.0
"""A pointing so far from the source is odd: LST-1 sees 2.2 deg around its pointing."""


def audit_dl3(path: Path) -> Dl3Audit:
    """Look at a DL3 file of any telescope, all of it."""
    audit, findings = Dl3Audit(run=run_number(path.name)), AuditFindings()
    if not describe_file(audit, path, findings):
        return audit
    from astropy.io import fits

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with fits.open(path, memmap=False, checksum=True) as hdus:
                _look(path, hdus, audit, findings)
        except ProductError as error:
            findings.problems.append(str(error))
        except fits_damage() as error:
            findings.problems.append(_in_words(path, str(error), opened=bool(audit.hdus)))
    _checksums(audit, [str(one.message) for one in caught], findings)
    audit.settle(findings)
    return audit


def _in_words(path: Path, error: str, *, opened: bool) -> str:
    if "No SIMPLE card" in error or "Empty or corrupt" in error:
        return "It is no FITS file."
    if path.suffix == ".gz" and ("gzip" in error or "end-of-stream" in error or "CRC" in error):
        return f"It is truncated or damaged: {error.rstrip('.')}."
    if "truncated" in error or "buffer is too small" in error or "cannot reshape" in error:
        return "It is truncated."
    reason = " ".join(error.split())[:200].rstrip(". ") or "no reason given"
    if opened:
        return f"It is damaged: its content cannot be read ({reason})."
    return f"It does not open as FITS: {reason}."


def _checksums(audit: Dl3Audit, told: list[str], findings: AuditFindings) -> None:
    """What astropy said while it opened the file."""
    wrong = [text for text in told if "verification failed" in text]
    if any("truncated" in text for text in told):
        findings.problems.append("It is truncated.")
    if wrong:
        audit.checksums = "bad"
        findings.problems.append(
            "Its content is not what it was written as: "
            + "; ".join(dict.fromkeys(text.rstrip(".\n ") for text in wrong))
            + "."
        )


def _look(path: Path, hdus: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    audit.hdus = [hdu.name or f"HDU {number}" for number, hdu in enumerate(hdus)]
    audit.missing_hdus = [name for name in ("EVENTS", "GTI") if name not in audit.hdus]
    # read all of it: what cannot be read must not be called good
    for hdu in hdus:
        _ = hdu.data
    # astropy takes these words out of the headers and keeps them
    signed = [getattr(hdu, "_checksum", None) is not None for hdu in hdus]
    audit.checksums = "ok" if any(signed) else "none"
    if "EVENTS" in audit.hdus:
        _header(hdus["EVENTS"].header, hdus[0].header, audit, findings)
        _events(hdus["EVENTS"].data, audit, findings)
        look_at_times(hdus, audit, findings)
    look_at_irfs(hdus, audit, findings)
    if audit.missing_hdus:
        findings.problems.append(f"It lacks the HDU {', '.join(audit.missing_hdus)}.")
    if "EVENTS" in audit.hdus and not audit.missing_hdus:
        _selected(hdus["EVENTS"].data, audit, findings, path, hdus)


def _header(header: Any, primary: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    audit.telescope = str(header.get("TELESCOP", ""))
    audit.source = str(header.get("OBJECT", ""))
    for name, word in (("creator", "CREATOR"), ("format", "HDUVERS")):
        if value := str(header.get(word, primary.get(word, ""))).strip():
            audit.versions[name] = value
    named, run = audit.run, header.get("OBS_ID")
    if run is None:
        findings.warnings.append("It does not tell its run number (OBS_ID).")
    else:
        audit.run = int(run)
        if named is not None and audit.run != named:
            findings.problems.append(f"It carries the run number {run}, its name says {named}.")
    audit.ra_deg, audit.dec_deg = _number(header, "RA_PNT"), _number(header, "DEC_PNT")
    altitude = _number(header, "ALT_PNT")
    audit.zenith_deg = None if altitude is None else round(90 - altitude, 3)
    audit.azimuth_deg = _number(header, "AZ_PNT")
    ra, dec = audit.ra_deg, audit.dec_deg
    if ra is None or dec is None or not (-360 <= ra <= 360 and -90 <= dec <= 90):
        findings.problems.append("It does not tell where the telescope pointed (RA_PNT, DEC_PNT).")
        return
    if audit.zenith_deg is not None and not 0 <= audit.zenith_deg < 90:
        findings.problems.append(f"It pointed at a zenith distance of {audit.zenith_deg:g} deg.")
    source = _number(header, "RA_OBJ"), _number(header, "DEC_OBJ")
    if source[0] is not None and source[1] is not None:
        audit.offset_deg = round(_separation(ra, dec, source[0], source[1]), 3)
        if audit.offset_deg > FAR_DEG:
            findings.warnings.append(
                f"The telescope pointed {audit.offset_deg:.1f} deg away from the source."
            )


def _number(header: Any, word: str) -> float | None:
    value = header.get(word)
    good = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if good else None


def _separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    a, b, c, d = map(math.radians, (ra1, dec1, ra2, dec2))
    h = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def _events(table: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    import numpy as np

    names = frozenset(table.names) if table is not None else frozenset[str]()
    audit.missing_columns = [name for name in COLUMNS if name not in names]
    if audit.missing_columns:
        lacking = ", ".join(audit.missing_columns)
        findings.problems.append(f"It lacks the event columns {lacking}.")
    audit.events = 0 if table is None else len(table)
    if not audit.events:
        findings.problems.append("It holds no event after the cuts.")
        return
    for name in table.names:
        values = table[name]
        if values.dtype.kind != "f":
            continue
        if number := int(np.count_nonzero(~np.isfinite(values))):
            audit.non_finite[name] = number
    for name in COLUMNS:
        if number := audit.non_finite.get(name, 0):
            text = f"{share(number, audit.events)} of the events have no finite {name}."
            findings.problems.append(text)
    if "ENERGY" in names:
        _energies(table["ENERGY"], audit, findings)
    for name, (least, most) in ANGLES.items():
        if name in names:
            number = int(np.count_nonzero((table[name] < least) | (table[name] > most)))
            if number:
                text = f"{share(number, audit.events)} of the events have a {name} beyond its range"
                findings.problems.append(f"{text} ({least:g} to {most:g} deg).")
    if "EVENT_ID" in names:
        audit.duplicate_events = audit.events - len(np.unique(table["EVENT_ID"]))
        if audit.duplicate_events:
            findings.warnings.append(
                f"{audit.duplicate_events:,} events have a number that another event has, too."
            )


def _energies(energies: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    import numpy as np

    good = energies[np.isfinite(energies)]
    if len(good):
        audit.energy_min_tev, audit.energy_max_tev = float(good.min()), float(good.max())
        if number := int(np.count_nonzero(good <= 0)):
            text = f"{share(number, len(energies))} of the events have no energy above zero."
            findings.problems.append(text)


def _selected(table: Any, audit: Dl3Audit, findings: AuditFindings, path: Path, hdus: Any) -> None:
    """Events must have been cut as the gammas of the IRF were."""
    import numpy as np

    cuts = read_cuts(path, hdus)
    figures = {name: float(value) for name, value in cuts.known}
    audit.cuts = {name: value for name, value in figures.items() if math.isfinite(value)}
    if cuts.gammaness_cut is None or "GAMMANESS" not in table.names or not len(table):
        return
    below = int(np.count_nonzero(table["GAMMANESS"] < cuts.gammaness_cut))
    if below:
        findings.problems.append(
            f"{share(below, len(table))} of the events are below the gammaness cut of its IRF "
            f"({cuts.gammaness_cut:g})."
        )
