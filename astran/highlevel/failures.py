"""What fails is left out and said; the rest goes on.

A library may raise anything on odd data. One number, table or plot must not cost the reader the
others, so that each is made by itself.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from astran.base import failures as base
from astran.results.document import MissingPart, PartKind, Results

Made = TypeVar("Made")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part that could not be made."""

    kind: PartKind
    name: str
    title: str
    """How a sentence about it begins: `The sky map`."""
    reason: str

    @property
    def sentence(self) -> str:
        """For the reader of the report."""
        return base.left_out(self.title, self.reason)

    @property
    def entry(self) -> MissingPart:
        """An entry of `left_out` in results.json."""
        return MissingPart(self.kind.value, self.name, self.reason)


class Failures:
    """Collects what could not be made."""

    def __init__(self, known: Iterable[LeftOut] = ()) -> None:
        self._found = list(known)

    @property
    def found(self) -> tuple[LeftOut, ...]:
        return tuple(self._found)

    def note(self, kind: PartKind, name: str, title: str, reason: str) -> None:
        """Remember a part that cannot be made."""
        self._found.append(LeftOut(kind, name, title, reason))

    def attempt(
        self, kind: PartKind, name: str, title: str, make: Callable[[], Made]
    ) -> Made | None:
        """What `make` returns; None where it failed, which is remembered and goes into the log.

        A full disk is raised: nothing else could be written either, and the task may be tried
        again.
        """
        return base.attempt_part(
            make, lambda reason: self.note(kind, name, title, reason), fatal=_no_room
        )


def _no_room(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def add_left_out(results: Results, left_out: Iterable[LeftOut]) -> Results:
    """Enter what was left out into the content of results.json."""
    parts = tuple(left_out)
    return replace(
        results,
        left_out=(*results.left_out, *(part.entry for part in parts)),
        warnings=(*results.warnings, *(part.sentence for part in parts)),
    )
