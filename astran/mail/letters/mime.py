"""From text, HTML, images and files to one well-formed message.

The headers follow RFC 5322 and RFC 3834 (automatic answers). Equal input gives equal bytes, the
Message-ID and the MIME boundaries included: a letter sent again is no new letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import cast

from astran.base.errors import MailError
from astran.base.text import one_line
from astran.config.site import MailSettings

LOOP_HEADER = "X-Astran-Loop"
_MESSAGE_ID = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\]+@[^\s@,;:<>()\[\]\"\\]+")
_ANSWER_MARKS = re.compile(r"^(?:(?:re|aw|fwd?|sv|antw|rif|wg)\s*(?:\[\d+\]\s*)?:\s*)+", re.I)
_OWN_STATE = re.compile(r"\[[A-Z]\d+\].*$")
_OWN_ANSWER = re.compile(
    r"^(?:SIMULATED )?(?:(?:-?\d{1,6}\.\d sigma|no significance) |[a-z]{4,12}: )"
    r"(?=.{1,150}\[[A-Z]\d+\]$)"
)
"""What a report's own subject says before the target."""
_NOT_IN_WORD = re.compile(r"[^A-Za-z0-9_-]")
_NOT_IN_DOMAIN = re.compile(r"[^A-Za-z0-9.-]")
_REFERENCES = 12
"""At most so many: the first ones and the last ones are what mail programs thread by."""


@dataclass(frozen=True, slots=True)
class Thread:
    """To whom a letter goes, and which conversation it continues."""

    to: str
    """One address, bare or with a display name."""
    subject: str = ""
    """Subject of the mail that began the conversation; empty: none did."""
    in_reply_to: str | None = None
    """Message-ID that is answered, with its angle brackets."""
    references: tuple[str, ...] = ()
    """Message-IDs of the conversation so far, oldest first."""
    seed: str = ""
    """Anything that sets this conversation apart where no mail began it, for example the time at
    which an analysis was received; mixed into the Message-ID."""


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An inline image, shown in the HTML by `cid:<cid>`."""

    cid: str
    name: str
    data: bytes
    subtype: str = "png"


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attached file."""

    name: str
    data: bytes
    kind: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class MailHeader:
    """All headers that differ from letter to letter."""

    thread: Thread
    subject: str
    message_id: str
    date: datetime
    generated: bool = False
    """Sent of its own accord (reports, alerts), not as an answer."""


def message_id(mail: MailSettings, kind: str, about: str, thread: Thread, n: int) -> str:
    """`<report.A12.1.0f3c…@institute.example>`: the same for the same letter, for ever.

    The hash sets apart what only looks the same: A12 of another database, the same mail to
    somebody else.
    """
    parts = (thread.to, thread.in_reply_to or "", *thread.references, thread.subject, thread.seed)
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]
    words = [_NOT_IN_WORD.sub("", word) for word in (kind, about)]
    domain = _NOT_IN_DOMAIN.sub("", mail.address.rpartition("@")[2]) or "localhost"
    return f"<{'.'.join([*filter(None, words), str(n), digest])}@{domain}>"


def answer_subject(thread: Thread, state: str) -> str:
    """`Re: <original subject> <state>`; marks of earlier answers are not piled up."""
    asked = _ANSWER_MARKS.sub("", one_line(thread.subject, 120))
    base = _OWN_STATE.sub("", _OWN_ANSWER.sub("", asked)).strip()
    return one_line(f"Re: {base} {state}" if base else f"ASTRAN {state}", 200)


def compose(
    mail: MailSettings,
    envelope: MailHeader,
    text: str,
    html: str,
    pictures: Sequence[InlineImage] = (),
    enclosures: Sequence[Attachment] = (),
) -> EmailMessage:
    """The finished message.

    Raises
    ------
    MailError : the recipient is no mail address
    """
    message = EmailMessage(policy=SMTP)
    _address(message, mail, envelope)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if pictures:
        page = cast(MIMEPart, message.get_payload(1))
        for picture in pictures:
            page.add_related(
                picture.data,
                "image",
                picture.subtype,
                cid=f"<{picture.cid}>",
                filename=picture.name,
                disposition="inline",
            )
    for enclosure in enclosures:
        main, _, sub = enclosure.kind.partition("/")
        message.add_attachment(enclosure.data, main, sub, filename=enclosure.name)
    # unguessable to whoever wrote a part of the content, yet the same each time
    secret = hashlib.sha256(f"{envelope.message_id}\0{text}\0{html}".encode(errors="replace"))
    for index, part in enumerate(p for p in message.walk() if p.is_multipart()):
        part.set_boundary(f"=_{secret.hexdigest()[:32]}.{index}")
    return message


def bare_address(text: str) -> str:
    """The one address in a header or a setting.

    Raises
    ------
    MailError : it is none, or more than one
    """
    found = getaddresses([one_line(text, 400)])
    if len(found) != 1 or not _ADDRESS.fullmatch(found[0][1]):
        raise MailError(f"{one_line(text, 80)!r} is not one mail address.")
    return found[0][1]


def _address(message: EmailMessage, mail: MailSettings, envelope: MailHeader) -> None:
    thread = envelope.thread
    message["From"] = Address(one_line(mail.name, 60), addr_spec=bare_address(mail.address))
    message["To"] = Address(addr_spec=bare_address(thread.to))
    message["Subject"] = one_line(envelope.subject, 200)
    message["Date"] = format_datetime(envelope.date)
    message["Message-ID"] = envelope.message_id
    answered = _ids([thread.in_reply_to or ""])
    if answered:
        message["In-Reply-To"] = answered[-1]
    chain = list(dict.fromkeys([*_ids(thread.references), *answered]))
    if len(chain) > _REFERENCES:
        chain = [*chain[:2], *chain[2 - _REFERENCES :]]
    if chain:
        message["References"] = " ".join(chain)
    message["Auto-Submitted"] = "auto-generated" if envelope.generated else "auto-replied"
    message["X-Auto-Response-Suppress"] = "All"
    message[LOOP_HEADER] = bare_address(mail.address)


def _ids(texts: Sequence[str]) -> list[str]:
    """Message-IDs in a list of texts; whatever is none, or longer than a line, is left out."""
    return [
        found
        for text in texts
        for found in _MESSAGE_ID.findall(text)
        if len(found) <= 250 and found.isascii() and found.isprintable()
    ]
