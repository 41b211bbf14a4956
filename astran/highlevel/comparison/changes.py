"""Kinds of changes, and what they are put down to.

A change is put down only to what is on record: header words of the DL3 files, versions in
results.json, and the provenance of analyses in the database. Of several recorded causes that can
make a change none is chosen; where there is none, the change is unexplained.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Cause(StrEnum):
    """Where a change comes from."""

    DATA = "data"
    """Other runs, subruns or files."""
    SOFTWARE = "software"
    CUTS = "cuts"
    MODELS = "models"
    """Random forests, Monte Carlo, IRFs."""
    SETTINGS = "settings"
    """Of the high-level analysis, cuts excepted."""


class ChangeKind(StrEnum):
    """What changed."""

    RUNS = "runs"
    """Runs that only one side has."""
    DATA = "data"
    """Input files on record."""
    SOFTWARE = "software"
    MODELS = "models"
    CUT = "cut"
    SETTINGS = "settings"
    IRF = "irf"
    GOOD_TIME = "good time"
    LIVETIME = "livetime"
    """The part of the good time that counts."""
    TIME = "event times"
    NUMBERS = "event numbers"
    EVENTS = "events"
    ENERGY_SCALE = "energy scale"
    ENERGY = "energies"
    """Without a common scale."""
    DIRECTION = "directions"
    POINTING = "pointing"
    TARGET = "target"
    RESULTS = "results"
    """Other numbers although nothing else changed."""


RECORDED = {
    ChangeKind.RUNS: Cause.DATA,
    ChangeKind.DATA: Cause.DATA,
    ChangeKind.SOFTWARE: Cause.SOFTWARE,
    ChangeKind.MODELS: Cause.MODELS,
    ChangeKind.CUT: Cause.CUTS,
    ChangeKind.SETTINGS: Cause.SETTINGS,
    ChangeKind.TARGET: Cause.SETTINGS,
}
"""These are causes themselves."""
_CAN_COME_FROM = {
    ChangeKind.IRF: (Cause.CUTS, Cause.SOFTWARE, Cause.MODELS),
    ChangeKind.GOOD_TIME: (Cause.DATA, Cause.SOFTWARE),
    ChangeKind.LIVETIME: (Cause.DATA, Cause.SOFTWARE),
    ChangeKind.TIME: (Cause.DATA, Cause.SOFTWARE),
    ChangeKind.NUMBERS: (Cause.DATA, Cause.SOFTWARE),
    ChangeKind.EVENTS: (Cause.DATA, Cause.SOFTWARE, Cause.CUTS, Cause.MODELS),
    ChangeKind.ENERGY_SCALE: (Cause.DATA, Cause.SOFTWARE, Cause.MODELS),
    ChangeKind.ENERGY: (Cause.DATA, Cause.SOFTWARE, Cause.MODELS),
    ChangeKind.DIRECTION: (Cause.DATA, Cause.SOFTWARE, Cause.MODELS),
    ChangeKind.POINTING: (Cause.DATA, Cause.SOFTWARE),
    ChangeKind.RESULTS: (Cause.SOFTWARE, Cause.SETTINGS),
}
_NOT_OF_EVENTS = (ChangeKind.RUNS,)
"""Runs that came or went change nothing in the others."""


_NUMBER = re.compile(r"\d[\d.,]*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Change:
    """One thing that changed."""

    kind: ChangeKind
    text: str
    """In words, without the runs."""
    runs: tuple[int, ...] = ()
    """Empty: of the whole."""
    causes: tuple[Cause, ...] = ()
    """One: it is put down to it. Several: not decided between them. None: unexplained."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)

    @property
    def attribution(self) -> str:
        """`software`, `software or models`, `unexplained`."""
        return " or ".join(self.causes) or "unexplained"


def merge_changes(found: Iterable[Change]) -> list[Change]:
    """The same change of several runs as one, in the order of `ChangeKind`; changes that differ in
    their numbers alone count as the same."""
    merged: dict[tuple[ChangeKind, str], list[Change]] = {}
    for one in found:
        merged.setdefault((one.kind, _NUMBER.sub("#", one.text)), []).append(one)
    order = list(ChangeKind)
    return sorted(
        (_as_one(alike) for alike in merged.values()), key=lambda one: order.index(one.kind)
    )


def _as_one(alike: Sequence[Change]) -> Change:
    first = alike[0]
    texts = len({one.text for one in alike})
    text = first.text if texts == 1 else f"{first.text} (and {texts - 1} with other numbers)"
    runs = tuple(dict.fromkeys(run for one in alike for run in one.runs))
    return replace(first, text=text, runs=runs)


def attribute_changes(changes: Collection[Change]) -> list[Change]:
    """The changes with their causes."""
    recorded = [one for one in changes if one.kind in RECORDED and one.kind not in _NOT_OF_EVENTS]
    return [replace(one, causes=_causes(one, recorded)) for one in changes]


def _causes(change: Change, recorded: Iterable[Change]) -> tuple[Cause, ...]:
    own = RECORDED.get(change.kind)
    if own is not None:
        return (own,)
    able = _CAN_COME_FROM[change.kind]
    # what is on record for other runs alone made nothing here
    there = {
        RECORDED[one.kind]
        for one in recorded
        if not one.runs or not change.runs or set(change.runs) <= set(one.runs)
    }
    causes = tuple(cause for cause in able if cause in there)
    if not causes and change.kind is ChangeKind.IRF:
        # an IRF is known by its content: another one is the change itself
        return (Cause.MODELS,)
    return causes
