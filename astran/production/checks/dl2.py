"""Check of DL2 files (HDF5, one table of events)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.production.checks.files import STUB_BYTES, require_present

SHOWER = 32
"""event_type of a shower candidate (SUBARRAY); pedestals and flat-field events are others."""
TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"
RECONSTRUCTED = ("reco_energy", "reco_alt", "reco_az", "gammaness")
NEEDED = ("event_id", "tel_id", "event_type", "intensity", "alt_tel", "az_tel", *RECONSTRUCTED)
ENGINE = "ASTRAN_DL2_ENGINE"
"""Attribute that the fast engine leaves: `fast`, or `stock` and why it was not."""
NEEDED_OF_DATA = ("dragon_time", "delta_t")
NEEDED_OF_MC = ("mc_energy", "mc_alt", "mc_az", "mc_alt_tel", "mc_az_tel")
FINITE = 0.99
"""Least fraction of events with finite reconstructed values."""
LEAST_RATE_HZ = 1000.0
"""lstchain counts only gaps below 10 ms between shower events as livetime. At 1 kHz that loses
0.1 % of it, at 500 Hz 4 %, at 100 Hz 73 %."""


def check_dl2(path: Path) -> dict[str, Any]:
    """Check a DL2 file, of data or of Monte Carlo.

    Returns
    -------
    rows, showers, data (bool), engine; of data also seconds and rate_hz of shower events; warnings
    """
    size = require_present(path)
    with _open(path) as handle:
        if TABLE not in handle:
            stub = " It is the stub that a failed run leaves." if size < STUB_BYTES else ""
            raise ProductError(f"{path.name} holds no table of events ({TABLE}).{stub}")
        table = handle.get_node(TABLE)
        columns = frozenset(table.colnames)
        of_data = "mc_energy" not in columns
        needed = (*NEEDED, *(NEEDED_OF_DATA if of_data else NEEDED_OF_MC))
        lacking = [name for name in needed if name not in columns]
        if lacking:
            raise ProductError(f"{path.name} lacks the columns {', '.join(lacking)}.")
        if table.nrows == 0:
            raise ProductError(f"{path.name} holds no event.")
        facts: dict[str, Any] = {"rows": int(table.nrows), "data": of_data, "warnings": []}
        _finite(path, table)
        showers = table.col("event_type") == SHOWER
        facts["showers"] = int(showers.sum())
        facts["engine"] = _engine(handle)
        if not facts["showers"]:
            raise ProductError(f"{path.name} holds no shower event (event_type {SHOWER}).")
        if of_data:
            facts.update(_rate(table.col("dragon_time")[showers], facts["warnings"]))
    return facts


def engine_of(path: Path) -> str:
    """What made a DL2 file: `fast`, or `stock`, with the reason where the fast engine was asked."""
    with _open(path) as handle:
        return _engine(handle)


def _engine(handle: Any) -> str:
    return str(getattr(handle.root._v_attrs, ENGINE, "stock"))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import tables

    with warnings.catch_warnings():
        # lstchain's provenance is text of a kind that PyTables does not read
        warnings.simplefilter("ignore", UserWarning)
        try:
            handle = tables.open_file(str(path), "r")
        except (tables.HDF5ExtError, OSError) as error:
            raise ProductError(f"{path.name} does not open as HDF5.") from error
        with handle:
            try:
                yield handle
            except tables.HDF5ExtError as error:
                raise ProductError(f"{path.name} is damaged: its data cannot be read.") from error


def _finite(path: Path, table: Any) -> None:
    import numpy as np

    for name in RECONSTRUCTED:
        fraction = float(np.isfinite(table.col(name)).mean())
        if fraction < FINITE:
            raise ProductError(
                f"{path.name}: only {fraction:.1%} of the events have a finite {name}."
            )


def _rate(times: Any, remarks: list[str]) -> dict[str, float]:
    """Duration and rate of shower events from their times (unix, UTC) [s]."""
    import numpy as np

    good = times[np.isfinite(times)]
    seconds = float(good.max() - good.min()) if len(good) else 0.0
    rate = float((len(good) - 1) / seconds) if seconds > 0 else 0.0
    if rate < LEAST_RATE_HZ:
        remarks.append(
            f"Only {rate:.0f} shower events per second in DL2: lstchain's livetime, which counts "
            "gaps below 10 ms, will be too short."
        )
    return {"seconds": round(seconds, 3), "rate_hz": round(rate, 2)}
