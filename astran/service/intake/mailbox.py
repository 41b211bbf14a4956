"""From new mails to stored requests; each by itself, in one transaction, moved only afterwards.

A mail that was stored never acts again, whatever happens later: its row is unique by UID, and that
of a mail that acted by Message-ID and sender as well. A mail that was not stored is read again by
the next tick.

No mail stops those behind it. One that the server does not give is put off and asked for again.
One that ASTRAN cannot deal with is tried three times, and then set aside for the operator.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from astran.base.disk_space import is_disk_full
from astran.base.errors import (
    CatalogueError,
    ConfigError,
    DnsUnavailable,
    MailAuthError,
    MailError,
    MailGone,
    MailUnavailable,
    ProcessError,
)
from astran.base.night import Night
from astran.database import analyses, events, messages
from astran.database.connection import is_outage
from astran.database.messages import Cursor, Incoming
from astran.mail.gate import MailVerdict
from astran.mail.imap import Inbox
from astran.mail.ports import Claim, FetchedHeader, Mailbox
from astran.service.context import Context
from astran.service.heartbeat import mailbox_name
from astran.service.intake import bounces, carry_out
from astran.service.intake.decision import Decision, MailOutcome, decide_from_headers, decide_mail
from astran.service.intake.filing import age_s, folder_of, note_mail
from astran.service.intake.header_fetch import HeaderFetch, HeaderFetcher
from astran.service.intake.secret_removal import cut_fault, without_secrets
from astran.service.intake.setting_aside import set_aside
from astran.service.intake.software_check import check_with_software
from astran.service.operator import mailbox_outages
from astran.service.operator.mailbox_outages import MailboxTrouble
from astran.service.outgoing import login_backoff
from astran.service.outgoing.enqueue import tell_operator

_log = logging.getLogger(__name__)

_BATCH = 500
_BATCHES = 120
"""At most so many batches of headers are looked at in one tick; each batch is noted by itself."""
_LOOK_BACK = timedelta(days=30)
"""At the first reading of a mailbox, older mails are left alone."""
_TRIES = 3
"""So many faults with one mail set it aside."""
_MOST_ASKED_AGAIN = 50
_MOST_REFUSED_MOVES = 3
_MOST_UNASKED = 4
"""After so many mails for which the DNS did not answer, the next tick goes on."""
_WAITS = (ConfigError, CatalogueError, DnsUnavailable, ProcessError, MailUnavailable)
"""Errors of the site or of the mail server: the mail can wait, however often."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What came of one look into the mailbox."""

    taken: int = 0
    """Requests."""
    troubles: tuple[str, ...] = ()


def take_in(context: Context) -> Intake:
    """Read the new mails of the inbox.

    Raises
    ------
    MailError : the mailbox cannot be read
    """
    with context.db.begin() as db:
        if login_backoff.login_hold(context, db, login_backoff.IMAP):
            return Intake()
    settings = context.mail
    try:
        with Inbox(settings) as inbox:
            login_backoff.note_success(context, login_backoff.IMAP)
            return read_mailbox(context, inbox)
    except MailAuthError as error:
        login_backoff.note_refusal(context, login_backoff.IMAP, error)
        raise
    except MailError as error:
        with context.db.begin() as db:
            mailbox_outages.note_outage(context, db, MailboxTrouble.AWAY, str(error))
        raise


def read_mailbox(context: Context, inbox: Mailbox) -> Intake:
    """Read the new mails of an open mailbox, ask again for those put off, move what is dealt with.

    Raises
    ------
    MailError : the mailbox cannot be read any more; what was dealt with before is stored
    """
    name = mailbox_name(context.mail)
    with context.db.begin() as db:
        cursor = messages.get_cursor(db, name)
    if cursor is None or cursor.uidvalidity != inbox.uidvalidity:
        # first reading, or the server renumbered: what acted already will not act again
        day = (context.clock.now() - _LOOK_BACK).date()
        cursor = Cursor(inbox.uidvalidity, inbox.uid_before(day))
        with context.db.begin() as db:
            messages.set_cursor(db, name, cursor)
            messages.forget_numbers(db, name, inbox.uidvalidity)
    return _Reading(context, inbox, name, cursor.last_uid).run()


class _Reading:
    """One pass over the mails that are to be dealt with."""

    def __init__(self, context: Context, inbox: Mailbox, name: str, last_uid: int) -> None:
        self.context = context
        self.inbox = inbox
        self.name = name
        self.last_uid = last_uid
        self.taken = 0
        self._left = context.mail.per_tick
        self._noted_uid = last_uid
        self._server = HeaderFetcher(inbox, context.clock)
        self._refused_moves = 0
        self._unasked = 0
        self._refusal = ""
        self._raw: bytes | None = None
        """The mail that is dealt with, where it was fetched."""

    def run(self) -> Intake:
        try:
            self._read_on()
        finally:
            self._note_cursor()
        self._ask_again()
        self._move_all()
        return Intake(self.taken, self._troubles())

    def _read_on(self) -> None:
        for _ in range(_BATCHES):
            uids = self.inbox.uids(self.last_uid, _BATCH)
            for look in self._server.looks(uids):
                if not self._left or not self._deal(look):
                    return
                self.last_uid = look.uid
            self._note_cursor()
            if len(uids) < _BATCH:
                return

    def _ask_again(self) -> None:
        """Ask for the mails that were put off, one by one: they have failed before."""
        now = self.context.clock.now()
        with self.context.db.begin() as db:
            waiting = messages.all_put_off(db, self.name, self.inbox.uidvalidity)
        due = [one.uid for one in waiting if one.next_try <= now]
        for uid in due[:_MOST_ASKED_AGAIN]:
            for look in self._server.looks([uid], again=True):
                if not self._left or not self._deal(look):
                    return

    def _deal(self, look: HeaderFetch) -> bool:
        """Deal with one mail, whatever it brings; False where it must wait for the next tick."""
        self._raw = None
        try:
            stored = self._take(self._shown(look))
        except MailGone:
            self._settle(look)
            return True
        except MailAuthError:
            raise
        except Exception as error:
            if is_outage(error) or is_disk_full(error):
                raise
            self._put_off(look, error)
            self._unasked += isinstance(error, DnsUnavailable)
            return self._unasked < _MOST_UNASKED
        if stored is None:
            # another service reaches for this very mail
            return False
        if not stored:
            self._settle(look)
        self._left -= stored
        return True

    def _shown(self, look: HeaderFetch) -> FetchedHeader:
        if look.envelope is not None:
            return look.envelope
        if look.again and not look.reason and not self.inbox.holds(look.uid):
            raise MailGone(f"The mail with UID {look.uid} is gone.")
        raise MailUnavailable(look.reason or "The mail server left it out of its answer.")

    def _settle(self, look: HeaderFetch) -> None:
        if look.again:
            with self.context.db.begin() as db:
                messages.settle(db, self.name, self.inbox.uidvalidity, look.uid)

    def _put_off(self, look: HeaderFetch, error: Exception) -> None:
        """Pass a mail, and note that it is to be asked for again; set it aside after `_TRIES`."""
        fault = not isinstance(error, _WAITS)
        if isinstance(error, MailUnavailable):
            # where the whole mailbox is away, it is not this mail
            self.inbox.renew()
        short = f"{type(error).__name__}: {error}" if fault else str(error)
        details = "".join(traceback.format_exception(error))
        # whatever the error quotes of the mail
        envelope, short, details = cut_fault(
            self.context.mail, look.envelope, self._raw, short, details
        )
        now = self.context.clock.now()
        with self.context.db.begin() as db:
            off = messages.put_off(
                db, self.name, self.inbox.uidvalidity, look.uid, now, short, fault=fault
            )
            self._reach(db, look.uid)
            text = f"the mail with UID {look.uid} waits: {short}"
            events.note_event(db, now, "mail-put-off", text)
        if fault:
            # not the exception itself, which may quote a secret of the mail
            _log.error("%s\n%s", text, details)
        else:
            _log.warning("%s", text)
        if off.faults >= _TRIES:
            place = (self.name, self.inbox.uidvalidity, look.uid)
            row = set_aside(self.context, place, envelope, short, details)
            self._move(row, look.uid, self.context.mail.quarantine)
        if isinstance(error, MailUnavailable):
            self._server.count_failure(error)

    def _reach(self, db: Connection, uid: int) -> None:
        """Note with a mail that the mailbox was read as far as it; a mail that is asked for again
        lies below."""
        self._noted_uid = max(uid, self.last_uid)
        messages.set_cursor(db, self.name, Cursor(self.inbox.uidvalidity, self._noted_uid))

    def _note_cursor(self) -> None:
        if self.last_uid > self._noted_uid:
            with self.context.db.begin() as db:
                self._reach(db, self.last_uid)

    def _move_all(self) -> None:
        """Move what was dealt with earlier and is not in its folder yet."""
        now = self.context.clock.now()
        with self.context.db.begin() as db:
            pending = messages.messages_to_move(db, self.name, self.inbox.uidvalidity, now)
        for row, uid, folder in pending:
            self._move(row, uid, folder)

    def _move(self, row: int | None, uid: int, folder: str) -> None:
        """Move a mail; where the server refuses, it stays and the move is tried again later."""
        if self._refused_moves >= _MOST_REFUSED_MOVES:
            return
        now = self.context.clock.now()
        try:
            self.inbox.move(uid, folder)
        except MailUnavailable as error:
            self._refused_moves += 1
            self._refusal = str(error)
            if row is not None:
                with self.context.db.begin() as db:
                    messages.not_moved(db, row, now)
            _log.warning("the mail with UID %d is not moved to %s: %s", uid, folder, error)
            self.inbox.renew()
            return
        if row is not None:
            with self.context.db.begin() as db:
                messages.mark_moved(db, row)

    def _troubles(self) -> tuple[str, ...]:
        """What fails about the mailbox though it can be read; the operator hears if it lasts."""
        with self.context.db.begin() as db:
            waiting = messages.all_put_off(db, self.name, self.inbox.uidvalidity)
            words = [f"UID {one.uid}: {one.reason}" for one in waiting[:3]]
            more = [f"and {len(waiting) - 3} more"] if len(waiting) > 3 else []
            unmoved = messages.unmoved(db, self.name)
            found = {
                MailboxTrouble.UNREAD: "; ".join([*words, *more]),
                MailboxTrouble.UNMOVED: f"{unmoved} so far. {self._refusal}".strip()
                if unmoved
                else "",
            }
            mailbox_outages.note_recovery(self.context, db, MailboxTrouble.AWAY)
            for trouble, reason in found.items():
                if reason:
                    mailbox_outages.note_outage(self.context, db, trouble, reason)
                else:
                    mailbox_outages.note_recovery(self.context, db, trouble)
        return tuple(f"{trouble.headline}: {why}" for trouble, why in found.items() if why)

    def _take(self, envelope: FetchedHeader) -> int | None:
        """Deal with one mail; returns how many were stored (0 or 1), None where it must wait."""
        context = self.context
        decision = decide_from_headers(envelope.facts, envelope.size, context.mail)
        if decision is not None and decision.judgement.verdict is MailVerdict.NOT_OURS:
            return 0
        if decision is None or decision.outcome.replied:
            claim = self.inbox.claim(envelope.uid, context.service_id)
            if claim is Claim.CONTESTED:
                return None
            if claim is Claim.OTHERS:
                self._leave(envelope)
                return 0
        raw = None
        if decision is None:
            raw = self._raw = self.inbox.fetch(envelope.uid)
            decision = _decided(context, raw)
            if decision.outcome is MailOutcome.WAIT:
                raise DnsUnavailable(decision.reason)
        elif decision.judgement.verdict is MailVerdict.BOUNCE and envelope.size <= _LARGEST_BOUNCE:
            raw = self._raw = self.inbox.fetch(envelope.uid)
        self._store(*without_secrets(context.mail, envelope, decision, raw))
        return 1

    def _leave(self, envelope: FetchedHeader) -> None:
        text = (
            f"The mail {envelope.facts.subject!r} (UID {envelope.uid}) in {self.name} was "
            "claimed by another ASTRAN that reads the same mailbox with another database.\n\n"
            "Let only one of them read it. If the other one is gone for good, send the mail again."
        )
        with self.context.db.begin() as db:
            events.note_event(db, self.context.clock.now(), "mail-others", text)
            tell_operator(
                self.context,
                db,
                key=f"others.{self.inbox.uidvalidity}.{envelope.uid}",
                title="two services read one mailbox",
                text=text,
            )

    def _store(self, envelope: FetchedHeader, decision: Decision, raw: bytes | None) -> None:
        context, uidvalidity = self.context, self.inbox.uidvalidity
        folder = folder_of(context, decision)
        incoming = Incoming(
            mailbox=self.name,
            uidvalidity=uidvalidity,
            uid=envelope.uid,
            # without one, the mail is told apart by its place in the mailbox
            message_id=(envelope.facts.message_id or f"<{uidvalidity}.{envelope.uid}@{self.name}>")[
                :998
            ],
            sender=decision.sender,
            subject=envelope.facts.subject[:998],
            verdict=decision.judgement.verdict,
            reason=decision.reason,
            received=context.clock.now(),
            raw=raw,
            folder=folder,
        )
        with context.db.begin() as db:
            if decision.outcome.replied:
                analyses.lock_launches(db)
            self._reach(db, envelope.uid)
            messages.settle(db, self.name, uidvalidity, envelope.uid)
            row = messages.add_message(db, incoming)
            # without a row, the mail was stored before by its UID, and is only to be moved
            if row is not None:
                note_mail(context, db, decision, incoming)
                self._act(db, row, incoming, decision, raw, age_s(context, envelope.facts))
        self._move(row, envelope.uid, folder)

    def _act(
        self,
        db: Connection,
        row: int,
        mail: Incoming,
        decision: Decision,
        raw: bytes | None,
        read_s: float | None,
    ) -> None:
        if decision.judgement.verdict is MailVerdict.BOUNCE:
            if raw is not None:
                bounces.note_bounce(self.context, db, raw)
        elif decision.acts and not messages.may_act(
            db, row, messages.act_key(mail.message_id, mail.sender)
        ):
            text = f"{mail.message_id} is known already: not acted upon again"
            events.note_event(db, mail.received, "mail-again", text)
        elif decision.outcome.replied:
            self.taken += carry_out.carry_out(self.context, db, row, decision, read_s)


_LARGEST_BOUNCE = 12_000_000
"""A bounce may bring the whole report back [bytes]."""


def _decided(context: Context, raw: bytes) -> Decision:
    now, site = context.clock.now(), context.site
    decision = decide_mail(raw, context.mail, Night.of(now), telescope=site.telescope, now=now)
    return check_with_software(site, decision)
