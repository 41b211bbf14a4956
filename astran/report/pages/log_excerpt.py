"""Logs for people: an excerpt with its key lines marked, and a harmless copy to read on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.text import quoted_line, shorten, strip_control

TAIL_BYTES = 100_000
"""So much of the end of a log is shown."""
_WIDTH = 500
"""Longer lines are cut."""
_BEFORE, _AFTER, _MOST = 12, 5, 40


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log."""

    text: str
    highlighted: bool = False


def read_log_tail(log: Path) -> tuple[str, ...]:
    """The last lines, each made harmless and cut; none where the log cannot be read."""
    try:
        with log.open("rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - TAIL_BYTES))
            text = handle.read(TAIL_BYTES).decode(errors="replace")
    except OSError:
        return ()
    lines = tuple(
        shorten(line.expandtabs(4).rstrip(), _WIDTH) for line in strip_control(text).split("\n")
    )
    # only whole lines, where there are several
    lines = lines[1:] if size > TAIL_BYTES and len(lines) > 1 else lines
    return lines[:-1] if lines and not lines[-1] else lines


def log_excerpt(lines: Sequence[str], excerpt: Sequence[str]) -> tuple[LogLine, ...]:
    """The part of a log around the lines of its excerpt; only these where the log lacks them."""
    wanted = [quoted_line(line, _WIDTH) for line in excerpt]
    marks = _places(lines, {line.strip() for line in wanted if line.strip()})
    if not marks:
        return tuple(LogLine(line, highlighted=True) for line in wanted)
    # the newest attempt wrote last
    last = marks[-1]
    marks = [mark for mark in marks if mark > last - _MOST]
    start, end = max(0, marks[0] - _BEFORE), min(len(lines), last + _AFTER + 1)
    return tuple(LogLine(lines[i], highlighted=i in marks) for i in range(start, end))


def _places(lines: Sequence[str], wanted: set[str]) -> list[int]:
    return [i for i, line in enumerate(lines) if line.strip() in wanted]
