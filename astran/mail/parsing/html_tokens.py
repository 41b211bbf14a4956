"""Pages cut into tags and text, as browsers cut them, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

_COMMENT_END = re.compile(r"--!?>")
# as browsers cut tags: up to the first `>` that is in no quoted value. Where there is none, nothing
# of the rest is shown; so no text is looked at twice, and the time is linear
_TAG = re.compile(
    r"<(/?)([A-Za-z][^\s/>]*+)((?:=\s*+(?:\"[^\"]*+\"|'[^']*+')|[^>=]++|=(?!\s*+[\"']))*+)>"
)
_ATTRIBUTE = re.compile(r"([^\s=/>\"'<]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+))?")
_LONGEST_TAG = 8_000
# characters by number, as far as they have a meaning
_HUGE_NUMBER = re.compile(r"&#x?[0-9a-f]{9,};?", re.I)
_RAW_TEXT = {
    tag: re.compile(f"</{tag}", re.I)
    for tag in ("script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp")
} | {"plaintext": re.compile(r"(?!)")}
_OPENS = re.compile(r"<[A-Za-z/!?]")
_LONGEST_NAME = 60
_CONDITION = re.compile(r"<!\[\s*(if|endif)\b([^>]*)", re.I)


def tokens_of(page: str) -> Iterator[tuple[str, str, str]]:
    """(kind, tag or text, attributes) with kind `start`, `end`, `data`, `if` or `endif`, in linear
    time.

    The standard library's parser takes quadratic time for tags that never end.
    """
    at = 0
    while at < len(page):
        begin = page.find("<", at)
        if begin != at:
            yield "data", page[at : begin if begin > 0 else len(page)], ""
        if begin < 0:
            return
        if match := _TAG.match(page, begin):
            at = match.end()
            tag = match[2].lower()
            # what is not read of a tag may hide its text
            rest = " hidden" if len(match[3]) > _LONGEST_TAG else ""
            yield "end" if match[1] else "start", tag, match[3][:_LONGEST_TAG] + rest
            if not match[1] and tag in _RAW_TEXT:
                begin, at = at, _after(_RAW_TEXT[tag], page, at, keep=True)
                yield "data", page[begin:at], ""
        elif page.startswith("<!--", begin):
            at = _after(_COMMENT_END, page, begin + 4)
        elif match := _CONDITION.match(page, begin):
            at = page.find(">", begin) + 1 or len(page)
            yield match[1].lower(), match[2].rstrip("]")[:_LONGEST_NAME], ""
        elif _OPENS.match(page, begin):
            # a declaration ends with the first `>`; a tag without end swallows the rest
            ends = not page[begin + 1 : begin + 2].isalpha()
            at = (page.find(">", begin) + 1 if ends else 0) or len(page)
        else:
            yield "data", "<", ""
            at = begin + 1


def _after(pattern: re.Pattern[str], page: str, at: int, keep: bool = False) -> int:
    """Where the next match ends (or begins, to be kept); the end of the page without one."""
    match = pattern.search(page, at)
    if match is None:
        return len(page)
    return match.start() if keep else match.end()


def decode_entities(text: str) -> str:
    """Characters by name or number, as far as they have a meaning."""
    return unescape(_HUGE_NUMBER.sub("\ufffd", text))


def read_attributes(text: str) -> dict[str, str]:
    """The attributes of a tag by name in lower case; of one that stands twice, the first."""
    if not text:
        return {}
    found: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        plain = value[1:-1] if value[:1] in ('"', "'") else value
        found.setdefault(name.lower(), unescape(_HUGE_NUMBER.sub("", plain)))
    return found
