"""The keys of the launch language: the leaves of an analysis configuration, and their other names.

The configuration model of a telescope's chain is the one source; a parameter added there can be
given by mail at once.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property, lru_cache
from typing import Any

from astran.base.scheduler import Priority
from astran.config.model import Settings, nearest_word, settings_type
from astran.telescopes.registry import find_chain


class ValueKind(StrEnum):
    """How a value is read."""

    TARGET = "target"
    DATE = "date"
    RUNS = "runs"
    RA = "ra"
    DEC = "dec"
    NUMBER = "number"
    WHOLE = "whole"
    SWITCH = "switch"
    CHOICE = "choice"
    PATH = "path"
    WORD = "word"
    VERSION = "version"
    REPEAT = "repeat"
    READERS = "readers"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the launch language."""

    name: str
    """Dotted name, as in the configuration."""
    kind: ValueKind
    unit: str = ""
    """Unit of the configuration's value: deg, TeV, p.e. or none."""
    optional: bool = False
    """Whether `none`, or nothing at all, is a value."""
    choices: tuple[str, ...] = ()


_PLAIN = (
    Key("target", ValueKind.TARGET),
    Key("date", ValueKind.DATE),
    Key("runs", ValueKind.RUNS, optional=True),
    Key("ra", ValueKind.RA, "deg"),
    Key("dec", ValueKind.DEC, "deg"),
    Key("folder", ValueKind.PATH),
    Key("repeat", ValueKind.REPEAT),
    Key("cc", ValueKind.READERS),
    Key("priority", ValueKind.CHOICE, choices=tuple(Priority)),
)
_OTHER_NAMES = {
    "target": (
        "source", "source name", "target name", "object", "object name", "src", "target.name",
        "target source", "name of the source", "name of source", "targets", "sources", "objects",
        "sorgente", "cible", "fuente", "quelle", "fonte", "objeto", "zdroj", "izvor",
    ),
    "date": (
        "night", "observation date", "obs date", "date of observation", "observing date",
        "night of", "date of the night", "observation night", "obs night", "day",
        "nights", "dates", "date range", "night range", "range of nights", "list of nights",
        "period", "observation nights", "observing nights", "days",
        "data", "notte", "nuit", "fecha", "noche", "datum", "nacht", "noite",
    ),
    "runs": (
        "run", "run number", "run numbers", "run list", "run id", "run ids", "obs id", "obs ids",
        "run no", "run nos",
    ),
    "ra": ("right ascension", "target.ra", "ra j2000", "raj2000", "ra icrs"),
    "dec": ("declination", "target.dec", "dec j2000", "dej2000", "decj2000", "dec icrs", "decl"),
    "start": ("start from", "start level", "data level", "start at", "from level"),
    "folder": ("data folder", "input folder", "directory"),
    "waiting.hours": ("wait", "wait hours", "wait for"),
    "waiting.at_deadline": ("deadline", "if late", "if incomplete"),
    "highlevel.energy_min": ("emin", "e min", "min energy", "minimum energy"),
    "highlevel.energy_max": ("emax", "e max", "max energy", "maximum energy"),
    "highlevel.off_regions": ("off positions", "number of off regions", "n off"),
    "highlevel.spectral_model": ("spectral shape", "spectrum model", "spectral.model"),
    "highlevel.spectral_index": ("fixed index", "index", "photon index", "gamma"),
    "highlevel.ebl": ("ebl model", "ebl absorption", "extragalactic background light"),
    "highlevel.redshift": ("z", "source redshift"),
    "highlevel.confidence": ("confidence level", "cl", "limit confidence"),
    "telescope": ("instrument",),
    "priority": ("urgency", "prio"),
    "cc": ("copy", "copy to", "cc to", "send copy to", "send a copy to", "report also to"),
}  # fmt: skip
_UNIT = re.compile(r"\[([^\[\]]+)\]")
_DOTTED = re.compile(r"(\.\w+)+")
_JOINTS = re.compile(r"[\s_-]+")


@lru_cache(maxsize=32)
def keys_of(telescope: str = "") -> KeyTable:
    """The keys of a telescope (ConfigError for an unknown one)."""
    chain = find_chain(telescope)
    names = {**_OTHER_NAMES, **chain.key_names}
    return KeyTable(chain.settings_type, chain.key_kinds, names, chain.free_keys)


@dataclass(frozen=True)
class KeyTable:
    """Every key that a mail may hold, and how it may be written."""

    model: type[Settings]
    """Model of the configuration."""
    kinds: Mapping[str, str]
    """Kinds of values that their types do not tell, by dotted name."""
    other_names: Mapping[str, tuple[str, ...]]
    free: Mapping[str, str]
    """Begins of keys below which any name may follow, and the keys that they stand for."""

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Every key by its dotted name."""
        found = {key.name: key for key in _PLAIN}
        found |= {name: Key(name, ValueKind(kind)) for name, kind in self.kinds.items()}
        for name, annotation, text in _leaves(self.model, ""):
            if not name.startswith("target.") and name not in found:
                found[name] = _key(name, annotation, text)
        return found

    @cached_property
    def sections(self) -> frozenset[str]:
        """Names of groups of keys."""
        fields = self.model.model_fields.items()
        return frozenset(name for name, info in fields if settings_type(info.annotation))

    def find(self, written: str) -> Key | None:
        """The key that a person meant, without guessing: case, blanks, hyphens and underscores do
        not matter, and the section may be left out where the rest is unique."""
        return self._spellings.get(_squash(written)) or self._free(written)

    def suggest(self, written: str) -> str | None:
        """The key whose spelling is nearest to an unknown one, if any is near."""
        head, dot, rest = written.strip().partition(".")
        if dot and (group := nearest_word(head, self.free, cutoff=0.75)):
            return f"{group}.{rest}"
        squashed = _squash(written)
        if len(squashed) < 3:
            return None
        # names that begin alike but are long are compared only with what has a chance
        found = nearest_word(squashed[:60], self._spellings, cutoff=0.75)
        return self._spellings[found].name if found else None

    def free_group(self, name: str) -> str:
        """The free key that a dotted name is or lies below; empty: none."""
        groups = (key.name for key in self.keys.values() if key.kind is ValueKind.FREE)
        return next((group for group in groups if f"{name}.".startswith(f"{group}.")), "")

    def of_software(self, names: Iterable[str]) -> bool:
        """Whether any of these dotted names is one that only the chain's software can judge."""
        found = map(self.find, names)
        return any(key and key.kind in (ValueKind.FREE, ValueKind.VERSION) for key in found)

    def _free(self, written: str) -> Key | None:
        """A parameter whose name is kept as written."""
        bare = ".".join(part.strip() for part in written.split("."))
        for group, name in self.free.items():
            rest = bare[len(group) :]
            if bare.lower().startswith(group.lower()) and _DOTTED.fullmatch(rest):
                return Key(name + rest, ValueKind.FREE)
        return None

    @cached_property
    def _spellings(self) -> dict[str, Key]:
        found: dict[str, Key] = {}
        leaves: dict[str, list[Key]] = {}
        for key in self.keys.values():
            found[_squash(key.name)] = key
            leaves.setdefault(_squash(key.name.rpartition(".")[2]), []).append(key)
        for leaf, keys in leaves.items():
            if len(keys) == 1:
                found.setdefault(leaf, keys[0])
        for name, others in self.other_names.items():
            for other in others:
                found.setdefault(_squash(other), self.keys[name])
        return found


def _squash(written: str) -> str:
    return _JOINTS.sub("", written.strip().lower())


def _leaves(model: type[Settings], prefix: str) -> typing.Iterator[tuple[str, Any, str]]:
    for name, info in model.model_fields.items():
        inner = settings_type(info.annotation)
        if inner is None:
            yield prefix + name, info.annotation, info.description or ""
        else:
            yield from _leaves(inner, f"{prefix}{name}.")


def _key(name: str, annotation: Any, text: str) -> Key:
    unit = match[1] if (match := _UNIT.search(text)) else ""
    parts = [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = list(typing.get_args(annotation))
    optional = type(None) in parts
    if typing.get_origin(annotation) is dict:
        return Key(name, ValueKind.FREE)
    [kind] = [part for part in parts if part is not type(None)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Key(name, ValueKind.CHOICE, choices=tuple(str(each.value) for each in kind))
    kinds = {float: ValueKind.NUMBER, int: ValueKind.WHOLE, bool: ValueKind.SWITCH}
    return Key(name, kinds.get(kind, ValueKind.WORD), unit, optional)
