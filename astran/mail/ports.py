"""The two ports of the mail package: a mailbox that is read, a postman who sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from astran.mail.parsing.headers import Message
from astran.mail.parsing.mail_facts import MailFacts


@dataclass(frozen=True)
class FetchedHeader:
    """What is known of a mail before its body is fetched."""

    uid: int
    size: int
    """Size of the whole mail [bytes]."""
    headers: Message

    @cached_property
    def facts(self) -> MailFacts:
        """What the headers say."""
        return MailFacts(self.headers)


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

    def new(self, after_uid: int, limit: int) -> list[FetchedHeader]:
        """Mails with a UID above `after_uid`, oldest first, at most `limit`; without those that the
        server left out."""
        ...

    def uids(self, after_uid: int, limit: int) -> list[int]:
        """UIDs above `after_uid` in rising order, at most `limit`."""
        ...

    def envelopes(self, uids: Sequence[int]) -> list[FetchedHeader]:
        """The mails with these UIDs, in rising order; the server may leave some out, whether they
        are gone or it cannot read them."""
        ...

    def holds(self, uid: int) -> bool:
        """Whether the folder holds a mail with this UID, as the server knows it now."""
        ...

    def renew(self) -> None:
        """See that the mailbox answers after an act that failed; a broken line is made anew.

        Raises
        ------
        MailUnavailable : it does not
        """
        ...

    def uid_before(self, day: date) -> int:
        """The UID up to which all mails came before a day; mails of that day on lie above."""
        ...

    def claim(self, uid: int, service: str) -> Claim:
        """Claim a mail for a service; always MINE where the server keeps no keywords."""
        ...

    def fetch(self, uid: int) -> bytes:
        """The whole mail.

        Raises
        ------
        MailGone : it is no longer in the folder
        MailUnavailable : the server has it and does not give it, or did not answer
        """
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
