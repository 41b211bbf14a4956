"""Names for the arrays that travel between the modules of this package."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


def as_tuple(values: Floats | Ints) -> tuple[Any, ...]:
    """The plain numbers of an array of one dimension."""
    return tuple(values.tolist())
