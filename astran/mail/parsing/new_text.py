"""What the sender of a mail newly wrote: no quotes, no signature, no forwarded mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import errors

from astran.base.unicode_fold import fold_punctuation
from astran.mail.parsing.charsets import decode_bytes
from astran.mail.parsing.headers import (
    Message,
    TooManyParts,
    content_type,
    read_message,
    value,
)
from astran.mail.parsing.html import read_html
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.parsing.quotes import own_lines
from astran.mail.parsing.smime import signed_content

_CUT = (
    errors.CloseBoundaryNotFoundDefect,
    errors.StartBoundaryNotFoundDefect,
    errors.NoBoundaryInMultipartDefect,
    errors.MultipartInvariantViolationDefect,
    errors.MissingHeaderBodySeparatorDefect,
    TooManyParts,
)
_SPOILT = (
    errors.InvalidBase64PaddingDefect,
    errors.InvalidBase64CharactersDefect,
    errors.InvalidBase64LengthDefect,
)
_MOST_PARTS = 200
_DEEPEST = 20
_MOST_VIEWS = 4
_LONGEST = 400_000
"""Bytes of one text part that are read."""
# links that programs put behind a word by themselves: `20231207<tel:20231207>`
_LINKED = re.compile(
    r"(?<=\S)\s?<(?:tel|callto|mailto|https?|ftp|x-apple-data-detectors):[^<>\s]{0,3000}>", re.I
)
_MARKDOWN_LINK = re.compile(
    r"\[([^\[\]\n]{1,200})\]\((?:tel|callto|mailto|https?|x-apple-data-detectors):[^()\s]{0,500}\)",
    re.I,
)
_ANSWER = re.compile(
    r"(?:\[[^\[\]]{0,40}\]\s*)*(?:re|aw|antw|antwort|sv|vs|vb|rif|r|ref|res|odp|ynt|fwd?|wg|tr|rv|enc|i|doorst|fs|vl|pd|atb"
    r"|továbbítás|回复|回覆|答复|转发|轉寄|返信|転送)\s*(?:\[\d+\]\s*)?[:：]",
    re.I,
)
CALENDAR_TYPES = frozenset({"text/calendar", "application/ics", "text/x-vcalendar"})
"""Calendar entries (RFC 5545)."""
# what a program sends to another one (RFC 5546); PUBLISH alone is for people
_METHOD = re.compile(rb"^METHOD:\s{0,4}(?!PUBLISH)[A-Z]", re.I | re.M)
_TRANSFER = re.compile(r"[\s\"']*([A-Za-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Body:
    """The new text of a mail, in each form that the mail has it in."""

    texts: tuple[str, ...]
    """The plain form first, then the HTML; without forms that hold nothing."""
    answers: bool
    """Whether the mail answers or forwards another one."""
    damage: str = ""
    """What is broken in a mail that did not arrive whole, in words."""
    aside: tuple[tuple[str, str], ...] = ()
    """Text that is no part of what the sender visibly says, as (where it stands, text)."""
    automatic: str = ""
    """What the mail is, where its parts tell that a program wrote it; else empty."""

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
    reader = _Reader()
    views = reader.views(message)
    texts = (own_lines(_unlinked(fold_punctuation(view))) for view in views)
    told = tuple(dict.fromkeys(text for text in texts if text.strip()))
    aside = tuple((where, fold_punctuation(text)) for where, text in reader.aside)
    damage = reader.damage or _damage(message)
    return Body(told, is_answer(message), damage, aside, reader.automatic)


def is_answer(message: Message) -> bool:
    """Whether the mail answers or forwards another one, by its headers."""
    facts = MailFacts(message)
    named = any(facts.value(name).strip() for name in ("in-reply-to", "references"))
    return named or bool(_ANSWER.match(facts.subject))


def _damage(message: Message) -> str:
    """What the parser found missing; empty for a mail that is whole."""
    for part in message.walk():
        for defect in part.defects:
            if isinstance(defect, _CUT):
                return "it is cut off or damaged: a part of it does not end or does not begin"
            if isinstance(defect, _SPOILT) and content_type(part)[0].startswith("text/"):
                return "its base64 coding is cut off or spoilt"
    return ""


class _Reader:
    """The text parts that a mail program shows as the mail itself.

    Attachments and attached mails are left out. Text after an attachment is still text: some
    programs split a mail around pictures. Of alternatives a program shows one, so each makes a
    view of its own.
    """

    def __init__(self) -> None:
        self.aside: list[tuple[str, str]] = []
        self.damage = ""
        self.automatic = ""
        self._left = _MOST_PARTS

    def views(self, part: Message, depth: int = 0) -> list[str]:
        """The text of a part, once for each alternative; empty where it shows none."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            return []
        kind, params = content_type(part)
        if not part.is_multipart():
            return self._leaf(part, kind, params, depth)
        if kind == "message/partial":
            self.damage = "it is one piece of a longer mail"
        if kind == "multipart/encrypted":
            self._encrypted()
        if kind == "multipart/digest":
            self.automatic = "a digest"
        if kind.startswith("message/") or kind in (
            "multipart/digest", "multipart/report", "multipart/encrypted"
        ):  # fmt: skip
            return []
        payload: object = part.get_payload()
        inner = list(payload) if isinstance(payload, list) else []
        if kind in ("multipart/signed", "multipart/related"):
            inner = inner[:1]
        shown = [views for child in inner if (views := self.views(child, depth + 1))]
        if kind == "multipart/alternative":
            return [view for views in shown for view in views][:_MOST_VIEWS]
        number = max(map(len, shown), default=0)
        return ["\n".join(v[min(n, len(v) - 1)] for v in shown) for n in range(number)]

    def _leaf(self, part: Message, kind: str, params: dict[str, str], depth: int) -> list[str]:
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            return self._unwrap(part, depth)
        if kind in CALENDAR_TYPES and _calls(part, params):
            self.automatic = "an invitation, or an answer to one"
        if kind not in ("text/plain", "text/html"):
            return []
        text = _decoded(part, params)
        if kind == "text/html":
            page = read_html(text)
            if page.hidden.strip():
                self.aside.append(("in hidden text", page.hidden))
            text = page.visible
        else:
            text = _unflowed(params, text)
        if _attached(part, params):
            self.aside.append(("in an attachment", text))
            return []
        return [text]

    def _unwrap(self, part: Message, depth: int) -> list[str]:
        payload: object = part.get_payload(decode=True)
        content = signed_content(payload) if isinstance(payload, bytes) else None
        if content is None:
            self._encrypted()
            return []
        inner = read_message(content)
        found = self.views(inner, depth + 1)
        self.damage = self.damage or _damage(inner)
        return found

    def _encrypted(self) -> None:
        self.damage = "it is encrypted, and ASTRAN has no key"


def _calls(part: Message, params: dict[str, str]) -> bool:
    """Whether a calendar entry invites or calls off, rather than lies in an attachment."""
    payload: object = part.get_payload(decode=True)
    data = payload[:_LONGEST] if isinstance(payload, bytes) else b""
    method = params.get("method", "").upper()
    called = method not in ("", "PUBLISH") or bool(_METHOD.search(data))
    return called or not _attached(part, params)


def _attached(part: Message, params: dict[str, str]) -> bool:
    disposition = value(part, "content-disposition").lower()
    return (
        disposition.startswith("attachment")
        or "filename" in disposition
        or ("name" in params or "name*" in params)
    )


def _decoded(part: Message, params: dict[str, str]) -> str:
    """The text of a part: transfer encoding and charset undone, whatever they are labelled."""
    written = value(part, "content-transfer-encoding")
    if (match := _TRANSFER.match(written)) and match[1] != written:
        # the parser knows the bare word only
        part.replace_header("content-transfer-encoding", match[1])
    payload: object = part.get_payload(decode=True)
    data = payload[:_LONGEST] if isinstance(payload, bytes) else b""
    return decode_bytes(data, params.get("charset"))


def _unflowed(params: dict[str, str], text: str) -> str:
    """Lines that the sender's program broke for display joined again (RFC 3676)."""
    if params.get("format", "").lower() != "flowed":
        return text
    delete_blank = params.get("delsp", "").lower() == "yes"
    # each line as its pieces
    out: list[list[str]] = []
    open_depth = -1
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        piece = content[:-1] if flows and delete_blank else content
        if open_depth == depth and content != "-- ":
            out[-1].append(piece)
        else:
            out.append([">" * depth + " " if depth else "", piece])
        open_depth = depth if flows else -1
    return "\n".join("".join(pieces) for pieces in out)


def _unlinked(text: str) -> str:
    return _MARKDOWN_LINK.sub(r"\1", _LINKED.sub("", text))
