"""Between the classes of `document` and JSON."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from astran.results.document import Results
from astran.results.values import FLATTENED, IF_ABSENT

T = TypeVar("T")
NAN = math.nan


class FaultKind(StrEnum):
    """What is wrong with a value in a file."""

    ABSENT = "absent"
    NULL = "null"
    WRONG_TYPE = "wrong type"


Faults = dict[str, FaultKind]
"""What was not as it should be, by path: `runs[0].n_on`."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """A field of a dataclass, as the file holds it."""

    name: str
    type: Any
    notes: Mapping[str, Any]
    """What the schema tells beyond the type."""
    default: Any
    metadata: Mapping[str, Any]

    @property
    def flattened(self) -> bool:
        return bool(self.metadata.get(FLATTENED))

    @property
    def required(self) -> bool:
        return self.default is MISSING


@cache
def field_types(cls: Any) -> tuple[FieldType, ...]:
    """The fields of a dataclass."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        FieldType(
            item.name,
            *split_notes(hints[item.name]),
            item.default,
            item.metadata,
        )
        for item in fields(cls)
    )


def split_notes(hint: Any) -> tuple[Any, Mapping[str, Any]]:
    """A type without `Annotated`, and what that says."""
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        return base, {key: value for note in notes for key, value in note.items()}
    return hint, {}


def split_none(hint: Any) -> tuple[Any, bool]:
    """A type without None, and whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = get_args(hint)
        (base,) = (kind for kind in kinds if kind is not types.NoneType)
        return base, True
    return hint, False


def results_to_json(results: Results) -> dict[str, Any]:
    """The content of results.json."""
    found: dict[str, Any] = to_json(results)
    return found


def results_from_json(data: Any) -> tuple[Results, Faults]:
    """Read the content of results.json.

    Nothing stops it: what is absent or of another type is read as not known, and is named in the
    faults.
    """
    faults: Faults = {}
    return _read_object(Results, data if isinstance(data, dict) else {}, "", faults), faults


def to_json(value: Any) -> Any:
    """Plain data: arrays as lists, NaN and infinity as None."""
    if is_dataclass(value):
        return _object_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # of numpy
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _object_to_json(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kind: Any = type(value)
    for item in field_types(kind):
        content = getattr(value, item.name)
        if not item.required and content == item.default:
            continue
        if item.flattened:
            found.update(to_json(content))
        else:
            found[item.name] = to_json(content)
    return found


def _read_object(cls: type[T], data: Mapping[str, Any], path: str, faults: Faults) -> T:
    values: dict[str, Any] = {}
    kind: Any = cls
    for item in field_types(kind):
        place = f"{path}.{item.name}" if path else item.name
        if item.flattened:
            base, _ = split_none(item.type)
            known = any(inner.name in data for inner in field_types(base))
            values[item.name] = _read_object(base, data, path, faults) if known else None
        elif item.name in data:
            values[item.name] = read_value(item.type, data[item.name], place, faults)
        elif item.required:
            faults[place] = FaultKind.ABSENT
            values[item.name] = item.metadata.get(IF_ABSENT, _absent(item.type))
    return cls(**values)


def read_value(hint: Any, value: Any, path: str, faults: Faults) -> Any:
    """A value of a type from JSON."""
    base, nullable = split_none(split_notes(hint)[0])
    base, _ = split_notes(base)
    if nullable and value is None:
        return None
    found = _read_known(base, value, path, faults)
    if found is not None:
        return found
    faults[path] = FaultKind.NULL if _is_null(value) else FaultKind.WRONG_TYPE
    return _absent(hint)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _read_known(base: Any, value: Any, path: str, faults: Faults) -> Any:
    """None where the value is of another type."""
    if is_dataclass(base):
        return (
            _read_object(base, value, path, faults)  # type: ignore[arg-type]
            if isinstance(value, dict)
            else None
        )
    if get_origin(base) is tuple:
        return _read_items(get_args(base)[0], value, path, faults)
    if get_origin(base) is Mapping:
        if not isinstance(value, dict):
            return None
        kind = get_args(base)[1]
        return {
            str(key): read_value(kind, item, f"{path}.{key}", faults) for key, item in value.items()
        }
    if base is bool:
        return value if isinstance(value, bool) else None
    if base is str:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if base is float or isinstance(value, int) else None


def _read_items(kind: Any, value: Any, path: str, faults: Faults) -> tuple[Any, ...] | None:
    """Items of a list; objects and texts that are none are passed over."""
    if not isinstance(value, list):
        return None
    needed = dict if is_dataclass(kind) else str if split_notes(kind)[0] is str else object
    found = []
    for index, item in enumerate(value):
        place = f"{path}[{index}]"
        if isinstance(item, needed):
            found.append(read_value(kind, item, place, faults))
        else:
            faults[place] = FaultKind.WRONG_TYPE
    return tuple(found)


def _absent(hint: Any) -> Any:
    """What stands for a value that is not known."""
    base, nullable = split_none(split_notes(hint)[0])
    if nullable:
        return None
    if is_dataclass(base):
        return _read_object(base, {}, "", {})  # type: ignore[arg-type]
    if get_origin(base) is tuple:
        return ()
    if get_origin(base) is Mapping:
        return {}
    return {bool: False, str: "", int: 0}.get(base, NAN)
