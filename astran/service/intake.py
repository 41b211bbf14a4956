"""From new mails to stored requests; each mail in one transaction, moved only afterwards.

A mail that was stored never acts again, whatever happens later: its row is unique by UID and by
Message-ID and sender. A mail that was not stored is read again by the next tick.
"""

from __future__ import annotations

import traceback
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.base.errors import AstranError, MailAuthError, MailGone
from astran.base.night import Night
from astran.mail.inbox import Inbox
from astran.mail.ports import Claim
from astran.service import logins
from astran.service.context import Context
from astran.service.heartbeat import mailbox_name
from astran.service.scrubbing import without_secrets
from astran.store import chores, events, mailbox, outbox
from astran.store.mailbox import Cursor, Incoming

if TYPE_CHECKING:
    from astran.mail.headers import Message
    from astran.mail.ports import Envelope, Mailbox
    from astran.service.decide import Decision

_BATCH = 500
_BATCHES = 120
"""At most so many batches of headers are looked at in one tick; each batch is noted by itself."""
_LOOK_BACK = timedelta(days=30)
"""At the first reading of a mailbox, older mails are left alone."""


def take_in(context: Context) -> int:
    """Read the new mails of the inbox; returns how many requests were taken.

    Raises
    ------
    MailError : the mailbox cannot be read
    """
    with context.db.begin() as db:
        if logins.held(context, db, logins.IMAP):
            return 0
    settings = context.mail
    try:
        with Inbox(settings) as inbox:
            logins.went_well(context, logins.IMAP)
            return _read(context, inbox)
    except MailAuthError as error:
        logins.refused(context, logins.IMAP, error)
        raise


def _read(context: Context, inbox: Mailbox) -> int:
    name = mailbox_name(context.mail)
    with context.db.begin() as db:
        cursor = mailbox.cursor(db, name)
        pending = mailbox.to_move(db, name, inbox.uidvalidity)
    if cursor is None or cursor.uidvalidity != inbox.uidvalidity:
        # first reading, or the server renumbered: what is known already will not act again
        day = (context.clock.now() - _LOOK_BACK).date()
        cursor = Cursor(inbox.uidvalidity, inbox.uid_before(day))
        with context.db.begin() as db:
            mailbox.set_cursor(db, name, cursor)
    for row, uid, folder in pending:
        _move(context, inbox, row, uid, folder)
    return _Reading(context, inbox, name, cursor.last_uid).run()


class _Reading:
    """One pass over the new mails."""

    def __init__(self, context: Context, inbox: Mailbox, name: str, last_uid: int) -> None:
        self.context = context
        self.inbox = inbox
        self.name = name
        self.last_uid = last_uid
        self.taken = 0
        self._noted_uid = last_uid

    def run(self) -> int:
        left = self.context.mail.per_tick
        for _ in range(_BATCHES):
            envelopes = self.inbox.new(self.last_uid, _BATCH)
            for envelope in envelopes:
                if not left:
                    break
                stored = self._take(envelope)
                if stored is None:
                    # another service reaches for this very mail: the next tick looks again
                    left = 0
                    break
                left -= stored
                self.last_uid = envelope.uid
            self._note_cursor()
            if not left or len(envelopes) < _BATCH:
                break
        return self.taken

    def _note_cursor(self) -> None:
        if self.last_uid != self._noted_uid:
            with self.context.db.begin() as db:
                mailbox.set_cursor(db, self.name, Cursor(self.inbox.uidvalidity, self.last_uid))
            self._noted_uid = self.last_uid

    def _take(self, envelope: Envelope) -> int | None:
        """Deal with one mail; returns how many were stored (0 or 1), None where it must wait."""
        from astran.mail.gate import Verdict
        from astran.service.decide import at_the_door

        context = self.context
        decision = at_the_door(envelope.headers, envelope.size, context.mail)
        if decision is not None and decision.judgement.verdict is Verdict.NOT_OURS:
            return 0
        if decision is None or decision.outcome.replied:
            claim = self.inbox.claim(envelope.uid, context.service_id)
            if claim is Claim.CONTESTED:
                return None
            if claim is Claim.OTHERS:
                self._leave(envelope)
                return 0
        raw, fault = None, ""
        try:
            if decision is None:
                raw = self.inbox.fetch(envelope.uid)
                decision, fault = _decided(context, raw, envelope)
            elif decision.judgement.verdict is Verdict.BOUNCE and envelope.size <= _LARGEST_BOUNCE:
                raw = self.inbox.fetch(envelope.uid)
        except MailGone:
            return 0
        self._store(*without_secrets(context.mail, envelope, decision, raw, fault))
        return 1

    def _leave(self, envelope: Envelope) -> None:
        from astran.mail.headers import subject
        from astran.service.letterbox import tell_operator

        text = (
            f"The mail {subject(envelope.headers)!r} (UID {envelope.uid}) in {self.name} was "
            "claimed by another ASTRAN that reads the same mailbox with another database.\n\n"
            "Let only one of them read it. If the other one is gone for good, send the mail again."
        )
        with self.context.db.begin() as db:
            events.note(db, self.context.clock.now(), "mail-others", text)
            tell_operator(
                self.context,
                db,
                key=f"others.{self.inbox.uidvalidity}.{envelope.uid}",
                title="two services read one mailbox",
                text=text,
            )

    def _store(self, envelope: Envelope, decision: Decision, raw: bytes | None, fault: str) -> None:
        from astran.mail.headers import message_id, subject

        context, uidvalidity = self.context, self.inbox.uidvalidity
        folder = context.mail.rejected if fault else _folder(context, decision)
        incoming = Incoming(
            mailbox=self.name,
            uidvalidity=uidvalidity,
            uid=envelope.uid,
            # without one, the mail is told apart by its place in the mailbox
            message_id=(
                message_id(envelope.headers) or f"<{uidvalidity}.{envelope.uid}@{self.name}>"
            )[:998],
            sender=decision.sender,
            subject=subject(envelope.headers)[:998],
            verdict=decision.judgement.verdict,
            reason=decision.reason,
            received=context.clock.now(),
            raw=raw,
            folder=folder,
        )
        with context.db.begin() as db:
            cursor = Cursor(uidvalidity, envelope.uid)
            mailbox.set_cursor(db, self.name, cursor)
            row = mailbox.add(db, incoming)
            if row is None:
                text = f"{incoming.message_id} is known already: not acted upon again"
                events.note(db, incoming.received, "mail-again", text)
            else:
                _note(context, db, decision, incoming)
                self._act(db, row, decision, raw, fault, _age(context, envelope.headers))
        self._noted_uid = envelope.uid
        _move(context, self.inbox, row, envelope.uid, folder)

    def _act(
        self,
        db: Connection,
        row: int,
        decision: Decision,
        raw: bytes | None,
        fault: str,
        read_s: float | None,
    ) -> None:
        from astran.mail.gate import Verdict
        from astran.service import bounces, requests

        if fault:
            requests.put_fault(self.context, db, row, decision.thread, fault)
        elif decision.judgement.verdict is Verdict.BOUNCE:
            if raw is not None:
                bounces.note(self.context, db, raw)
        elif decision.outcome.replied:
            self.taken += requests.carry_out(self.context, db, row, decision, read_s)


_LARGEST_BOUNCE = 12_000_000
"""A bounce may bring the whole report back [bytes]."""


def _decided(context: Context, raw: bytes, envelope: Envelope) -> tuple[Decision, str]:
    """The decision; a fault in making it must not lose the mail, nor stop those behind it."""
    from astran.mail.gate import judge
    from astran.service.decide import Decision, Outcome, answer_to, decide
    from astran.service.software import judged

    try:
        decision = decide(raw, context.mail, Night.of(context.clock.now()))
        return judged(context.site, decision), ""
    except AstranError:
        # the site is not set up as it should be; the mail can wait
        raise
    except Exception as error:  # noqa: BLE001 - reported to requester and operator by the caller
        text = "".join(traceback.format_exception(error))
        judgement = judge(envelope.headers, context.mail)
        thread = answer_to(envelope.headers, judgement.sender)
        return Decision(Outcome.ERROR_REPLY, judgement, thread), text


def _folder(context: Context, decision: Decision) -> str:
    """Where a mail goes."""
    from astran.mail.gate import Verdict
    from astran.service.decide import Outcome

    settings = context.mail
    by_verdict = {Verdict.OWN: settings.sent, Verdict.MACHINE: settings.rejected}
    by_outcome = {
        Outcome.QUARANTINE: settings.quarantine,
        Outcome.REFUSE: settings.rejected,
        Outcome.ERROR_REPLY: settings.rejected,
    }
    found = by_verdict.get(decision.judgement.verdict) or by_outcome.get(decision.outcome)
    return found or settings.processed


def _note(context: Context, db: Connection, decision: Decision, mail: Incoming) -> None:
    from astran.mail.gate import Verdict
    from astran.service import digest

    verdict = decision.judgement.verdict
    if verdict is Verdict.OWN:
        # the copy of an own mail proves that it went out
        outbox.prove(db, mail.message_id, mail.received)
        return
    text = f"{verdict}: {mail.sender or 'no sender'}: {mail.subject} ({mail.reason})"
    events.note(db, mail.received, "mail-in", text)
    if verdict is Verdict.TAKE:
        mailbox.clear_bounced(db, mail.sender)
    elif verdict in digest.TOLD:
        chores.plan(db, digest.NAME, digest.next_time(mail.received))
    context.say(f"mail {text}")


def _move(context: Context, inbox: Mailbox, row: int | None, uid: int, folder: str) -> None:
    inbox.move(uid, folder)
    if row is not None:
        with context.db.begin() as db:
            mailbox.moved(db, row)


def _age(context: Context, headers: Message) -> float | None:
    from astran.mail.headers import value

    try:
        sent = parsedate_to_datetime(value(headers, "date"))
    except (ValueError, TypeError, IndexError):
        return None
    if sent.tzinfo is None:
        return None
    age = (context.clock.now() - sent).total_seconds()
    return age if 0 <= age < 86400 else None
