"""Numbers as people read them. Whatever is absent, null or not finite is `not available`."""

from __future__ import annotations

import math
from typing import Any

ABSENT = "not available"


def finite_number(value: Any) -> float | None:
    """A finite number, or None for anything else (null, text, NaN, infinity)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def format_fixed(value: Any, digits: int, unit: str = "") -> str:
    """A number with so many decimals and its unit."""
    found = finite_number(value)
    return ABSENT if found is None else f"{found + 0.0:.{digits}f} {unit}".rstrip()


def format_count(value: Any) -> str:
    """A count."""
    found = finite_number(value)
    return ABSENT if found is None else f"{found:.0f}"


def format_measured(value: Any, error: Any, unit: str = "") -> str:
    """`812 ± 31 /min`: the error to two significant digits, the value to the same place.

    Such is the rule of the Particle Data Group, made simpler (Review of Particle Physics,
    section 5.3 of the introduction).
    """
    centre, spread = finite_number(value), finite_number(error)
    if centre is None:
        return ABSENT
    if spread is None or spread <= 0:
        return f"{centre:.4g} {unit}".rstrip()
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{centre:.{digits}f} ± {spread:.{digits}f} {unit}".rstrip()


def format_significance(value: Any) -> str:
    """`24.3 sigma`."""
    return format_fixed(value, 1, "sigma")


def format_livetime(hours: Any) -> str:
    """`1.02 h`, or minutes where it is short: `4.8 min`."""
    found = finite_number(hours)
    if found is not None and 0 <= found < 0.1:
        return f"{found * 60:.1f} min"
    return format_fixed(hours, 2, "h")
