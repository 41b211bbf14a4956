"""Runs in an lstchain environment: python compare_intensity_cut.py CUT DL2 TOOL...

Says where the intensity cut that lstchain's own get_intensity_cut (lstchain.reco.utils, since
0.11.0) recommends for a DL2 file is another one than CUT [p.e.], and becomes the tool, whatever
came of that. Any Python from 3.8 on will do.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

REMARK = "ASTRAN remark:"
"""Begins a line that the runner takes over into the exit record (astran.production.job.logs)."""
NEEDED = ("event_type", "intensity", "dragon_time", "delta_t")
TOLERANCE_PE = 1.0
"""The cut is rounded to 1 p.e."""


def describe_difference(taken_pe: float, advised_pe: float) -> str:
    """In words; empty: there is none."""
    if math.isnan(advised_pe):
        found = "finds no clear peak of the rate"
    elif abs(advised_pe - taken_pe) <= TOLERANCE_PE:
        return ""
    else:
        found = f"recommends {advised_pe:.0f} p.e."
    return f"lstchain's get_intensity_cut {found}; {taken_pe:g} p.e. was taken."


def compare(taken_pe: float, path: str) -> str:
    """What is to be said of the cut of a DL2 file; nothing where this lstchain gives no advice."""
    try:
        from lstchain.reco.utils import get_intensity_cut
    except ImportError:
        return ""
    import pandas as pd
    import tables
    from lstchain.io.io import dl2_params_lstcam_key

    with tables.open_file(path) as handle:
        table: Any = handle.get_node(f"/{dl2_params_lstcam_key.lstrip('/')}")
        events = pd.DataFrame({name: table.col(name) for name in NEEDED})
    return describe_difference(taken_pe, float(get_intensity_cut(events)))


def main(argv: list[str]) -> None:
    """Compare, then be the tool."""
    taken, path, *tool = argv
    try:
        said = compare(float(taken), path)
    except Exception as error:  # noqa: BLE001 - the product does not depend on the advice
        said = f"lstchain's get_intensity_cut could not be asked: {type(error).__name__}: {error}."
    if said:
        print(REMARK, " ".join(said.split()), flush=True)
    os.execvp(tool[0], tool)


if __name__ == "__main__":
    main(sys.argv[1:])
