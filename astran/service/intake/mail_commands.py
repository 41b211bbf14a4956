"""Commands by mail: STATUS, CANCEL, HOLD, RELEASE, RETRY, LIST, HELP."""

from __future__ import annotations

from sqlalchemy import Connection

from astran.base.errors import Problem, StoreError
from astran.base.mail_commands import MailCommand
from astran.database import analyses, tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.orders import data_sets, standing_orders
from astran.database.orders.standing_orders import Order, OrderState
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.launch_language.key_help import describe_keys
from astran.mail.identity import analyses_named_in
from astran.mail.letters.mime import Thread
from astran.report.tables import TableRow
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.data_sets.census import take_census
from astran.service.data_sets.launch import repeat_data_set, repeat_night
from astran.service.data_sets.letters import census_facts
from astran.service.data_sets.steps import hold_data_set
from astran.service.intake import quotas
from astran.service.intake.decision import Decision
from astran.service.jobs.task_control import note_request
from astran.service.outgoing import enqueue
from astran.service.reporting import overview
from astran.service.reporting.expected_end import describe_expected_end
from astran.service.reporting.night_tables import progress_of_nights, progress_table, title_of


def execute(context: Context, db: Connection, decision: Decision) -> None:
    """Do what a command asks for, and queue the answer."""
    command, thread, sender = decision.command, decision.thread, decision.sender
    match command:
        case MailCommand.CANCEL if (order := _order_meant(context, db, decision)) is not None:
            _end_order(context, db, order, thread)
        case MailCommand.STATUS if decision.about is None and _in_thread(context, thread) is None:
            _list(context, db, sender, thread)
        case (
            MailCommand.STATUS
            | MailCommand.CANCEL
            | MailCommand.HOLD
            | MailCommand.RELEASE
            | MailCommand.RETRY
        ):
            _about_one(context, db, command, decision)
        case MailCommand.LIST:
            _list(context, db, sender, thread)
        case _:
            enqueue.enqueue_letter(
                context,
                db,
                "help",
                context.letters.help(thread, keys=describe_keys(context.site.telescope)),
            )


def _in_thread(context: Context, thread: Thread, letter: str = "A") -> int | None:
    """The analysis (or with "S", the standing order) in whose conversation a mail stands, if it is
    just one."""
    found = analyses_named_in(thread.references, context.mail, letter)
    return int(found[0][1:]) if len(found) == 1 else None


def _about_one(context: Context, db: Connection, command: MailCommand, decision: Decision) -> None:
    thread, sender = decision.thread, decision.sender
    wanted = decision.about or _in_thread(context, thread)
    analysis = _find(context, db, wanted, sender)
    if analysis is None:
        problem = Problem(
            f"{command} A{wanted}" if wanted else command,
            "names no analysis of yours." if wanted else "does not say which analysis is meant.",
            _choices(db, sender),
        )
        letter = context.letters.problems(thread, [problem], command, f"{command} A12")
        quotas.enqueue_no(context, db, "problems", letter, sender)
    elif command is MailCommand.STATUS:
        enqueue_status(context, db, analysis, thread)
    elif command is MailCommand.CANCEL:
        _cancel(context, db, analysis, thread)
    elif command in (MailCommand.HOLD, MailCommand.RELEASE):
        _hold(context, db, analysis, thread, command is MailCommand.HOLD)
    else:
        launch_again(context, db, analysis, thread, sender)


def _cancel(context: Context, db: Connection, analysis: Analysis, thread: Thread) -> None:
    if analysis.state.final:
        title = f"{analysis.name} has already ended: {analysis.state}"
        text = "Nothing is left to be cancelled."
    else:
        analyses.change_analysis(db, analysis.id, cancel_wanted=True)
        if analysis.is_data_set:
            data_sets.stop_children(db, analysis.id)
        title = f"{analysis.name} is being cancelled"
        text = "You will get a mail when its jobs have stopped."
    letter = context.letters.notice(thread, title, text, request_id=analysis.name)
    enqueue.enqueue_letter(context, db, "notice", letter, analysis)


def _hold(context: Context, db: Connection, analysis: Analysis, thread: Thread, held: bool) -> None:
    """Hold what waits, or take that back."""
    try:
        if analysis.is_data_set:
            hold_data_set(context, db, analysis, held)
        else:
            request = TaskRequest.HOLD if held else TaskRequest.RELEASE
            note_request(context, db, analysis, TaskSelection(), request)
    except StoreError as error:
        title, text = f"{analysis.name} was not {'held' if held else 'released'}", str(error)
    else:
        title = f"{analysis.name} is {'held' if held else 'released'}"
        text = (
            f"What runs goes on; nothing else of it starts before ASTRAN-RELEASE {analysis.name}."
            if held
            else "What was held goes on."
        )
    letter = context.letters.notice(thread, title, text, request_id=analysis.name)
    enqueue.enqueue_letter(context, db, "notice", letter, analysis)


def launch_again(
    context: Context, db: Connection, analysis: Analysis, thread: Thread, sender: str
) -> None:
    """The same analysis anew: what succeeded is reused, what failed runs again."""
    if not analysis.state.final:
        title = f"{analysis.name} is still under way"
        text = "It can be repeated once it has ended."
        letter = context.letters.notice(thread, title, text, request_id=analysis.name)
        enqueue.enqueue_letter(context, db, "notice", letter, analysis)
        return
    if reason := quotas.quota_exceeded(context, db, sender):
        quotas.enqueue_no(context, db, "refusal", context.letters.refusal(thread, reason), sender)
        return
    origin = RequestOrigin(
        command="retry",
        subject=thread.subject,
        in_reply_to=thread.in_reply_to or "",
        references=thread.references,
        params=analysis.params,
    )
    if analysis.is_data_set:
        repeat_data_set(context, db, origin, analysis, sender)
        return
    now, workdir = context.clock.now(), context.site.workdir
    if again := repeat_night(context, db, analysis):
        title = f"{analysis.name} is repeated as {again.name}"
        text = "It takes the place of the other in its data set, whose report will tell of it."
        letter = context.letters.notice(thread, title, text, request_id=again.name)
        enqueue.enqueue_letter(context, db, "notice", letter, again)
        return
    repeated = analyses.create_analysis(
        db, now, origin, analysis.label, analysis.config, workdir, sender
    )
    enqueue.enqueue_confirmation(context, db, repeated, config_of(repeated), None)


def enqueue_status(context: Context, db: Connection, analysis: Analysis, thread: Thread) -> None:
    """How an analysis is going."""
    if analysis.is_data_set:
        _enqueue_status_of_nights(context, db, analysis, thread)
        return
    config = config_of(analysis)
    planned = tasks.of_analysis(db, analysis.id)
    attempts = tasks.newest_attempts(db, analysis.id)
    rows = [
        TableRow((row.spec.key, row.state.value, row.reason), ok=row.state != "failed")
        for row in planned
    ]
    facts = [
        ("State", analysis.state.value),
        ("Received", f"{analysis.created:%Y-%m-%d %H:%M} UTC"),
        ("Folder", str(analysis.folder)),
    ]
    if words := overview.reason_in_words(analysis, planned, attempts):
        facts.insert(1, ("Remark", words))
    if expected := describe_expected_end(context, db, analysis, planned):
        facts.insert(1, ("Report", expected))
    letter = context.letters.status(
        thread,
        analysis.name,
        f"{config.target.name}, {config.night.iso}: {analysis.state}",
        facts,
        columns=("Task", "State", "Remark"),
        rows=rows,
        notes=analysis.notes,
    )
    enqueue.enqueue_letter(context, db, "status", letter, analysis)


def _enqueue_status_of_nights(
    context: Context, db: Connection, whole: Analysis, thread: Thread
) -> None:
    """How a data set is going."""
    nights = data_sets.nights_of(db, whole.id)
    facts = [
        ("State", progress_of_nights(db, whole) or whole.state.value),
        ("Received", f"{whole.created:%Y-%m-%d %H:%M} UTC"),
        ("Folder", str(whole.folder)),
        *census_facts(take_census(nights)),
    ]
    table = progress_table(nights)
    letter = context.letters.status(
        thread,
        whole.name,
        f"{title_of(nights)}: {whole.state}",
        facts,
        columns=table.columns,
        rows=table.rows,
        notes=whole.notes,
    )
    enqueue.enqueue_letter(context, db, "status", letter, whole)


def _list(context: Context, db: Connection, sender: str, thread: Thread) -> None:
    found = analyses.newest_analyses(db, 20, sender, nights=False)
    standing = standing_orders.active_orders(db, sender)
    rows = [
        TableRow((f"{a.name} {a.label}", a.state.value, f"{a.created:%Y-%m-%d %H:%M}"))
        for a in found
    ]
    rows += [
        TableRow(
            (
                f"{order.name} {order.label}",
                f"each night until {order.last_night}",
                f"{order.created:%Y-%m-%d %H:%M}",
            )
        )
        for order in standing
    ]
    orders_too = f", standing orders: {len(standing)}" if standing else ""
    letter = context.letters.status(
        thread,
        "",
        f"Your analyses: {len(found)}{orders_too}",
        [],
        columns=("Analysis", "State", "Received"),
        rows=rows,
    )
    enqueue.enqueue_letter(context, db, "status", letter)


def _order_meant(context: Context, db: Connection, decision: Decision) -> Order | None:
    """The standing order that a CANCEL is about, if it is about one of the sender's."""
    number = decision.order
    if number is None and decision.about is None:
        if _in_thread(context, decision.thread) is not None:
            return None
        number = _in_thread(context, decision.thread, "S")
    order = standing_orders.get_order(db, number) if number is not None else None
    if order is None or not _may(context, decision.sender, order.requester):
        return None
    return order


def _end_order(context: Context, db: Connection, order: Order, thread: Thread) -> None:
    if standing_orders.end_order(db, context.clock.now(), order, OrderState.CANCELLED):
        title = f"The standing order {order.name} has ended"
        text = f"No further night of {order.label} is analysed by itself. What runs, runs on."
    else:
        title, text = f"{order.name} had already ended", "Nothing is left to be cancelled."
    letter = context.letters.notice(thread, title, text, request_id=order.name)
    enqueue.enqueue_letter(context, db, "notice", letter)


def _may(context: Context, sender: str, owner: str) -> bool:
    """Whether somebody may see and stop what belongs to somebody."""
    return sender in (owner.lower(), context.mail.operator.lower())


def _find(context: Context, db: Connection, wanted: int | None, sender: str) -> Analysis | None:
    """The analysis, if the sender owns it or is the operator."""
    if wanted is None:
        return None
    try:
        analysis = analyses.get_analysis(db, wanted)
    except StoreError:
        return None
    return analysis if _may(context, sender, analysis.requester) else None


def _choices(db: Connection, sender: str) -> str:
    newest = analyses.newest_analyses(db, 5, sender, nights=False)
    names = ", ".join(f"{a.name} ({a.label})" for a in newest)
    return f"Your newest: {names}." if names else "You have none yet."
