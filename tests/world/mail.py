"""Mailbox and mail delivery: what the servers truly hold, and what a process sees of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, NoReturn, TypeVar

from fakes.mailbox import FakeMailbox

from astran.base.errors import MailUnavailable
from astran.mail.ports import Claim, FetchedHeader
from world.world_faults import call

if TYPE_CHECKING:
    from world.play import World

T = TypeVar("T")
_MESSAGE_ID = re.compile(rb"^Message-ID:\s+(\S+)\r?$", re.MULTILINE | re.IGNORECASE)


class Post:
    """All mail of the world."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.box = FakeMailbox()
        self.arrived: dict[str, list[str]] = {}
        """Message-IDs of the letters that everybody got, in order."""
        self.under_way: list[tuple[float, bytes]] = []
        """Blind copies that have not arrived in the own mailbox yet, with their times."""

    def deliver(self, raw: bytes, recipients: Sequence[str], copy_at: float) -> None:
        found = _MESSAGE_ID.search(raw)
        assert found is not None, "a letter without Message-ID"
        name = found[1].decode()
        for recipient in recipients:
            if recipient == self.service:
                self.under_way.append((copy_at, raw))
            else:
                self.arrived.setdefault(recipient, []).append(name)

    def settle(self, now: float) -> None:
        """Copies arrive."""
        due = [raw for at, raw in self.under_way if at <= now]
        self.under_way = [(at, raw) for at, raw in self.under_way if at > now]
        for raw in due:
            self.box.add(raw)


class Session:
    """The mailbox as one process sees it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._box = world.post.box

    @property
    def uidvalidity(self) -> int:
        return self._box.uidvalidity

    def _ask(self, name: str, act: Callable[[], T], what: str = "") -> T:
        def answer() -> T:
            if self._world.imap_away:
                _no_mailbox()
            self._world.post.settle(self._world.clock.seconds)
            return act()

        return call(self._world, f"imap-{name}", answer, _no_mailbox, what)

    def highest_uid(self) -> int:
        return self._ask("uids", self._box.highest_uid)

    def new(self, after_uid: int, limit: int) -> list[FetchedHeader]:
        return self._ask("uids", lambda: self._box.new(after_uid, limit))

    def uids(self, after_uid: int, limit: int) -> list[int]:
        return self._ask("uids", lambda: self._box.uids(after_uid, limit))

    def envelopes(self, uids: Sequence[int]) -> list[FetchedHeader]:
        if not uids:
            return []
        return self._ask("fetch", lambda: self._box.envelopes(uids))

    def holds(self, uid: int) -> bool:
        return self._ask("fetch", lambda: self._box.holds(uid))

    def renew(self) -> None:
        self._ask("renew", lambda: None)

    def uid_before(self, day: date) -> int:
        return self._ask("uids", lambda: self._box.uid_before(day))

    def claim(self, uid: int, service: str) -> Claim:
        return self._ask("claim", lambda: self._box.claim(uid, service), str(uid))

    def fetch(self, uid: int) -> bytes:
        return self._ask("fetch", lambda: self._box.fetch(uid), str(uid))

    def move(self, uid: int, folder: str) -> None:
        self._ask("move", lambda: self._box.move(uid, folder), f"{uid} {folder}")

    def contains(self, message_id: str, folders: Sequence[str]) -> bool:
        return self._ask("search", lambda: self._box.contains(message_id, folders))


class Postman:
    """The submission server as one process sees it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        world = self._world

        def act() -> tuple[str, ...]:
            if world.smtp_away:
                _no_server()
            world.post.deliver(raw, recipients, world.clock.seconds + world.copy_s)
            return ()

        return call(world, "smtp", act, _no_server, recipients[0])


@contextmanager
def open_inbox(world: World) -> Iterator[Session]:
    """In place of `astran.mail.imap.Inbox`."""

    def act() -> Session:
        if world.imap_away:
            _no_mailbox()
        return Session(world)

    yield call(world, "imap-login", act, _no_mailbox)


def _no_mailbox() -> NoReturn:
    raise MailUnavailable("The mail server is out of reach.")


def _no_server() -> NoReturn:
    raise MailUnavailable("The submission server is out of reach.")
