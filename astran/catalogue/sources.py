"""Sources by name: the shipped catalogue, with the many spellings of each name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from astran.base.errors import CatalogueError
from astran.base.files import packaged_path
from astran.base.unicode_fold import fold_punctuation
from astran.config.analysis import Target

_CUT_OFF = re.compile(r".*\d{4}")
_JOINTS = re.compile(r"[\s_]+")
# the one between digits belongs to the name
_HYPHEN = re.compile(r"(?<!\d)-|-(?!\d)")


def resolve_source(name: str) -> Target:
    """The source that a name means: case, blanks, hyphens and underscores do not matter, and a
    coordinate name may end before its sign where that is unique (`1ES 1959`).

    Raises
    ------
    CatalogueError : unknown, with the nearest known names, or more than one source begins so
    """
    found = _find(name)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(target.name for target in found)
        raise CatalogueError(f"{_short(name)} can be {names}.", "Write the whole name.")
    near = _nearest(name)
    hint = "Any name will do with its `ra:` and `dec:`."
    if near:
        hint = f"Did you mean {' or '.join(near)}? {hint}"
    raise CatalogueError(f"{_short(name)} is not in the source catalogue.", hint)


def find_redshift(name: str) -> float | None:
    """The redshift of the source that a name means; None where the catalogue has none."""
    found = _find(name)
    return _redshifts().get(found[0].name) if len(found) == 1 else None


def is_same_source(a: str, b: str) -> bool:
    """Whether two names mean the same source; names that are not known must be spelt alike."""
    if _squash(a) == _squash(b):
        return True
    one, other = _find(a), _find(b)
    return len(one) == 1 and one == other


def _find(name: str) -> list[Target]:
    squashed = _squash(name)
    if exact := _by_name().get(squashed):
        return [exact]
    if not _CUT_OFF.fullmatch(squashed):
        return []
    longer = (
        target
        for known, target in _by_name().items()
        if known.startswith(squashed) and known[len(squashed)] in "+-."
    )
    return list(dict.fromkeys(longer))


@cache
def _entries() -> list[dict[str, Any]]:
    import yaml

    loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (packaged_path("configs") / "sources.yml").open(encoding="utf-8") as handle:
        found: list[dict[str, Any]] = yaml.load(handle, loader)
    return found


@cache
def _redshifts() -> dict[str, float]:
    return {entry["name"]: entry["redshift"] for entry in _entries() if "redshift" in entry}


@cache
def _by_name() -> dict[str, Target]:
    """Every squashed name and other name of every source.

    Loaded on first use: a tick without a request does not need it.
    """
    found: dict[str, Target] = {}
    for entry in _entries():
        target = Target(name=entry["name"], ra=entry["ra"], dec=entry["dec"])
        for name in (entry["name"], *entry["aliases"]):
            if found.setdefault(_squash(name), target) != target:
                raise CatalogueError(f"sources.yml gives {name!r} to two sources.")
    return found


def _squash(name: str) -> str:
    """`1ES 1959+650`, `1es1959+650` and `1ES_1959+650` alike. A hyphen stays only where it is the
    sign of a declination: between digits."""
    low = _JOINTS.sub("", fold_punctuation(name[:200]).strip().lower())
    return _HYPHEN.sub("", low)


def _nearest(name: str) -> list[str]:
    import difflib

    squashed = _squash(name)[:60]
    close = difflib.get_close_matches(squashed, _by_name(), n=6, cutoff=0.7)
    return _unique(_by_name()[spelling].name for spelling in close)[:3]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _short(name: str) -> str:
    return f"`{name if len(name) <= 60 else name[:59] + '…'}`"
