"""The browsable pages: from what the store knows to the files of the site."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from astran.base.errors import AstranError, StoreError
from astran.base.states import TaskState
from astran.base.text import duration
from astran.database import analyses, chores, events, tasks
from astran.database.change_index import analysis_marks
from astran.database.history.task_products import Product, products_by_task
from astran.database.tasks import AttemptRow, TaskRow
from astran.report.pages.page_data import PageData, PageSignature, ProductLine, TaskSheet
from astran.report.pages.site_builder import PagesUpdate, build_site
from astran.service.context import Context
from astran.service.operator.health import describe_health
from astran.service.reporting.page_update import PAGES_CHORE
from astran.service.reporting.privacy import private_rule
from astran.service.reporting.reports import build_report, of_the_store
from astran.service.reporting.result_folder import results_folder
from astran.service.reporting.time_left import remaining_seconds

_log = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
"""Pause between two updates while something is under way."""
_TOLD = "analysis-"
PAGE_FILES = (
    "results.json",
    "run_table.ecsv",
    "night_table.ecsv",
    "analysis.ipynb",
    "analysis.py",
    "analysis_inputs.json",
)
"""Of the results; those that are there can be downloaded from the page."""
"""Events for the page; others name people."""


def write_due(context: Context) -> None:
    """Bring the pages up to date if that is due."""
    output, now = context.site.pages.output, context.clock.now()
    if output is None:
        return
    with context.db.begin() as db:
        live = analyses.live_count(db) > 0
        if live:
            chores.plan_chore(db, PAGES_CHORE, now)
        if not chores.due_chores(db, now, PAGES_CHORE):
            return
        # for the case that they cannot be written, or that more happens meanwhile
        chores.postpone_chore(db, PAGES_CHORE, now + EVERY)
    for text in write_pages(context, output).failed:
        _log.warning("%s", text)
    if not live:
        with context.db.begin() as db:
            chores.strike_chore(db, PAGES_CHORE)


def write_pages(context: Context, output: Path, *, anew: bool = False) -> PagesUpdate:
    """Write the site into a folder.

    Raises
    ------
    AstranError : the folder cannot be written
    """
    private = private_rule(context.site.pages.private)
    with context.db.begin() as db:
        stamps = [
            PageSignature(mark.analysis_id, f"{mark.state}:{mark.newest_event}")
            for mark in analysis_marks(db)
            if not private(mark.config)
        ]
        state = describe_health(context, db)
    try:
        return build_site(
            output,
            context.site.site,
            stamps,
            lambda key: _sheet(context, key),
            state,
            anew=anew,
            fatal=lambda error: isinstance(error, OSError) or of_the_store(error),
        )
    except OSError as error:
        if error.strerror is None:  # not from the file system
            raise
        raise AstranError(
            f"The pages cannot be written to {error.filename or output}: {error.strerror}.",
            "Check the folder, its rights and the free space.",
        ) from error


def _sheet(context: Context, analysis_id: int) -> PageData | None:
    with context.db.begin() as db:
        try:
            analysis = analyses.get_analysis(db, analysis_id)
        except StoreError:
            return None
        rows = tasks.of_analysis(db, analysis_id)
        attempts = tasks.newest_attempts(db, analysis_id)
        products = products_by_task(db, analysis_id)
        history = events.history(db, analysis_id)
        left = None if analysis.state.final else remaining_seconds(context, db, rows, attempts)
        report = build_report(context, db, analysis, analysis.state, for_pages=True)
    folder = results_folder(rows)
    return PageData(
        id=analysis_id,
        report=report,
        tasks=tuple(_task(row, attempts.get(row.id), products.get(row.id, [])) for row in rows),
        history=tuple((e.at, e.text) for e in history if e.kind.startswith(_TOLD)),
        files=tuple(folder / name for name in PAGE_FILES) if folder else (),
        remaining=f"about {duration(left)} left" if left is not None else "",
    )


def _task(row: TaskRow, attempt: AttemptRow | None, products: list[Product]) -> TaskSheet:
    import shlex

    ran = attempt is not None or row.state is TaskState.DONE
    return TaskSheet(
        key=row.spec.key,
        state=row.state.value,
        ok=row.state not in (TaskState.FAILED, TaskState.LOST),
        command=shlex.join(row.spec.argv),
        reason=row.reason,
        node=attempt.node if attempt else "",
        fingerprint=row.spec.fingerprint,
        log=Path(row.spec.log) if ran else None,
        log_excerpt=attempt.log_excerpt if attempt else (),
        products=tuple(ProductLine(Path(p.path).name, p.sha256, p.size) for p in products),
    )
