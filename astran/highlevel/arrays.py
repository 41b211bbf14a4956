"""Names of the array types, and plain numbers of an array."""

from __future__ import annotations

from typing import Any

from astran.gadf.arrays import Floats as Floats
from astran.gadf.arrays import Ints as Ints
from astran.gadf.arrays import Mask as Mask


def as_tuple(values: Floats | Ints) -> tuple[Any, ...]:
    """The plain numbers of an array of one dimension."""
    return tuple(values.tolist())
