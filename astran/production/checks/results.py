"""Check of the folder of results that the high-level stage leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from astran.base.errors import ProductError
from astran.base.files import require_present
from astran.results.codec import FaultKind, Faults, results_from_json, to_json
from astran.results.document import RESULTS, FileNames, Results

NUMBERS = ("n_on", "n_off", "alpha", "excess", "significance", "livetime_h")
MAY_BE_UNKNOWN = "significance"
"""Null where nobody could tell one; the counts are always known."""
PARTS = ("by_night", "energy_bands", "rate", "theta2", "cumulative", "map")
"""Parts of results.json that are null only where their calculation failed."""


def check_results(folder: Path) -> dict[str, Any]:
    """Check that results.json holds its numbers, and that each file it names is there.

    Plots, tables and files that could not be made are no fault of the numbers: results.json does
    not name them among `plots` and `files`, but in `left_out`.

    Returns
    -------
    The main numbers (n_on, n_off, alpha, excess, significance, livetime_h), runs, plots, and how
    many parts were left out
    """
    data = _read(folder / RESULTS)
    results, faults = results_from_json(data)
    if "stacked" in faults:
        raise ProductError("results.json holds no numbers of all runs together (`stacked`).")
    _check_numbers("stacked", faults, "results.json")
    if not results.runs or _has_wrong("runs", faults):
        raise ProductError("results.json lists no run, or something else among the runs.")
    for index, run in enumerate(results.runs):
        where = f"results.json, run {run.obs_id or 'without a number'},"
        _check_numbers(f"runs[{index}]", faults, where)
    left_out = [part.name for part in results.left_out]
    for name in PARTS:
        if name not in faults and getattr(results, name) is None and name not in left_out:
            raise ProductError(f"results.json holds no `{name}` and does not say why.")
    plots = _plots(results, faults)
    for name in [*plots, *_files(results.files)]:
        require_present(folder / name)
    known = to_json(results.stacked)
    return {
        **{name: known[name] for name in NUMBERS},
        "runs": len(results.runs),
        "plots": len(plots),
        "left_out": len(left_out),
    }


def _read(path: Path) -> Any:
    require_present(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProductError(f"{path.name} is not valid JSON: {error}.") from error


def _check_numbers(part: str, faults: Faults, where: str) -> None:
    """Each of the main numbers must be there."""
    lacking = [
        name
        for name in NUMBERS
        if (fault := faults.get(f"{part}.{name}")) is not None
        and not (name == MAY_BE_UNKNOWN and fault is FaultKind.NULL)
    ]
    if lacking:
        raise ProductError(f"{where} lacks {', '.join(lacking)}.")


def _has_wrong(part: str, faults: Faults) -> bool:
    """Whether a list is none, or holds something else than objects."""
    return any(
        fault is FaultKind.WRONG_TYPE and re.fullmatch(rf"{part}(\[\d+\])?", path)
        for path, fault in faults.items()
    )


def _plots(results: Results, faults: Faults) -> list[str]:
    """Names of the pictures."""
    if _has_wrong("plots", faults) or not all(plot.file for plot in results.plots):
        raise ProductError("results.json lists plots without files.")
    return [PurePath(plot.file).name for plot in results.plots]


def _files(files: FileNames) -> Iterator[str]:
    """Paths of the other files, below the folder of results.json."""
    single = (
        files.run_table,
        files.night_table,
        files.map,
        files.flux_points,
        files.light_curve,
    )
    several = (*(files.ogip or ()), *(files.gammapy or ()), *(files.executable or ()))
    for name in (*single, *several):
        if name is not None:
            path = PurePath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ProductError(f"results.json names {path}, which is not in its folder.")
            yield str(path)
