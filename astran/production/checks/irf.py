"""Check of IRF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.tasks import Expectation
from astran.production.checks.irf_cuts import compare_irfs, require_no_error


def check_irf(path: Path, expect: Mapping[str, Expectation]) -> dict[str, Any]:
    """Check an IRF of lstchain, point-like or full-enclosure.

    Returns
    -------
    zenith_deg, azimuth_deg, b_delta_deg of the pointing; cuts; warnings
    """
    from astran.gadf.irf_hdus import read_irf_file

    irfs, findings = read_irf_file(path)
    require_no_error(path, findings.errors)
    compare_irfs(path, irfs, expect)
    azimuth = irfs.azimuth_deg
    if azimuth is not None and not 0 <= azimuth < 360:
        raise ProductError(
            f"{path.name} has the azimuth {azimuth:g} deg; lstchain compares azimuths without "
            "unwrapping them, so that the nearest node would be chosen wrongly.",
            "Keep the azimuths of the Monte Carlo within 0 and 360 deg.",
        )
    return {
        "zenith_deg": irfs.zenith_deg,
        "azimuth_deg": azimuth,
        "b_delta_deg": irfs.b_delta_deg,
        "cuts": dict(irfs.cuts.known),
        "warnings": [],
    }
