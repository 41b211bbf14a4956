"""From lines of text to written keys and values: bullets, emphasis, lists and wrapped lines undone.

One pass over the lines; nothing here knows what a value means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from astran.launch_language.keys import Key, KeyTable, ValueKind
from astran.launch_language.values import without_remarks

_EDGES = "\ufeff\u200b\u200c\u200d\u2060\u00ad\u200e\u200f"
"""Unseen characters that programs leave at the ends of lines; inside a value they are refused."""
_BULLET = re.compile(
    r"(?:[-+*–—]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+"
    r"|[•·◦▪‣●○■□◾►▶▸➢➤→⇒✓✔∙⁃\uf0b7\uf0a7\uf0d8§]\s*|o\s+(?=\S+\s?[:=])"
)
_MARK = re.compile(r"(\*{1,3}|_{1,2}|`{1,3}|~{2})(?=\S)")
_KEY = re.compile(r"[^\W\d_](?:[\w .\-]{0,48}|[\w.]{0,120})")
_LONGEST_INLINE = 4_000
_KEY_ENDS = 130
"""The colon stands within so many characters."""
_KEY_UNIT = re.compile(r"[\[(][^\])(\[]{0,16}[\])]$")
_BETWEEN_RUNS = re.compile(r"[\s,;.\-\[\]&#_]+")
_RUN = re.compile(r"(?:runs?)?\d{1,10}|runs?|and|to|until", re.I)
_DIGIT = re.compile(r"\d")
# a line that begins with a run number, or holds one below a list that is not at its end
_BEGINS_WITH_RUN = re.compile(r"(?:runs?[\s#_]{0,3})?\d{4,7}(?![\d:/.])", re.I)
_HOLDS_RUN = re.compile(r"(?<![\d.:/])\d{4,7}(?![\d:/])")
_OF_RUN_LENGTH = re.compile(r"(?<!\d)\d{4,8}(?!\d)")
_OPEN_RANGE = re.compile(r"\d\s?(?:-|\.\.\.?|to|until)$", re.I)
_BEGINS_RANGE = re.compile(r"-|(?:to|until)\b", re.I)
_OPEN_LIST = re.compile(r"(?:[,;&+\-]|\b(?:and|to|until))$", re.I)
_ITEM = re.compile(r"(?:[-*•·◦▪‣]|\(?\d{1,2}[.)])\s+")
_ENDS = re.compile(r"\W{0,4}(?:many |best |kind )?(?:thank|thx|regards|cheers|best|bye|ciao)", re.I)
_NEXT_KEY = re.compile(r"[,;|]\s*(?=[A-Za-z][\w .]{0,40}[:=])")
_COMMENT = re.compile(r"(?:^|\s)#\s.*$|\s//\s.*$")


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A line that looks like `key: value`."""

    line: int
    written: str
    """The key as its author wrote it."""
    key: Key | None
    value: str
    joined: bool = False
    """Whether only lines of this kind part it from one with a known key."""


@dataclass(frozen=True, slots=True)
class FreeLine:
    """A line that is neither `key: value` nor a part of a value."""

    number: int
    text: str
    """Without the blanks around it; empty for an empty line."""


def scan_lines(
    text: str, max_lines: int, max_line: int, keys: KeyTable
) -> Iterator[KeyLine | FreeLine]:
    """All lines of the form `key: value`, each with the value's further lines, and the others.

    The text has plain typography already (`astran.base.unicode_fold`). Lines beyond `max_lines` are
    left out; lines of more than `max_line` characters are free unless they begin with a known key.
    """
    lines = text.split("\n")[:max_lines]
    block: list[KeyLine] = []
    number = 0
    while number < len(lines):
        found = _split(lines[number], max_line, keys)
        if found is None:
            if not _is_detail(lines[number], keys):
                yield from _closed(block)
                block = []
                yield FreeLine(number + 1, lines[number].strip(_EDGES + " \t"))
            number += 1
            continue
        written, key, value = found
        first = number
        number += 1
        if key is not None:
            value, number = _gather(key, value, lines, number, max_line, keys)
        block += [KeyLine(first + 1, *part) for part in _inline(written, key, value, keys)]
        if (
            key is not None
            and key.kind is ValueKind.RUNS
            and (
                _is_remarked(lines, number, max_line, keys)
                or (not value and _is_text(lines, number, max_line, keys))
            )
        ):
            # more of the list, with something else in it: its reader says what
            block.append(KeyLine(number + 1, written, key, _clean(lines[number], "")))
            number += 1
    yield from _closed(block)


def _closed(block: list[KeyLine]) -> list[KeyLine]:
    """Entries that stand together, told whether a known key is among them."""
    known = any(entry.key is not None for entry in block)
    return [replace(entry, joined=known) for entry in block]


def _split(line: str, max_line: int, keys: KeyTable) -> tuple[str, Key | None, str] | None:
    """Key as written, key as known, value; None for a line that is not of that form."""
    head = line[:150].strip(_EDGES + " \t")
    if not head or head.startswith((">", "|")):
        return None
    body = line.strip(_EDGES + " \t")
    if bullet := _BULLET.match(body):
        body = body[bullet.end() :]
    mark = ""
    if (match := _MARK.match(body)) and not body.startswith("__init"):
        mark = match[1]
        body = body[match.end() :]
    place = min((at for at in (body.find(c, 0, _KEY_ENDS) for c in ":=") if at > 0), default=-1)
    tab = body.find("\t", 0, _KEY_ENDS)
    if tab > 0 and (place < 0 or tab < place) and keys.find(body[:tab]):
        place = tab
    if place < 0:
        return None
    written, value = body[:place].strip(), body[place + 1 :]
    if value.startswith("//"):
        return None
    written = written.strip("*_`~\"'{[ ").strip(_EDGES)
    bare = _KEY_UNIT.sub("", written).rstrip()
    if not _KEY.fullmatch(bare) or len(bare.split()) > 4:
        return None
    key = keys.find(written) or keys.find(bare)
    if len(line) > max_line and key is None:
        return None
    return written, key, _clean(value, mark)


def _clean(value: str, mark: str) -> str:
    value = value.strip(_EDGES + " \t")
    if mark:
        # *key:* value, *key*: value and *key: value* are all in use
        value = value.removeprefix(mark).strip()
        value = value.removesuffix(mark).strip()
    value = _COMMENT.sub("", value).strip(_EDGES + " \t")
    if value.endswith("}") and "{" not in value:
        value = value[:-1].rstrip()
    value = value.rstrip(",;").rstrip()
    if value.endswith(".") and not value.endswith((".e.", "..")):
        value = value[:-1].rstrip()
    for quote in ('"', "'", "`"):
        if len(value) >= 2 and value[0] == value[-1] == quote:
            value = value[1:-1].strip()
    return value


def _gather(
    key: Key, value: str, lines: list[str], number: int, max_line: int, keys: KeyTable
) -> tuple[str, int]:
    """The value with its further lines, and the number of the next line to look at."""
    if key.kind is ValueKind.RUNS:
        opened = value
        while number < len(lines) and len(opened) < 4000:
            line = lines[number].strip(_EDGES + " \t")
            if not line or len(line) > max_line or not _is_list(item := _item(line)):
                break
            tail = opened[-20:].rstrip()
            glue = " " if _OPEN_RANGE.search(tail) or _BEGINS_RANGE.match(item) else ", "
            opened = f"{opened.rstrip(', ')}{glue}{item}".lstrip(", ")
            number += 1
        return opened, number
    if not value and number < len(lines):
        line = lines[number].strip(_EDGES + " \t")
        found = _split(lines[number], max_line, keys)
        if found is not None and key.kind is ValueKind.TARGET and found[0].lower() == "name":
            return found[2], number + 1
        if line and found is None:
            return _clean(line, ""), number + 1
    return value, number


def _item(line: str) -> str:
    """A line of a list without its bullet and its comment."""
    bullet = _ITEM.match(line)
    return _COMMENT.sub("", line[bullet.end() if bullet else 0 :]).strip()


def is_run_list(text: str) -> bool:
    """Whether a text is a list of run numbers (or of dates) of the usual length."""
    return _is_list(text) and bool(_OF_RUN_LENGTH.search(text))


def _is_list(text: str) -> bool:
    """Whether a line holds run numbers and what may stand between them, and nothing else."""
    text = without_remarks(text)
    words = filter(None, _BETWEEN_RUNS.split(text))
    return bool(_DIGIT.search(text)) and all(_RUN.fullmatch(word) for word in words)


def _is_text(lines: list[str], number: int, max_line: int, keys: KeyTable) -> bool:
    """Whether something other than a key or a farewell stands in a line."""
    if number >= len(lines) or _split(lines[number], max_line, keys) is not None:
        return False
    line = lines[number][:max_line].strip(_EDGES + " \t")
    return bool(line) and not _ENDS.match(line)


def _is_remarked(lines: list[str], number: int, max_line: int, keys: KeyTable) -> bool:
    """Whether the line below a list of runs belongs to it, although it holds something else."""
    if number >= len(lines) or _split(lines[number], max_line, keys) is not None:
        return False
    line = lines[number][:max_line].strip(_EDGES + " \t")
    if _BEGINS_WITH_RUN.match(_item(line)):
        return True
    above = lines[number - 1][-20:].strip(_EDGES + " \t")
    return bool(_OPEN_LIST.search(above)) and bool(_HOLDS_RUN.search(line))


def _inline(
    written: str, key: Key | None, value: str, keys: KeyTable
) -> Iterator[tuple[str, Key | None, str]]:
    """Several `key: value` on one line, parted by comma, semicolon or bar."""
    if key is None or len(value) > _LONGEST_INLINE or not _NEXT_KEY.search(value):
        yield written, key, value
        return
    pieces = _NEXT_KEY.split(value)
    current: tuple[str, Key | None, str] = (written, key, pieces[0])
    for piece in pieces[1:]:
        other, _, rest = piece.replace("=", ":", 1).partition(":")
        if other_key := keys.find(other.strip()):
            yield current[0], current[1], _clean(current[2], "")
            current = (other.strip(), other_key, rest)
        else:
            current = (current[0], current[1], f"{current[2]}, {piece}")
    yield current[0], current[1], _clean(current[2], "")


def _is_detail(line: str, keys: KeyTable) -> bool:
    """A line that does not part what stands above it from what stands below: a bare section."""
    return line.strip().rstrip(":").lower() in keys.sections
