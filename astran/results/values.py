"""Kinds of values in results.json, with what the schema tells of them."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

FLATTENED = "flattened"
"""Key of a field's metadata: its own fields stand beside those of the object that holds it."""
IF_ABSENT = "if absent"
"""Key of a field's metadata: what a file of an older version means that does not hold it."""

_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
Count: TypeAlias = Annotated[float, _COUNT]
"""A whole number; NaN where it is not known."""
Time: TypeAlias = Annotated[str, {"$ref": "#/$defs/time"}]
"""ISO 8601, UTC."""
NightName: TypeAlias = Annotated[str, {"$ref": "#/$defs/night"}]
"""`20231207`."""
UpperLimit: TypeAlias = Annotated[
    float | None, {"exclusiveMinimum": 0, "description": "at limit_confidence"}
]
ExpectedLimit: TypeAlias = Annotated[
    float | None,
    {"exclusiveMinimum": 0, "description": "median upper limit without a source (sensitivity)"},
]
LimitReason: TypeAlias = Annotated[str | None, {"description": "only where there is no limit"}]
ModelName: TypeAlias = Annotated[str, {"enum": ["power-law", "log-parabola", "exponential-cutoff"]}]
