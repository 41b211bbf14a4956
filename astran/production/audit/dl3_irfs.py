"""The IRFs of a DL3 file: which there are, whether they can be used and fit the data."""

from __future__ import annotations

from typing import Any

from astran.production.audit.findings import AuditFindings, Dl3Audit
from astran.production.checks.dl3 import FAR_DEG

KINDS = {
    "EFF_AREA": "aeff",
    "EDISP": "edisp",
    "RPSF": "psf",
    "PSF": "psf",
    "BKG": "bkg",
    "RAD_MAX": "rad_max",
}
"""HDUCLAS2 of the data format."""
NAMES = {
    "EFFECTIVE AREA": "aeff",
    "AEFF": "aeff",
    "ENERGY DISPERSION": "edisp",
    "EDISP": "edisp",
    "PSF": "psf",
    "POINT SPREAD FUNCTION": "psf",
    "BKG": "bkg",
    "BACKGROUND": "bkg",
    "RAD_MAX": "rad_max",
}
TITLES = {"aeff": "EFFECTIVE AREA", "edisp": "ENERGY DISPERSION", "psf": "PSF"}
TITLES |= {"rad_max": "RAD_MAX"}


def look_at_irfs(hdus: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    """Fill in what there is; say what lacks and what cannot be."""
    found: dict[str, Any] = {}
    for hdu in hdus:
        kind = KINDS.get(str(hdu.header.get("HDUCLAS2", "")).strip()) or NAMES.get(hdu.name)
        if kind is not None:
            found.setdefault(kind, hdu)
    audit.irfs = sorted(found)
    wanted = ["aeff", "edisp"]
    if "aeff" in found:
        header = found["aeff"].header
        shape = str(header.get("HDUCLAS3", "")).strip()
        audit.point_like = shape == "POINT-LIKE" if shape else "psf" not in found
        wanted += _for_extension(audit.point_like, found, header)
        _area(found["aeff"].data, findings)
        _zenith(header, audit, findings)
    if "edisp" in found:
        _matrix(found["edisp"].data, findings)
    lacking = [TITLES[kind] for kind in wanted if kind not in found]
    audit.missing_hdus += [name for name in lacking if name not in audit.missing_hdus]


def _for_extension(point_like: bool, found: dict[str, Any], header: Any) -> list[str]:
    """What else there must be: a point-like IRF says how large the ON region is, a full one has a
    point spread function."""
    if not point_like:
        return ["psf"]
    return [] if header.get("RAD_MAX") is not None else ["rad_max"]


def _area(table: Any, findings: AuditFindings) -> None:
    import numpy as np

    area = None if table is None or "EFFAREA" not in table.names else table["EFFAREA"]
    if area is None or not np.all(np.isfinite(area)) or not np.any(area > 0):
        findings.problems.append("Its effective area is not finite, or nowhere above zero.")


def _matrix(table: Any, findings: AuditFindings) -> None:
    import numpy as np

    matrix = None if table is None or "MATRIX" not in table.names else table["MATRIX"]
    if matrix is None or not np.all(np.isfinite(matrix)) or not np.any(matrix > 0):
        findings.problems.append("Its energy dispersion is not finite, or nowhere above zero.")


def _zenith(header: Any, audit: Dl3Audit, findings: AuditFindings) -> None:
    zenith = header.get("ZEN_PNT")
    if not isinstance(zenith, int | float):
        return
    audit.irf_zenith_deg = round(float(zenith), 3)
    if audit.zenith_deg is not None and abs(audit.zenith_deg - zenith) > FAR_DEG:
        findings.warnings.append(
            f"The IRFs are for zenith {zenith:.1f} deg, the run is at {audit.zenith_deg:.1f} deg: "
            "it lies outside of the simulated pointings, so that the nearest was used."
        )
