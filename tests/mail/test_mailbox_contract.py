"""What every mailbox does: the fake, and Dovecot over STARTTLS, TLS and without MOVE."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import imap_tools
import pytest
from conftest import require
from fakes.mailbox import FakeMailbox
from mail_samples import mail, server_at, settings
from services.dovecot import Dovecot

from astran.base.errors import MailAuthError, MailGone, MailUnavailable
from astran.config.site import MailSettings, Security
from astran.demo.servers import MailServers
from astran.mail.imap import Inbox
from astran.mail.ports import Mailbox

USER, PASSWORD = "bob@astran.test", "bob-password"
_number = itertools.count(1)


@dataclass
class Account:
    """A mailbox under test, and a way to put mails into it behind its back."""

    open: Callable[[], Iterator[Mailbox]]
    deliver: Callable[[bytes], None]
    flags: Callable[[], list[tuple[str, ...]]]


def at_dovecot(dovecot: Dovecot, security: Security, folder: str) -> MailSettings:
    port = dovecot.imaps_port if security is Security.TLS else dovecot.imap_port
    return settings(imap=server_at(port, USER, PASSWORD, dovecot.ca_file, security), folder=folder)


def backdoor(dovecot: Dovecot) -> imap_tools.BaseMailBox:
    import ssl

    trust = ssl.create_default_context(cafile=str(dovecot.ca_file))
    box = imap_tools.MailBox("localhost", dovecot.imaps_port, ssl_context=trust)
    return box.login(USER, PASSWORD)


KINDS = ["fake", "starttls", "tls", "no-move", "no-move-no-uidplus", "pymap"]


@pytest.fixture(params=KINDS)
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    kind = request.param
    if kind == "pymap":
        for package in ("aiosmtpd", "pymap"):
            require(importlib.util.find_spec(package), package, "Install astran[demo].")
        with MailServers(request.getfixturevalue("tmp_path") / "mail", ("astran",)) as servers:
            yield at_pymap(servers)
    else:
        yield make_account(kind, request, monkeypatch)


def at_pymap(servers: MailServers) -> Account:
    """The mailbox of the demo."""

    @contextmanager
    def login() -> Iterator[imap_tools.BaseMailBox]:
        with imap_tools.MailBoxUnencrypted(servers.host, servers.imap_port) as box:
            yield box.login("astran", servers.passwords["astran"])

    def deliver(raw: bytes) -> None:
        with login() as box:
            box.append(raw)

    def flags() -> list[tuple[str, ...]]:
        with login() as box:
            return [each.flags for each in box.fetch(mark_seen=False)]

    password = servers.passwords["astran"]
    server = server_at(servers.imap_port, "astran", password, None, Security.NONE)
    return Account(lambda: Inbox(settings(imap=server)), deliver, flags)


def make_account(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Account:
    if kind == "fake":
        fake = FakeMailbox("Anfragen/Neu")

        @contextmanager
        def open_fake() -> Iterator[Mailbox]:
            yield fake

        return Account(open_fake, lambda raw: void(fake.add(raw)), list)
    dovecot: Dovecot = request.getfixturevalue("dovecot")
    folder = f"Prüfung {next(_number)}"
    with backdoor(dovecot) as box:
        box.folder.create(folder)
    if kind.startswith("no-move"):
        lacking = {"MOVE", "UIDPLUS"} if kind.endswith("uidplus") else {"MOVE"}
        real = Inbox._can
        monkeypatch.setattr(Inbox, "_can", lambda self: real(self) - lacking)
    given = at_dovecot(dovecot, Security.TLS if kind == "tls" else Security.STARTTLS, folder)

    def deliver(raw: bytes) -> None:
        with backdoor(dovecot) as box:
            box.append(raw, folder)

    def flags() -> list[tuple[str, ...]]:
        with backdoor(dovecot) as box:
            box.folder.set(folder)
            return [each.flags for each in box.fetch(mark_seen=False)]

    return Account(lambda: Inbox(given), deliver, flags)


def void(_: object) -> None:
    return None


def subjects(box: Mailbox, after: int = 0, limit: int = 50) -> list[str]:
    return [envelope.facts.subject for envelope in box.new(after, limit)]


def test_an_empty_mailbox(account: Account) -> None:
    with account.open() as box:
        assert box.new(0, 50) == []
        assert box.highest_uid() == 0
        assert box.uidvalidity > 0


def test_only_what_is_above_the_watermark_oldest_first_and_capped(account: Account) -> None:
    for name in ("one", "two", "three"):
        account.deliver(mail(Subject=name))
    with account.open() as box:
        everything = box.new(0, 50)
        uids = [envelope.uid for envelope in everything]
        assert [e.facts.subject for e in everything] == ["one", "two", "three"]
        assert uids == sorted(uids)
        assert subjects(box, uids[0]) == ["two", "three"]
        assert subjects(box, uids[0], 1) == ["two"]
        assert subjects(box, uids[2]) == []
        assert box.highest_uid() == uids[2]


def test_a_mail_that_arrives_while_the_mailbox_is_open(account: Account) -> None:
    with account.open() as box:
        assert box.new(0, 50) == []
        account.deliver(mail(Subject="late"))
        assert subjects(box) == ["late"]


def test_mails_are_asked_for_by_their_numbers(account: Account) -> None:
    for name in ("one", "two", "three"):
        account.deliver(mail(Subject=name))
    with account.open() as box:
        first, second, third = box.uids(0, 50)
        assert box.uids(first, 1) == [second]
        assert box.uids(third, 50) == []
        asked = box.envelopes([third, third + 7, first])
        assert [(e.uid, e.facts.subject) for e in asked] == [(first, "one"), (third, "three")]
        assert box.envelopes([]) == []
        box.renew()
        assert box.holds(second)
        box.move(second, "ASTRAN/Processed")
        assert not box.holds(second)
        assert not box.holds(third + 7)


def test_size_and_whole_mail(account: Account) -> None:
    raw = mail(body="x: " + "y" * 3000 + "\r\n")
    account.deliver(raw)
    with account.open() as box:
        [envelope] = box.new(0, 50)
        # a server may keep mails with line ends and header folds of its own
        assert abs(envelope.size - len(raw)) < 20
        assert body(box.fetch(envelope.uid)) == body(raw)


def body(raw: bytes) -> list[bytes]:
    lines = raw.splitlines()
    return lines[lines.index(b"") :]


def test_reading_leaves_no_trace(account: Account) -> None:
    account.deliver(mail())
    with account.open() as box:
        [envelope] = box.new(0, 50)
        box.fetch(envelope.uid)
    assert all("\\Seen" not in flags for flags in account.flags())


def test_a_mail_moves_into_a_folder_that_is_made_for_it(account: Account) -> None:
    account.deliver(mail(Subject="stays", Message_ID="<stays@x.example>"))
    account.deliver(mail(Subject="goes", Message_ID="<goes@x.example>"))
    target = f"ASTRAN/Processed {next(_number)}"
    with account.open() as box:
        stays, goes = box.new(0, 50)
        box.move(goes.uid, target)
        assert subjects(box) == ["stays"]
        assert box.contains("<goes@x.example>", [target])
        assert not box.contains("<stays@x.example>", [target])
        # once more: the mail is gone, which is no error
        box.move(goes.uid, target)
        with pytest.raises(MailGone):
            box.fetch(goes.uid)
        assert box.fetch(stays.uid)


def test_a_mail_of_somebody_else_marked_as_deleted_survives_a_move(account: Account) -> None:
    account.deliver(mail(Subject="other"))
    account.deliver(mail(Subject="ours"))
    with account.open() as box:
        other, ours = box.new(0, 50)
        if isinstance(box, Inbox):
            box._ask("STORE", str(other.uid), "+FLAGS.SILENT", r"(\Deleted)")
        box.move(ours.uid, "ASTRAN/Processed")
        assert box.fetch(other.uid)


def test_a_message_id_is_found_exactly(account: Account) -> None:
    account.deliver(mail(Message_ID='<report."A12".1.0123@lst.example>'))
    with account.open() as box:
        here = [given_folder(box)]
        assert box.contains('<report."A12".1.0123@lst.example>', here)
        assert not box.contains("<report.A13.1.0123@lst.example>", here)
        assert not box.contains("<report.A13.1.0123@lst.example>", ["No/Such Folder"])
        # looking elsewhere does not lose the place
        box.contains("<x@y>", [*here, "No/Such Folder"])
        assert len(box.new(0, 50)) == 1


def given_folder(box: Mailbox) -> str:
    return box.folder if isinstance(box, FakeMailbox) else box._settings.folder  # type: ignore[attr-defined]


def test_a_wrong_password_is_told_apart_from_a_server_that_is_down(dovecot: Dovecot) -> None:
    good = at_dovecot(dovecot, Security.TLS, "INBOX")
    wrong = server_at(dovecot.imaps_port, USER, "nonsense", dovecot.ca_file, Security.TLS)
    with pytest.raises(MailAuthError), Inbox(good.model_copy(update={"imap": wrong})):
        pass
    down = good.imap.model_copy(update={"port": 9})
    with pytest.raises(MailUnavailable), Inbox(good.model_copy(update={"imap": down})):
        pass


def test_a_certificate_that_is_not_trusted_is_named(dovecot: Dovecot) -> None:
    good = at_dovecot(dovecot, Security.TLS, "INBOX")
    untrusting = good.imap.model_copy(update={"ca_file": None})
    with (
        pytest.raises(MailUnavailable, match=r"certificate.*ca_file"),
        Inbox(good.model_copy(update={"imap": untrusting})),
    ):
        pass


def test_a_folder_that_is_not_there_is_named(dovecot: Dovecot) -> None:
    given = at_dovecot(dovecot, Security.TLS, "Nowhere")
    with pytest.raises(MailUnavailable, match="Nowhere"), Inbox(given):
        pass


def test_a_line_that_broke_is_made_anew(dovecot: Dovecot) -> None:
    from services.cutter import Cut, Cutter

    with Cutter(dovecot.imaps_port) as cutter:
        given = at_dovecot(dovecot, Security.TLS, "INBOX")
        through = given.model_copy(
            update={"imap": given.imap.model_copy(update={"port": cutter.port})}
        )
        with Inbox(through) as box:
            before = box.uidvalidity
            cutter.plan(1, Cut.BEFORE)
            with pytest.raises(MailUnavailable):
                box.holds(1)
            box.renew()
            assert isinstance(box.uids(0, 5), list)
            assert box.uidvalidity == before
