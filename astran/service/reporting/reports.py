"""From what the store knows to a report, and from the report to a letter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from astran.base.errors import StoreError
from astran.base.failures import Omissions
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Stage
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, events, outbox, tasks
from astran.database.analyses import Analysis
from astran.database.history.durations import stage_figures
from astran.database.history.task_products import products_by_task
from astran.database.orders import data_sets
from astran.database.orders.data_sets import DataSetNight
from astran.database.tasks import AttemptRow, TaskRow
from astran.report import result_files
from astran.report.model import Report
from astran.report.outcomes import RunOutcome, StageLine
from astran.report.tables import NightsPart
from astran.results.document import ExcludedRun, Results
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.outgoing.enqueue import enqueue_letter, readers_of, thread_of_analysis
from astran.service.reporting import night_tables
from astran.service.reporting.page_update import page_address, plan_update
from astran.service.reporting.result_folder import results_folders
from astran.telescopes.registry import find_chain

_log = logging.getLogger(__name__)


def report_analysis(context: Context, analysis: Analysis) -> None:
    """Make the report, queue its letter and end the analysis, all in one transaction."""
    now = context.clock.now()
    with context.db.begin() as db:
        made = build_report(context, db, analysis)
    letters = compose_report(context, analysis, made)
    with context.db.begin() as db:
        if not analyses.move_analysis(db, now, analysis, made.state, made.headline):
            return
        data_sets.note_end(db, now, analysis, made.headline)
        plan_update(context, db)
        for kind, letter in letters:
            enqueue_letter(context, db, kind, letter, analysis)
    _log.info("%s", made.headline)


def compose_report(
    context: Context, analysis: Analysis, made: Report
) -> list[tuple[str, EmailMessage]]:
    """The report as letters to the requester and to the readers whom he named, each with its kind;
    none where there is no requester, or no mailbox."""
    from dataclasses import replace

    if not analysis.recipient or context.site.mail is None:
        return []
    thread, write = thread_of_analysis(analysis), context.letters.report
    copies = [
        ("report-copy", write(replace(thread, to=reader), made))
        for reader in readers_of(context, analysis)
    ]
    return [("report", write(thread, made)), *copies]


def report_expired(
    context: Context, analysis: Analysis, reason: str, left_out: list[list[int | str]]
) -> None:
    """The data never came: say so, once, and end."""
    now = context.clock.now()
    from dataclasses import replace

    pairs = tuple((int(run), str(why)) for run, why in left_out)
    ended = replace(analysis, reason=reason, left_out=pairs)
    with context.db.begin() as db:
        made = build_report(context, db, ended, AnalysisState.EXPIRED)
        if not analyses.move_analysis(
            db, now, analysis, AnalysisState.EXPIRED, reason, reason=reason, left_out=left_out
        ):
            return
        data_sets.note_end(db, now, analysis, reason)
        plan_update(context, db)
        for kind, letter in compose_report(context, ended, made):
            enqueue_letter(context, db, kind, letter, ended)


def report_cancelled(context: Context, analysis: Analysis) -> None:
    """The analysis was stopped on request."""
    now = context.clock.now()
    with context.db.begin() as db:
        if not analyses.move_analysis(
            db, now, analysis, AnalysisState.CANCELLED, "cancelled on request"
        ):
            return
        data_sets.note_end(db, now, analysis, "cancelled on request")
        plan_update(context, db)
        if analysis.recipient and context.site.mail is not None:
            states = [node.state for node in tasks.outline(db, analysis.id).values()]
            done = sum(state.succeeded for state in states)
            letter = context.letters.cancelled(
                thread_of_analysis(analysis),
                analysis.name,
                config_of(analysis),
                [("Tasks finished before", f"{done} of {len(states)}")] if states else [],
                folder=str(analysis.folder),
            )
            enqueue_letter(context, db, "cancelled", letter, analysis)
    _log.info("cancelled")


def build_report(
    context: Context,
    db: Connection,
    analysis: Analysis,
    state: AnalysisState | None = None,
    *,
    for_pages: bool = False,
) -> Report:
    """Everything about an analysis, ended or not, as plain data.

    The pages show every plot, and need no archive of logs to be made.
    """
    config = config_of(analysis)
    rows = tasks.of_analysis(db, analysis.id)
    attempts = tasks.newest_attempts(db, analysis.id)
    highlevel = [row for row in rows if row.spec.stage is Stage.HIGHLEVEL]
    folders = results_folders(rows)
    nights = data_sets.nights_of(db, analysis.id) if analysis.is_data_set else []
    folder = folders[0] if len(folders) == 1 else None
    omissions = Omissions(fatal=of_the_store)
    found = None
    if folder:
        found = omissions.part(
            "What the results tell",
            partial(result_files.read_results, folder, every_plot=for_pages),
            result_files.ResultFiles(),
        )
    results = found.results if found else None
    good = results is not None
    if not find_chain(config.telescope).results_stage:
        good = all(row.state.succeeded for row in rows if row.spec.run is None)
    runs = _runs(analysis, rows, attempts, results, good)
    errors = _errors(analysis, highlevel, attempts)
    stages = omissions.part(
        "The table of stages", lambda: _stages(db, analysis, rows), tuple[StageLine, ...]()
    )
    engines = omissions.part(
        "What made DL2", lambda: _engines(db, analysis, config), tuple[str, ...]()
    )
    attachments = () if for_pages else _attachments(analysis, config, rows, folder, omissions)
    if state is None:
        state = analysis.state if analysis.state.final else _end_state(results, runs, nights)
    several = omissions.part(
        "What came of the nights",
        lambda: _of_nights(db, nights, folders),
        NightsPart(),
    )
    return Report(
        request_id=analysis.name,
        state=state,
        config=config,
        site=context.site.site,
        requester=analysis.requester,
        runs=runs,
        stages=stages,
        received=analysis.created,
        started=analysis.started,
        ended=analysis.ended or (None if for_pages else context.clock.now()),
        versions=analysis.versions,
        notes=(*analysis.notes, *engines),
        warnings=(*(found.warnings if found else ()), *omissions.said),
        results=results,
        plots=found.plots if found else (),
        attachments=attachments,
        simulated=context.site.simulated or bool(found and found.simulated),
        folder=str(analysis.folder),
        page=page_address(context, analysis),
        errors=errors,
        nights=several,
    )


def _of_nights(
    db: Connection, nights: Sequence[DataSetNight], folders: Sequence[Path]
) -> NightsPart:
    """The part of a report on a data set; empty for a single night."""
    if not nights:
        return NightsPart()
    table = night_tables.outcome_table(db, nights)
    answers = night_tables.describe_stacks(folders) if len(folders) > 1 else []
    return NightsPart(night_tables.title_of(nights), table, tuple(answers))


def _engines(db: Connection, analysis: Analysis, config: AnalysisConfig) -> tuple[str, ...]:
    """What the products tell of how they were made."""
    made = products_by_task(db, analysis.id).values()
    facts = [product.facts for products in made for product in products]
    return find_chain(config.telescope).describe_production(config, facts)


def _end_state(
    results: Results | None, runs: tuple[RunOutcome, ...], nights: Sequence[DataSetNight]
) -> AnalysisState:
    if nights:
        return _end_of_nights(nights)
    if results is None and not any(run.ok for run in runs):
        return AnalysisState.FAILED
    return AnalysisState.DONE if all(run.ok for run in runs) else AnalysisState.PARTIAL


def _end_of_nights(nights: Sequence[DataSetNight]) -> AnalysisState:
    """Nights without data are named, but are no failure."""
    states = [one.state for one in nights if one.has_data]
    if not any(state in _WITH_RESULT for state in states):
        return AnalysisState.FAILED
    whole = all(state is AnalysisState.DONE for state in states)
    return AnalysisState.DONE if whole else AnalysisState.PARTIAL


_WITH_RESULT = (AnalysisState.DONE, AnalysisState.PARTIAL)


def _runs(
    analysis: Analysis,
    rows: list[TaskRow],
    attempts: dict[int, AttemptRow],
    results: Results | None,
    good: bool,
) -> tuple[RunOutcome, ...]:
    numbers = result_files.entries_by_run(results.runs if results else ())
    excluded = result_files.entries_by_run(results.excluded if results else ())
    outcomes: dict[int, RunOutcome] = {}
    for run in sorted({row.spec.run for row in rows if row.spec.run is not None}):
        own = [row for row in rows if row.spec.run == run]
        bad = next((row for row in own if not row.state.succeeded), None)
        if bad is not None:
            attempt = attempts.get(bad.id)
            outcomes[run] = RunOutcome(
                run=run,
                ok=False,
                stage=bad.spec.stage,
                reason=bad.reason or f"it is {bad.state}",
                log_excerpt=attempt.log_excerpt if attempt else (),
                log=Path(bad.spec.log),
            )
        elif run in excluded:
            outcomes[run] = _excluded_run(run, excluded[run])
        else:
            outcomes[run] = RunOutcome(
                run=run, ok=good, stage=Stage.HIGHLEVEL, numbers=numbers.get(run)
            )
    for run, why in analysis.left_out:
        outcomes.setdefault(run, RunOutcome(run=run, ok=False, reason=why))
    for run, entry in numbers.items():
        outcomes.setdefault(run, RunOutcome(run=run, ok=True, numbers=entry))
    wanted = set(config_of(analysis).runs or ())
    for run, left_out in excluded.items():
        if not left_out.by_choice or run in wanted:
            outcomes.setdefault(run, _excluded_run(run, left_out))
    return tuple(outcomes[run] for run in sorted(outcomes))


def _excluded_run(run: int, entry: ExcludedRun) -> RunOutcome:
    return RunOutcome(run=run, ok=False, stage=Stage.HIGHLEVEL, reason=entry.reason)


def _errors(
    analysis: Analysis, highlevel: list[TaskRow], attempts: dict[int, AttemptRow]
) -> tuple[str, ...]:
    errors = [analysis.reason] if analysis.reason else []
    for row in highlevel:
        if row.state in (TaskState.FAILED, TaskState.CANCELLED):
            attempt = attempts.get(row.id)
            errors.append(row.reason)
            errors.extend(attempt.log_excerpt if attempt else ())
    return tuple(errors)


def _stages(db: Connection, analysis: Analysis, rows: list[TaskRow]) -> tuple[StageLine, ...]:
    figures = stage_figures(db, analysis.id)
    lines = []
    for stage in dict.fromkeys(row.spec.stage for row in rows):
        own = [row for row in rows if row.spec.stage == stage]
        wall, memory, tries = figures.get(stage, (None, None, 0))
        lines.append(
            StageLine(
                stage=stage,
                total=len(own),
                done=sum(row.state is TaskState.DONE for row in own),
                reused=sum(row.state is TaskState.REUSED for row in own),
                failed=sum(row.state in (TaskState.FAILED, TaskState.CANCELLED) for row in own),
                attempts=tries,
                wall_s=wall,
                max_rss_mb=memory,
            )
        )
    return tuple(lines)


def of_the_store(error: Exception) -> bool:
    """Whether it is no fault of what is reported: the next tick may have better luck."""
    return isinstance(error, SQLAlchemyError)


def _attachments(
    analysis: Analysis,
    config: AnalysisConfig,
    rows: list[TaskRow],
    results: Path | None,
    omissions: Omissions,
) -> tuple[Path, ...]:
    failed = [Path(r.spec.log) for r in rows if r.state is TaskState.FAILED]
    others = [Path(r.spec.log) for r in rows if r.state is not TaskState.FAILED]
    archive = analysis.folder / "log" / f"logs_{config.label}.zip"
    logs = omissions.part(
        "The archive of logs", lambda: result_files.pack_logs([*failed, *others], archive), None
    )
    files = [logs] if logs else []
    if results is not None:
        files += [results / "results.json", results / "run_table.ecsv"]
    return tuple(path for path in files if path.is_file())


def report_mail(context: Context, analysis: Analysis) -> bytes:
    """The report of an analysis as a mail: the newest that was written, else made now, as for a
    hand-run that nobody gets a mail about.

    Raises
    ------
    StoreError : the analysis has not ended, or was cancelled
    """
    from dataclasses import replace
    from email.policy import SMTP

    with context.db.begin() as db:
        mails = [raw for kind, raw in outbox.raw_mails(db, analysis.id) if kind == "report"]
        if mails:
            return mails[-1]
        if not analysis.state.final:
            raise StoreError(
                f"{analysis.name} is still under way ({analysis.state}).",
                f"`astran show {analysis.name}` tells how it is going.",
            )
        made = build_report(context, db, analysis)
    letters = context.letters_to_read
    to = analysis.requester or letters.address
    return letters.report(replace(thread_of_analysis(analysis), to=to), made).as_bytes(policy=SMTP)


def resend_report(context: Context, analysis: Analysis, to: str = "") -> str:
    """Queue the report of an ended analysis once more; returns who will get it.

    Raises
    ------
    StoreError : it has not ended, or nobody is named to get it
    """
    from dataclasses import replace

    recipient = to or analysis.requester
    if not analysis.state.final:
        raise StoreError(f"{analysis.name} is still under way ({analysis.state}).")
    if recipient.count("@") != 1:
        raise StoreError(f"{analysis.name} has no requester.", "Name one with --to ADDR.")
    with context.db.begin() as db:
        made = build_report(context, db, analysis)
        number = 2 + events.count_events(db, "report-again", analysis.created, analysis.id)
        thread = replace(thread_of_analysis(analysis), to=recipient)
        enqueue_letter(
            context, db, "report", context.letters.report(thread, made, n=number), analysis
        )
        events.note_event(db, context.clock.now(), "report-again", f"to {recipient}", analysis.id)
    return recipient
