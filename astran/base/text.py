"""Text from strangers made harmless, and a few words for people.

Names, log lines and configuration values reach mails, pages and terminals. What could act there
(escape sequences, control characters, marks that turn the reading direction) is taken out at one
place; the rest is left as it is. Escaping for HTML is the template engine's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# escape sequences of terminals: ECMA-48 CSI, OSC and the two-character ones
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# C0 and C1 controls other than tab and newline; soft hyphen; bidirectional and zero-width marks;
# interlinear and tag characters; lone surrogates
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as every database takes it: a NUL (PostgreSQL) and lone surrogates, which stand for
    bytes of no known character set, become the replacement character."""
    return _UNSTORABLE.sub("\ufffd", text)


def strip_control(text: str) -> str:
    """The text without anything that acts: only printable characters, tabs and newlines."""
    return _UNSEEN.sub("", _BREAKS.sub("\n", _ESCAPES.sub("", text)))


def one_line(text: str, limit: int = 200) -> str:
    """Harmless text on one line, runs of white space as one space, at most `limit` characters."""
    return shorten(" ".join(strip_control(text[: 20 * limit]).split()), limit)


def quoted_line(text: str, limit: int = 300) -> str:
    """A line of a log or a mail as it stands, its indent kept, made harmless."""
    return shorten(
        strip_control(text[: 20 * limit]).expandtabs(4).replace("\n", " ").rstrip(), limit
    )


def shorten(text: str, limit: int) -> str:
    """The text, cut with an ellipsis where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `42 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    if seconds is None or not 0 <= seconds < float("inf"):
        return "not available"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def count_noun(number: int, noun: str, plural: str = "") -> str:
    """`1 run`, `3 runs`, `2 analyses`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def number_ranges(numbers: Iterable[int]) -> str:
    """`15864-15867, 15869` of run numbers, in ascending order."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{low}-{high}" if high > low else str(low) for low, high in ranges)
