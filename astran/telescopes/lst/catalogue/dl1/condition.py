"""In which condition the DL1 of a run is, and whether a run-wise file holds what its subruns do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from astran.base.night_data import FileRef
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts


class Condition(StrEnum):
    """Of the DL1 of a run."""

    COMPLETE = "complete"
    GROWING = "growing"
    MISSING = "missing"
    BROKEN = "broken"
    EMPTY = "empty"
    UNSEEN = "unseen"
    """Not opened yet."""


class FileInspector(Protocol):
    """What looks at files; see catalogue.inspector."""

    def settled(self, file: FileRef, times: int = 1) -> bool: ...

    def facts(self, file: FileRef) -> Dl1Facts | None: ...


@dataclass(frozen=True, slots=True)
class Dl1Candidate:
    """The DL1 of a run in one place, as it is now."""

    run: int
    files: tuple[FileRef, ...]
    version: str
    tailcut: str
    condition: Condition
    reason: str = ""
    """Why it is not complete, in words; begins with a small letter, without a full stop."""
    may_come: bool = True
    """Whether waiting may help."""
    facts: Dl1Facts | None = None
    subruns: bool = False
    usable: tuple[FileRef, ...] = ()
    """Of a run that lacks subruns: those that could be taken."""


def is_same_place(one: Dl1Candidate, other: Dl1Candidate) -> bool:
    """Whether two candidates are of one version and cleaning."""
    return (one.version, one.tailcut) == (other.version, other.tailcut)


def compare_candidates(looks: Sequence[Dl1Candidate]) -> list[Dl1Candidate]:
    """The same, with run-wise files held against their subruns: one that has fewer events is a
    merge that was not finished. A file whose own record names the subruns that there are need not
    be compared."""
    found = list(looks)
    for index, (whole, parts) in enumerate(pairwise(looks)):
        if not parts.subruns or whole.subruns or not is_same_place(whole, parts):
            continue
        if whole.condition is not Condition.COMPLETE or not (whole.facts and whole.facts.read):
            continue
        if len(whole.facts.merged) >= len(parts.files):
            continue
        if parts.condition is Condition.UNSEEN:
            # what they hold must be known first
            found[index] = replace(
                whole, condition=Condition.UNSEEN, reason=parts.reason, files=parts.files
            )
        elif parts.facts is not None and parts.facts.events > whole.facts.events:
            reason = (
                f"its run-wise DL1 holds {whole.facts.events:,} events, "
                f"{len(parts.usable)} subruns {parts.facts.events:,}"
            )
            found[index] = replace(
                whole, condition=Condition.BROKEN, reason=reason, usable=whole.files
            )
    return found
