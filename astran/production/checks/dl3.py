"""Check of DL3 files (event lists with IRFs, as in the gamma-astro-data-formats)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.files import require_present
from astran.base.tasks import Expectation
from astran.production.checks.irf_cuts import compare_irfs, require_no_error


def check_dl3(path: Path, expect: Mapping[str, Expectation]) -> dict[str, Any]:
    """Check a DL3 file, of lstchain or of another telescope's chain.

    Returns
    -------
    run, object, events, ontime_s, livetime_s, cuts, rad_max_deg (fixed ON radius, if there is
    one), rad_max_table (bool), zenith_deg and irf_zenith_deg; warnings
    """
    from astran.gadf.dl3_file import read_dl3

    require_present(path)
    file = read_dl3(path)
    require_no_error(path, file.findings.errors)
    run, cuts = file.header.obs_id, file.irfs.cuts
    if "run" in expect and run != expect["run"]:
        raise ProductError(f"{path.name} carries the run number {run} instead of {expect['run']}.")
    compare_irfs(path, file.irfs, expect)
    return {
        "run": run,
        "object": file.header.object,
        "events": file.events.rows,
        "ontime_s": _round(file.good_time.sum_s),
        "livetime_s": _round(file.good_time.livetime_s),
        "cuts": dict(cuts.known),
        "rad_max_deg": cuts.theta_cut,
        "rad_max_table": "rad_max" in file.irfs.hdus,
        "zenith_deg": _round(file.header.zenith_deg),
        "irf_zenith_deg": file.irfs.zenith_deg,
        "warnings": [note.text for note in file.findings.notes],
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
