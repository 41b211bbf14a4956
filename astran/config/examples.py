"""Commented examples of the configuration files, written from the settings models themselves.

In an example a line that begins with "# " is help; a line that begins with "#" and a key is a
setting at its default, to be changed by taking the "#" away. What a model requires stands there
with an example value.

astran.telescopes.examples writes the files of configs/ from here.
"""

from __future__ import annotations

import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from astran.config.model import Settings, settings_type
from astran.config.site import SiteConfig

_WIDTH = 100
_HOW = """\
Lines that begin with "# " are help. Lines that begin with "#" and a key show a default: take the
"#" away to change it. An unknown key is refused, with the nearest known one.
"""
_SITE = f"""\
ASTRAN site configuration: everything that differs between one installation and the next.

{_HOW}
Put your copy where ASTRAN finds it: ~/.config/astran/site.yml, ./site.yml, or the file that
$ASTRAN_SITE or --site names. Then let `astran doctor` try every part of it.
"""
_ANALYSIS = f"""\
ASTRAN analysis configuration: what one analysis is about, with every parameter.

{_HOW}
Two lines are enough, `target: Crab` and `date: 20231207`: ASTRAN knows the coordinates of common
sources. `astran --config-analysis FILE` prints the plan; with `--submit --verbose` it runs.
"""


def site_example() -> str:
    """The text of configs/site.example.yml."""
    return comment(_SITE) + "\n" + render_example(SiteConfig)


def analysis_example(model: type[Settings]) -> str:
    """The text of an example of a telescope's configuration."""
    return comment(_ANALYSIS) + "\n" + render_example(model)


def comment(text: str) -> str:
    """Lines of text as lines of YAML comment."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.strip().splitlines())


def render_example(
    model: type[Settings],
    values: Mapping[str, Any] | None = None,
    switched_off: Sequence[str] = (),
) -> str:
    """A commented YAML file for a model.

    Parameters
    ----------
    values : what to set, nested as in the file; a required key that is not among them gets the
        example of its field (KeyError where it has none)
    switched_off : sections of the top level that are commented out as a whole; taking the first
        "#" of each of their lines away switches them on
    """
    given = dict(values or {})
    blocks = []
    for name, info in model.model_fields.items():
        lines = list(_field(name, info, given.get(name), indent=0))
        if name in switched_off:
            lines = [f"#{line}" for line in lines]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _field(name: str, info: FieldInfo, given: Any, indent: int) -> Iterator[str]:
    yield from _help(info, indent)
    space = " " * indent
    section = settings_type(info.annotation)
    if section is not None:
        if given is None:
            given = _example(info)
        yield f"{space}{name}:"
        for key, inner in section.model_fields.items():
            yield from _field(key, inner, (given or {}).get(key), indent + 2)
        return
    if given is None and info.is_required():
        given = info.examples[0] if info.examples else _no_example(name)
    mark = "#" if given is None else ""
    if given is None:
        given = _plain(info.get_default(call_default_factory=True))
    for line in _yaml(name, given):
        yield f"{space}{mark}{line}"


def _help(info: FieldInfo, indent: int) -> Iterator[str]:
    text = info.description or ""
    if info.is_required():
        text = f"{text} Required."
    margin = " " * indent + "# "
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for value_type in _value_types(info.annotation):
        for key, inner in value_type.model_fields.items():
            yield from textwrap.wrap(
                f"- {key}: {inner.description}",
                _WIDTH,
                initial_indent=margin,
                subsequent_indent=margin,
                break_long_words=False,
                break_on_hyphens=False,
            )
    if info.examples and not info.is_required() and settings_type(info.annotation) is None:
        yield f"{margin}For example: {_flow(info.examples[0])}"


def _plain(value: Any) -> Any:
    """A default as plain data; of settings in a mapping only what it sets."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Settings):
        return value.model_dump(mode="json", exclude_unset=True)
    return to_jsonable_python(value)


def _value_types(annotation: Any) -> Iterator[type[Settings]]:
    """The settings models that are the values of a mapping."""
    if typing.get_origin(annotation) is dict:
        value = settings_type(typing.get_args(annotation)[1])
        if value is not None:
            yield value


def _example(info: FieldInfo) -> Mapping[str, Any]:
    return info.examples[0] if info.examples else {}


def _yaml(name: str, value: Any) -> list[str]:
    """`name: value`, an inner mapping line by line."""
    if value is None:
        return [f"{name}:"]
    if isinstance(value, Mapping) and value:
        return [f"{name}:", *(f"  {_flow(key)}: {_flow(inner)}" for key, inner in value.items())]
    return [f"{name}: {_flow(value)}"]


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _no_example(name: str) -> Any:
    raise KeyError(f"the required field {name!r} has no example")
