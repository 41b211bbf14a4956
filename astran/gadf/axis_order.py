"""In which order a table column of several dimensions holds its axes.

GADF recommends an order and allows others: CREFn names the axes of column n, and TDIMn gives their
sizes, both in the order of FITS, whose first axis runs fastest.
Format: https://gamma-astro-data-formats.readthedocs.io/en/v0.3/general/fits-arrays.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from astran.gadf.arrays import Floats


def read_array(hdu: Any, column: str, axes: Sequence[str]) -> Floats:
    """Values of a column of the first row, with axes in the order that is asked for.

    Parameters
    ----------
    axes : names without `_LO` and `_HI`, in the order that GADF recommends

    Raises
    ------
    ValueError : the order is not told, or told in two ways
    """
    row = hdu.data[0]
    sizes = {axis: int(np.size(row[f"{axis}_LO"])) for axis in axes}
    values = np.asarray(row[column], float)
    if values.size != int(np.prod(list(sizes.values()))):
        raise ValueError(f"{column} has {values.size} values, its axes {list(sizes.values())}")
    order = _find_order(hdu, column, sizes)
    shaped = values.reshape([sizes[axis] for axis in reversed(order)])
    places = [len(order) - 1 - order.index(axis) for axis in axes]
    found: Floats = np.ascontiguousarray(shaped.transpose(places))
    return found


def _find_order(hdu: Any, column: str, sizes: Mapping[str, int]) -> list[str]:
    """The axes in the order of FITS."""
    number = [name.upper() for name in hdu.columns.names].index(column.upper()) + 1
    named = _named_axes(hdu.header.get(f"CREF{number}"), sizes)
    told = _sizes_told(hdu, number)
    if named and told in ([], [sizes[axis] for axis in named]):
        return named
    if named and told == [sizes[axis] for axis in reversed(named)]:
        return named[::-1]  # some write CREF in the order of C
    if named:
        raise ValueError(f"CREF{number} and TDIM{number} do not agree on the order of its axes")
    fitting = [list(one) for one in permutations(sizes) if [sizes[a] for a in one] == told]
    if "DETX" in sizes:
        fitting = [one for one in fitting if one.index("DETX") < one.index("DETY")] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if sum(size > 1 for size in sizes.values()) <= 1:
        return list(sizes)
    raise ValueError(f"the order of its axes is not told (no CREF{number}, TDIM{number} {told})")


def _named_axes(text: Any, sizes: Mapping[str, int]) -> list[str]:
    """`(ENERG_LO:ENERG_HI,THETA_LO:THETA_HI)` as names; empty where it does not name them all."""
    parts = [part.split(":")[0].strip() for part in str(text or "").strip("() ").split(",")]
    names = [part.upper().removesuffix("_LO").removesuffix("_HI") for part in parts]
    return names if sorted(names) == sorted(sizes) else []


def _sizes_told(hdu: Any, number: int) -> list[int]:
    words = str(hdu.header.get(f"TDIM{number}") or hdu.columns[number - 1].dim or "")
    parts = [part.strip() for part in words.strip("() ").split(",")]
    return [int(part) for part in parts if part.isdigit()]
