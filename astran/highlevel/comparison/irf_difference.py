"""Whether the tables of two IRFs are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astran.gadf.irf_hdus import TITLES
from astran.highlevel.comparison.run_facts import CUT_TABLES

_NAMES = {"rad_max": "table of theta cuts", "gh_cuts": "table of gammaness cuts"}
SAME = 1e-6
"""Values may differ by this fraction: single precision."""


def changed_tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """What differs, in words, by kind of IRF; kinds that are in both and the same are left out."""
    found = {}
    for kind in dict.fromkeys((*old, *new)):
        title = _NAMES.get(kind, TITLES[kind].lower())
        if kind not in old:
            found[kind] = f"{title} only in new"
        elif kind not in new:
            found[kind] = f"{title} only in old"
        elif (text := _difference(old[kind], new[kind])) is not None:
            found[kind] = f"{title} {text}"
    return found


def is_cut_table(kind: str) -> bool:
    """Whether the table is a cut by energy."""
    return kind in CUT_TABLES


def _difference(old: Any, new: Any) -> str | None:
    first, second = _columns(old), _columns(new)
    if first.keys() != second.keys():
        return "has other columns"
    edges = [name for name in first if name.endswith(("_LO", "_HI"))]
    if any(not _same(first[name], second[name]) for name in edges):
        return "has other bins"
    for name in first.keys() - set(edges):
        if not _same(first[name], second[name]):
            return _how_much(first[name], second[name])
    return None


def _columns(hdu: Any) -> dict[str, Any]:
    if hdu.data is None:
        return {}
    if hdu.data.names is None:
        return {"image": np.asarray(hdu.data)}
    return {name.upper(): np.asarray(hdu.data[name]) for name in hdu.data.names}


def _same(old: Any, new: Any) -> bool:
    if old.shape != new.shape:
        return False
    if old.dtype.kind not in "fiu" or new.dtype.kind not in "fiu":
        return bool(np.array_equal(old, new))
    return bool(np.allclose(old, new, rtol=SAME, atol=0.0, equal_nan=True))


def _how_much(old: Any, new: Any) -> str:
    if old.shape != new.shape or old.dtype.kind not in "fiu":
        return "differs"
    good = np.isfinite(old) & np.isfinite(new) & (old != 0) & (new != 0)
    if not good.any():
        return "differs"
    ratio = new[good].astype(float) / old[good]
    low, middle, high = np.asarray(np.percentile(ratio, [16, 50, 84])).tolist()
    if high - low <= 1e-4 * abs(middle):
        return f"is {middle:.4g} times the old"
    return f"differs (new/old {low:.3g} to {high:.3g})"
