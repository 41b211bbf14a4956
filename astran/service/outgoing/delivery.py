"""Sending what is due, so that no mail is lost and none goes out twice.

A mail is moved to SENDING before the server is called. If the process dies in between, the next
tick looks for the blind copy of that mail in the own mailbox, by its Message-ID: found means sent.
Only where it does not turn up in good time is the mail sent again, under the same Message-ID.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial

from astran.base.errors import MailAuthError, MailDeferred, MailError, MailRejected
from astran.base.failures import attempt_part
from astran.base.text import count_noun
from astran.database import events, messages, outbox
from astran.database.outbox import MailState, Outgoing
from astran.mail.imap import Inbox
from astran.mail.smtp import SmtpPostman
from astran.service.context import Context
from astran.service.outgoing import confirmations, login_backoff
from astran.service.outgoing.enqueue import tell_operator
from astran.service.reporting.reports import of_the_store

_log = logging.getLogger(__name__)

WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120))
"""Waits before the next try after a failure that may pass."""
PATIENCE = timedelta(days=5)
"""As long as mail servers are used to try; after that only seldom, or when other mail goes out."""
SELDOM = timedelta(days=1)
GIVE_UP_AFTER = timedelta(days=30)
"""Then nobody is served by a try; a mail that goes out shows that another one is worth it."""
MOST_FAILURES = 3
"""So many in a row without a connection end the deliveries of a tick: each may take long."""
ORDER_FOR = timedelta(minutes=5)
"""How long a mail waits for an earlier one of its conversation."""


def deliver_due(context: Context) -> int:
    """Send every mail that is due; returns how many went out."""
    now = context.clock.now()
    with context.db.begin() as db:
        due = outbox.due_mails(db, now)
        held = bool(due) and login_backoff.login_hold(context, db, login_backoff.SMTP)
        before = outbox.oldest_held_up(db, now) if due else {}
    sent = failures = 0
    for mail in due:
        if failures >= MOST_FAILURES:
            break
        if mail.state is MailState.SENDING:
            if not _after_crash(context, mail):
                _hold_up(before, mail)
        elif not held and not _too_early(mail, before, now) and not _barred(context, mail):
            try:
                went = _send(context, mail)
            except MailAuthError:
                # the next mail would meet the same refusal
                break
            sent += went is _Went.OUT
            failures = failures + 1 if went is _Went.NO_LINE else 0
            if went is not _Went.OUT:
                _hold_up(before, mail)
    if sent:
        _revive(context)
    return sent


class _Went(Enum):
    """What became of a try."""

    OUT = auto()
    NO_LINE = auto()
    """The server could not be spoken with."""
    NOT = auto()


def _revive(context: Context) -> None:
    now = context.clock.now()
    with context.db.begin() as db:
        if number := outbox.revive(db, now):
            events.note_event(db, now, "mail-revived", f"{count_noun(number, 'mail')} tried again")


def _hold_up(before: dict[tuple[int, str], int], mail: Outgoing) -> None:
    if mail.analysis_id is not None:
        before.setdefault((mail.analysis_id, mail.recipient), mail.id)


def _too_early(mail: Outgoing, before: dict[tuple[int, str], int], now: datetime) -> bool:
    """Whether an earlier mail of the same conversation should arrive first: a report before its
    confirmation confuses. After a while the later mail does not wait any longer."""
    if mail.analysis_id is None or now - mail.created > ORDER_FOR:
        return False
    return before.get((mail.analysis_id, mail.recipient), mail.id) < mail.id


def _barred(context: Context, mail: Outgoing) -> bool:
    """Whether this mail must not go out, or not now: its address bounces, or had enough mails."""
    now = context.clock.now()
    with context.db.begin() as db:
        bounced = messages.bounced_at(db, mail.recipient)
        number = outbox.sent_since(db, mail.recipient, now - timedelta(days=1))
    if bounced is not None:
        _dead(context, mail, f"mails to {mail.recipient} come back, since {bounced:%Y-%m-%d %H:%M}")
        return True
    if number < context.mail.quotas.mails_per_recipient:
        return False
    with context.db.begin() as db:
        error = f"{mail.recipient} got {number} {outbox.CAPPED}"
        outbox.move_mail(db, mail, MailState.RETRY, next_try=now + timedelta(hours=1), error=error)
        events.note_event(db, now, "mail-capped", f"{mail.subject}: {error}", mail.analysis_id)
    return True


def _send(context: Context, mail: Outgoing) -> _Went:
    now = context.clock.now()
    mail = _up_to_date(context, mail)
    with context.db.begin() as db:
        if not outbox.move_mail(db, mail, MailState.SENDING, next_try=now, tries=mail.tries + 1):
            return _Went.NOT
    sending = _as_sending(mail)
    own = context.mail.address
    recipients = [mail.recipient]
    if context.mail.keep_copy and mail.recipient.lower() != own.lower():
        recipients.append(own)
    try:
        refused = SmtpPostman(context.mail.smtp).send(mail.raw, own, recipients)
    except MailAuthError as error:
        _later(context, sending, error)
        login_backoff.note_refusal(context, login_backoff.SMTP, error)
        raise
    except MailRejected as error:
        _dead(context, sending, str(error))
        return _Went.NOT
    except MailError as error:
        _later(context, sending, error)
        return _Went.NOT if isinstance(error, MailDeferred) else _Went.NO_LINE
    if mail.recipient in refused:
        _dead(context, sending, f"{mail.recipient} was refused by the mail server")
        return _Went.NOT
    _sent(context, sending)
    login_backoff.note_success(context, login_backoff.SMTP)
    return _Went.OUT


def _up_to_date(context: Context, mail: Outgoing) -> Outgoing:
    if mail.kind != confirmations.KIND:
        return mail

    def make() -> Outgoing:
        with context.db.begin() as db:
            return confirmations.bring_up_to_date(context, db, mail)

    # one that cannot be made anew goes out as it was written
    warn = partial(_log.warning, "the confirmation of %r is not up to date: %s", mail.subject)
    return attempt_part(make, warn, of_the_store) or mail


def _as_sending(mail: Outgoing) -> Outgoing:
    return replace(mail, state=MailState.SENDING, tries=mail.tries + 1)


def _sent(context: Context, mail: Outgoing) -> None:
    now = context.clock.now()
    with context.db.begin() as db:
        if outbox.move_mail(db, mail, MailState.SENT, sent=now):
            text = f"{mail.kind} mail to {mail.recipient}: {mail.subject}"
            events.note_event(db, now, "mail-sent", text, mail.analysis_id)
    _log.info("sent: %s -> %s", mail.subject, mail.recipient)


def _later(context: Context, mail: Outgoing, error: MailError) -> None:
    """A failure that may pass. Whether the server took the mail before the line broke is unknown,
    so a mail with a copy stays SENDING until its copy was looked for."""
    now = context.clock.now()
    _log.warning("not sent yet (%s): %s -> %s", error, mail.subject, mail.recipient)
    refused = isinstance(error, MailAuthError)
    deferred = isinstance(error, MailDeferred)
    said = f"{outbox.DEFERRED}{error}" if deferred else str(error)
    unknown = context.mail.keep_copy and not refused and not deferred
    if not unknown and _too_old(mail, now):
        _give_up(context, mail, said)
        return
    with context.db.begin() as db:
        events.note_event(db, now, "mail-retry", f"{mail.subject}: {error}", mail.analysis_id)
        if unknown:
            outbox.move_mail(db, mail, MailState.SENDING, next_try=now, error=said)
        else:
            wait = timedelta(minutes=15) if refused else _wait(mail, now)
            outbox.move_mail(db, mail, MailState.RETRY, next_try=now + wait, error=said)


def _wait(mail: Outgoing, now: datetime) -> timedelta:
    if now - mail.created >= PATIENCE:
        return SELDOM
    return WAITS[max(1, min(mail.tries, len(WAITS))) - 1]


def _too_old(mail: Outgoing, now: datetime) -> bool:
    return now - mail.created >= GIVE_UP_AFTER


def _give_up(context: Context, mail: Outgoing, said: str) -> None:
    text = f"{mail.tries} tries: {said}"
    if said.startswith(outbox.DEFERRED):
        # the server took other mails: that is the recipient's matter, and final
        _dead(context, mail, f"put off for {GIVE_UP_AFTER.days} days, {text}")
    else:
        _dead(context, mail, f"{outbox.GIVEN_UP} {text}")


def _dead(context: Context, mail: Outgoing, why: str) -> None:
    now = context.clock.now()
    with context.db.begin() as db:
        if not outbox.move_mail(db, mail, MailState.DEAD, error=why):
            return
        events.note_event(db, now, "mail-dead", f"{mail.subject}: {why}", mail.analysis_id)
        if mail.recipient.lower() != context.mail.operator.lower():
            tell_operator(
                context,
                db,
                key=f"mail{mail.id}",
                title=f"a mail to {mail.recipient} could not be delivered",
                text=f"{mail.subject}\n\n{why}",
            )
    _log.error("cannot be sent (%s): %s -> %s", why, mail.subject, mail.recipient)


def _after_crash(context: Context, mail: Outgoing) -> bool:
    """It is unknown whether this mail went out: its copy in the own mailbox tells.

    Returns whether the mail is dealt with for good.
    """
    now = context.clock.now()
    if context.mail.keep_copy:
        try:
            with Inbox(context.mail) as inbox:
                found = inbox.contains(mail.message_id, (context.mail.folder, context.mail.sent))
        except MailError as error:
            _log.warning("cannot look for the copy of %r: %s", mail.subject, error)
            return False
        if found:
            _sent(context, mail)
            return True
        if now - mail.next_try < timedelta(seconds=context.mail.copy_grace_s):
            return False
    if _too_old(mail, now):
        _give_up(context, mail, mail.error or "no trace of them")
        return True
    with context.db.begin() as db:
        # after a crash nothing speaks against trying at once; after an error the server needs time
        again = mail.next_try + _wait(mail, now) if mail.error else now
        said = mail.error or "no trace of the last try"
        outbox.move_mail(db, mail, MailState.RETRY, next_try=again, error=said)
    return False
