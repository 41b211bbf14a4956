"""Carrying out the decision on one mail, in the transaction that stores the mail."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.base.commands import Command
from astran.base.night import Night
from astran.config.analysis import AnalysisConfig
from astran.service import letterbox, quotas
from astran.service.context import Context
from astran.service.decide import Decision, Outcome
from astran.store import analyses, chores, events, mailbox, orders
from astran.store.analyses import Origin

if TYPE_CHECKING:
    from astran.mail.compose import Thread


def carry_out(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    """Do what was decided, and queue the answer; returns 1 for a launch.

    A fault in here must not lose the mail: it is stored, and both sides are told.
    """
    try:
        with db.begin_nested():
            return _carry_out(context, db, row, decision, read_s)
    except Exception as error:  # noqa: BLE001 - reported to requester and operator below
        text = "".join(traceback.format_exception(error))
        mailbox.set_folder(db, row, context.mail.rejected)
        mailbox.did_not_act(db, row)
        put_fault(context, db, row, decision.thread, text)
        return 0


def put_fault(context: Context, db: Connection, row: int, thread: Thread, text: str) -> None:
    """A fault in ASTRAN itself with a mail, as traceback: short to its sender, all to the
    operator."""
    short = text.strip().rpartition("\n")[2]
    context.say(f"fault with a mail of {thread.to}: {short}\n{text}")
    events.note(db, context.clock.now(), "fault", text[-4000:])
    letterbox.put(context, db, "fault", context.letters.fault(thread, "", short))
    letterbox.tell_operator(
        context, db, key=f"mail{row}", title=f"fault with a mail of {thread.to}", text=text
    )


def _carry_out(
    context: Context, db: Connection, row: int, decision: Decision, read_s: float | None
) -> int:
    from astran.service import commands

    match decision.outcome:
        case Outcome.REFUSE:
            _refuse_stranger(context, db, decision)
        case Outcome.ERROR_REPLY:
            _put_problems(context, db, decision)
        case Outcome.LAUNCH:
            return _launch(context, db, row, decision, read_s)
        case Outcome.COMMAND if decision.command is Command.DRYRUN:
            key = analyses.add_request(db, context.clock.now(), _origin(context, db, row, decision))
            # making a plan takes time, which this transaction must not
            chores.plan(db, f"dryrun.{key}", context.clock.now())
        case Outcome.COMMAND:
            commands.obey(context, db, decision)
        case Outcome.IGNORE | Outcome.QUARANTINE:
            text = f"{decision.sender}: {decision.thread.subject}"
            events.note(db, context.clock.now(), "mail-idle", text)
    return 0


def _refuse_stranger(context: Context, db: Connection, decision: Decision) -> None:
    """One courteous no a day for somebody who may not ask."""
    if mailbox.may_refuse(db, decision.sender, context.clock.now()):
        site = context.site.site
        refuse(
            context,
            db,
            decision.thread,
            f"{decision.sender} is not among those who may launch analyses at {site}.",
        )


def refuse(context: Context, db: Connection, thread: Thread, reason: str) -> None:
    """Queue a courteous no."""
    letterbox.put(context, db, "refusal", context.letters.refusal(thread, reason))


def _put_problems(context: Context, db: Connection, decision: Decision) -> None:
    letter = context.letters.problems(
        decision.thread, decision.problems, decision.text, decision.example or _example()
    )
    letterbox.put(context, db, "problems", letter)
    words = "; ".join(str(problem) for problem in decision.problems)
    events.note(db, context.clock.now(), "problems", f"{decision.sender}: {words}")


def _example() -> str:
    from astran.requests.resolve import example

    return example()


def _origin(context: Context, db: Connection, row: int, decision: Decision) -> Origin:
    command = (decision.command or Command.LAUNCH).value.removeprefix("ASTRAN-").lower()
    return Origin(
        command=command,
        message_id=row,
        sender_id=mailbox.sender_id(db, decision.sender, context.clock.now()),
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
    if reason := quotas.exceeded(context, db, decision.sender, order=repeated):
        events.note(db, context.clock.now(), "quota", f"{decision.sender}: {reason}")
        mailbox.set_folder(db, row, context.mail.rejected)
        mailbox.did_not_act(db, row)
        refuse(context, db, decision.thread, reason)
        return 0
    origin = _origin(context, db, row, decision)
    if repeated:
        _order(context, db, origin, decision, config)
        return 1
    now = context.clock.now()
    workdir = context.site.workdir
    analysis = analyses.create(
        db, now, origin, config.label, config.plain(), workdir, decision.sender
    )
    letterbox.put_confirmation(context, db, analysis, config, read_s)
    return 1


def _order(
    context: Context, db: Connection, origin: Origin, decision: Decision, config: AnalysisConfig
) -> None:
    from astran.requests.resolve import last_night
    from astran.service.standing import plan_next

    now = context.clock.now()
    first, last = Night.of(now), last_night(decision.params["repeat"])
    nights = (str(first), str(last))
    name = config.label.removesuffix(config.date)
    order = orders.create(db, now, origin, name, config.plain(), nights, decision.sender)
    plan_next(context, db)
    letter = context.letters.ordered(
        decision.thread, order.name, config, last.iso, tuple(decision.params)
    )
    letterbox.put(context, db, "order", letter)
