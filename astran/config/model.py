"""Base of all settings models, and the translation of pydantic's errors into words for people."""

from __future__ import annotations

import difflib
import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from astran.base.errors import ConfigError, Problem


class Settings(BaseModel):
    """Frozen; an unknown key is an error; a section without any key has its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, data: Any) -> Any:
        # YAML reads a section of which every line is commented out as null
        return {} if data is None else data


Model = TypeVar("Model", bound=Settings)


def build_settings(model: type[Model], data: dict[str, Any], what: str) -> Model:
    """Make a model from plain data.

    Raises
    ------
    ConfigError : with every problem, each with the nearest valid key where a key is unknown
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_problem(model, item) for item in error.errors(include_url=False)]
        raise ConfigError(f"{what} cannot be used:", problems) from error


def nearest_word(word: str, choices: typing.Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that looks most like `word`, if any is near; case does not matter."""
    by_lower = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def dotted_fields(model: type[Settings], prefix: str = "") -> dict[str, str]:
    """Every settable leaf of a model by dotted name, with its help text."""
    found: dict[str, str] = {}
    for name, info in model.model_fields.items():
        inner = settings_type(info.annotation)
        if inner is None:
            found[prefix + name] = info.description or ""
        else:
            found.update(dotted_fields(inner, f"{prefix}{name}."))
    return found


def settings_type(annotation: Any) -> type[Settings] | None:
    """The settings model that an annotation holds (directly or as `Model | None`), if any."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            if (inner := settings_type(part)) is not None:
                return inner
    return None


def _problem(model: type[Settings], item: Any) -> Problem:
    path = [str(part) for part in item["loc"]]
    where = ".".join(path) or "the whole"
    if item["type"] == "extra_forbidden":
        owner = _owner(model, path[:-1])
        known = list(owner.model_fields) if owner else []
        guess = nearest_word(path[-1], known)
        hint = f"Did you mean {guess!r}?" if guess else f"Known keys: {', '.join(sorted(known))}."
        return Problem(where, "unknown key.", hint)
    if item["type"] == "missing":
        return Problem(where, "is required and not given.")
    message = str(item["msg"]).removeprefix("Value error, ")
    return Problem(where, f"{message} (given: {_short(item.get('input'))}).")


def _owner(model: type[Settings], path: list[str]) -> type[Settings] | None:
    current: type[Settings] | None = model
    for part in path:
        if current is None:
            return None
        info = current.model_fields.get(part)
        if info is not None:
            current = settings_type(info.annotation) or _value_type(info.annotation)
        # otherwise `part` is a key of a mapping whose value type is already current
    return current


def _value_type(annotation: Any) -> type[Settings] | None:
    for part in typing.get_args(annotation):
        if (inner := settings_type(part)) is not None:
            return inner
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
