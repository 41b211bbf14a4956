"""Mailboxes that fail as those of Exchange, iCloud, Gmail and a full one do: nothing is lost,
doubled or left in silence. Dovecot stands behind, and a proxy gives the provider's answers.

The answers are those that the providers document, or that their users report.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.site_under_test import empty
from mail_desk import Desk
from mail_house import ALICE, LAUNCH, OPERATOR, SERVICE
from services.dovecot import Dovecot
from services.imap_proxy import HANG_UP, Fault, ImapProxy, Provider

from astran.base.errors import MailError
from astran.mail.imap import Inbox
from astran.service.intake.mailbox import take_in

pytestmark = pytest.mark.services

OK_EMPTY = b"{tag} OK Fetch completed.\r\n"
NO_RFC822 = (
    b"{tag} NO The requested message could not be converted to an RFC-822 compatible format.\r\n"
)
BUSY = b"{tag} NO Server busy - please retry later [UNAVAILABLE]\r\n"
BAD_12 = b"{tag} BAD Command Error. 12\r\n"
BANDWIDTH = b"{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n"
FULL = b"{tag} NO [OVERQUOTA] Quota exceeded (mailbox for user is full)\r\n"
NO_CREATE = b"{tag} NO [CANNOT] Invalid mailbox name.\r\n"
THROTTLED = b"{tag} NO [LIMIT] Too many simultaneous connections. (Failure)\r\n"
EXPIRED = b"* BYE Session expired, please login again.\r\n"

PASSING = {
    "exchange-busy": [Fault("UID FETCH", BUSY, times=2)],
    "exchange-hangs-up": [Fault("UID FETCH", HANG_UP, "BODY.PEEK[]", times=2)],
    "exchange-bad": [Fault("UID SEARCH", BAD_12, times=1)],
    "icloud-empty": [Fault("UID FETCH", OK_EMPTY, times=2)],
    "icloud-empty-body": [Fault("UID FETCH", OK_EMPTY, "BODY.PEEK[]", times=2)],
    "icloud-unavailable": [Fault("LOGIN", b"{tag} NO [UNAVAILABLE] Try later\r\n", times=2)],
    "gmail-bandwidth": [Fault("UID FETCH", BANDWIDTH, times=1)],
    "gmail-connections": [Fault("LOGIN", THROTTLED, times=1)],
    "gmail-session": [Fault("UID FETCH", EXPIRED, times=1), Fault("NOOP", EXPIRED, times=1)],
    "silent-fetch": [Fault("UID FETCH", None, times=1)],
    "store-refused": [Fault("UID STORE", b"{tag} NO [NOPERM] Permission denied\r\n")],
    "full-for-a-while": [Fault("UID MOVE", FULL, times=3)],
    "no-create-for-a-while": [Fault("CREATE", NO_CREATE, times=2)],
}
LACKING: dict[str, list[bytes]] = {
    "no-move": [b"MOVE"],
    "no-move-no-uidplus": [b"MOVE", b"UIDPLUS"],
    "no-namespace": [b"NAMESPACE"],
}
LASTING = {
    "exchange-broken-mail": [Fault("UID FETCH", NO_RFC822, "{uid} (")],
    "exchange-busy": [Fault("UID FETCH", BUSY)],
    "icloud-unavailable": [Fault("LOGIN", b"{tag} NO [UNAVAILABLE] Try later\r\n")],
    "icloud-empty": [Fault("UID FETCH", OK_EMPTY)],
    "gmail-bandwidth": [Fault("UID SEARCH", BANDWIDTH), Fault("UID FETCH", BANDWIDTH)],
    "full": [Fault("UID MOVE", FULL), Fault("UID COPY", FULL), Fault("CREATE", FULL)],
    "no-create": [Fault("CREATE", NO_CREATE)],
    "bye": [Fault("UID FETCH", HANG_UP)],
}


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[ImapProxy]:
    empty(dovecot)
    with ImapProxy(dovecot.imap_port) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, dovecot: Dovecot, proxy: ImapProxy) -> Iterator[Desk]:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(dovecot.users[SERVICE])
    server = {"host": "localhost", "port": proxy.port, "security": "none", "timeout": 1.0,
              "user": SERVICE, "password": {"file": str(secret)}}  # fmt: skip
    # folders that are not there yet
    folders = {name: f"{tmp_path.name}/{name}" for name in ("processed", "rejected", "quarantine")}
    made = Desk(tmp_path, imap=server, **folders)
    yield made
    made.db.close()


def look(desk: Desk, times: int = 1, minutes: float = 1) -> None:
    for _ in range(times):
        desk.clock.sleep(60 * minutes)
        with contextlib.suppress(MailError):
            take_in(desk.context())


def deliver(dovecot: Dovecot, desk: Desk) -> None:
    dovecot.deliver(desk.raw("ASTRAN-LAUNCH", LAUNCH), SERVICE, ALICE)


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_costs_nothing(
    name: str, desk: Desk, dovecot: Dovecot, proxy: ImapProxy
) -> None:
    for _ in range(3):
        deliver(dovecot, desk)
    proxy.provider = Provider([replace(fault) for fault in PASSING[name]])
    look(desk, times=8)
    assert desk.analyses() == 3
    assert len(desk.letters(ALICE)) == 3
    assert desk.letters() == [], "what passes is told to nobody"
    rows = desk.rows("select count(*) from message where moved")
    assert rows[0][0] == 3


@pytest.mark.parametrize("name", LACKING)
def test_what_a_server_lacks_is_done_in_another_way(
    name: str, desk: Desk, dovecot: Dovecot, proxy: ImapProxy
) -> None:
    deliver(dovecot, desk)
    proxy.provider = Provider(lacks=LACKING[name])
    look(desk, times=2)
    assert desk.analyses() == 1
    assert desk.rows("select moved from message")[0][0]
    assert "UID MOVE" not in proxy.provider.seen or b"MOVE" not in LACKING[name]


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_told_within_a_quarter_of_an_hour(
    name: str, desk: Desk, dovecot: Dovecot, proxy: ImapProxy
) -> None:
    for _ in range(3):
        deliver(dovecot, desk)
    with Inbox(desk.context().mail) as inbox:
        uid = str(inbox.uids(0, 3)[1])
    faults = [replace(fault, holds=fault.holds.replace("{uid}", uid)) for fault in LASTING[name]]
    proxy.provider = Provider(faults)
    look(desk, times=5, minutes=3)
    assert len(desk.letters(OPERATOR)) == 1
    proxy.provider = Provider()
    look(desk, times=3, minutes=65)
    assert desk.analyses() == 3, "nothing is lost, nothing doubled"
    assert len(desk.letters(ALICE)) == 3
    assert len(desk.letters(OPERATOR)) == 2, "its end is told"
