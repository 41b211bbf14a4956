"""The mailbox over IMAP: read by UID watermark, by PEEK only, moved last.

The cost of a look is that of the new mails, whatever else lies in the folder: one UID SEARCH above
the watermark, then headers and sizes of what it found. A connection that breaks is made anew by the
next act.
"""

from __future__ import annotations

import imaplib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from imap_tools import BaseMailBox, MailboxLoginError
from imap_tools.utils import encode_folder

from astran.base.errors import ConfigError, MailAuthError, MailGone, MailUnavailable
from astran.config.site import Auth, MailSettings
from astran.mail.imap_connection import connect, translated
from astran.mail.parsing.headers import HEADER_BYTES, read_headers
from astran.mail.ports import Claim, FetchedHeader

_MOST_CONNECTIONS = 20
"""So often a connection is made in one session: a server that keeps hanging up is left alone."""
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
        self._readonly = False
        """The folder that is read takes no changes."""
        self._broken = False
        self._connections = 0
        self._folders: dict[str, bytes] = {}
        self._capabilities: frozenset[str] | None = None

    def __enter__(self) -> Inbox:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def _open(self) -> None:
        server = self._settings.imap
        if server.password is None:
            raise ConfigError(
                "The mailbox has no password.", cure="Set mail.imap.password in the site config."
            )
        password = server.password.reveal()
        self._connections += 1
        with translated(server):
            self._box = connect(server)
        self._selected, self._capabilities = "", None
        with translated(server):
            self._login(server.user or self._settings.address, password)
            self._select(self._settings.folder, readonly=False)
            before, self._uidvalidity = self._uidvalidity, self._number("UIDVALIDITY")
            self._uidnext = self._number("UIDNEXT", needed=False)
        if before not in (0, self._uidvalidity):
            raise MailUnavailable(f"The mails in {self._settings.folder} were numbered anew.")

    @contextmanager
    def _act(self) -> Iterator[None]:
        """One act on the mailbox; after it broke the line, the next act connects anew."""
        if self._broken:
            self._reopen()
        with translated(self._settings.imap):
            try:
                yield
            except (OSError, imaplib.IMAP4.abort):
                # answers of this act may still be under way: the line cannot be used any more
                self._broken = True
                raise

    def _reopen(self) -> None:
        if self._connections >= _MOST_CONNECTIONS:
            raise MailUnavailable(
                f"The mail server broke the connection {self._connections} times in a row."
            )
        self._close()
        self._open()
        self._broken = False
        self._just_opened = False

    def __exit__(self, *error: object) -> None:
        self._close()

    @property
    def uidvalidity(self) -> int:
        return self._uidvalidity

    def highest_uid(self) -> int:
        with self._act():
            if self._uidnext:
                return self._uidnext - 1
            self._select(self._settings.folder, readonly=False)
            return max(self._search("UID", "*"), default=0)

    def new(self, after_uid: int, limit: int) -> list[FetchedHeader]:
        return self.envelopes(self.uids(after_uid, limit))

    def uids(self, after_uid: int, limit: int) -> list[int]:
        with self._act():
            just_opened, self._just_opened = self._just_opened, False
            if just_opened and self._uidnext and after_uid >= self._uidnext - 1:
                return []
            self._select(self._settings.folder, readonly=False)
            if not just_opened:
                # only now does the server look for what came in since
                self._check(self._client.noop(), "NOOP")
            # `n:*` always names the last mail, also where its UID is below n
            found = self._search("UID", f"{after_uid + 1}:*")
            return sorted(uid for uid in found if uid > after_uid)[:limit]

    def envelopes(self, uids: Sequence[int]) -> list[FetchedHeader]:
        if not uids:
            return []
        with self._act():
            self._select(self._settings.folder, readonly=False)
            wanted = f"(UID RFC822.SIZE BODY.PEEK[HEADER]<0.{HEADER_BYTES}>)"
            answer = self._ask("FETCH", ",".join(map(str, uids)), wanted)
            return sorted(_envelopes(answer, set(uids)), key=lambda envelope: envelope.uid)

    def holds(self, uid: int) -> bool:
        with self._act():
            self._select(self._settings.folder, readonly=False)
            self._check(self._client.noop(), "NOOP")
            return uid in self._search("UID", str(uid))

    def renew(self) -> None:
        with self._act():
            self._check(self._client.noop(), "NOOP")

    def uid_before(self, day: date) -> int:
        highest = self.highest_uid()
        with self._act():
            self._select(self._settings.folder, readonly=False)
            since = f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"
            return min(self._search("SINCE", since), default=highest + 1) - 1

    def claim(self, uid: int, service: str) -> Claim:
        mark = f"{_CLAIM}{service}".lower()
        with self._act():
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
        with self._act():
            self._select(self._settings.folder, readonly=False)
            for item in self._ask("FETCH", str(uid), "(UID BODY.PEEK[])"):
                if isinstance(item, tuple):
                    return bytes(item[1])
        if self.holds(uid):
            raise MailUnavailable(f"The mail server does not give the mail with UID {uid}.")
        raise MailGone(f"The mail with UID {uid} is no longer in {self._settings.folder}.")

    def move(self, uid: int, folder: str) -> None:
        with self._act():
            self._select(self._settings.folder, readonly=False)
            if self._readonly:
                raise MailUnavailable(
                    f"The mail server lets nobody change {self._settings.folder}.",
                    "Give the account the right to move its mails.",
                )
            target = self._ensure(folder)
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
        with self._act():
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
        name = self._name(folder).decode("ascii")
        refused = False
        try:
            answer = self._client.select(name, readonly)
        except imaplib.IMAP4.readonly:
            # it can be read all the same
            refused = True
            answer = self._client.select(name, readonly=True)
        self._check(answer, f"SELECT {folder}")
        if folder == self._settings.folder:
            self._readonly = refused
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
                # a line that broke takes no farewell
                (box.client.shutdown if self._broken else box.client.logout)()
            except (OSError, imaplib.IMAP4.error):
                # the work is done; a server that has hung up already is fine
                return


def _envelopes(answer: list[Any], wanted: set[int]) -> Iterator[FetchedHeader]:
    """Envelopes from a FETCH answer. What belongs to one mail may stand before or after its
    literal; unasked answers of other mails are left out."""
    for index, item in enumerate(answer):
        if not isinstance(item, tuple):
            continue
        after = answer[index + 1] if index + 1 < len(answer) else b""
        facts = bytes(item[0]) + b" " + (after if isinstance(after, bytes) else b"")
        uid, size = _UID.search(facts), _SIZE.search(facts)
        if uid and size and int(uid[1]) in wanted:
            yield FetchedHeader(int(uid[1]), int(size[1]), read_headers(bytes(item[1])))
