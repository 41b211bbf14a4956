"""Puts DL2 of subruns together, in order of time.

    python -m astran.production.merge_dl2 PRODUCT FILE...

lstchain_merge_hdf5_files does this for DL1, but fails for DL2 of lstchain 0.12: it stumbles over
the text /provenance that lstchain_dl1_to_dl2 leaves. The product is the first file, with the events
of the others appended to its tables and the names of all in /source_filenames, as lstchain does.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

EVENTS = "/dl2/event"
SOURCES = "source_filenames"


def merge_dl2(files: Sequence[Path], product: Path) -> int:
    """Write the product; returns its number of events in the longest table.

    Raises
    ------
    ValueError : a file has other tables or columns than the first
    OSError : a file cannot be read
    """
    import numpy as np
    import tables

    warnings.simplefilter("ignore", tables.UnImplemented)
    shutil.copyfile(files[0], product)
    with tables.open_file(str(product), "a") as out:
        mine = {node._v_pathname: node for node in out.walk_nodes(EVENTS, "Table")}
        for path in files[1:]:
            with tables.open_file(str(path), "r") as more:
                theirs = {node._v_pathname for node in more.walk_nodes(EVENTS, "Table")}
                if theirs != mine.keys():
                    raise ValueError(f"{path} has other tables than {files[0]}.")
                for name, table in mine.items():
                    rows = more.get_node(name).read()
                    if rows.dtype.names != table.dtype.names:
                        raise ValueError(f"{path} has other columns in {name} than {files[0]}.")
                    # types may differ where they can be converted (an empty column, for example)
                    table.append(rows.astype(table.dtype))
        if SOURCES in out.root:
            out.remove_node("/", SOURCES, recursive=True)
        names = np.array([str(path) for path in files], "S")
        out.create_array(f"/{SOURCES}", "filenames", names, createparents=True)
        return max((int(table.nrows) for table in mine.values()), default=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of a task."""
    words = sys.argv[1:] if argv is None else list(argv)
    if len(words) < 2:
        print("usage: python -m astran.production.merge_dl2 PRODUCT FILE...", file=sys.stderr)
        return 2
    files = [Path(word) for word in words[1:]]
    try:
        events = merge_dl2(files, Path(words[0]))
    except (OSError, ValueError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    print(f"{len(files)} files, {events} events: {words[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
