"""Errors inside ASTRAN itself: never swallowed, told to the requester and to the operator."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from astran.base.disk_space import CURE, is_disk_full
from astran.base.states import AnalysisState
from astran.database import analyses, events
from astran.database.analyses import Analysis
from astran.service.context import Context
from astran.service.operator import site_trouble
from astran.service.outgoing.enqueue import enqueue_fault, tell_operator

_log = logging.getLogger(__name__)

LIMIT = 3
"""So many faults in a row end an analysis."""


@contextmanager
def guard_faults(context: Context, faults: list[str], analysis: Analysis | None) -> Iterator[None]:
    """Keep a fault in one analysis from stopping the others.

    Trouble of the site is waited out (see `troubles`). A fault inside ASTRAN is written down and
    mailed: short to the requester, with its traceback to the operator; after three in a row the
    analysis ends with a failure report.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is where every fault is reported
        _met(context, faults, analysis, error)


def forget_faults(context: Context, analysis: Analysis) -> None:
    """All steps of an analysis went well: earlier faults no longer count, its trouble is over."""
    if not (analysis.faults or analysis.trouble):
        return
    with context.db.begin() as db:
        site_trouble.clear_trouble(context, db, analysis)
        # what failed before it reported is not asked to judge its tasks again
        if analysis.state is not AnalysisState.REPORTING:
            analyses.change_analysis(db, analysis.id, faults=0)


def _met(context: Context, faults: list[str], analysis: Analysis | None, error: Exception) -> None:
    if full := is_disk_full(error):
        _no_room(context, faults, analysis, full)
        return
    of_site = site_trouble.is_site_trouble(error)
    name = analysis.name if analysis is not None else "the service"
    faults.append(f"{name}: {site_trouble.describe_error(error) if of_site else error}")
    text = "".join(traceback.format_exception(error))
    _log.error("fault: %s", error, exc_info=error)
    try:
        with context.db.begin() as db:
            if analysis is not None and of_site:
                site_trouble.note_trouble(context, db, analysis, error)
            elif of_site:
                site_trouble.note_service_trouble(context, db, error)
            else:
                _record(context, db, analysis, error, text)
    except SQLAlchemyError as again:
        # the database itself is in trouble: the heartbeat and this log are all there is
        _log.error("nobody could be told: %s", again)


def _no_room(context: Context, faults: list[str], analysis: Analysis | None, full: str) -> None:
    """A full disk is no fault of ASTRAN, and passes: nothing ends because of it."""
    name = analysis.name if analysis is not None else "the service"
    text = f"{name} cannot write: {full}. {CURE}"
    faults.append(text)
    _log.error("%s", text)
    day = context.clock.now().strftime("%Y%m%d")
    try:
        with context.db.begin() as db:
            if context.site.mail is not None:
                title = "no room on disk"
                tell_operator(context, db, key=f"no-room.{day}", title=title, text=text)
    except SQLAlchemyError as error:
        # the database may lie on the same disk: then this log is all there is
        _log.error("nobody could be told: %s", error)


def _record(
    context: Context, db: Connection, analysis: Analysis | None, error: Exception, text: str
) -> None:
    now = context.clock.now()
    short = f"{type(error).__name__}: {error}"
    name = analysis.name if analysis is not None else "service"
    events.note_event(db, now, "fault", text[-4000:], analysis.id if analysis else None)
    number = (analysis.faults if analysis else 0) + 1
    day = now.strftime("%Y%m%d")
    # one letter per analysis and number of fault, or per day and kind for the service itself
    key = f"{name}.{min(number, LIMIT + 1)}" if analysis else f"{day}.{type(error).__name__}"
    if context.site.mail is not None:
        tell_operator(context, db, key=f"fault.{key}", title=f"fault in {name}", text=text)
    if analysis is None:
        return
    analyses.change_analysis(db, analysis.id, faults=number)
    if context.site.mail is not None:
        enqueue_fault(context, db, analysis, short)
    if number >= LIMIT:
        _end(db, now, analysis, short)


def _end(db: Connection, now: datetime, analysis: Analysis, short: str) -> None:
    reason = f"ASTRAN itself met an error that did not pass: {short}"
    fresh = analyses.get_analysis(db, analysis.id)
    if fresh.state is AnalysisState.REPORTING:
        # not even its report can be made; the fault letter has told the requester. Where tasks
        # live this is refused: the next steps stop them first
        analyses.move_analysis(db, now, fresh, AnalysisState.FAILED, reason, reason=reason)
    elif not fresh.state.final:
        analyses.move_analysis(db, now, fresh, AnalysisState.REPORTING, reason, reason=reason)
