"""Check of DL2 files (HDF5, one table of events)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astran.base.files import require_present
from astran.production.checks.irf_cuts import require_no_error
from astran.telescopes.lst.dl2_file import read_dl2


def check_dl2(path: Path) -> dict[str, Any]:
    """Check a DL2 file, of data or of Monte Carlo.

    Returns
    -------
    rows, showers, data (bool), engine; of data also seconds and rate_hz of shower events; warnings
    """
    require_present(path)
    file = read_dl2(path)
    require_no_error(path, file.findings.errors)
    facts: dict[str, Any] = {
        "rows": file.rows,
        "data": file.of_data,
        "showers": file.events_by_type["shower"],
        "engine": file.engine,
        "warnings": [note.text for note in file.findings.notes],
    }
    if file.first_s is not None and file.last_s is not None:
        seconds = round(file.last_s - file.first_s, 3)
        facts |= {"seconds": seconds, "rate_hz": file.shower_rate_hz}
    return facts
