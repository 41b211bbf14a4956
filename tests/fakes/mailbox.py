"""A mailbox in memory, behind the Mailbox port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from astran.base.errors import MailGone, MailUnavailable
from astran.mail.parsing.headers import read_headers, read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.ports import Claim, FetchedHeader


class FakeMailbox:
    """Keeps mails by folder and UID; the contract tests hold it to what Dovecot does."""

    def __init__(self, folder: str = "INBOX", uidvalidity: int = 1, last_uid: int = 0) -> None:
        self.folder = folder
        self.uidvalidity = uidvalidity
        self.folders: dict[str, dict[int, bytes]] = {folder: {}}
        self.received: dict[int, date] = {}
        self.claims: dict[int, str] = {}
        self._last: dict[str, int] = {folder: last_uid}

    def add(self, raw: bytes, folder: str = "") -> int:
        """Deliver a mail and return its UID."""
        name = folder or self.folder
        uid = self._last.get(name, 0) + 1
        self._last[name] = uid
        self.folders.setdefault(name, {})[uid] = raw
        return uid

    def highest_uid(self) -> int:
        return self._last.get(self.folder, 0)

    def new(self, after_uid: int, limit: int) -> list[FetchedHeader]:
        return self.envelopes(self.uids(after_uid, limit))

    def uids(self, after_uid: int, limit: int) -> list[int]:
        return sorted(uid for uid in self.folders[self.folder] if uid > after_uid)[:limit]

    def envelopes(self, uids: Sequence[int]) -> list[FetchedHeader]:
        mails = self.folders[self.folder]
        found = sorted(uid for uid in uids if uid in mails)
        return [FetchedHeader(uid, len(mails[uid]), read_headers(mails[uid])) for uid in found]

    def holds(self, uid: int) -> bool:
        return uid in self.folders[self.folder]

    def renew(self) -> None:
        return None

    def uid_before(self, day: date) -> int:
        mails = self.folders[self.folder]
        later = [uid for uid in mails if self.received.get(uid, date.max) >= day]
        return min(later, default=self.highest_uid() + 1) - 1

    def claim(self, uid: int, service: str) -> Claim:
        taker = self.claims.setdefault(uid, service)
        return Claim.MINE if taker == service else Claim.OTHERS

    def fetch(self, uid: int) -> bytes:
        try:
            return self.folders[self.folder][uid]
        except KeyError:
            raise MailGone(f"The mail with UID {uid} is no longer in {self.folder}.") from None

    def move(self, uid: int, folder: str) -> None:
        raw = self.folders[self.folder].pop(uid, None)
        self.folders.setdefault(folder, {})
        if raw is not None:
            self.add(raw, folder)

    def contains(self, message_id_wanted: str, folders: Sequence[str]) -> bool:
        return any(
            MailFacts(read_message(raw)).message_id == message_id_wanted
            for folder in folders
            for raw in self.folders.get(folder, {}).values()
        )


class TroubledMailbox(FakeMailbox):
    """A mailbox whose server fails in the ways that are set."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out: set[int] = set()
        """The server's answer lacks these mails."""
        self.unreadable: set[int] = set()
        """Asked for one of these, the server refuses the whole answer."""
        self.bodiless: set[int] = set()
        """Headers can be had, the whole mail cannot."""
        self.refuses_moves = False
        self.away = False

    def uids(self, after_uid: int, limit: int) -> list[int]:
        self.renew()
        return super().uids(after_uid, limit)

    def envelopes(self, uids: Sequence[int]) -> list[FetchedHeader]:
        self.renew()
        if self.unreadable & set(uids):
            raise MailUnavailable("The mail server refused FETCH: internal error")
        return super().envelopes([uid for uid in uids if uid not in self.left_out])

    def fetch(self, uid: int) -> bytes:
        self.renew()
        if uid in self.bodiless:
            raise MailUnavailable(f"The mail server does not give the mail with UID {uid}.")
        return super().fetch(uid)

    def move(self, uid: int, folder: str) -> None:
        self.renew()
        if self.refuses_moves:
            raise MailUnavailable("The mail server refused MOVE: over quota")
        super().move(uid, folder)

    def renew(self) -> None:
        if self.away:
            raise MailUnavailable("The mail server is out of reach.")
