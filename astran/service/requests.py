"""Acting on one mail of somebody who may ask, in the transaction that stores the mail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.base.commands import Command
from astran.base.errors import ConfigError, Problem, StoreError
from astran.base.night import Night
from astran.service import letterbox
from astran.service.context import Context
from astran.store import analyses, events, mailbox, tasks
from astran.store.analyses import Analysis, Origin

if TYPE_CHECKING:
    from astran.mail.compose import Thread
    from astran.mail.headers import Message
    from astran.mail.text import Body


def act(
    context: Context,
    db: Connection,
    row: int,
    sender: str,
    raw: bytes,
    read_s: float | None,
) -> int:
    """Do what a mail asks for, and queue the answer; returns 1 for a launch.

    A fault in here must not lose the mail: it is stored, and both sides are told.
    """
    import traceback

    from astran.mail.headers import read_message

    message = read_message(raw)
    thread = answer_to(message, sender)
    try:
        with db.begin_nested():
            return _act(context, db, row, sender, message, thread, read_s)
    except Exception as error:  # noqa: BLE001 - reported to requester and operator below
        text = "".join(traceback.format_exception(error))
        context.say(f"fault with a mail of {sender}: {error}\n{text}")
        events.note(db, context.clock.now(), "fault", text[-4000:])
        mailbox.set_folder(db, row, context.mail.rejected)
        short = f"{type(error).__name__}: {error}"
        letterbox.put(context, db, "fault", context.letters.fault(thread, "", short))
        letterbox.tell_operator(
            context, db, key=f"mail{row}", title=f"fault with a mail of {sender}", text=text
        )
        return 0


def answer_to(message: Message, sender: str) -> Thread:
    """The conversation that a mail began or continues."""
    from astran.mail.compose import Thread
    from astran.mail.headers import message_id, references, subject

    own = message_id(message)
    return Thread(
        to=sender,
        subject=subject(message),
        in_reply_to=own or None,
        references=(*references(message), *((own,) if own else ())),
    )


def refuse(context: Context, db: Connection, sender: str, headers: Message) -> None:
    """One courteous no a day for somebody who may not ask."""
    if mailbox.may_refuse(db, sender, context.clock.now()):
        reason = f"{sender} is not among those who may launch analyses at {context.site.site}."
        letter = context.letters.refusal(answer_to(headers, sender), reason)
        letterbox.put(context, db, "refusal", letter)


def _act(
    context: Context,
    db: Connection,
    row: int,
    sender: str,
    message: Message,
    thread: Thread,
    read_s: float | None,
) -> int:
    from astran.mail.headers import subject
    from astran.mail.text import read_body
    from astran.requests.commands import command_of

    body = read_body(message)
    command, wanted = command_of(subject(message), body.text)
    if command is Command.LAUNCH:
        return _launch(context, db, row, sender, body, thread, read_s)
    if command in (Command.STATUS, Command.CANCEL, Command.RETRY):
        about = wanted or _in_thread(context, thread)
        _about_one(context, db, command, about, sender, thread)
    elif command is Command.LIST:
        _list(context, db, sender, thread)
    elif command is None:
        # an answer that asks for nothing ("thanks!") gets no answer
        events.note(db, context.clock.now(), "mail-idle", f"{sender}: {thread.subject}")
    else:
        from astran.requests.help import keys

        reason = (
            ""
            if command is Command.HELP
            else f"{command} is not offered by mail; `astran --config-analysis FILE` prints a plan."
        )
        letter = context.letters.help(thread, reason=reason, keys=keys())
        letterbox.put(context, db, "help", letter)
    return 0


def _in_thread(context: Context, thread: Thread) -> int | None:
    """The analysis in whose conversation a mail stands, if it is just one."""
    from astran.mail.identity import analyses_in

    found = analyses_in(thread.references, context.mail)
    return int(found[0].removeprefix("A")) if len(found) == 1 else None


def _launch(
    context: Context,
    db: Connection,
    row: int,
    sender: str,
    body: Body,
    thread: Thread,
    read_s: float | None,
) -> int:
    from astran.catalogue.sources import resolve as resolve_source
    from astran.requests.language import parse_agreeing
    from astran.requests.resolve import example, resolve

    now = context.clock.now()
    parsed = parse_agreeing(body.texts)
    if parsed.empty and body.answers:
        # a word of thanks under "Re: ASTRAN-LAUNCH" is no launch
        events.note(db, now, "mail-idle", f"{sender}: {thread.subject}")
        return 0
    problems = [*parsed.problems, *_of_the_mail(body, thread)]
    try:
        config = resolve(replace(parsed, problems=tuple(problems)), resolve_source, Night.of(now))
    except ConfigError as error:
        letter = context.letters.problems(thread, error.problems, body.text, example(parsed))
        letterbox.put(context, db, "problems", letter)
        mailbox.set_folder(db, row, context.mail.rejected)
        words = "; ".join(str(problem) for problem in error.problems)
        events.note(db, now, "problems", f"{sender}: {words}")
        return 0
    origin = Origin(
        message_id=row,
        sender_id=mailbox.sender_id(db, sender, now),
        subject=thread.subject,
        in_reply_to=thread.in_reply_to or "",
        references=thread.references,
        params=dict(parsed.params),
    )
    analysis = analyses.create(
        db,
        now,
        origin,
        config.label,
        config.plain(),
        context.site.workdir,
        sender,
    )
    letterbox.put_confirmation(context, db, analysis, config, read_s)
    return 1


def _of_the_mail(body: Body, thread: Thread) -> list[Problem]:
    """What is wrong with the mail itself."""
    found = []
    if body.damage:
        found.append(Problem("the mail", f"did not arrive whole: {body.damage}.", "Send it again."))
    if not thread.in_reply_to:
        reason = "has no Message-ID, without which a launch could happen twice."
        found.append(Problem("the mail", reason, "Send it with another mail program."))
    return found


def _about_one(
    context: Context,
    db: Connection,
    command: Command,
    wanted: int | None,
    sender: str,
    thread: Thread,
) -> None:
    analysis = _find(context, db, wanted, sender)
    if analysis is None:
        problem = Problem(
            f"{command} A{wanted}" if wanted else command,
            "names no analysis of yours." if wanted else "does not say which analysis is meant.",
            _choices(db, sender),
        )
        letter = context.letters.problems(thread, [problem], command, f"{command} A12")
        letterbox.put(context, db, "problems", letter)
    elif command is Command.STATUS:
        put_status(context, db, analysis, thread)
    elif analysis.state.final and command is Command.CANCEL:
        title = f"{analysis.name} has already ended: {analysis.state}"
        text = "Nothing is left to be cancelled."
        letter = context.letters.notice(thread, title, text, request_id=analysis.name)
        letterbox.put(context, db, "notice", letter, analysis)
    elif command is Command.CANCEL:
        analyses.change(db, analysis.id, cancel_wanted=True)
        title = f"{analysis.name} is being cancelled"
        text = "You will get a mail when its jobs have stopped."
        letter = context.letters.notice(thread, title, text, request_id=analysis.name)
        letterbox.put(context, db, "notice", letter, analysis)
    else:
        again(context, db, analysis, thread, sender)


def again(
    context: Context, db: Connection, analysis: Analysis, thread: Thread, sender: str
) -> None:
    """The same analysis anew: what succeeded is reused, what failed runs again."""
    from astran.service.planning import config_of

    if not analysis.state.final:
        title = f"{analysis.name} is still under way"
        text = "It can be repeated once it has ended."
        letter = context.letters.notice(thread, title, text, request_id=analysis.name)
        letterbox.put(context, db, "notice", letter, analysis)
        return
    origin = Origin(
        command="retry",
        subject=thread.subject,
        in_reply_to=thread.in_reply_to or "",
        references=thread.references,
        params=analysis.params,
    )
    repeated = analyses.create(
        db,
        context.clock.now(),
        origin,
        analysis.label,
        analysis.config,
        context.site.workdir,
        sender,
    )
    letterbox.put_confirmation(context, db, repeated, config_of(repeated), None)


def put_status(context: Context, db: Connection, analysis: Analysis, thread: Thread) -> None:
    """How an analysis is going."""
    from astran.mail.content import Cells
    from astran.service.planning import config_of

    config = config_of(analysis)
    rows = []
    for row in tasks.of_analysis(db, analysis.id):
        rows.append(Cells((row.spec.key, row.state.value, row.reason), ok=row.state != "failed"))
    letter = context.letters.status(
        thread,
        analysis.name,
        f"{config.target.name}, {config.night.iso}: {analysis.state}",
        [
            ("State", analysis.state.value),
            ("Received", f"{analysis.created:%Y-%m-%d %H:%M} UTC"),
            ("Folder", str(analysis.folder)),
        ],
        columns=("Task", "State", "Remark"),
        rows=rows,
        notes=analysis.notes,
    )
    letterbox.put(context, db, "status", letter, analysis)


def _list(context: Context, db: Connection, sender: str, thread: Thread) -> None:
    from astran.mail.content import Cells

    found = analyses.newest(db, 20, sender)
    letter = context.letters.status(
        thread,
        "",
        f"Your analyses: {len(found)}",
        [],
        columns=("Analysis", "State", "Received"),
        rows=[
            Cells((f"{a.name} {a.label}", a.state.value, f"{a.created:%Y-%m-%d %H:%M}"))
            for a in found
        ],
    )
    letterbox.put(context, db, "status", letter)


def _find(context: Context, db: Connection, wanted: int | None, sender: str) -> Analysis | None:
    """The analysis, if the sender owns it or is the operator."""
    if wanted is None:
        return None
    try:
        analysis = analyses.get(db, wanted)
    except StoreError:
        return None
    if sender in (analysis.requester.lower(), context.mail.operator.lower()):
        return analysis
    return None


def _choices(db: Connection, sender: str) -> str:
    names = ", ".join(f"{a.name} ({a.label})" for a in analyses.newest(db, 5, sender))
    return f"Your newest: {names}." if names else "You have none yet."
