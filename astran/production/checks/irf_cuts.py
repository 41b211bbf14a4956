"""The cuts behind IRFs: whether a file was made with those asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from astran.base.errors import ProductError
from astran.base.night_data import IrfCuts
from astran.base.tasks import Expectation
from astran.gadf.file_findings import FileFinding

if TYPE_CHECKING:
    from astran.gadf.irf_hdus import IrfTables

TOLERANCE = 1e-6
NAMES = ("gammaness_cut", "theta_cut", "gh_efficiency", "theta_containment")


def require_no_error(path: Path, errors: Iterable[FileFinding]) -> None:
    """ProductError with all that is wrong."""
    if text := " ".join(error.text for error in errors):
        raise ProductError(f"{path.name}: {text}")


def compare_irfs(path: Path, irfs: IrfTables, expect: Mapping[str, Expectation]) -> None:
    """ProductError if IRFs are of another kind or with other cuts than expected.

    Expectations beside the cuts: irf_kind (point-like or full-enclosure), background (whether
    there must be a background IRF).
    """
    kind = "point-like" if irfs.point_like else "full-enclosure"
    if expect.get("irf_kind", kind) != kind:
        raise ProductError(f"{path.name} has {kind} IRFs instead of {expect['irf_kind']} ones.")
    if expect.get("background") and "bkg" not in irfs.hdus:
        raise ProductError(f"{path.name} has no background IRF.")
    compare_cuts(path, irfs.cuts, expect)


def compare_cuts(path: Path, cuts: IrfCuts, expect: Mapping[str, Expectation]) -> None:
    """ProductError if the file was made with other cuts than expected."""
    wanted = {name: expect[name] for name in NAMES if name in expect}
    found = dict(cuts.known)
    if not wanted:
        return
    for name in sorted(wanted.keys() | found.keys()):
        have, should = found.get(name), wanted.get(name)
        if have is None or should is None or abs(float(have) - float(should)) > TOLERANCE:
            raise ProductError(
                f"{path.name} was made with other cuts than asked for: {name} is "
                f"{'not set' if have is None else have}, wanted is "
                f"{'none' if should is None else should}."
            )
