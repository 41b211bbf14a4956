"""Errors inside ASTRAN itself: never swallowed, told to the requester and to the operator."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from astran.base.room import CURE, is_no_room
from astran.base.states import AnalysisState
from astran.service.context import Context
from astran.service.letterbox import put_fault, tell_operator
from astran.store import analyses, events
from astran.store.analyses import Analysis

LIMIT = 3
"""So many faults in a row end an analysis."""


@contextmanager
def guarded(context: Context, faults: list[str], analysis: Analysis | None) -> Iterator[None]:
    """Keep a fault in one analysis from stopping the others.

    The fault is written down and mailed: short to the requester, with its traceback to the
    operator. After three in a row the analysis ends with a failure report.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is where every fault is reported
        if full := is_no_room(error):
            _no_room(context, faults, analysis, full)
            return
        text = "".join(traceback.format_exception(error))
        name = analysis.name if analysis is not None else "the service"
        faults.append(f"{name}: {error}")
        context.say(f"fault in {name}: {error}\n{text}")
        _record(context, analysis, error, text)
    else:
        if analysis is not None and analysis.faults:
            with context.db.begin() as db:
                analyses.change(db, analysis.id, faults=0)


def _no_room(context: Context, faults: list[str], analysis: Analysis | None, full: str) -> None:
    """A full disk is no fault of ASTRAN, and passes: nothing ends because of it."""
    name = analysis.name if analysis is not None else "the service"
    text = f"{name} cannot write: {full}. {CURE}"
    faults.append(text)
    context.say(text)
    day = context.clock.now().strftime("%Y%m%d")
    try:
        with context.db.begin() as db:
            if context.site.mail is not None:
                title = "no room on disk"
                tell_operator(context, db, key=f"no-room.{day}", title=title, text=text)
    except SQLAlchemyError as error:
        # the database may lie on the same disk: then this log is all there is
        context.say(f"nobody could be told: {error}")


def _record(context: Context, analysis: Analysis | None, error: Exception, text: str) -> None:
    now = context.clock.now()
    short = f"{type(error).__name__}: {error}"
    name = analysis.name if analysis is not None else "service"
    with context.db.begin() as db:
        events.note(db, now, "fault", text[-4000:], analysis.id if analysis else None)
        number = (analysis.faults if analysis else 0) + 1
        day = now.strftime("%Y%m%d")
        # one letter per analysis and number of fault, or per day and kind for the service itself
        key = f"{name}.{number}" if analysis else f"{day}.{type(error).__name__}"
        if context.site.mail is not None:
            tell_operator(context, db, key=f"fault.{key}", title=f"fault in {name}", text=text)
        if analysis is None:
            return
        analyses.change(db, analysis.id, faults=number)
        if context.site.mail is not None:
            put_fault(context, db, analysis, short)
        if number >= LIMIT:
            _end(db, now, analysis, short)


def _end(db: Connection, now: datetime, analysis: Analysis, short: str) -> None:
    reason = f"ASTRAN itself met an error that did not pass: {short}"
    fresh = analyses.get(db, analysis.id)
    if fresh.state is AnalysisState.REPORTING:
        # not even its report can be made; the fault letter has told the requester
        analyses.move(db, now, fresh, AnalysisState.FAILED, reason, reason=reason)
    elif not fresh.state.final:
        analyses.move(db, now, fresh, AnalysisState.REPORTING, reason, reason=reason)
