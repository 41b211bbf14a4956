"""The keys of the launch language: the leaves of the analysis configuration, and their other names.

The configuration model is the one source; a parameter added there can be given by mail at once.
"""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache

from astran.config.analysis import AnalysisConfig
from astran.config.model import Settings, nearest_word, settings_type


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
    Key("lstchain", ValueKind.VERSION),
    Key("dl2.models", ValueKind.PATH),
    Key("repeat", ValueKind.REPEAT),
)
_OTHER_NAMES = {
    "target": (
        "source", "source name", "target name", "object", "object name", "src", "target.name",
        "target source", "name of the source", "name of source",
        "sorgente", "cible", "fuente", "quelle", "fonte", "objeto", "zdroj", "izvor",
    ),
    "date": (
        "night", "observation date", "obs date", "date of observation", "observing date",
        "night of", "date of the night", "observation night", "obs night", "day",
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
    "quality.apply": ("quality", "quality cuts", "run selection"),
    "quality.zenith_max": ("zenith", "max zenith", "maximum zenith", "zd max"),
    "quality.nsb_max": ("max nsb", "maximum nsb"),
    "lstchain": ("lstchain version", "version of lstchain"),
    "dl2.nsb": ("nsb", "nsb level", "nsb tuning"),
    "dl2.models": ("rf models", "random forests", "model folder"),
    "dl3.gammaness_cut": ("gammaness", "gh cut", "gammaness threshold", "global gammaness cut",
        "DL3Cuts.global_gh_cut",
    ),
    "dl3.theta_cut": (
        "theta", "theta cut", "on radius", "global theta cut", "DL3Cuts.global_theta_cut",
    ),
    "dl3.gh_efficiency": ("gammaness efficiency", "gh eff", "DL3Cuts.gh_efficiency"),
    "dl3.theta_containment": ("DL3Cuts.theta_containment",),
    "dl3.intensity_min": ("intensity", "intensity cut", "min intensity", "minimum intensity"),
    "highlevel.energy_min": ("emin", "e min", "min energy", "minimum energy"),
    "highlevel.energy_max": ("emax", "e max", "max energy", "maximum energy"),
    "highlevel.off_regions": ("off positions", "number of off regions", "n off"),
}  # fmt: skip
OF_LSTCHAIN = ("lstchain_config", "dl3.tool")
"""Parameters of lstchain: any name may follow, which only lstchain itself can judge."""
_OF_LSTCHAIN = {name: name for name in OF_LSTCHAIN} | {
    name: f"dl3.tool.{name}"
    for name in (
        "EventSelector", "DL3Cuts", "DataBinning", "IRFFITSWriter", "DataReductionFITSWriter",
    )
}  # fmt: skip
SECTIONS = frozenset({"target", "waiting", "quality", "dl2", "dl3", "highlevel"})
_UNIT = re.compile(r"\[([^\[\]]+)\]")
_DOTTED = re.compile(r"(\.\w+)+")
_JOINTS = re.compile(r"[\s_-]+")


@cache
def all_keys() -> dict[str, Key]:
    """Every key by its dotted name."""
    found = {key.name: key for key in _PLAIN}
    for name, annotation, text in _leaves(AnalysisConfig, ""):
        if not name.startswith("target.") and name not in found:
            found[name] = _key(name, annotation, text)
    return found


def find_key(written: str) -> Key | None:
    """The key that a person meant, without guessing: case, blanks, hyphens and underscores do not
    matter, and the section may be left out where the rest is unique."""
    return _spellings().get(_squash(written)) or _free(written)


def suggest_keys(written: str) -> str | None:
    """The key whose spelling is nearest to an unknown one, if any is near."""
    head, dot, rest = written.strip().partition(".")
    if dot and (group := nearest_word(head, _OF_LSTCHAIN, cutoff=0.75)):
        return f"{group}.{rest}"
    squashed = _squash(written)
    if len(squashed) < 3:
        return None
    # names that begin alike but are long are compared only with what has a chance
    found = nearest_word(squashed[:60], _spellings(), cutoff=0.75)
    return _spellings()[found].name if found else None


def _free(written: str) -> Key | None:
    """A parameter of lstchain, whose name is kept as written."""
    bare = ".".join(part.strip() for part in written.split("."))
    for group, name in _OF_LSTCHAIN.items():
        rest = bare[len(group) :]
        if bare.lower().startswith(group.lower()) and _DOTTED.fullmatch(rest):
            return Key(name + rest, ValueKind.FREE)
    return None


def _squash(written: str) -> str:
    return _JOINTS.sub("", written.strip().lower())


@cache
def _spellings() -> dict[str, Key]:
    found: dict[str, Key] = {}
    leaves: dict[str, list[Key]] = {}
    for key in all_keys().values():
        found[_squash(key.name)] = key
        leaves.setdefault(_squash(key.name.rpartition(".")[2]), []).append(key)
    for leaf, keys in leaves.items():
        if len(keys) == 1:
            found.setdefault(leaf, keys[0])
    for name, others in _OTHER_NAMES.items():
        for other in others:
            found.setdefault(_squash(other), all_keys()[name])
    return found


def _leaves(model: type[Settings], prefix: str) -> typing.Iterator[tuple[str, typing.Any, str]]:
    for name, info in model.model_fields.items():
        inner = settings_type(info.annotation)
        if inner is None:
            yield prefix + name, info.annotation, info.description or ""
        else:
            yield from _leaves(inner, f"{prefix}{name}.")


def _key(name: str, annotation: typing.Any, text: str) -> Key:
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
