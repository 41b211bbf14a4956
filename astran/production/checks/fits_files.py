"""Opening FITS files for checks."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.night_data import IrfCuts
from astran.base.tasks import Expectation
from astran.production.checks.files import require_present

AEFF = "EFFECTIVE AREA"
EDISP = "ENERGY DISPERSION"
TOLERANCE = 1e-6
_CUTS = {
    "gammaness_cut": "GH_CUT",
    "theta_cut": "RAD_MAX",
    "gh_efficiency": "GH_EFF",
    "theta_containment": "TH_CONT",
}
"""Header words of lstchain, in the header of each IRF."""


def fits_damage() -> tuple[type[Exception], ...]:
    """What reading a damaged file, or one with absurd content, may raise."""
    from astropy.io.fits.verify import VerifyError

    content = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
    return (VerifyError, OSError, EOFError, MemoryError, zlib.error, *content)


@contextmanager
def open_fits(path: Path) -> Iterator[Any]:
    """The HDU list of a file; whatever is wrong with its content becomes a ProductError."""
    from astropy.io import fits
    from astropy.io.fits.verify import VerifyWarning

    require_present(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        try:
            with fits.open(path, memmap=False) as hdus:
                yield hdus
        except (OSError, EOFError, ValueError, TypeError, IndexError, zlib.error) as error:
            raise ProductError(f"{path.name} does not open as FITS: {error}.") from error


def require_hdu(path: Path, hdus: Any, *names: str) -> None:
    """ProductError unless all these HDUs are there."""
    have = {hdu.name for hdu in hdus}
    lacking = [name for name in names if name not in have]
    if lacking:
        raise ProductError(f"{path.name} lacks the HDU {', '.join(lacking)}.")


def read_cuts(path: Path, hdus: Any) -> IrfCuts:
    """The cuts that the IRF headers tell, with the tables that energy-dependent cuts need.

    After an interpolation lstchain keeps GH_EFF and TH_CONT only with the tables of the cuts.
    """
    headers = [hdu.header for hdu in hdus if hdu.name in (AEFF, "GH_CUTS", "RAD_MAX")]
    values = {}
    for name, word in _CUTS.items():
        found = [header[word] for header in headers if header.get(word) is not None]
        if found:
            values[name] = float(found[0])
    if "gh_efficiency" in values:
        require_hdu(path, hdus, "GH_CUTS")
    if "theta_containment" in values:
        require_hdu(path, hdus, "RAD_MAX")
    return IrfCuts(**values)


def compare_cuts(path: Path, cuts: IrfCuts, expect: Mapping[str, Expectation]) -> None:
    """ProductError if the file was made with other cuts than expected."""
    wanted = {name: expect[name] for name in _CUTS if name in expect}
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
