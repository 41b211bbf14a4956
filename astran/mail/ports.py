"""The two ports of the mail room: a mailbox that is read, a postman who sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from astran.mail.headers import Message


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a mail before its body is fetched."""

    uid: int
    size: int
    """Size of the whole mail [bytes]."""
    headers: Message


class Mailbox(Protocol):
    """A folder of an IMAP account; reading leaves no trace (no mail is marked as seen)."""

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
