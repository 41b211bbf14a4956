"""Check of the folder of results that the high-level stage leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from astran.base.errors import ProductError
from astran.base.files import require_present

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
    data = _read(folder / "results.json")
    stacked = data.get("stacked")
    if not isinstance(stacked, dict):
        raise ProductError("results.json holds no numbers of all runs together (`stacked`).")
    _check_numbers(stacked, "results.json")
    runs = data.get("runs")
    if not isinstance(runs, list) or not runs:
        raise ProductError("results.json lists no run.")
    for run in runs:
        numbers = run if isinstance(run, dict) else {}
        _check_numbers(numbers, f"results.json, run {numbers.get('obs_id', 'without a number')},")
    left_out = _left_out(data)
    for name in PARTS:
        if name in data and data[name] is None and name not in left_out:
            raise ProductError(f"results.json holds no `{name}` and does not say why.")
    plots = _plots(data)
    for name in [*plots, *_files(data)]:
        require_present(folder / name)
    return {
        **{name: stacked[name] for name in NUMBERS},
        "runs": len(runs),
        "plots": len(plots),
        "left_out": len(left_out),
    }


def _read(path: Path) -> dict[str, Any]:
    require_present(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProductError(f"{path.name} is not valid JSON: {error}.") from error
    return data if isinstance(data, dict) else {}


def _check_numbers(numbers: Mapping[str, Any], place: str) -> None:
    """Each of the main numbers must be there."""
    lacking = [
        name
        for name in NUMBERS
        if not (_is_number(numbers.get(name)) or (name == MAY_BE_UNKNOWN and name in numbers))
    ]
    if lacking:
        raise ProductError(f"{place} lacks {', '.join(lacking)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _left_out(data: Mapping[str, Any]) -> list[str]:
    entries = data.get("left_out")
    entries = entries if isinstance(entries, list) else []
    return [str(entry.get("name")) for entry in entries if isinstance(entry, dict)]


def _plots(data: Mapping[str, Any]) -> list[str]:
    """Names of the pictures."""
    entries = data.get("plots", [])
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry.get("file") for entry in entries
    ):
        raise ProductError("results.json lists plots without files.")
    return [PurePath(str(entry["file"])).name for entry in entries]


def _files(data: Mapping[str, Any]) -> Iterator[str]:
    """Paths of the other files, below the folder of results.json."""
    named = data.get("files", {})
    for value in named.values() if isinstance(named, dict) else ():
        for name in value if isinstance(value, list) else (value,):
            path = PurePath(str(name))
            if path.is_absolute() or ".." in path.parts:
                raise ProductError(f"results.json names {path}, which is not in its folder.")
            yield str(path)
