"""Check of the folder of results that the high-level stage leaves."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from astran.base.errors import ProductError
from astran.production.checks import present

NUMBERS = ("n_on", "n_off", "alpha", "excess", "significance", "livetime_h")


def check_results(folder: Path) -> dict[str, Any]:
    """Check results.json and that each plot it names is there.

    Returns
    -------
    The main numbers (n_on, n_off, alpha, excess, significance, livetime_h), runs, plots
    """
    path = folder / "results.json"
    present(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProductError(f"{path.name} is not valid JSON: {error}.") from error
    stacked = data.get("stacked") if isinstance(data, dict) else None
    if not isinstance(stacked, dict):
        raise ProductError(f"{path.name} holds no numbers of all runs together (`stacked`).")
    lacking = [name for name in NUMBERS if name not in stacked]
    if lacking:
        raise ProductError(f"{path.name} lacks {', '.join(lacking)}.")
    runs = data.get("runs")
    if not isinstance(runs, list) or not runs:
        raise ProductError(f"{path.name} lists no run.")
    plots = [PurePath(str(plot["file"])).name for plot in data.get("plots", [])]
    for name in plots:
        present(folder / name)
    return {
        **{name: stacked[name] for name in NUMBERS},
        "runs": len(runs),
        "plots": len(plots),
    }
