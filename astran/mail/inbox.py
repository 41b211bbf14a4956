"""The mailbox over IMAP: read by UID watermark, by PEEK only, moved last.

The cost of a look is that of the new mails, whatever else lies in the folder: one UID SEARCH above
the watermark, then headers and sizes of what it found.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from types import TracebackType
from typing import Any

from imap_tools import (
    BaseMailBox,
    ImapToolsError,
    MailBox,
    MailboxLoginError,
    MailBoxStartTls,
    MailBoxUnencrypted,
)
from imap_tools.utils import encode_folder

from astran.base.errors import ConfigError, MailAuthError, MailGone, MailUnavailable
from astran.config.site import Auth, MailSettings, Security, Server
from astran.mail.headers import HEADER_BYTES, read_headers
from astran.mail.ports import Claim, Envelope

_CLAIM = "astrantaken-"
_FLAGS = re.compile(rb"\bFLAGS \(([^()]*)\)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_LIST = re.compile(rb'\([^)]*\) (?:"((?:[^"\\]|\\.)*)"|NIL) ')
_TO_ESCAPE = re.compile(r'(["\\])')
_PREFIX = re.compile(rb'^\(\("((?:[^"\\]|\\.)*)"')
# RFC 5530: these refusals of a log-in pass by themselves
_TEMPORARY = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.I)


class Inbox:
    """One connection to the service's mailbox; use it in a `with` statement.

    Raises
    ------
    MailUnavailable : the server is out of reach, too slow, or its answer makes no sense
    MailAuthError : the server refused the log-in
    ConfigError : there is no password, or it cannot be read
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._box: BaseMailBox | None = None
        self._selected = ""
        self._uidvalidity = 0
        self._uidnext = 0
        self._just_opened = True
        """UIDNEXT is as fresh as the connection: the first look needs no SEARCH."""
        self._folders: dict[str, bytes] = {}
        self._capabilities: frozenset[str] | None = None

    def __enter__(self) -> Inbox:
        server = self._settings.imap
        if server.password is None:
            raise ConfigError(
                "The mailbox has no password.", cure="Set mail.imap.password in the site config."
            )
        password = server.password.reveal()
        with _translated(server):
            self._box = _connect(server)
        try:
            with _translated(server):
                self._login(server.user or self._settings.address, password)
                self._select(self._settings.folder, readonly=False)
                self._uidvalidity = self._number("UIDVALIDITY")
                self._uidnext = self._number("UIDNEXT", needed=False)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    @property
    def uidvalidity(self) -> int:
        return self._uidvalidity

    def highest_uid(self) -> int:
        with _translated(self._settings.imap):
            if self._uidnext:
                return self._uidnext - 1
            self._select(self._settings.folder, readonly=False)
            return max(self._search("UID", "*"), default=0)

    def new(self, after_uid: int, limit: int) -> list[Envelope]:
        with _translated(self._settings.imap):
            just_opened, self._just_opened = self._just_opened, False
            if just_opened and self._uidnext and after_uid >= self._uidnext - 1:
                return []
            self._select(self._settings.folder, readonly=False)
            if not just_opened:
                # only now does the server look for what came in since
                self._check(self._client.noop(), "NOOP")
            # `n:*` always names the last mail, also where its UID is below n
            found = self._search("UID", f"{after_uid + 1}:*")
            uids = sorted(uid for uid in found if uid > after_uid)[:limit]
            if not uids:
                return []
            wanted = f"(UID RFC822.SIZE BODY.PEEK[HEADER]<0.{HEADER_BYTES}>)"
            answer = self._ask("FETCH", ",".join(map(str, uids)), wanted)
            return sorted(_envelopes(answer, set(uids)), key=lambda envelope: envelope.uid)

    def uid_before(self, day: date) -> int:
        highest = self.highest_uid()
        with _translated(self._settings.imap):
            self._select(self._settings.folder, readonly=False)
            since = f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"
            return min(self._search("SINCE", since), default=highest + 1) - 1

    def claim(self, uid: int, service: str) -> Claim:
        mark = f"{_CLAIM}{service}".lower()
        with _translated(self._settings.imap):
            self._select(self._settings.folder, readonly=False)
            claims = self._claims(uid)
            if claims - {mark}:
                return Claim.OTHERS
            if (
                claims
                or self._client.uid("STORE", str(uid), "+FLAGS.SILENT", f"({mark})")[0] != "OK"
            ):
                return Claim.MINE
            if not self._claims(uid) - {mark}:
                return Claim.MINE
            self._ask("STORE", str(uid), "-FLAGS.SILENT", f"({mark})")
            return Claim.CONTESTED

    def fetch(self, uid: int) -> bytes:
        with _translated(self._settings.imap):
            self._select(self._settings.folder, readonly=False)
            for item in self._ask("FETCH", str(uid), "(UID BODY.PEEK[])"):
                if isinstance(item, tuple):
                    return bytes(item[1])
        raise MailGone(f"The mail with UID {uid} is no longer in {self._settings.folder}.")

    def move(self, uid: int, folder: str) -> None:
        with _translated(self._settings.imap):
            target = self._ensure(folder)
            self._select(self._settings.folder, readonly=False)
            if "MOVE" in self._can():
                self._ask("MOVE", str(uid), target)
                return
            # Without MOVE it takes three commands; a cut in between may leave a copy behind, which
            # does no harm: it is not in the folder that is read.
            if uid not in self._search("UID", str(uid)):
                return
            self._ask("COPY", str(uid), target)
            self._ask("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self._can():
                self._ask("EXPUNGE", str(uid))
            elif self._search("DELETED") == [uid]:
                # a plain EXPUNGE takes all deleted mails: only where there is no other
                self._check(self._client.expunge(), "EXPUNGE")

    def contains(self, message_id: str, folders: Sequence[str]) -> bool:
        quoted = '"' + _TO_ESCAPE.sub(r"\\\1", message_id) + '"'
        with _translated(self._settings.imap):
            for folder in folders:
                if folder != self._settings.folder and not self._exists(folder):
                    continue
                self._select(folder, readonly=folder != self._settings.folder)
                if self._search("HEADER", "Message-ID", quoted):
                    return True
        return False

    def _claims(self, uid: int) -> set[str]:
        """Services that have claimed a mail, as the server knows it now."""
        self._check(self._client.noop(), "NOOP")
        found: set[str] = set()
        for item in self._ask("FETCH", str(uid), "(UID FLAGS)"):
            text = item[0] if isinstance(item, tuple) else item
            if isinstance(text, bytes) and (match := _FLAGS.search(text)):
                words = match[1].decode("ascii", "replace").lower().split()
                found |= {word for word in words if word.startswith(_CLAIM)}
        return found

    # -- one level down ---------------------------------------------------------------------------

    @property
    def _client(self) -> imaplib.IMAP4:
        if self._box is None:
            raise MailUnavailable("The mailbox is not open.", "Use Inbox in a `with` statement.")
        client: imaplib.IMAP4 = self._box.client
        return client

    def _login(self, user: str, password: str) -> None:
        assert self._box is not None
        login: Callable[..., object] = self._box.login
        if self._settings.imap.auth is Auth.XOAUTH2:
            login = self._box.xoauth2
        elif not (user + password).isascii():
            login = self._box.login_utf8
        try:
            login(user, password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, MailboxLoginError) as error:
            said = str(error)
            if _TEMPORARY.search(said):
                raise MailUnavailable(f"The mail server takes no log-ins now: {said}") from None
            raise MailAuthError(
                f"The mail server refused the log-in of {user}.",
                "Check mail.imap.user and the password that mail.imap.password points to.",
            ) from None

    def _select(self, folder: str, *, readonly: bool) -> None:
        if folder == self._selected:
            return
        self._selected = ""
        answer = self._client.select(self._name(folder).decode("ascii"), readonly)
        self._check(answer, f"SELECT {folder}")
        self._selected = folder

    def _number(self, key: str, *, needed: bool = True) -> int:
        data = self._client.response(key)[1]
        if data and data[-1] is not None:
            return int(data[-1])
        if needed:
            raise MailUnavailable(f"The mail server gave no {key} for {self._settings.folder}.")
        return 0

    def _search(self, *criteria: str) -> list[int]:
        data = self._ask("SEARCH", *criteria)
        return [int(uid) for part in data for uid in (part or b"").split()]

    def _ask(self, command: str, *words: str | bytes) -> list[Any]:
        plain = [word.decode("ascii") if isinstance(word, bytes) else word for word in words]
        return self._check(self._client.uid(command, *plain), command)

    def _check(self, answer: tuple[str, list[Any]], command: str) -> list[Any]:
        status, data = answer
        if status != "OK":
            said = b" ".join(part for part in data if isinstance(part, bytes))
            raise MailUnavailable(
                f"The mail server refused {command}: {said.decode(errors='replace') or status}"
            )
        return data

    def _can(self) -> frozenset[str]:
        """Capabilities after log-in: servers tell more of them then."""
        if self._capabilities is None:
            data = self._check(self._client.capability(), "CAPABILITY")
            words = b" ".join(part for part in data if isinstance(part, bytes)).decode().upper()
            self._capabilities = frozenset(words.split())
        return self._capabilities

    def _name(self, folder: str) -> bytes:
        """The folder's name as the server writes it: its own delimiter and prefix."""
        if folder.upper() == "INBOX":
            return b"INBOX"
        if folder not in self._folders:
            delimiter, prefix = self._layout()
            name = folder.replace("/", delimiter) if delimiter else folder
            if not name.startswith(prefix):
                name = prefix + name
            self._folders[folder] = encode_folder(name)
        return self._folders[folder]

    def _layout(self) -> tuple[str, str]:
        """Hierarchy delimiter and prefix of the personal folders (RFC 2342)."""
        delimiter, prefix = "/", ""
        for line in self._check(self._client.list('""', '""'), "LIST"):
            if isinstance(line, bytes) and (match := _LIST.match(line)):
                delimiter = (match[1] or b"").decode().replace("\\\\", "\\")
        if "NAMESPACE" in self._can():
            data = self._check(self._client.namespace(), "NAMESPACE")
            if data and isinstance(data[0], bytes) and (match := _PREFIX.match(data[0])):
                prefix = match[1].decode()
        return delimiter, prefix

    def _exists(self, folder: str) -> bool:
        data = self._check(self._client.list('""', self._name(folder).decode("ascii")), "LIST")
        return any(part for part in data)

    def _ensure(self, folder: str) -> str:
        name = self._name(folder).decode("ascii")
        if not self._exists(folder):
            status, data = self._client.create(name)
            # another launcher may have made it in between
            if status != "OK" and not self._exists(folder):
                self._check((status, data), f"CREATE {folder}")
        return name

    def _close(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            try:
                box.client.logout()
            except (OSError, imaplib.IMAP4.error):
                # the work is done; a server that has hung up already is fine
                return


def _connect(server: Server) -> BaseMailBox:
    if server.security is Security.NONE:
        return MailBoxUnencrypted(server.host, server.port, timeout=server.timeout)
    trust = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    kind = MailBox if server.security is Security.TLS else MailBoxStartTls
    return kind(server.host, server.port, timeout=server.timeout, ssl_context=trust)


def _envelopes(answer: list[Any], wanted: set[int]) -> Iterator[Envelope]:
    """Envelopes from a FETCH answer. What belongs to one mail may stand before or after its
    literal; unasked answers of other mails are left out."""
    for index, item in enumerate(answer):
        if not isinstance(item, tuple):
            continue
        after = answer[index + 1] if index + 1 < len(answer) else b""
        facts = bytes(item[0]) + b" " + (after if isinstance(after, bytes) else b"")
        uid, size = _UID.search(facts), _SIZE.search(facts)
        if uid and size and int(uid[1]) in wanted:
            yield Envelope(int(uid[1]), int(size[1]), read_headers(bytes(item[1])))


@contextmanager
def _translated(server: Server) -> Iterator[None]:
    """Errors of the network and of the protocol in ASTRAN's words."""
    place = f"{server.host}:{server.port}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailUnavailable(
            f"The certificate of the mail server {place} is not trusted: {error.verify_message}.",
            "If it is the institute's own, name its certificate file in mail.imap.ca_file.",
        ) from error
    except TimeoutError as error:
        raise MailUnavailable(
            f"The mail server {place} did not answer within {server.timeout:g} s."
        ) from error
    except OSError as error:
        raise MailUnavailable(f"The mail server {place} is out of reach: {error}.") from error
    except (imaplib.IMAP4.error, ImapToolsError, ValueError) as error:
        raise MailUnavailable(f"The mail server {place} answered badly: {error}") from error
