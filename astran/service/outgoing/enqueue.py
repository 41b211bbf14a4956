"""Writing letters into the outbox, in the caller's transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import Connection

from astran.base.night import Night
from astran.base.night_data import NightData
from astran.base.states import AnalysisState, TaskState
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, outbox
from astran.database.analyses import Analysis
from astran.database.history import durations
from astran.database.orders import standing_orders
from astran.database.orders.standing_orders import Order
from astran.mail.gate import may_read
from astran.mail.letters.content import ExecutionStats
from astran.mail.letters.mime import Thread
from astran.report.tables import TableRow
from astran.service.context import Context


def enqueue_letter(
    context: Context,
    db: Connection,
    kind: str,
    letter: EmailMessage,
    analysis: Analysis | None = None,
) -> None:
    """Queue a letter; one with the same Message-ID that is queued already stays as it is."""
    from email.policy import SMTP
    from email.utils import parseaddr

    outbox.enqueue(
        db,
        context.clock.now(),
        kind,
        parseaddr(str(letter["To"]))[1],
        str(letter["Message-ID"]),
        str(letter["Subject"]),
        letter.as_bytes(policy=SMTP),
        analysis.id if analysis is not None else None,
    )


def thread_of_analysis(analysis: Analysis) -> Thread:
    """The conversation of an analysis; a hand-run begins its own."""
    return Thread(
        to=analysis.requester,
        subject=analysis.subject,
        in_reply_to=analysis.in_reply_to or None,
        references=analysis.references,
        seed=analysis.created.isoformat(),
    )


def readers_of(context: Context, analysis: Analysis) -> list[str]:
    """Who gets the report beside the requester, as far as the site still allows it."""
    return [
        reader
        for reader in analysis.params.get("cc", ())
        if reader != analysis.requester and may_read(reader, context.mail)
    ]


def execution_stats(context: Context, db: Connection, read_s: float | None) -> ExecutionStats:
    """How busy the service is."""
    counts = durations.task_counts(db)
    kind = context.site.scheduler.kind
    return ExecutionStats(
        analyses_live=analyses.live_count(db),
        tasks_running=counts.get(TaskState.RUNNING, 0),
        tasks_waiting=sum(
            counts.get(s, 0) for s in (TaskState.PLANNED, TaskState.SUBMITTING, TaskState.SUBMITTED)
        ),
        scheduler="" if kind == "auto" else kind,
        typical=tuple(durations.typical_seconds(db)),
        read_s=read_s,
    )


def enqueue_confirmation(
    context: Context,
    db: Connection,
    analysis: Analysis,
    config: AnalysisConfig,
    read_s: float | None,
) -> None:
    """The request was taken. What it says is brought up to date when it is sent."""
    letter = compose_confirmation(context, db, analysis, config, read_s)
    enqueue_letter(context, db, "confirmation", letter, analysis)


def compose_confirmation(
    context: Context,
    db: Connection,
    analysis: Analysis,
    config: AnalysisConfig,
    read_s: float | None,
    *,
    since: str = "",
    expected: str = "",
) -> EmailMessage:
    """The confirmation as it is true now; the same letter whenever it is composed."""
    readers = readers_of(context, analysis)
    return context.letters.confirmation(
        thread_of_analysis(analysis),
        analysis.name,
        config,
        config_yaml=config.to_yaml(),
        explicit=tuple(analysis.params),
        plan_notes=[f"The report goes to {', '.join(readers)} as well."] if readers else [],
        stats=execution_stats(context, db, read_s),
        since=since,
        expected=expected,
    )


def enqueue_waiting(
    context: Context,
    db: Connection,
    analysis: Analysis,
    config: AnalysisConfig,
    data: NightData,
    deadline: datetime,
) -> None:
    """The analysis waits for data; told once."""
    if not analysis.recipient or context.site.mail is None:
        return
    missing = [f"Run {gap.run}: {gap.reason}" for gap in data.missing] or [*data.notes]
    letter = context.letters.waiting(
        thread_of_analysis(analysis),
        analysis.name,
        config,
        missing,
        deadline,
        there=[run.run for run in data.runs],
    )
    enqueue_letter(context, db, "waiting", letter, analysis)


def enqueue_deadline(
    context: Context, db: Connection, analysis: Analysis, config: AnalysisConfig, data: NightData
) -> None:
    """The wait is over and what is there is analysed; told once."""
    if not analysis.recipient or context.site.mail is None:
        return
    runs = ", ".join(str(run.run) for run in data.runs)
    gaps = [f"Run {gap.run}: {gap.reason}." for gap in data.missing if gap.may_come]
    night = f"{config.target.name} on {config.night.iso}"
    first = f"The wait for the data of {night} is over. These runs are analysed: {runs}."
    text = "\n\n".join([first, *gaps, "The report will name what was missing."])
    title = f"{config.target.name}, {config.night.iso}: analysed without what is missing"
    letter = context.letters.notice(
        thread_of_analysis(analysis), title, text, request_id=analysis.name
    )
    enqueue_letter(context, db, "deadline", letter, analysis)


def enqueue_order_summary(context: Context, db: Connection, order: Order) -> None:
    """A standing order is over."""
    target = str(order.config["target"]["name"])
    thread = Thread(
        to=order.requester,
        subject=order.subject,
        in_reply_to=order.in_reply_to or None,
        references=order.references,
        seed=f"{order.name} {order.created.isoformat()}",
    )
    nights = []
    for one in standing_orders.night_outcomes(db, order):
        night = Night.parse(one.night).iso
        words = (one.words or f"still {one.state}").removeprefix(f"{target}, {night}: ")
        good = one.state in (AnalysisState.DONE, AnalysisState.PARTIAL)
        nights.append(TableRow((night, f"A{one.analysis_id}", words), ok=good))
    until = Night.parse(order.last_night).iso
    letter = context.letters.order_summary(thread, order.name, target, until, nights)
    enqueue_letter(context, db, "order-summary", letter)


def put_trouble(
    context: Context, db: Connection, analysis: Analysis, words: str, until: datetime
) -> None:
    """The requester hears once per analysis that the site is in trouble."""
    if not analysis.recipient:
        return
    thread = thread_of_analysis(analysis)
    told = (
        "The operator of this site has been told. ASTRAN tries again by itself until "
        f"{until:%Y-%m-%d %H:%M} UTC, and goes on as soon as that has passed; you need not send "
        f"the request again. `CANCEL {analysis.name}` ends it."
    )
    letter = context.letters.notice(
        # a seed of its own: other notices of the analysis are other letters
        replace(thread, seed=f"{thread.seed} trouble"),
        f"{analysis.name} waits, because of trouble at the site",
        f"{words}\n\n{told}",
        request_id=analysis.name,
    )
    enqueue_letter(context, db, "trouble", letter, analysis)


def enqueue_fault(context: Context, db: Connection, analysis: Analysis, short: str) -> None:
    """The requester hears of a fault once per analysis."""
    if analysis.recipient:
        letter = context.letters.fault(thread_of_analysis(analysis), analysis.name, short)
        enqueue_letter(context, db, "fault", letter, analysis)


def tell_operator(context: Context, db: Connection, *, key: str, title: str, text: str) -> None:
    """Queue a letter for the operator; `key` makes it one letter however often it is called."""
    if context.mail.operator:
        enqueue_letter(context, db, "operator", context.letters.operator(title, text, seed=key))
