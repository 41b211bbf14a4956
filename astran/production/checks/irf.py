"""Check of IRF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.tasks import Expectation
from astran.production.checks.fits_files import (
    AEFF,
    EDISP,
    compare_cuts,
    open_fits,
    read_cuts,
    require_hdu,
)


def check_irf(path: Path, expect: Mapping[str, Expectation]) -> dict[str, Any]:
    """Check a point-like IRF of lstchain.

    Returns
    -------
    zenith_deg, azimuth_deg, b_delta_deg of the pointing; cuts; warnings
    """
    with open_fits(path) as hdus:
        require_hdu(path, hdus, AEFF, EDISP)
        _area(path, hdus[AEFF].data["EFFAREA"])
        cuts = read_cuts(path, hdus)
        header = hdus[AEFF].header
        azimuth = header.get("AZ_PNT")
        facts = {
            "zenith_deg": header.get("ZEN_PNT"),
            "azimuth_deg": azimuth,
            "b_delta_deg": header.get("B_DELTA"),
            "cuts": dict(cuts.known),
            "warnings": [],
        }
    compare_cuts(path, cuts, expect)
    if azimuth is not None and not 0 <= azimuth < 360:
        raise ProductError(
            f"{path.name} has the azimuth {azimuth:g} deg; lstchain compares azimuths without "
            "unwrapping them, so that the nearest node would be chosen wrongly.",
            "Keep the azimuths of the Monte Carlo within 0 and 360 deg.",
        )
    return facts


def _area(path: Path, area: Any) -> None:
    import numpy as np

    if area is None or not np.all(np.isfinite(area)) or not np.any(area > 0):
        raise ProductError(f"{path.name} has no effective area above zero, or it is not finite.")
