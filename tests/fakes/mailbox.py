"""A mailbox in memory, behind the Mailbox port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from astran.base.errors import MailGone
from astran.mail.headers import message_id, read_headers, read_message
from astran.mail.ports import Claim, Envelope


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

    def new(self, after_uid: int, limit: int) -> list[Envelope]:
        mails = self.folders[self.folder]
        uids = sorted(uid for uid in mails if uid > after_uid)[:limit]
        return [Envelope(uid, len(mails[uid]), read_headers(mails[uid])) for uid in uids]

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
            message_id(read_message(raw)) == message_id_wanted
            for folder in folders
            for raw in self.folders.get(folder, {}).values()
        )
