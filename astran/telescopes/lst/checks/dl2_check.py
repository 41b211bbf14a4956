"""Check of DL2 files (HDF5, one table of events)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.files import require_present
from astran.base.tasks import Expectation
from astran.production.checks.irf_cuts import require_no_error
from astran.telescopes.lst.checks.dl2_audit import RowComparison, compare_with_dl1
from astran.telescopes.lst.dl2_file import read_dl2

DL1 = "dl1"
SETTINGS = "dl1_to_dl2"
"""Names of the expectations by which DL2 is compared with its DL1."""


def check_dl2(path: Path, expect: Mapping[str, Expectation] | None = None) -> dict[str, Any]:
    """Check a DL2 file, of data or of Monte Carlo.

    Parameters
    ----------
    expect : `dl1`: the files that it was made from, one a line, whose events must all be in it;
        `dl1_to_dl2`: the JSON configuration of that step

    Returns
    -------
    rows, showers, data (bool), engine; of data also seconds and rate_hz of shower events; warnings
    """
    require_present(path)
    file = read_dl2(path)
    require_no_error(path, file.findings.errors)
    wanted = expect or {}
    found = RowComparison()
    if dl1 := str(wanted.get(DL1, "")):
        files, settings = map(Path, dl1.splitlines()), str(wanted.get(SETTINGS, ""))
        found = compare_with_dl1(file.rows or 0, list(files), settings)
    if found.problem:
        raise ProductError(f"{path.name}: {found.problem}")
    facts: dict[str, Any] = {
        "rows": file.rows,
        "data": file.of_data,
        "showers": file.events_by_type["shower"],
        "engine": file.engine,
        "warnings": [note.text for note in file.findings.notes]
        + [found.warning] * bool(found.warning),
    }
    if file.first_s is not None and file.last_s is not None:
        seconds = round(file.last_s - file.first_s, 3)
        facts |= {"seconds": seconds, "rate_hz": file.shower_rate_hz}
    return facts
