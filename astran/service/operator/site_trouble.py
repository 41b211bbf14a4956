"""Trouble of the site itself, waited out: files, models, software, scheduler, database.

A disk that is not mounted, a folder of models that is being replaced, a scheduler that cannot be
asked: nothing follows from that for an analysis, and nobody knows when it passes. So the analysis
tries again with growing pauses, for a day at least; requester and operator are told once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from astran.base.errors import AstranError, ConfigError, ProcessError, SchedulerError, SiteTrouble
from astran.base.states import AnalysisState
from astran.base.text import one_line
from astran.database import analyses, chores, events
from astran.database.analyses import Analysis
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.outgoing.enqueue import enqueue_fault, put_trouble, tell_operator
from astran.service.planning import waiting_deadline

_log = logging.getLogger(__name__)

PATIENCE = timedelta(hours=24)
"""Trouble that lasts so long ends an analysis, unless it waits longer for its data anyway."""
LEAST_TRIES = 3
"""So many tries after that time must fail as well: a clock that is wrong for a while, or a service
that was off, proves nothing."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(minutes=30)
"""Pauses between two tries: as long as half the time that the trouble has lasted, in these
bounds."""
_OF_SITE = (SiteTrouble, ConfigError, SchedulerError, ProcessError, OSError)
_OF_DATABASE = (OperationalError, InterfaceError, PoolTimeout)
_PLANNING = (AnalysisState.RECEIVED, AnalysisState.WAITING)


def is_site_trouble(error: Exception) -> bool:
    """Whether an error is the site's own trouble rather than a fault inside ASTRAN."""
    return isinstance(error, (*_OF_SITE, *_OF_DATABASE))


def describe_error(error: Exception) -> str:
    """What is the matter, in a line."""
    if isinstance(error, AstranError):
        return one_line(str(error))
    what = "the database" if isinstance(error, _OF_DATABASE) else "a file or folder"
    return one_line(f"{what} cannot be used: {error}")


def note_trouble(context: Context, db: Connection, analysis: Analysis, error: Exception) -> None:
    """An analysis met trouble of the site: it waits, or ends after the time of patience."""
    now = context.clock.now()
    fresh = analyses.get_analysis(db, analysis.id)
    if fresh.state.final:
        return
    words = describe_error(error)
    since = fresh.trouble_since or now
    until = _until(context, fresh, since)
    if now >= until and _count_try(db, fresh, until) >= LEAST_TRIES:
        _end(context, db, fresh, f"{words} That did not pass in {_hours(now - since)}.")
        return
    later = now + min(max((now - since) / 2, SHORTEST), LONGEST)
    timer = {"next_look": later} if fresh.state in _PLANNING else {"next_step": later}
    analyses.change_analysis(db, fresh.id, trouble=words, trouble_since=since, **timer)
    if fresh.trouble_since is None:
        events.note_event(db, now, "trouble", words, fresh.id)
        _tell(context, db, fresh, words, until)


def _count_try(db: Connection, analysis: Analysis, until: datetime) -> int:
    """Note one more try after the time of patience; returns how many there were."""
    before = chores.get_hold(db, _hold_name(analysis))
    tries = 1 if before is None else before.failures + 1
    chores.set_hold(db, _hold_name(analysis), chores.Hold(until, tries, ""))
    return tries


def _hold_name(analysis: Analysis) -> str:
    return f"trouble-tries.{analysis.name}"


def note_service_trouble(context: Context, db: Connection, error: Exception) -> None:
    """A step of the service itself met trouble of the site: the operator hears of it, once a day
    and kind."""
    now, words = context.clock.now(), describe_error(error)
    events.note_event(db, now, "trouble", words)
    if context.site.mail is not None:
        text = (
            f"{words}\n\nNothing is lost by that: what could not be done is done by a later tick. "
            "Have a look if it happens often."
        )
        key = f"trouble.{type(error).__name__}.{now:%Y%m%d}"
        title = "trouble of the site kept the service from a step"
        tell_operator(context, db, key=key, title=title, text=text)


def clear_trouble(context: Context, db: Connection, analysis: Analysis) -> None:
    """A step of an analysis went well: what it met before is over, if it was tried again."""
    now = context.clock.now()
    untried = analysis.state in _PLANNING and analysis.next_look and analysis.next_look > now
    if not analysis.trouble or untried:
        return
    analyses.change_analysis(db, analysis.id, trouble="", trouble_since=None)
    chores.release_hold(db, _hold_name(analysis))
    events.note_event(db, now, "trouble-over", f"it is over: {analysis.trouble}", analysis.id)


def describe_trouble(analysis: Analysis) -> str:
    """The trouble that an analysis waits out, in words; empty: it waits for none."""
    if analysis.state.final or not analysis.trouble or analysis.trouble_since is None:
        return ""
    since = f"{analysis.trouble_since:%Y-%m-%d %H:%M} UTC"
    return one_line(f"tries again since {since}, because {analysis.trouble}")


def _until(context: Context, analysis: Analysis, since: datetime) -> datetime:
    patient = since + PATIENCE
    if analysis.state not in _PLANNING:
        return patient
    try:
        return max(patient, waiting_deadline(config_of(analysis), context))
    except ConfigError:
        return patient


def _end(context: Context, db: Connection, analysis: Analysis, reason: str) -> None:
    """On to the report, which brings the tasks to an end; where that cannot be made, the end."""
    now = context.clock.now()
    to = AnalysisState.REPORTING
    if analysis.state is to:
        to = AnalysisState.FAILED
    values = {"trouble": "", "trouble_since": None}
    if not analyses.move_analysis(db, now, analysis, to, reason, reason=reason, **values):
        # its tasks live: their end is waited for, however long it takes
        analyses.change_analysis(db, analysis.id, next_step=now + LONGEST)
    elif to.final and context.site.mail is not None:
        enqueue_fault(context, db, analysis, reason)


def _tell(
    context: Context, db: Connection, analysis: Analysis, words: str, until: datetime
) -> None:
    _log.warning("%s waits: %s", analysis.label, words)
    if context.site.mail is None:
        return
    day = context.clock.now().strftime("%Y%m%d")
    text = (
        f"{analysis.name} {analysis.label} cannot go on: {words}\n\n"
        f"It tries again by itself until {until:%Y-%m-%d %H:%M} UTC; then it ends without result. "
        f"`astran status` shows it; `astran cancel {analysis.name}` ends it now."
    )
    title = f"{analysis.name} waits because of trouble of the site"
    tell_operator(context, db, key=f"trouble.{analysis.name}.{day}", title=title, text=text)
    put_trouble(context, db, analysis, words, until)


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:.0f} h"
