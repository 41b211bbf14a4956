"""Check of DL3 files (event lists with IRFs, as in the gamma-astro-data-formats)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.night_data import IrfCuts
from astran.base.tasks import Expectation
from astran.production.checks.fits_files import (
    AEFF,
    EDISP,
    compare_cuts,
    open_fits,
    read_cuts,
    require_hdu,
)

COLUMNS = ("EVENT_ID", "TIME", "RA", "DEC", "ENERGY")
LEAST_LIVE = 0.8
"""Least fraction of the time that is livetime; LST-1 has about 0.98."""

FAR_DEG = 3.0
"""Difference in zenith angle between IRF and data that is worth a word [deg]."""


def check_dl3(path: Path, expect: Mapping[str, Expectation]) -> dict[str, Any]:
    """Check a DL3 file, of lstchain or of another telescope's chain.

    Returns
    -------
    run, object, events, ontime_s, livetime_s, cuts, rad_max_deg (fixed ON radius, if there is
    one), rad_max_table (bool), zenith_deg and irf_zenith_deg; warnings
    """
    with open_fits(path) as hdus:
        require_hdu(path, hdus, "EVENTS", "GTI")
        events, header = hdus["EVENTS"].data, hdus["EVENTS"].header
        columns = frozenset(events.names)
        lacking = [name for name in COLUMNS if name not in columns]
        if lacking:
            raise ProductError(f"{path.name} lacks the event columns {', '.join(lacking)}.")
        if len(events) == 0:
            raise ProductError(f"{path.name} holds no event after the cuts.")
        facts: dict[str, Any] = {
            "run": header.get("OBS_ID"),
            "object": str(header.get("OBJECT", "")),
            "events": len(events),
            "zenith_deg": _zenith(header),
            "warnings": [],
        }
        facts.update(_times(path, hdus["GTI"].data, header, facts["warnings"]))
        require_hdu(path, hdus, AEFF, EDISP)
        cuts = read_cuts(path, hdus)
        facts["cuts"] = dict(cuts.known)
        facts["rad_max_deg"] = cuts.theta_cut
        facts["rad_max_table"] = "RAD_MAX" in {hdu.name for hdu in hdus}
        facts["irf_zenith_deg"] = hdus[AEFF].header.get("ZEN_PNT")
        _nodes(facts)
        _selected(path, events, columns, cuts)
    if "run" in expect and facts["run"] != expect["run"]:
        raise ProductError(
            f"{path.name} carries the run number {facts['run']} instead of {expect['run']}."
        )
    compare_cuts(path, cuts, expect)
    return facts


def _times(path: Path, gti: Any, header: Any, remarks: list[str]) -> dict[str, float]:
    import numpy as np

    if gti is None or len(gti) == 0:
        raise ProductError(f"{path.name} has no good time interval.")
    ontime = float(np.sum(gti["STOP"] - gti["START"]))
    if not ontime > 0:
        raise ProductError(f"{path.name} has good time intervals of no length.")
    live = header.get("LIVETIME")
    livetime = float(live) if live is not None else ontime * float(header.get("DEADC", 1.0))
    if not livetime > 0:
        raise ProductError(f"{path.name} has a livetime of {livetime:g} s.")
    if livetime > ontime * 1.001:
        remarks.append(f"The livetime ({livetime:.1f} s) is above the time ({ontime:.1f} s).")
    if livetime < ontime * LEAST_LIVE:
        remarks.append(
            f"The livetime is only {livetime / ontime:.0%} of the time: the run has gaps, or "
            "events were thinned out before DL3."
        )
    return {"ontime_s": round(ontime, 3), "livetime_s": round(livetime, 3)}


def _nodes(facts: dict[str, Any]) -> None:
    """lstchain says only in its log that a pointing lies outside of the IRF nodes.

    Interpolated IRFs carry the pointing of the data, the nearest node carries its own.
    """
    data, irf = facts["zenith_deg"], facts["irf_zenith_deg"]
    if data is not None and irf is not None and abs(data - irf) > FAR_DEG:
        facts["warnings"].append(
            f"The IRFs are for zenith {irf:.1f} deg, the run is at {data:.1f} deg: it lies outside "
            "of the simulated pointings, so that the nearest was used."
        )


def _selected(path: Path, events: Any, columns: frozenset[str], cuts: IrfCuts) -> None:
    """The events must have been cut as the gammas of the IRF were."""
    import numpy as np

    if not np.all(np.isfinite(events["ENERGY"])):
        raise ProductError(f"{path.name} has events without a finite energy.")
    if cuts.gammaness_cut is None or "GAMMANESS" not in columns:
        return
    least = float(np.min(events["GAMMANESS"]))
    if least < cuts.gammaness_cut:
        raise ProductError(
            f"{path.name} holds events of gammaness {least:.3g}, below the cut of its IRF "
            f"({cuts.gammaness_cut:g})."
        )


def _zenith(header: Any) -> float | None:
    altitude = header.get("ALT_PNT")
    return None if altitude is None else round(90.0 - float(altitude), 3)
