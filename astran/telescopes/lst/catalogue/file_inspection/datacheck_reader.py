"""Reads data checks of lstchain; part of `examine`, which opens files beside the tick.

Night-wise, DL1_datacheck_<date>.h5: tables of pandas, one row per run (`runsummary`, by
lstchain_longterm_dl1_check) or subrun (`cosmics_intensity_spectrum`, by
lstchain_cherenkov_transparency). Of runs and subruns, datacheck_dl1_LST-1.Run<run>[.<subrun>].h5
(by lstchain_check_dl1): tables below /dl1datacheck, one row per subrun, one value per pixel.
"""

from __future__ import annotations

from typing import Any

from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts

PEDESTALS = "/dl1datacheck/pedestals"
OF_A_RUN = "/dl1datacheck"


def read_datacheck(handle: Any, run: int | None) -> dict[str, Any]:
    """`CheckFacts` as plain data, by run number.

    Parameters
    ----------
    handle : open PyTables file
    run : by the name of the file; None: it is of a whole night
    """
    if OF_A_RUN in handle:
        return {} if run is None else {str(run): _of_a_run(handle).to_json()}
    spectrum = _columns(handle, "cosmics_intensity_spectrum")
    summary = _columns(handle, "runsummary")
    found: dict[str, CheckFacts] = {}
    for number in sorted({*_runs(summary), *_runs(spectrum)}):
        found[str(number)] = CheckFacts(
            nsb=_first(
                _mean(spectrum, "diffuse_nsb_std", number),
                _mean(summary, "ped_charge_stddev", number),
            ),
            rate_422=_mean(spectrum, "ZD_corrected_cosmics_rate_at_422_pe", number),
        )
    return {number: facts.to_json() for number, facts in found.items()}


def _of_a_run(handle: Any) -> CheckFacts:
    """The spread of pedestal charges as lstchain reckons `diffuse_nsb_std`: mean of the pixels
    without bright stars nearby, then of the subruns."""
    import numpy as np

    if PEDESTALS not in handle:
        return CheckFacts()  # the run had no interleaved pedestals
    table = handle.get_node(PEDESTALS)
    if "charge_stddev" not in table.colnames:
        return CheckFacts()
    spread = np.asarray(table.col("charge_stddev"), float)
    if "num_nearby_stars" in table.colnames:
        spread = np.where(table.col("num_nearby_stars") < 1, spread, np.nan)
    rows = [row[np.isfinite(row)] for row in np.atleast_2d(spread)]
    means = [float(row.mean()) for row in rows if len(row)]
    return CheckFacts(nsb=sum(means) / len(means) if means else None)


def _columns(handle: Any, key: str) -> dict[str, Any]:
    """Columns of a table that pandas has written, in either of its formats."""
    if f"/{key}" not in handle:
        return {}
    node = handle.get_node(f"/{key}")
    if hasattr(node, "colnames"):
        return {name: node.col(name) for name in node.colnames}
    if "table" in node:
        table = node.table
        plain = {name: table.col(name) for name in table.colnames}
        blocks = [name for name in plain if name.startswith("values_block_")]
        for block in blocks:
            names = table.attrs[f"{block}_kind"]
            plain |= {name: plain[block][:, index] for index, name in enumerate(names)}
        return plain
    found = {}
    for name in node._v_children:
        if name.startswith("block") and name.endswith("_items"):
            values = node._v_children[name.replace("_items", "_values")]
            if values.ndim != 2 or values.dtype.kind not in "fiub":
                continue
            for index, item in enumerate(node._v_children[name][:]):
                title = item.decode() if isinstance(item, bytes) else str(item)
                found[title] = values[:, index]
    return found


def _runs(columns: dict[str, Any]) -> list[int]:
    return [int(run) for run in columns.get("runnumber", ())]


def _mean(columns: dict[str, Any], name: str, run: int) -> float | None:
    import numpy as np

    if name not in columns or "runnumber" not in columns:
        return None
    values = np.asarray(columns[name], float)[np.asarray(columns["runnumber"]) == run]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
