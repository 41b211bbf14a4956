"""The cuts behind IRFs: whether a file was made with those asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from astran.base.errors import ProductError
from astran.base.night_data import IrfCuts
from astran.base.tasks import Expectation
from astran.gadf.file_findings import FileFinding

TOLERANCE = 1e-6
NAMES = ("gammaness_cut", "theta_cut", "gh_efficiency", "theta_containment")


def require_no_error(path: Path, errors: Iterable[FileFinding]) -> None:
    """ProductError with all that is wrong."""
    if text := " ".join(error.text for error in errors):
        raise ProductError(f"{path.name}: {text}")


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
