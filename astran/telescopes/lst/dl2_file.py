"""Reads a DL2 file of lstchain, of data or of Monte Carlo, and judges it."""

from __future__ import annotations

import io
import json
import math
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import ProductError
from astran.base.files import require_present
from astran.base.night_data import run_number
from astran.gadf.file_findings import FindingCode, FindingLog, format_share
from astran.telescopes.lst.hdf5_open import DL2_TABLE, SHOWER, open_hdf5, read_chunks

ALWAYS = (
    "/configuration/instrument/subarray/layout",
    "/configuration/instrument/telescope/optics",
)
"""Tables that lstchain takes over from DL1."""
RECONSTRUCTED = ("reco_energy", "reco_alt", "reco_az", "gammaness")
NEEDED = ("event_id", "tel_id", "event_type", "intensity", "alt_tel", "az_tel", *RECONSTRUCTED)
NEEDED_OF_DATA = ("dragon_time", "delta_t")
NEEDED_OF_MC = ("mc_energy", "mc_alt", "mc_az", "mc_alt_tel", "mc_az_tel")
KEYS = ("obs_id", "event_id", "tel_id")
COLLECTED = (*KEYS, "event_type", "dragon_time", "delta_t", "alt_tel", "az_tel")
RANGES = {
    "gammaness": (0.0, 1.0),
    "reco_energy": (0.0, math.inf),
    "reco_alt": (-math.pi / 2, math.pi / 2),
}
KINDS = {0: "flatfield", 1: "single_pe", 2: "pedestal", SHOWER: "shower", 255: "unknown"}
"""EventType of ctapipe."""
VERSIONS = {
    "lstchain": "LSTCHAIN_VERSION",
    "ctapipe": "CTAPIPE_VERSION",
    "ctapipe_io_lst": "CTAPIPE_IO_LST_VERSION",
}
ENGINE = "ASTRAN_DL2_ENGINE"
"""Attribute that the fast engine leaves: `fast`, or `stock` and why it was not."""
STUB_BYTES = 20_000
"""lstchain_dl1_to_dl2 that fails after its start leaves an HDF5 file of about 13 kB."""
FINITE = 0.99
"""Least fraction of events with finite reconstructed values."""
LEAST_RATE_HZ = 1000.0
"""lstchain counts only gaps below 10 ms between shower events as livetime. At 1 kHz that loses
0.1 % of it, at 500 Hz 4 %, at 100 Hz 73 %."""
BREAK_S = 0.01
"""lstchain counts longer gaps between showers as a break of data taking."""
LEAST_LIVE = 0.8
YEAR_3000_S = 32_503_680_000.0
_STAGE = "dl1_to_dl2"
_ROLE = "trained model directory"


@dataclass(frozen=True, kw_only=True)
class Dl2File:
    """What a DL2 file holds. None: not known. The names of most fields are those of the audit."""

    findings: FindingLog
    of_data: bool = True
    rows: int | None = None
    missing_tables: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    non_finite: dict[str, int] = field(default_factory=dict)
    """Number of values that are not finite, of the columns that have any."""
    duplicate_events: int | None = None
    events_by_type: dict[str, int] = field(default_factory=dict)
    first_s: float | None = None
    """First shower [unix s]."""
    last_s: float | None = None
    ontime_s: float | None = None
    livetime_s: float | None = None
    deadc: float | None = None
    shower_rate_hz: float | None = None
    zenith_deg: float | None = None
    azimuth_deg: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    engine: str | None = None


def read_dl2(path: Path) -> Dl2File:
    """Read a DL2 file, all of it; what is wrong with it becomes a finding."""
    log, found = FindingLog(), dict[str, Any]()
    try:
        size = require_present(path)
        with open_hdf5(path) as handle:
            _read(handle, path, size, found, log)
    except ProductError as error:
        log.error(FindingCode.UNREADABLE, error.message)
    return Dl2File(findings=log, **found)


def read_engine(path: Path) -> str:
    """What made a DL2 file: `fast`, or `stock`, with the reason where the fast engine was asked."""
    with open_hdf5(path) as handle:
        return _engine(handle)


def read_provenance(path: Path) -> Dl2Provenance:
    """What a DL2 file says of itself: attributes of lstchain and, from its release 0.10.16 on, the
    record that ctapipe's Provenance left at /provenance/dl1_to_dl2 (JSON).

    Raises
    ------
    OSError : it does not open as HDF5
    """
    import h5py

    with h5py.File(path, "r") as file:
        version = _text(file.attrs.get(VERSIONS["lstchain"], ""))
        group = file.get("provenance")
        record = _text(group[_STAGE][()]) if group is not None and _STAGE in group else ""
    try:
        content = json.loads(record) if record else {}
    except ValueError:
        content = {}
    packages = _list_at(content, "system", "python", "packages")
    lstchain = [one.get("version", "") for one in packages if one.get("name") == "lstchain"]
    models = [one.get("url", "") for one in _list_at(content, "input") if one.get("role") == _ROLE]
    return Dl2Provenance(str([*lstchain, ""][0]) or version, str([*models, ""][0]))


def read_making(path: Path) -> dict[str, Any]:
    """What a DL2 file tells of its making: `problem` where it is not whole, dl1, events, config.

    The configuration is a pickle, as PyTables keeps Python objects: only plain containers, numbers
    and text are read of it.

    Raises
    ------
    OSError : it does not open as HDF5
    """
    import h5py

    with h5py.File(path, "r") as file:
        table = file.get(DL2_TABLE)
        if table is None:
            return {"problem": f"it holds no table of events ({DL2_TABLE})"}
        if "config" not in table.attrs or VERSIONS["lstchain"] not in table.attrs:
            return {"problem": "lstchain has not finished it"}
        group = file.get("provenance")
        record = _text(group[_STAGE][()]) if group is not None and _STAGE in group else ""
        inputs = _list_at(json.loads(record) if record else {}, "input")
        dl1 = [one.get("url", "") for one in inputs if one.get("role") == "dl1 input file"]
        config = _read_plain_pickle(bytes(table.attrs["config"]))
        return {"dl1": str([*dl1, ""][0]), "events": len(table), "config": json.dumps(config)}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _read_plain_pickle(content: bytes) -> Any:
    """Plain data of a pickle; None for one that would run code."""
    try:
        return _PlainUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, TypeError):
        return None


def has_table(path: Path, table: str) -> bool:
    """Whether an HDF5 file holds a table (OSError: it does not open as HDF5)."""
    import h5py

    with h5py.File(path, "r") as file:
        return table in file


def _list_at(content: Any, *names: str) -> list[dict[str, Any]]:
    """The objects of a list within JSON that may be of any kind."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    items = content if isinstance(content, list) else []
    return [item for item in items if isinstance(item, dict)]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _engine(handle: Any) -> str:
    return str(getattr(handle.root._v_attrs, ENGINE, "stock"))


def _read(handle: Any, path: Path, size: int, found: dict[str, Any], log: FindingLog) -> None:
    attributes = handle.root._v_attrs
    found["versions"] = {
        name: str(attributes[word]) for name, word in VERSIONS.items() if word in attributes
    }
    found["missing_tables"] = missing = [n for n in (DL2_TABLE, *ALWAYS) if n not in handle]
    if DL2_TABLE in missing:
        stub = " It is the stub that a failed run leaves." if size < STUB_BYTES else ""
        text = f"It holds no table of events ({DL2_TABLE}).{stub}"
        log.error(FindingCode.TABLES, text)
        return
    if missing:
        log.note(FindingCode.TABLES, f"It lacks the tables {', '.join(missing)}.")
    found["engine"] = _engine(handle)
    table = handle.get_node(DL2_TABLE)
    names = frozenset(table.colnames)
    found["of_data"] = of_data = "mc_energy" not in names
    needed = (*NEEDED, *(NEEDED_OF_DATA if of_data else NEEDED_OF_MC))
    found["missing_columns"] = lacking = [name for name in needed if name not in names]
    if lacking:
        log.error(FindingCode.COLUMNS, f"It lacks the columns {', '.join(lacking)}.")
    found["rows"] = int(table.nrows)
    if not table.nrows:
        log.error(FindingCode.NO_EVENTS, "It holds no event.")
        return
    columns = _read_values(table, found, log)
    _check_events(columns, found, log)
    if of_data:
        _check_run(columns, run_number(path.name), found, log)
    if of_data and {"event_type", "dragon_time", "delta_t"} <= names:
        _check_times(columns, found, log)
    if {"alt_tel", "az_tel"} <= names:
        found |= _find_pointing(columns["alt_tel"], columns["az_tel"])


def _read_values(table: Any, found: dict[str, Any], log: FindingLog) -> dict[str, Any]:
    """Count what is not finite in any column, and what is out of range.

    Returns
    -------
    the columns that are needed as a whole
    """
    import numpy as np

    numbers = [name for name in table.colnames if table.coldtypes[name].kind == "f"]
    bad, beyond = dict.fromkeys(numbers, 0), dict.fromkeys(RANGES, 0)
    parts: dict[str, list[Any]] = {name: [] for name in COLLECTED if name in table.colnames}
    for rows in read_chunks(table):
        for name in numbers:
            bad[name] += int(np.count_nonzero(~np.isfinite(rows[name])))
        for name in bad.keys() & RANGES.keys():
            least, most = RANGES[name]
            beyond[name] += int(np.count_nonzero((rows[name] < least) | (rows[name] > most)))
        for name, part in parts.items():
            part.append(rows[name].copy())
    found["non_finite"] = {name: number for name, number in bad.items() if number}
    total = int(table.nrows)
    for name in RECONSTRUCTED:
        if number := bad.get(name, 0):
            add = log.error if number > (1 - FINITE) * total else log.note
            text = f"{format_share(number, total)} of the events have no finite {name}."
            add(FindingCode.VALUES, text)
    for name, number in beyond.items():
        if number:
            least, most = RANGES[name]
            log.error(
                FindingCode.VALUES,
                f"{format_share(number, total)} of the events have a {name} outside of "
                f"{least:.3g} to {most:.3g}.",
            )
    return {name: np.concatenate(part) for name, part in parts.items()}


def _check_events(columns: dict[str, Any], found: dict[str, Any], log: FindingLog) -> None:
    import numpy as np

    if "event_type" not in columns:
        return
    kinds, counts = np.unique(columns["event_type"], return_counts=True)
    found["events_by_type"] = by_type = {
        KINDS.get(int(kind), str(kind)): int(count)
        for kind, count in zip(kinds, counts, strict=True)
    }
    if KINDS[SHOWER] not in by_type:
        text = f"It holds no shower event (event_type {SHOWER})."
        log.error(FindingCode.NO_EVENTS, text)


def _check_run(
    columns: dict[str, Any], named: int | None, found: dict[str, Any], log: FindingLog
) -> None:
    """Whether all events are of one run, each there once."""
    import numpy as np

    keys = [columns[name] for name in KEYS if name in columns]
    if "event_id" in columns:
        order = np.lexsort(keys)
        same = np.logical_and.reduce([np.diff(key[order]) == 0 for key in keys])
        found["duplicate_events"] = number = int(np.count_nonzero(same))
        if number:
            log.error(FindingCode.REPEATED, f"{number:,} events are there twice.")
    runs = {int(run) for run in np.unique(columns.get("obs_id", []))}
    if runs and named is not None and runs != {named}:
        listed = ", ".join(map(str, sorted(runs)[:5]))
        text = f"Its events are of run {listed}, not of {named}."
        log.error(FindingCode.RUN_NUMBER, text)


def _check_times(columns: dict[str, Any], found: dict[str, Any], log: FindingLog) -> None:
    """Livetime by the formula of lstchain (`lstchain.reco.utils.get_effective_time`): for events
    at random with a fixed dead time d after each, the mean gap is d + 1/rate."""
    import numpy as np

    showers = columns["event_type"] == SHOWER
    times, gaps = columns["dragon_time"][showers], columns["delta_t"][showers]
    times = times[np.isfinite(times)]
    if len(times) < 2:
        return
    first, last = float(times.min()), float(times.max())
    if not 0 <= first <= last < YEAR_3000_S:
        text = "Its showers are at times that no calendar has (dragon_time)."
        log.error(FindingCode.REFERENCE_TIME, text)
        return
    found |= {"first_s": first, "last_s": last}
    steps = np.diff(times)
    if back := int(np.count_nonzero(steps < 0)):
        log.note(
            FindingCode.GOOD_TIME,
            f"The events are not in order of time ({back:,} steps back): lstchain's livetime will "
            "be wrong.",
        )
    if last <= first:
        log.error(FindingCode.GOOD_TIME, "All its showers have the same time.")
        return
    found["shower_rate_hz"] = rate = round((len(times) - 1) / (last - first), 2)
    if rate < LEAST_RATE_HZ:
        log.note(
            FindingCode.LIVETIME,
            f"Only {rate:.0f} shower events per second: lstchain's livetime, which counts gaps "
            "below 10 ms, will be too short.",
        )
    ontime = float(steps[steps < BREAK_S].sum())
    found["ontime_s"] = round(ontime, 3)
    gaps = gaps[(gaps > 0) & (gaps < BREAK_S)]
    if not len(gaps) or ontime <= 0:
        text = "No livetime can be told from its gaps between events (delta_t)."
        log.error(FindingCode.LIVETIME, text)
        return
    dead, mean = float(gaps.min()), float(gaps.mean())
    live = ontime if mean <= dead else ontime / (1 + dead / (mean - dead))
    found |= {"livetime_s": round(live, 3), "deadc": round(live / ontime, 4)}
    if live < LEAST_LIVE * (last - first):
        log.note(
            FindingCode.LIVETIME,
            f"The livetime, {live:.1f} s, is only {live / (last - first):.0%} of the time between "
            "its first and last shower.",
        )


def _find_pointing(alt: Any, az: Any) -> dict[str, float]:
    import numpy as np

    good = np.isfinite(alt) & np.isfinite(az)
    if not good.any():
        return {}
    around = math.atan2(float(np.sin(az[good]).mean()), float(np.cos(az[good]).mean()))
    return {
        "zenith_deg": round(90 - float(np.degrees(alt[good].mean())), 3),
        "azimuth_deg": round(math.degrees(around) % 360, 3),
    }
