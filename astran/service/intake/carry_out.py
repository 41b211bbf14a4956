"""Carrying out the decision on one mail, in the transaction that stores the mail."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from astran.base.errors import StoreError
from astran.base.mail_commands import MailCommand
from astran.base.night import Night
from astran.base.states import AnalysisState
from astran.catalogue.sources import find_redshift, resolve_source
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, chores, events, messages
from astran.database.analyses import RequestOrigin
from astran.database.connection import is_outage
from astran.database.orders import data_sets, standing_orders
from astran.launch_language.parser import Parsed
from astran.launch_language.resolve import (
    example_launch,
    last_night,
    resolve_config,
    several_nights,
)
from astran.mail.identity import analyses_named_in, person_of
from astran.mail.letters.mime import Thread, message_id
from astran.service.context import Context
from astran.service.data_sets.launch import create_data_set
from astran.service.intake import mail_commands, quotas
from astran.service.intake.decision import Decision, MailOutcome
from astran.service.intake.standing_orders import plan_standing_orders
from astran.service.outgoing import enqueue

_log = logging.getLogger(__name__)


def carry_out(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    """Do what was decided, and queue the answer; returns 1 for a launch.

    A fault in here must not lose the mail: it is stored, and both sides are told.
    """
    try:
        with db.begin_nested():
            return _carry_out(context, db, row, decision, read_s)
    except Exception as error:  # reported to requester and operator below
        if is_outage(error):
            # trouble of the site: the mail stays where it is, and the next tick takes it
            raise
        text = "".join(traceback.format_exception(error))
        messages.set_folder(db, row, context.mail.rejected)
        messages.did_not_act(db, row)
        enqueue_request_fault(context, db, row, decision.thread, text)
        return 0


def enqueue_request_fault(
    context: Context, db: Connection, row: int, thread: Thread, text: str
) -> None:
    """A fault in ASTRAN itself with a mail, as traceback: short to its sender, all to the
    operator."""
    short = text.strip().rpartition("\n")[2]
    _log.error("fault with a mail of %s: %s\n%s", thread.to, short, text)
    events.note_event(db, context.clock.now(), "fault", text[-4000:])
    enqueue.enqueue_letter(context, db, "fault", context.letters.fault(thread, "", short))
    enqueue.tell_operator(
        context, db, key=f"mail{row}", title=f"fault with a mail of {thread.to}", text=text
    )


def _carry_out(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    match decision.outcome:
        case MailOutcome.REFUSE:
            _refuse_stranger(context, db, decision)
        case MailOutcome.ERROR_REPLY:
            if decision.offered:
                origin = _origin(context, db, row, decision)
                analyses.add_offer(db, context.clock.now(), origin)
            _put_problems(context, db, decision)
        case MailOutcome.LAUNCH:
            return _launch(context, db, row, decision, read_s)
        case MailOutcome.CONFIRM:
            return _start_offered(context, db, row, decision, read_s)
        case MailOutcome.COMMAND if decision.command is MailCommand.DRYRUN:
            key = analyses.add_request(db, context.clock.now(), _origin(context, db, row, decision))
            # making a plan takes time, which this transaction must not
            chores.plan_chore(db, f"dryrun.{key}", context.clock.now())
        case MailOutcome.COMMAND:
            mail_commands.execute(context, db, decision)
        case MailOutcome.IGNORE | MailOutcome.QUARANTINE:
            text = f"{decision.sender}: {decision.thread.subject}"
            events.note_event(db, context.clock.now(), "mail-idle", text)
    return 0


def _refuse_stranger(context: Context, db: Connection, decision: Decision) -> None:
    """One courteous no a day for somebody who may not ask."""
    if messages.may_refuse(db, person_of(decision.sender), context.clock.now()):
        site = context.site.site
        enqueue_refusal(
            context,
            db,
            decision.thread,
            f"{decision.sender} is not among those who may launch analyses at {site}.",
            stranger=True,
        )


def enqueue_refusal(
    context: Context, db: Connection, thread: Thread, reason: str, *, stranger: bool = False
) -> None:
    """Queue a courteous no."""
    letter = context.letters.refusal(thread, reason)
    quotas.enqueue_no(context, db, "refusal", letter, thread.to, stranger=stranger)


def _put_problems(context: Context, db: Connection, decision: Decision) -> None:
    letter = context.letters.problems(
        decision.thread,
        decision.problems,
        decision.text,
        decision.example or example_launch(),
        offered=decision.offered,
    )
    quotas.enqueue_no(context, db, "problems", letter, decision.sender)
    words = "; ".join(str(problem) for problem in decision.problems)
    events.note_event(db, context.clock.now(), "problems", f"{decision.sender}: {words}")


_OFFER_HOLDS = timedelta(days=7)


def _start_offered(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    """Start what a mail answers with GO, its sender's own, and once: a corrected request, or a data
    set that waits for it."""
    if _agree(context, db, decision):
        return 0
    since = context.clock.now() - _OFFER_HOLDS
    for key, request in analyses.offers_to(db, decision.sender, since):
        thread = Thread(
            to=request.sender,
            subject=request.subject,
            in_reply_to=request.in_reply_to or None,
            references=request.references,
        )
        letter = message_id(context.mail, "problems", "", thread, 1)
        if letter not in decision.thread.references or not analyses.take_offer(db, key):
            continue
        params = dict(request.params)
        parsed = Parsed(params=params)
        today, telescope = Night.of(context.clock.now()), context.site.telescope
        config = resolve_config(parsed, resolve_source, today, telescope, find_redshift)
        return _launch(context, db, row, replace(decision, params=params, config=config), read_s)
    messages.did_not_act(db, row)
    title = "Nothing was started"
    text = "No request waits for this GO: it was started already, or is older than a week."
    letter_out = context.letters.notice(decision.thread, title, text)
    enqueue.enqueue_letter(context, db, "notice", letter_out)
    return 0


def _agree(context: Context, db: Connection, decision: Decision) -> bool:
    """Start the data set in whose conversation the mail stands; whether there is one."""
    found = analyses_named_in(decision.thread.references, context.mail, "A")
    if len(found) != 1:
        return False
    try:
        whole = analyses.get_analysis(db, int(found[0][1:]))
    except StoreError:
        return False
    if not whole.is_data_set or whole.requester.lower() != decision.sender:
        return False
    if whole.state is not AnalysisState.WAITING or whole.cancel_wanted:
        title, text = f"{whole.name} waits for no GO", f"It is {whole.state}."
        if whole.cancel_wanted:
            text = "It is being cancelled."
        letter = context.letters.notice(decision.thread, title, text, request_id=whole.name)
        enqueue.enqueue_letter(context, db, "notice", letter, whole)
        return True
    data_sets.change_options(db, whole.id, agreed=True)
    events.note_event(db, context.clock.now(), "go", f"by {decision.sender}", whole.id)
    return True


def _origin(context: Context, db: Connection, row: int, decision: Decision) -> RequestOrigin:
    command = (decision.command or MailCommand.LAUNCH).value.removeprefix("ASTRAN-").lower()
    return RequestOrigin(
        command=command,
        message_id=row,
        sender_id=messages.sender_id(db, decision.sender, context.clock.now()),
        subject=decision.thread.subject,
        in_reply_to=decision.thread.in_reply_to or "",
        references=decision.thread.references,
        params=dict(decision.params),
    )


def _launch(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    config = decision.config
    assert config is not None
    repeated = "repeat" in decision.params
    if reason := quotas.quota_exceeded(context, db, decision.sender, order=repeated):
        events.note_event(db, context.clock.now(), "quota", f"{decision.sender}: {reason}")
        messages.set_folder(db, row, context.mail.rejected)
        messages.did_not_act(db, row)
        enqueue_refusal(context, db, decision.thread, reason)
        return 0
    origin = _origin(context, db, row, decision)
    if repeated:
        _order(context, db, origin, decision, config)
        return 1
    if several := several_nights(decision.params):
        # what it holds and costs is told as soon as it is known
        create_data_set(context, db, origin, config, several, decision.sender)
        return 1
    now = context.clock.now()
    workdir = context.site.workdir
    analysis = analyses.create_analysis(
        db, now, origin, config.label, config.plain(), workdir, decision.sender
    )
    enqueue.enqueue_confirmation(context, db, analysis, config, read_s)
    return 1


def _order(
    context: Context,
    db: Connection,
    origin: RequestOrigin,
    decision: Decision,
    config: AnalysisConfig,
) -> None:
    now = context.clock.now()
    first, last = Night.of(now), last_night(decision.params["repeat"])
    nights = (str(first), str(last))
    name = config.label.removesuffix(config.date)
    order = standing_orders.create_order(
        db, now, origin, name, config.plain(), nights, decision.sender
    )
    plan_standing_orders(context, db)
    letter = context.letters.ordered(
        decision.thread, order.name, config, last.iso, tuple(decision.params)
    )
    enqueue.enqueue_letter(context, db, "order", letter)
