"""Rows of ECSV tables (https://github.com/astropy/astropy-APEs/blob/main/APE6.rst).

Read by hand, as the real reader would load numpy into the minute tick.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from astran.base.errors import DataUnavailable

_DELIMITER = re.compile(r"""#\s*delimiter:\s*['"]?(.)['"]?\s*$""")


def read_rows(path: Path, what: str) -> list[dict[str, str]]:
    """The rows of a table, each by column name.

    Parameters
    ----------
    what : name of the table for people, for example RunCatalog

    Raises
    ------
    DataUnavailable : it cannot be read
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnavailable(f"The {what} {path} cannot be read: {error}.") from error
    delimiter = " "
    rows = []
    for line in lines:
        if match := _DELIMITER.match(line):
            delimiter = match[1]
        elif line.strip() and not line.startswith("#"):
            rows.append(line)
    return list(csv.DictReader(rows, delimiter=delimiter, skipinitialspace=True))


def ends_with_line_feed(path: Path) -> bool:
    """Whether the last line of a text file is whole; also of one that cannot be read."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            if not handle.tell():
                return True
            handle.seek(-1, os.SEEK_END)
            return handle.read(1) == b"\n"
    except OSError:
        return True
