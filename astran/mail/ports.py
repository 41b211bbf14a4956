"""The two ports of the mail room: a mailbox that is read, a postman who sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from astran.mail.headers import Message


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a mail before its body is fetched."""

    uid: int
    size: int
    """Size of the whole mail [bytes]."""
    headers: Message


class Claim(StrEnum):
    """Who deals with a mail, where several services read one mailbox."""

    MINE = "mine"
    OTHERS = "others"
    """Another service has it."""
    CONTESTED = "contested"
    """Another service reached for it at the same moment: both let go, look again later."""


class Mailbox(Protocol):
    """A folder of an IMAP account; no mail is marked as seen by reading it."""

    @property
    def uidvalidity(self) -> int:
        """A UID means the same mail as long as this number stays the same."""
        ...

    def highest_uid(self) -> int:
        """The largest UID given so far, 0 in a mailbox that never held a mail."""
        ...

    def new(self, after_uid: int, limit: int) -> list[Envelope]:
        """Mails with a UID above `after_uid`, oldest first, at most `limit`."""
        ...

    def uid_before(self, day: date) -> int:
        """The UID up to which all mails came before a day; mails of that day on lie above."""
        ...

    def claim(self, uid: int, service: str) -> Claim:
        """Claim a mail for a service; always MINE where the server keeps no keywords."""
        ...

    def fetch(self, uid: int) -> bytes:
        """The whole mail. Raises MailGone if it is no longer in the folder."""
        ...

    def move(self, uid: int, folder: str) -> None:
        """Move a mail into a folder, which is made if needed; a mail that is gone is no error."""
        ...

    def contains(self, message_id: str, folders: Sequence[str]) -> bool:
        """Whether one of the folders holds a mail with this Message-ID."""
        ...


class Postman(Protocol):
    """Takes finished mails to the submission server."""

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        """Hand over a mail; returns the recipients that the server refused, if others were taken.

        Raises
        ------
        MailUnavailable : not now; whether the mail went out may be unknown
        MailRejected : the server refused the mail, or every recipient, for good
        MailAuthError : the log-in was refused
        """
        ...
