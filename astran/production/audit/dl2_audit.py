"""All that can be told of a DL2 file, and whether it holds what its DL1 leads to."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from astran.base.night_data import run_number
from astran.production.audit.findings import AuditFindings, Dl2Audit, describe_file, iso, share
from astran.production.checks.dl2 import (
    ENGINE,
    FINITE,
    LEAST_RATE_HZ,
    NEEDED,
    NEEDED_OF_DATA,
    NEEDED_OF_MC,
    RECONSTRUCTED,
    SHOWER,
    TABLE,
)
from astran.production.checks.files import STUB_BYTES

DL1_TABLE = "/dl1/event/telescope/parameters/LST_LSTCam"
ALWAYS = (
    "/configuration/instrument/subarray/layout",
    "/configuration/instrument/telescope/optics",
)
"""Tables that lstchain takes over from DL1."""
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
RANGES = {
    "gammaness": (0.0, 1.0),
    "reco_energy": (0.0, math.inf),
    "reco_alt": (-math.pi / 2, math.pi / 2),
}
KINDS = {0: "flatfield", 1: "single_pe", 2: "pedestal", 32: "shower", 255: "unknown"}
"""EventType of ctapipe."""
BREAK_S = 0.01
"""lstchain counts longer gaps between showers as a break of data taking."""
LEAST_LIVE = 0.8
_DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, OSError, EOFError)
"""What reading damaged or absurd content may raise, beside the errors of PyTables."""
CHUNK = 200_000
"""Rows read at a time."""
VERSIONS = {"lstchain": "LSTCHAIN_VERSION", "ctapipe": "CTAPIPE_VERSION"}
VERSIONS |= {"ctapipe_io_lst": "CTAPIPE_IO_LST_VERSION"}


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
    import tables

    try:
        with _quiet(), tables.open_file(str(path), "r") as handle:
            _look(handle, audit, findings)
        if audit.rows is not None and dl1:
            _compare(audit, dl1, settings, findings)
    except (tables.HDF5ExtError, tables.NodeError, *_DAMAGE) as error:
        findings.problems.append(_in_words(str(error)))
    audit.settle(findings)
    return audit


@contextmanager
def _quiet() -> Iterator[None]:
    """HDF5 prints its own stack of errors; PyTables warns of lstchain's provenance text."""
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield


def _in_words(error: str) -> str:
    if "truncated file" in error:
        return "It is truncated."
    if "does not appear to be an HDF5 file" in error or "signature not found" in error:
        return "It is no HDF5 file."
    if "ermission denied" in error:
        return "It may not be read."
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return f"It is damaged: its data cannot be read ({(lines or ['no reason given'])[-1][:200]})."


def _look(handle: Any, audit: Dl2Audit, findings: AuditFindings) -> None:
    for name, word in VERSIONS.items():
        if word in handle.root._v_attrs:
            audit.versions[name] = str(handle.root._v_attrs[word])
    audit.missing_tables = [name for name in (TABLE, *ALWAYS) if name not in handle]
    if TABLE not in handle:
        stub = " It is the stub that a failed run leaves."
        small = (audit.size_bytes or 0) < STUB_BYTES
        findings.problems.append(f"There is no table of events ({TABLE}).{stub if small else ''}")
        return
    if audit.missing_tables:
        findings.warnings.append(f"It lacks the tables {', '.join(audit.missing_tables)}.")
    audit.engine = str(getattr(handle.root._v_attrs, ENGINE, "stock"))
    table = handle.get_node(TABLE)
    columns = frozenset(table.colnames)
    of_data = "mc_energy" not in columns
    needed = (*NEEDED, *(NEEDED_OF_DATA if of_data else NEEDED_OF_MC))
    audit.missing_columns = [name for name in needed if name not in columns]
    if audit.missing_columns:
        findings.problems.append(f"It lacks the columns {', '.join(audit.missing_columns)}.")
    audit.rows = int(table.nrows)
    if not audit.rows:
        findings.problems.append("It holds no event.")
        return
    _values(table, audit, findings)
    _events(table, columns, audit, findings)
    if {"event_type", "dragon_time", "delta_t"} <= columns:
        _times(table, audit, findings)
    if {"alt_tel", "az_tel"} <= columns:
        _pointing(table, audit)


def _values(table: Any, audit: Dl2Audit, findings: AuditFindings) -> None:
    """Count what is not finite in any column, and what is out of range."""
    import numpy as np

    numbers = [name for name in table.colnames if table.coldtypes[name].kind == "f"]
    bad = dict.fromkeys(numbers, 0)
    beyond = dict.fromkeys(RANGES, 0)
    for start in range(0, int(table.nrows), CHUNK):
        rows = table.read(start, start + CHUNK)
        for name in numbers:
            bad[name] += int(np.count_nonzero(~np.isfinite(rows[name])))
        for name, (least, most) in RANGES.items():
            if name in bad:
                values = rows[name]
                beyond[name] += int(np.count_nonzero((values < least) | (values > most)))
    audit.non_finite = {name: number for name, number in bad.items() if number}
    rows_all = audit.rows or 0
    for name in RECONSTRUCTED:
        if number := bad.get(name, 0):
            many = number > (1 - FINITE) * rows_all
            text = f"{share(number, rows_all)} of the events have no finite {name}."
            (findings.problems if many else findings.warnings).append(text)
    for name, number in beyond.items():
        if number:
            least, most = RANGES[name]
            findings.problems.append(
                f"{share(number, rows_all)} of the events have a {name} outside of "
                f"{least:.3g} to {most:.3g}."
            )


def _events(table: Any, columns: frozenset[str], audit: Dl2Audit, findings: AuditFindings) -> None:
    """Numbers, kinds and runs of the events."""
    import numpy as np

    keys = [name for name in ("obs_id", "event_id", "tel_id") if name in columns]
    if "event_id" in keys and "mc_energy" not in columns:
        ids = np.rec.fromarrays([table.col(name) for name in keys])
        audit.duplicate_events = len(ids) - len(np.unique(ids))
        if audit.duplicate_events:
            findings.problems.append(f"{audit.duplicate_events:,} events are there twice.")
    if "event_type" in columns:
        kinds, counts = np.unique(table.col("event_type"), return_counts=True)
        audit.events_by_type = {
            KINDS.get(int(kind), str(kind)): int(count)
            for kind, count in zip(kinds, counts, strict=True)
        }
        if KINDS[SHOWER] not in audit.events_by_type:
            findings.problems.append(f"It holds no shower event (event_type {SHOWER}).")
    if "obs_id" in columns and audit.run is not None and "mc_energy" not in columns:
        runs = {int(run) for run in np.unique(table.col("obs_id"))}
        if runs != {audit.run}:
            listed = ", ".join(map(str, sorted(runs)[:5]))
            findings.problems.append(f"Its events are of run {listed}, not of {audit.run}.")


def _times(table: Any, audit: Dl2Audit, findings: AuditFindings) -> None:
    """Livetime by the formula of lstchain (`lstchain.reco.utils.get_effective_time`): for events
    at random with a fixed dead time d after each, the mean gap is d + 1/rate."""
    import numpy as np

    showers = table.col("event_type") == SHOWER
    times, gaps = table.col("dragon_time")[showers], table.col("delta_t")[showers]
    good = np.isfinite(times)
    if int(good.sum()) < 2:
        return
    first, last = float(times[good].min()), float(times[good].max())
    audit.start, audit.stop = iso(first), iso(last)
    if audit.start is None or audit.stop is None:
        findings.problems.append("Its showers are at times that no calendar has (dragon_time).")
        return
    steps = np.diff(times[good])
    if back := int(np.count_nonzero(steps < 0)):
        findings.warnings.append(
            f"The events are not in order of time ({back:,} steps back): lstchain's livetime will "
            "be wrong."
        )
    if last <= first:
        findings.problems.append("All its showers have the same time.")
        return
    rate = (int(good.sum()) - 1) / (last - first)
    audit.shower_rate_hz = round(rate, 2)
    if rate < LEAST_RATE_HZ:
        findings.warnings.append(
            f"Only {rate:.0f} shower events per second: lstchain's livetime, which counts gaps "
            "below 10 ms, will be too short."
        )
    ontime = float(steps[steps < BREAK_S].sum())
    audit.ontime_s = round(ontime, 3)
    gaps = gaps[(gaps > 0) & (gaps < BREAK_S)]
    if not len(gaps) or ontime <= 0:
        findings.problems.append("No livetime can be told from its gaps between events (delta_t).")
        return
    dead, mean = float(gaps.min()), float(gaps.mean())
    live = ontime if mean <= dead else ontime / (1 + dead / (mean - dead))
    audit.livetime_s, audit.deadc = round(live, 3), round(live / ontime, 4)
    if live < LEAST_LIVE * (last - first):
        findings.warnings.append(
            f"The livetime, {live:.1f} s, is only {live / (last - first):.0%} of the time between "
            "its first and last shower."
        )


def _pointing(table: Any, audit: Dl2Audit) -> None:
    import numpy as np

    alt, az = table.col("alt_tel"), table.col("az_tel")
    good = np.isfinite(alt) & np.isfinite(az)
    if good.any():
        audit.zenith_deg = round(90 - float(np.degrees(alt[good].mean())), 3)
        around = math.atan2(float(np.sin(az[good]).mean()), float(np.cos(az[good]).mean()))
        audit.azimuth_deg = round(math.degrees(around) % 360, 3)


# ---- against DL1 ---------------------------------------------------------------------------------


def _compare(audit: Dl2Audit, dl1: Sequence[Path], settings: str, findings: AuditFindings) -> None:
    """Rows of DL1 that lstchain keeps, and rows of DL2, must be the same number."""
    import tables

    audit.dl1 = [str(path) for path in dl1]
    filters, features = _selection(settings)
    rows = kept = 0
    for path in dl1:
        try:
            with _quiet(), tables.open_file(str(path), "r") as handle:
                if DL1_TABLE not in handle:
                    findings.warnings.append(f"Its DL1 {path} holds no table of events.")
                    return
                table = handle.get_node(DL1_TABLE)
                rows += int(table.nrows)
                kept += _kept(table, filters, features)
        except (tables.HDF5ExtError, OSError) as error:
            findings.warnings.append(f"Its DL1 {path} cannot be read: {_in_words(str(error))}")
            return
    audit.dl1_rows, audit.expected_rows = rows, kept
    if audit.rows == kept:
        return
    text = f"It holds {audit.rows:,} events; its DL1 of {rows:,} events leads to {kept:,}."
    # with other filters than the standard ones, fewer events may be right
    sure = bool(settings) or (audit.rows or 0) > kept
    (findings.problems if sure else findings.warnings).append(text)


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
    for start in range(0, int(table.nrows), CHUNK):
        rows = table.read(start, start + CHUNK)
        good: Any = np.ones(len(rows), bool)
        for name in numbers:
            good &= np.isfinite(rows[name])
        for name, (low, high) in limits.items():
            good &= (rows[name] >= low) & (rows[name] <= high)
        kept += int(good.sum())
    return kept
