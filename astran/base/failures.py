"""One part that fails must not take the others with it: it is left out and said.

Libraries may raise anything on odd data, so that here every error counts.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

from astran.base.text import one_line

Made = TypeVar("Made")
_LONGEST_REASON = 300


def _never(error: Exception) -> bool:
    return False


def attempt_part(
    make: Callable[[], Made],
    failed: Callable[[str], None],
    fatal: Callable[[Exception], bool] = _never,
) -> Made | None:
    """What `make` returns; None where it failed.

    The reason goes to `failed`, the traceback to the log. An error that is `fatal` is raised.
    """
    try:
        return make()
    except Exception as error:
        if fatal(error):
            raise
        traceback.print_exc(file=sys.stderr)
        failed(reason_of(error))
        return None


def reason_of(error: BaseException) -> str:
    """An error in one line, with its kind: the words of a library alone may say little."""
    said = one_line(str(error), _LONGEST_REASON)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class Omissions:
    """Parts of a letter or page that are left out, in sentences. A `fatal` error is raised."""

    def __init__(self, fatal: Callable[[Exception], bool] = _never) -> None:
        self._said: list[str] = []
        self._fatal = fatal

    @property
    def said(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._said))

    def part(self, title: str, make: Callable[[], Made], otherwise: Made) -> Made:
        """What `make` returns, else `otherwise`; `title` begins the sentence about it."""
        made = attempt_part(
            make, lambda reason: self._said.append(left_out(title, reason)), self._fatal
        )
        return otherwise if made is None else made


def left_out(title: str, reason: str) -> str:
    """`The sky map is left out: ValueError: no events.`"""
    return f"{title} is left out: {reason.rstrip('.')}."
