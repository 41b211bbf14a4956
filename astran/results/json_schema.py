"""Make docs/results.schema.json from the classes of `document`.

python -m astran.results.json_schema > docs/results.schema.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin

from astran.results.codec import FieldType, field_types, split_none, split_notes
from astran.results.document import SCHEMA, Results

_PLAIN = {float: "number", int: "integer", str: "string", bool: "boolean"}
_DESCRIPTION = (
    "Angles in degrees (ICRS), energies in TeV, times in hours of livetime or UTC. What is not"
    " known, or could not be made (`left_out`), is null. New keys may be added within a version; a"
    " changed meaning changes the number."
)


_LINE_LENGTH = 100


def schema_text() -> str:
    """The file."""
    return _lay_out(make_schema()) + "\n"


def _lay_out(value: Any, indent: str = "", before: int = 0) -> str:
    """JSON; what fits into a line, after so many characters, stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + before + len(line) < _LINE_LENGTH or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        parts = [inner + _lay_out(item, inner) for item in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = [
        f"{inner}{json.dumps(key)}: {_lay_out(item, inner, len(key) + 4)}"
        for key, item in value.items()
    ]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def make_schema() -> dict[str, Any]:
    """The JSON Schema of results.json."""
    definitions: dict[str, Any] = {
        "time": {"type": "string", "format": "date-time"},
        "night": {"type": "string", "pattern": "^[0-9]{8}$"},
    }
    content = _object_schema(Results, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "results.json of ASTRAN",
        **content,
        "description": _DESCRIPTION,
        "$defs": definitions,
    }


def _object_schema(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for item in field_types(cls):
        if item.flattened:
            inner = _object_schema(split_none(item.type)[0], definitions)
            properties.update(inner["properties"])
            continue
        properties[item.name] = _field_schema(item, definitions)
        if item.required:
            required.append(item.name)
    described = {"description": (cls.__doc__ or "").strip()}
    return {**described, "type": "object", "properties": properties, "required": required}


def _field_schema(item: FieldType, definitions: dict[str, Any]) -> dict[str, Any]:
    """A field that may be left out is never null."""
    hint = item.type if item.required else split_none(item.type)[0]
    return _with_notes(_type_schema(hint, definitions), item.notes)


def _with_notes(schema: dict[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    """The notes win; a reference or a list of values stands instead of the type."""
    if {"$ref", "enum", "const"} & set(notes):
        return dict(notes)
    return {**schema, **notes}


def _type_schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hint, notes = split_notes(hint)
    base, nullable = split_none(hint)
    found = _with_notes(_known_schema(base, definitions), notes)
    if not nullable:
        return found
    if isinstance(found.get("type"), str):
        return {**found, "type": [found["type"], "null"]}
    return {"anyOf": [{"type": "null"}, found]}


def _known_schema(base: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if is_dataclass(base) and isinstance(base, type):
        if base.__name__ not in definitions:
            definitions[base.__name__] = {}  # keeps its place, before those inside it
            definitions[base.__name__] = _object_schema(base, definitions)
        return {"$ref": f"#/$defs/{base.__name__}"}
    if get_origin(base) is tuple:
        return {"type": "array", "items": _type_schema(get_args(base)[0], definitions)}
    if get_origin(base) is Mapping:
        kind = get_args(base)[1]
        return {"type": "object", "additionalProperties": _type_schema(kind, definitions)}
    return {"type": _PLAIN[base]}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
