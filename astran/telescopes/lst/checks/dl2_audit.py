"""All that a DL2 file tells, and whether it holds what its DL1 leads to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.night_data import run_number
from astran.production.audit.findings import AuditFindings, Dl2Audit, describe_file, iso
from astran.telescopes.lst.dl2_file import Dl2File, read_dl2
from astran.telescopes.lst.hdf5_open import DL1_TABLE, open_hdf5, read_chunks

FEATURES = (
    "intensity",
    "log_intensity",
    "x",
    "y",
    "r",
    "length",
    "width",
    "wl",
    "psi",
    "skewness",
    "kurtosis",
    "time_gradient",
    "leakage_intensity_width_2",
)
"""Where the configuration of lstchain is not known: parameters that its standard one needs to be
finite. Those of the pointing are filled in by lstchain where they lack."""
POINTING = frozenset({"alt_tel", "az_tel", "sin_az_tel"})


def audit_dl2(path: Path, dl1: Sequence[Path] = (), settings: str = "") -> Dl2Audit:
    """Look at a DL2 file of data or Monte Carlo, all of it.

    Parameters
    ----------
    dl1 : the files it was made from; without them rows are not compared
    settings : the JSON configuration of lstchain_dl1_to_dl2; empty: as its standard one
    """
    audit, findings = Dl2Audit(run=run_number(path.name)), AuditFindings()
    if not describe_file(audit, path, findings):
        return audit
    file = read_dl2(path)
    findings.take(file.findings)
    _describe_content(file, audit)
    if audit.rows is not None and dl1:
        _compare(audit, dl1, settings, findings)
    audit.settle(findings)
    return audit


def _describe_content(file: Dl2File, audit: Dl2Audit) -> None:
    names = {one.name for one in fields(audit)}
    for one in fields(file):
        if one.name in names:
            setattr(audit, one.name, getattr(file, one.name))
    if file.first_s is not None and file.last_s is not None:
        audit.start, audit.stop = iso(file.first_s), iso(file.last_s)


def _compare(audit: Dl2Audit, dl1: Sequence[Path], settings: str, findings: AuditFindings) -> None:
    audit.dl1 = [str(path) for path in dl1]
    found = compare_with_dl1(audit.rows or 0, dl1, settings)
    audit.dl1_rows, audit.expected_rows = found.dl1_rows, found.expected_rows
    if found.problem:
        findings.problems.append(found.problem)
    if found.warning:
        findings.warnings.append(found.warning)


@dataclass(frozen=True, slots=True)
class RowComparison:
    """Rows of DL2 beside those of its DL1. None: not known."""

    dl1_rows: int | None = None
    expected_rows: int | None = None
    problem: str = ""
    warning: str = ""


def compare_with_dl1(events: int, dl1: Sequence[Path], settings: str) -> RowComparison:
    """Rows of DL1 that lstchain keeps, and rows of DL2, must be the same number.

    Parameters
    ----------
    settings : JSON configuration of lstchain_dl1_to_dl2; empty: as its standard one, and fewer
        events than that leads to may be right
    """
    filters, features = _selection(settings)
    rows = kept = 0
    for path in dl1:
        try:
            with open_hdf5(path) as handle:
                if DL1_TABLE not in handle:
                    return RowComparison(warning=f"Its DL1 {path} holds no table of events.")
                table = handle.get_node(DL1_TABLE)
                rows += int(table.nrows)
                kept += _kept(table, filters, features)
        except ProductError as error:
            return RowComparison(warning=f"Its DL1 {path} cannot be read: {error.message}")
    if events == kept:
        return RowComparison(rows, kept)
    text = f"It holds {events:,} events; its DL1 of {rows:,} events leads to {kept:,}."
    if settings or events > kept:
        return RowComparison(rows, kept, problem=text)
    return RowComparison(rows, kept, warning=text)


def _selection(settings: str) -> tuple[dict[str, tuple[float, float]], tuple[str, ...]]:
    """Filters and finite parameters of a configuration of lstchain."""
    plain: dict[str, Any] = json.loads(settings) if settings else {}
    lists = (value for name, value in plain.items() if name.endswith("_features"))
    features = {name for value in lists if isinstance(value, list) for name in value}
    filters = {
        name: (float(low), float(high))
        for name, (low, high) in plain.get("events_filters", {}).items()
    }
    return filters, tuple(sorted((features or set(FEATURES)) - POINTING))


def _kept(table: Any, filters: dict[str, tuple[float, float]], features: Sequence[str]) -> int:
    import numpy as np

    numbers = [name for name in features if name in table.colnames]
    limits = {name: limit for name, limit in filters.items() if name in table.colnames}
    kept = 0
    for rows in read_chunks(table):
        good: Any = np.ones(len(rows), bool)
        for name in numbers:
            good &= np.isfinite(rows[name])
        for name, (low, high) in limits.items():
            good &= (rows[name] >= low) & (rows[name] <= high)
        kept += int(good.sum())
    return kept
