"""What a task asks of its inputs before its tool starts: the tools mix anything without a word."""

from __future__ import annotations

from pathlib import Path

from astran.base.dl2_provenance import Dl2Provenance, conflict
from astran.base.errors import ProductError
from astran.base.tasks import InputCheck, InputGuard
from astran.production.checks.irf_cuts import compare_irfs, require_no_error
from astran.telescopes.lst.dl2_file import read_provenance


def check_inputs(guard: InputGuard) -> None:
    """Look into an input.

    Raises
    ------
    ProductError : it was made otherwise than the task needs, or cannot be read
    """
    from astran.gadf.irf_hdus import read_irf_file

    path = Path(guard.path)
    match guard.proof:
        case InputCheck.ORIGIN:
            _origin(path, guard)
        case InputCheck.CUTS:
            irfs, findings = read_irf_file(path)
            require_no_error(path, findings.errors)
            compare_irfs(path, irfs, dict(guard.expect))


def _origin(path: Path, guard: InputGuard) -> None:
    expect = dict(guard.expect)
    wanted = Dl2Provenance(str(expect.get("lstchain", "")), str(expect.get("models", "")))
    try:
        its = read_provenance(path)
    except (OSError, RuntimeError) as error:
        raise ProductError(f"{path.name} does not open as HDF5.") from error
    other = str(expect.get("other", ""))
    if why := conflict(path.name, its, other, wanted, bool(expect.get("strict"))):
        raise ProductError(f"{why}.")
