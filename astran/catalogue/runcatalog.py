"""The RunCatalog of a night: which run observed which source.

An ECSV table (https://github.com/astropy/astropy-APEs/blob/main/APE6.rst) with the columns run_id
and source_name; read here by hand, as the real reader would load numpy.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from astran.base.errors import CatalogueError

_DELIMITER = re.compile(r"""#\s*delimiter:\s*['"]?(.)['"]?\s*$""")


def read_run_catalog(path: Path) -> dict[int, str]:
    """Source name by run number.

    Raises
    ------
    CatalogueError : it cannot be read or lacks a column
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"The RunCatalog {path} cannot be read: {error}.") from error
    delimiter = " "
    rows = []
    for line in lines:
        if match := _DELIMITER.match(line):
            delimiter = match[1]
        elif line.strip() and not line.startswith("#"):
            rows.append(line)
    table = list(csv.DictReader(rows, delimiter=delimiter, skipinitialspace=True))
    try:
        return {int(row["run_id"]): row["source_name"].strip() for row in table}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatalogueError(
            f"The RunCatalog {path} is not as expected: it needs the columns run_id and "
            "source_name, and a number and a name in each row."
        ) from error
