"""Reads data checks of lstchain; part of `examine`, which opens files beside the tick.

Night-wise, DL1_datacheck_<date>.h5: tables of pandas, one row per run (`runsummary`, by
lstchain_longterm_dl1_check) or subrun (`cosmics_intensity_spectrum`, by
lstchain_cherenkov_transparency). Of runs and subruns, datacheck_dl1_LST-1.Run<run>[.<subrun>].h5
(by lstchain_check_dl1): tables below /dl1datacheck, one row per subrun, one value per pixel.
"""

from __future__ import annotations

from math import isnan, nan
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
    of_subruns = _runs(spectrum)
    return {
        str(number): _of_night(
            _Rows(spectrum, number), _Rows(summary, number), others=bool(of_subruns)
        ).to_json()
        for number in sorted({*_runs(summary), *of_subruns})
    }


class _Rows:
    """The rows of a run in a table."""

    def __init__(self, columns: dict[str, Any], run: int) -> None:
        import numpy as np

        known = "runnumber" in columns
        self._mask = np.asarray(columns["runnumber"]) == run if known else np.zeros(0, bool)
        self._columns = columns if known else {}

    def __len__(self) -> int:
        return int(self._mask.sum())

    def values(self, name: str) -> Any:
        """Of a column, as numbers; None where there is no such column."""
        import numpy as np

        if name not in self._columns or not len(self):
            return None
        return np.asarray(self._columns[name], float)[self._mask]


def _of_night(subruns: _Rows, summary: _Rows, *, others: bool) -> CheckFacts:
    """What the check of a night tells of a run; `others`: of some run it has subruns."""
    rates = subruns.values("ZD_corrected_cosmics_rate_at_422_pe")
    index = subruns.values("ZD_corrected_cosmics_spectral_index")
    ra, dec = subruns.values("ra_tel"), subruns.values("dec_tel")
    found = {
        "nsb": _first(
            _mean(subruns.values("diffuse_nsb_std")), _mean(summary.values("ped_charge_stddev"))
        ),
        "rate_422": _mean(rates),
        "ra": None if ra is None else _mean_angle(ra),
        "dec": None if dec is None else float(dec.mean()),
        "dec_spread": None if dec is None else float(dec.std()),
        "zenith": _zenith(subruns.values("cos_zenith")),
        "pedestals": _total(summary.values("num_pedestals")),
        "flatfields": _total(summary.values("num_flatfield")),
        "fit_p": _mean_of_fits(subruns.values("intensity_spectrum_fit_p_value"), index),
        "index": _mean(index),
        "steady": None if rates is None else steady_fraction(rates),
        "periodic": _periodic(subruns.values("time"), rates),
        "half_peak": _mean(subruns.values("ZD_corrected_intensity_at_half_peak_rate")),
        "half_peak_seen": _mean(subruns.values("intensity_at_half_peak_rate")),
        "cleaned": _mean(subruns.values("picture_thresh")),
    }
    undefined = tuple(name for name, value in found.items() if value is not None and isnan(value))
    known = {name: None if name in undefined else value for name, value in found.items()}
    return CheckFacts(
        **known,
        subruns=len(subruns),
        absent=others and not len(subruns),
        undefined=undefined,
    )


def steady_fraction(rates: Any, window: float = 0.15) -> float:
    """Largest fraction of the rates that a window of this width holds, as the notebook counts it:
    in a histogram with steps of a hundredth of the window.

    `find_mode` of lstchain's notebooks/data_quality.ipynb (2026-07-09). NaN where no two rates
    differ: such runs do not pass there.
    """
    import numpy as np

    rates = rates[np.isfinite(rates)]
    if not rates.size or (reach := float(np.ptp(rates))) == 0:
        return nan
    if reach < window:
        return 1.0
    step = window / 100
    low, high = float(rates.min()) - step, float(rates.max()) + step
    counts, _ = np.histogram(rates, bins=int(reach // step + 2), range=(low, high))
    total = np.cumsum(counts) / counts.sum()
    bins = int(window // step)
    return float((total[bins:] - total[:-bins]).max())


def _periodic(times: Any, rates: Any) -> float | None:
    """Largest normalised power at 100 angular frequencies from 1e-3 to 1e-1 rad/s, as the notebook
    has it."""
    import numpy as np
    from scipy.signal import lombscargle

    if times is None or rates is None:
        return None
    good = np.isfinite(rates)
    if good.sum() < 2:
        return nan
    values = rates[good] - rates[good].mean()
    if not values.any():
        return nan
    power = lombscargle(times[good] - times[0], values, np.logspace(-3, -1, 100), normalize=True)
    return float(np.nanmax(power)) if np.isfinite(power).any() else nan


def _mean_angle(degrees: Any) -> float:
    import numpy as np

    turns = np.radians(degrees)
    return float(np.degrees(np.arctan2(np.sin(turns).mean(), np.cos(turns).mean())) % 360)


def _zenith(cosines: Any) -> float | None:
    import numpy as np

    return None if cosines is None else float(np.degrees(np.arccos(np.clip(cosines.mean(), -1, 1))))


def _mean_of_fits(p_values: Any, index: Any) -> float | None:
    """Mean over the subruns whose fit gave an index."""
    import numpy as np

    if p_values is None:
        return None
    done = p_values if index is None else p_values[np.isfinite(index)]
    return float(done.mean()) if done.size else nan


def _total(counts: Any) -> float | None:
    """NaN, where a table was missing, stays NaN."""
    return None if counts is None else float(counts.sum())


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


def _mean(values: Any) -> float | None:
    """Of the numbers among the values; NaN where there is none."""
    import numpy as np

    if values is None:
        return None
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else nan


def _first(*values: float | None) -> float | None:
    """The first number, else NaN or None."""
    return next((value for value in values if value is not None and not isnan(value)), values[0])
