"""Cutting senders' secrets out of what is kept of a mail.

A secret vouches for its sender (see `astran.mail.senders.verification`); once the mail was
judged nobody needs it
any more. It goes out of each form in which a mail holds it: lines `secret: …`, also quoted ones, in
any part and coding; the address astran+SECRET@…; and wherever else the same word stands.
"""

from __future__ import annotations

import base64
import copy
import html
import re
from collections.abc import Collection, Iterable, Iterator
from email.generator import BytesGenerator
from email.policy import compat32
from io import BytesIO
from urllib.parse import quote

from astran.base.errors import AstranError
from astran.base.unicode_fold import fold_punctuation
from astran.config.site import MailSettings
from astran.mail.identity import own_addresses
from astran.mail.parsing.charsets import decode_bytes
from astran.mail.parsing.headers import (
    Message,
    all_headers,
    content_type,
    decode,
    read_message,
)
from astran.mail.parsing.html import read_html
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.parsing.new_text import read_body

CUT = "[cut]"
_LINE = re.compile(
    r"^([ \t>|*_]{0,200}secret[*_]{0,2}[ \t]{0,20}[:=][*_ \t]{0,20})([^\s][^\r\n]*)", re.I | re.M
)
_IN_SUBJECT = re.compile(r"\b(secret[ \t]{0,20}[:=][ \t]{0,20})(\S{1,200})", re.I)
_TAGGED = re.compile(r"([^\s@<>\"+:,;(]{1,100})\+([^\s@<>\"]{1,200})@([A-Za-z0-9.-]{1,200})")
_SHORTEST = 4
"""Shorter words are cut out of their line only: they stand anywhere by chance."""
_LONGEST = 200
_ALONE = 8
"""A shorter word is cut only where it is no part of a longer one."""
_CODED = re.compile(r"\s*(base64|quoted-printable|x-uuencode|uuencode|uue|x-uue)", re.I)
_LOST = b"[cut: this part held a secret]"


def secrets_of(message: Message, settings: MailSettings | None, sender: str = "") -> frozenset[str]:
    """The secrets, right or wrong, that a mail holds, and the one agreed with its sender."""
    found = {match[2].strip(" \t*_") for text in _texts(message) for match in _LINE.finditer(text)}
    if settings is not None:
        found |= set(_tags(message, settings))
        found |= _agreed(settings, sender)
    return frozenset(word for word in found if _SHORTEST <= len(word) <= _LONGEST) - {CUT}


def cut_text(text: str, secrets: Collection[str] = ()) -> str:
    """A text without secrets."""
    return _cut(_LINE.sub(rf"\g<1>{CUT}", text), secrets)


def cut_subject(text: str, secrets: Collection[str] = ()) -> str:
    """A subject without secrets, which may stand anywhere in it."""
    return _cut(_IN_SUBJECT.sub(rf"\g<1>{CUT}", text), secrets)


def cut_headers(headers: Message, secrets: Collection[str]) -> Message:
    """The headers with a subject without secrets; they alone say which mail it is."""
    before = MailFacts(headers).subject
    after = cut_subject(before, secrets)
    if after == before:
        return headers
    made = copy.copy(headers)
    del made["subject"]
    made["Subject"] = after
    return made


def cut_mail(raw: bytes, secrets: Collection[str]) -> bytes | None:
    """A raw mail without secrets; unchanged where it holds none. None where they cannot be cut out
    for certain: then the mail is not to be kept. Never raises on content."""
    try:
        message = read_message(raw)
        changed = [_cut_part(part, secrets) for part in message.walk()]
        made = _cut_bytes(_flat(message, raw) if any(changed) else raw, secrets)
        if any(_holds(text, secrets) for text in _texts(read_message(made))):
            return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, KeyError):
        # a mail that Python's own library stumbles over
        return None
    return made


# ---- finding -------------------------------------------------------------------------------------


def _texts(message: Message) -> Iterator[str]:
    """Every text in a mail in every form in which it may be read."""
    body = read_body(message)
    yield from body.texts
    yield from (text for _, text in body.aside)
    for part in message.walk():
        if _is_text(part):
            yield from _views(part, _payload(part))


def _is_text(part: Message) -> bool:
    return not part.is_multipart() and part.get_content_maintype() in ("text", "message")


def _views(part: Message, data: bytes) -> Iterator[str]:
    """What a part says with this content."""
    kind, params = content_type(part)
    text = decode_bytes(data, params.get("charset"))
    yield text
    yield fold_punctuation(text)
    if kind == "text/html":
        yield fold_punctuation(read_html(text).visible)


def _payload(part: Message) -> bytes:
    payload: object = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _tags(message: Message, settings: MailSettings) -> Iterator[str]:
    """What stands behind the + in an address of the own mailbox, in whatever header."""
    own = {address.lower() for address in own_addresses(settings)}
    for _, value in all_headers(message):
        for box, tag, domain in _TAGGED.findall(value):
            if f"{box}@{domain}".lower() in own:
                yield tag


def _agreed(settings: MailSettings, sender: str) -> set[str]:
    secret = settings.secrets.get(sender.lower())
    if secret is None:
        return set()
    try:
        return {secret.reveal()}
    except AstranError:
        return set()  # those that stand in the mail are found without it


# ---- cutting -------------------------------------------------------------------------------------


def _cut(text: str, secrets: Collection[str]) -> str:
    return _pattern(secrets).sub(CUT, text) if secrets else text


def _holds(text: str, secrets: Collection[str]) -> bool:
    lines = (match[2].strip() for match in _LINE.finditer(text))
    return any(CUT not in line for line in lines) or bool(
        secrets and _pattern(secrets).search(text)
    )


def _pattern(secrets: Collection[str]) -> re.Pattern[str]:
    """Every spelling of every secret; the longest first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    ordered = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(_one, ordered)), re.I)


def _forms(secret: str) -> Iterable[str]:
    yield from (secret, html.escape(secret), quote(secret, safe=""))


def _one(form: str) -> str:
    word = re.escape(form)
    return word if len(form) >= _ALONE else rf"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])"


def _cut_bytes(data: bytes, secrets: Collection[str]) -> bytes:
    """As bytes: what is not touched stays as it is, whatever its charset."""
    words = {secret.encode("utf-8", "replace").decode("latin-1") for secret in secrets}
    words |= {secret for secret in secrets if max(secret) <= "\xff"}
    return cut_text(data.decode("latin-1"), words).encode("latin-1")


def _cut_part(part: Message, secrets: Collection[str]) -> bool:
    """Cut where the bytes of the mail do not show it: in coded headers and bodies, and in HTML that
    has it in pieces; whether anything was cut."""
    changed = _cut_coded_headers(part, secrets)
    if part.is_multipart():
        return changed
    before = _payload(part)
    after = _cut_bytes(before, secrets)
    if _is_text(part) and any(_holds(view, secrets) for view in _views(part, after)):
        after = _LOST
    coded = _CODED.match(str(part.get("content-transfer-encoding", "")))
    if after == before or (not coded and after is not _LOST):
        return changed
    part.set_payload(base64.encodebytes(after).decode("ascii"))
    del part["content-transfer-encoding"]
    part["Content-Transfer-Encoding"] = "base64"
    return True


def _cut_coded_headers(part: Message, secrets: Collection[str]) -> bool:
    before = list(part.raw_items())
    after = [(name, _cut_header(str(value), secrets)) for name, value in before]
    if all(new == str(old) for (_, new), (_, old) in zip(after, before, strict=True)):
        return False
    for name in {name for name, _ in before}:
        del part[name]
    for name, value in after:
        part.set_raw(name, value)
    return True


def _cut_header(value: str, secrets: Collection[str]) -> str:
    if "=?" not in value:
        return value
    plain_words = decode(value)
    made = cut_subject(plain_words, secrets)
    return value if made == plain_words else made.encode("ascii", "replace").decode()


def _flat(message: Message, raw: bytes) -> bytes:
    line_end = "\r\n" if b"\r\n" in raw else "\n"
    out = BytesIO()
    policy = compat32.clone(linesep=line_end, max_line_length=0)
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=policy).flatten(message)
    return out.getvalue()
