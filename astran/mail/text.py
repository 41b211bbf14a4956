"""What the sender of a mail newly wrote: no quotes, no signature, no forwarded mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import (
    CloseBoundaryNotFoundDefect,
    NoBoundaryInMultipartDefect,
    StartBoundaryNotFoundDefect,
)

from astran.base.plain import plain
from astran.mail.headers import Message, content_type, decode_bytes, references, subject, value
from astran.mail.html import html_to_text
from astran.mail.quotes import own_lines

_CUT = (CloseBoundaryNotFoundDefect, StartBoundaryNotFoundDefect, NoBoundaryInMultipartDefect)
_MOST_PARTS = 200
_LONGEST = 400_000
"""Bytes of one text part that are read."""
# links that programs put behind a word by themselves: `20231207<tel:20231207>`
_LINKED = re.compile(
    r"(?<=\S)\s?<(?:tel|callto|mailto|https?|ftp|x-apple-data-detectors):[^<>\s]{0,500}>", re.I
)
_MARKDOWN_LINK = re.compile(
    r"\[([^\[\]\n]{1,200})\]\((?:tel|callto|mailto|https?|x-apple-data-detectors):[^()\s]{0,500}\)",
    re.I,
)
_ANSWER = re.compile(
    r"(?:re|aw|antw|antwort|sv|vs|vb|rif|r|ref|res|odp|ynt|fwd?|wg|tr|rv|enc|i|doorst|fs)"
    r"\s*(?:\[\d+\])?\s*:",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Body:
    """The new text of a mail, in each form that the mail has it in."""

    texts: tuple[str, ...]
    """The plain form first, then the HTML; without forms that hold nothing."""
    answers: bool
    """Whether the mail answers or forwards another one."""
    damage: str = ""
    """What is broken in a mail that did not arrive whole, in words."""

    @property
    def text(self) -> str:
        """The form that counts; empty where the sender wrote nothing new."""
        return self.texts[0] if self.texts else ""


def new_text(message: Message) -> str:
    """What the sender newly wrote, plain typography, lines ended by newlines. Never raises.

    text/plain counts before HTML; a text/plain part that holds nothing new gives way to the HTML.
    """
    return read_body(message).text


def read_body(message: Message) -> Body:
    """The new text in all its forms; see `new_text`."""
    plains: list[str] = []
    pages: list[str] = []
    for part, kind in _shown_parts(message):
        if kind == "text/html":
            pages.append(html_to_text(_decoded(part)))
        else:
            plains.append(_unflowed(part, _decoded(part)))
    forms = ("\n".join(plains), "\n".join(pages))
    texts = (own_lines(_unlinked(plain(form))) for form in forms)
    told = tuple(text for text in texts if text.strip())
    return Body(told, is_answer(message), _damage(message))


def is_answer(message: Message) -> bool:
    """Whether the mail answers or forwards another one, by its headers."""
    return bool(references(message)) or bool(_ANSWER.match(subject(message)))


def _damage(message: Message) -> str:
    """What the parser found missing; empty for a mail that is whole."""
    for part in message.walk():
        for defect in part.defects:
            if isinstance(defect, _CUT):
                return "it is cut off or damaged: a part of it does not end or does not begin"
    return ""


def _shown_parts(message: Message) -> Iterator[tuple[Message, str]]:
    """The text parts that a mail program shows as the mail itself, in order.

    Attachments and attached mails are left out. Text after an attachment is still text: some
    programs split a mail around pictures.
    """
    stack: list[Message] = [message]
    seen = 0
    while stack and seen < _MOST_PARTS:
        part = stack.pop()
        seen += 1
        kind, params = content_type(part)
        if part.is_multipart():
            payload: object = part.get_payload()
            if kind.startswith("message/") or kind in ("multipart/digest", "multipart/report"):
                continue
            inner = list(payload) if isinstance(payload, list) else []
            if kind in ("multipart/signed", "multipart/related"):
                inner = inner[:1]
            stack.extend(reversed(inner))
        elif kind in ("text/plain", "text/html") and not _attached(part, params):
            yield part, kind


def _attached(part: Message, params: dict[str, str]) -> bool:
    disposition = value(part, "content-disposition").lower()
    return (
        disposition.startswith("attachment")
        or "filename" in disposition
        or ("name" in params or "name*" in params)
    )


def _decoded(part: Message) -> str:
    """The text of a part: transfer encoding and charset undone, whatever they are labelled."""
    payload: object = part.get_payload(decode=True)
    data = payload[:_LONGEST] if isinstance(payload, bytes) else b""
    _, params = content_type(part)
    return decode_bytes(data.removeprefix(b"\xef\xbb\xbf"), params.get("charset"))


def _unflowed(part: Message, text: str) -> str:
    """Lines that the sender's program broke for display joined again (RFC 3676)."""
    _, params = content_type(part)
    if params.get("format", "").lower() != "flowed":
        return text
    delete_blank = params.get("delsp", "").lower() == "yes"
    out: list[str] = []
    open_depth = -1
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        piece = content[:-1] if flows and delete_blank else content
        if open_depth == depth:
            out[-1] += piece
        else:
            out.append((">" * depth + " " if depth else "") + piece)
        open_depth = depth if flows else -1
    return "\n".join(out)


def _unlinked(text: str) -> str:
    return _MARKDOWN_LINK.sub(r"\1", _LINKED.sub("", text))
