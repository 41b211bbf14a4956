"""Sending what is due, so that no mail is lost and none goes out twice.

A mail is moved to SENDING before the server is called. If the process dies in between, the next
tick looks for the blind copy of that mail in the own mailbox, by its Message-ID: found means sent.
Only where it does not turn up in good time is the mail sent again, under the same Message-ID.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from astran.base.errors import MailAuthError, MailError, MailRejected
from astran.service import logins
from astran.service.context import Context
from astran.store import events, mailbox, outbox
from astran.store.outbox import MailState, Outgoing

WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240))
"""Waits before the next try after a failure that may pass."""
ORDER_FOR = timedelta(minutes=5)
"""How long a mail waits for an earlier one of its conversation."""


def deliver(context: Context) -> int:
    """Send every mail that is due; returns how many went out."""
    now = context.clock.now()
    with context.db.begin() as db:
        due = outbox.due(db, now)
        held = bool(due) and logins.held(context, db, logins.SMTP)
        before = outbox.held_up(db, now) if due else {}
    sent = 0
    for mail in due:
        if mail.state is MailState.SENDING:
            if not _after_crash(context, mail):
                _hold_up(before, mail)
        elif not held and not _too_early(mail, before, now) and not _barred(context, mail):
            try:
                went = _send(context, mail)
            except MailAuthError:
                # the next mail would meet the same refusal
                break
            sent += went
            if not went:
                _hold_up(before, mail)
    return sent


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
        bounced = mailbox.bounced(db, mail.recipient)
        number = outbox.sent_since(db, mail.recipient, now - timedelta(days=1))
    if bounced is not None:
        _dead(context, mail, f"mails to {mail.recipient} come back, since {bounced:%Y-%m-%d %H:%M}")
        return True
    if number < context.mail.quotas.mails_per_recipient:
        return False
    with context.db.begin() as db:
        error = f"{mail.recipient} got {number} mails in 24 hours"
        outbox.move(db, mail, MailState.RETRY, next_try=now + timedelta(hours=1), error=error)
        events.note(db, now, "mail-capped", f"{mail.subject}: {error}", mail.analysis_id)
    return True


def _send(context: Context, mail: Outgoing) -> int:
    from astran.mail.postman import SmtpPostman

    now = context.clock.now()
    with context.db.begin() as db:
        if not outbox.move(db, mail, MailState.SENDING, next_try=now, tries=mail.tries + 1):
            return 0
    sending = _as_sending(mail)
    own = context.mail.address
    recipients = [mail.recipient]
    if context.mail.keep_copy and mail.recipient.lower() != own.lower():
        recipients.append(own)
    try:
        refused = SmtpPostman(context.mail.smtp).send(mail.raw, own, recipients)
    except MailAuthError as error:
        _later(context, sending, error)
        logins.refused(context, logins.SMTP, error)
        raise
    except MailRejected as error:
        _dead(context, sending, str(error))
        return 0
    except MailError as error:
        _later(context, sending, error)
        return 0
    if mail.recipient in refused:
        _dead(context, sending, f"{mail.recipient} was refused by the mail server")
        return 0
    _sent(context, sending)
    logins.went_well(context, logins.SMTP)
    return 1


def _as_sending(mail: Outgoing) -> Outgoing:
    return replace(mail, state=MailState.SENDING, tries=mail.tries + 1)


def _sent(context: Context, mail: Outgoing) -> None:
    now = context.clock.now()
    with context.db.begin() as db:
        if outbox.move(db, mail, MailState.SENT, sent=now):
            text = f"{mail.kind} mail to {mail.recipient}: {mail.subject}"
            events.note(db, now, "mail-sent", text, mail.analysis_id)
    context.say(f"sent: {mail.subject} -> {mail.recipient}")


def _later(context: Context, mail: Outgoing, error: MailError) -> None:
    """A failure that may pass. Whether the server took the mail before the line broke is unknown,
    so a mail with a copy stays SENDING until its copy was looked for."""
    now = context.clock.now()
    context.say(f"not sent yet ({error}): {mail.subject} -> {mail.recipient}")
    refused = isinstance(error, MailAuthError)
    if mail.tries > len(WAITS) and (refused or not context.mail.keep_copy):
        _dead(context, mail, f"given up after {mail.tries} tries: {error}")
        return
    with context.db.begin() as db:
        events.note(db, now, "mail-retry", f"{mail.subject}: {error}", mail.analysis_id)
        if context.mail.keep_copy and not refused:
            outbox.move(db, mail, MailState.SENDING, next_try=now, error=str(error))
        else:
            wait = timedelta(minutes=15) if refused else _wait(mail)
            outbox.move(db, mail, MailState.RETRY, next_try=now + wait, error=str(error))


def _wait(mail: Outgoing) -> timedelta:
    return WAITS[min(mail.tries, len(WAITS)) - 1]


def _dead(context: Context, mail: Outgoing, why: str) -> None:
    from astran.service.letterbox import tell_operator

    now = context.clock.now()
    with context.db.begin() as db:
        if not outbox.move(db, mail, MailState.DEAD, error=why):
            return
        events.note(db, now, "mail-dead", f"{mail.subject}: {why}", mail.analysis_id)
        if mail.recipient.lower() != context.mail.operator.lower():
            tell_operator(
                context,
                db,
                key=f"mail{mail.id}",
                title=f"a mail to {mail.recipient} could not be delivered",
                text=f"{mail.subject}\n\n{why}",
            )
    context.say(f"cannot be sent ({why}): {mail.subject} -> {mail.recipient}")


def _after_crash(context: Context, mail: Outgoing) -> bool:
    """It is unknown whether this mail went out: its copy in the own mailbox tells.

    Returns whether the mail is dealt with for good.
    """
    from astran.mail.inbox import Inbox

    now = context.clock.now()
    if context.mail.keep_copy:
        try:
            with Inbox(context.mail) as inbox:
                found = inbox.contains(mail.message_id, (context.mail.folder, context.mail.sent))
        except MailError as error:
            context.say(f"cannot look for the copy of {mail.subject!r}: {error}")
            return False
        if found:
            _sent(context, mail)
            return True
        if now - mail.next_try < timedelta(seconds=context.mail.copy_grace_s):
            return False
    if mail.tries > len(WAITS):
        _dead(context, mail, f"given up after {mail.tries} tries")
        return True
    with context.db.begin() as db:
        # after a crash nothing speaks against trying at once; after an error the server needs time
        again = mail.next_try + _wait(mail) if mail.error else now
        outbox.move(db, mail, MailState.RETRY, next_try=again, error="no trace of the last try")
    return False
