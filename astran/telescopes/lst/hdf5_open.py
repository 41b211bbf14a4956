"""Opening HDF5 files of lstchain that may be damaged, and where their tables are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError

DL1_TABLE = "/dl1/event/telescope/parameters/LST_LSTCam"
DL2_TABLE = "/dl2/event/telescope/parameters/LST_LSTCam"
SHOWER = 32
"""event_type of a shower candidate (SUBARRAY); pedestals and flat-field events are others."""
BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, OSError, EOFError)
"""What reading damaged or absurd content may raise, beside the errors of PyTables."""
CHUNK_ROWS = 200_000


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An open PyTables file, without the words that HDF5 and PyTables print.

    Raises
    ------
    ProductError : it does not open, or its content cannot be read: a sentence about the file
    """
    import tables

    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        # lstchain's provenance is text of a kind that PyTables does not read
        warnings.simplefilter("ignore")
        try:
            with tables.open_file(str(path), "r") as handle:
                yield handle
        except (tables.HDF5ExtError, tables.NodeError, *BROKEN) as error:
            raise ProductError(f"It {describe_damage(str(error))}.") from error


def describe_damage(error: str) -> str:
    """What is wrong with a file, by the error that reading it raised: `is truncated`."""
    if "truncated file" in error:
        return "is truncated"
    if "does not appear to be an HDF5 file" in error or "signature not found" in error:
        return "is no HDF5 file"
    if "ermission denied" in error:
        return "may not be read"
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    reason = (lines or ["no reason given"])[-1][:200]
    return f"is damaged: as HDF5 it cannot be read ({reason})"


def read_chunks(table: Any) -> Iterator[Any]:
    """All rows of a table, some at a time."""
    for start in range(0, int(table.nrows), CHUNK_ROWS):
        yield table.read(start, start + CHUNK_ROWS)
