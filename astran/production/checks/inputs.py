"""What a task asks of its inputs before its tool starts: the tools mix anything without a word."""

from __future__ import annotations

from pathlib import Path

from astran.base.dl2_provenance import Dl2Provenance, conflict, read_origin
from astran.base.errors import ProductError
from astran.base.tasks import InputCheck, InputGuard
from astran.production.checks.fits_files import compare_cuts, open_fits, read_cuts


def check_inputs(guard: InputGuard) -> None:
    """Look into an input.

    Raises
    ------
    ProductError : it was made otherwise than the task needs, or cannot be read
    """
    path = Path(guard.path)
    match guard.proof:
        case InputCheck.ORIGIN:
            _origin(path, guard)
        case InputCheck.CUTS:
            with open_fits(path) as hdus:
                compare_cuts(path, read_cuts(path, hdus), dict(guard.expect))


def _origin(path: Path, guard: InputGuard) -> None:
    expect = dict(guard.expect)
    wanted = Dl2Provenance(str(expect.get("lstchain", "")), str(expect.get("models", "")))
    try:
        its = read_origin(path)
    except (OSError, RuntimeError) as error:
        raise ProductError(f"{path.name} does not open as HDF5.") from error
    other = str(expect.get("other", ""))
    if why := conflict(path.name, its, other, wanted, bool(expect.get("strict"))):
        raise ProductError(f"{why}.")
