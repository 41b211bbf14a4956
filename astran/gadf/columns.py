"""Columns of FITS tables in the unit that the analysis counts in."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units

from astran.gadf.arrays import Floats
from astran.gadf.file_findings import FindingCode, FindingLog


def column_names(hdu: Any) -> dict[str, str]:
    """Names of the columns as written, by upper case: FITS does not tell cases apart."""
    table = getattr(hdu, "data", None)
    return {} if table is None else {name.upper(): name for name in table.names}


def read_column(hdu: Any, name: str, unit: str, log: FindingLog) -> Floats:
    """A column as doubles in a unit; one of times may have its unit in TIMEUNIT.

    A unit that is another kind of quantity is an error; no unit counts as the right one. KeyError
    where there is no such column.
    """
    column = next((column for column in hdu.columns if column.name.upper() == name), None)
    if column is None:
        raise KeyError(name)
    written = column.unit
    if unit == "s":
        written = written or hdu.header.get("TIMEUNIT")
    factor = 1.0
    if written:
        try:
            factor = float(units.Unit(written).to(unit))
        except (ValueError, units.UnitsError):
            text = f"Its column {name} has the unit {written!r}, not {unit}."
            log.error(FindingCode.UNIT, text)
    return np.asarray(hdu.data[column.name], float) * factor
