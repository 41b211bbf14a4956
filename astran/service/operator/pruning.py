"""What grows with every analysis, and nobody needs after a while, is removed once a day.

    batch folders      BATCHES_KEPT after the end of their analysis
    job scripts        SCRIPTS_KEPT after it; what they said stays in the store
    events             EVENTS_KEPT after they happened; those of the analysis itself stay

Exit records, logs, products and reports are left alone (`astran clean`).
"""

from __future__ import annotations

import logging
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from astran.base.text import count_noun
from astran.database import analyses, chores, events
from astran.database.analyses import Analysis
from astran.service.context import Context

_log = logging.getLogger(__name__)

NAME = "prune"
BATCHES_KEPT = timedelta(days=14)
SCRIPTS_KEPT = timedelta(days=90)
EVENTS_KEPT = timedelta(days=90)
EVERY = timedelta(days=1)
MOST_ANALYSES = 200
"""So many are looked at in one tick; where there are more, the next one follows soon."""
MOST_EVENTS = 5000
SOON = timedelta(minutes=1)


def prune_due(context: Context) -> None:
    """Remove what is old, if that is due."""
    now = context.clock.now()
    with context.db.begin() as db:
        due = chores.time_of(db, NAME)
        if due is None:
            chores.plan_chore(db, NAME, now + EVERY)
    if due is None or due > now:
        return
    more = _prune_files(context, now, "batches", BATCHES_KEPT)
    more |= _prune_files(context, now, "scripts", SCRIPTS_KEPT)
    with context.db.begin() as db:
        number = events.prune_events(db, now - EVENTS_KEPT, MOST_EVENTS)
        more |= number == MOST_EVENTS
        chores.postpone_chore(db, NAME, now + (SOON if more else EVERY))
    if number:
        _log.info("%s removed", count_noun(number, "old event"))


def _prune_files(context: Context, now: datetime, what: str, kept: timedelta) -> bool:
    """Of the analyses that ended so long ago and were not looked at; whether there are more.

    How far it came is noted as the time of the last end that was dealt with: after a death the
    same is done again, which does no harm.
    """
    mark = f"pruned-{what}"
    with context.db.begin() as db:
        hold = chores.get_hold(db, mark)
        since = hold.until if hold is not None else datetime.min.replace(tzinfo=now.tzinfo)
        ended = sorted(
            analyses.ended_between(db, since, now - kept), key=lambda one: one.ended or now
        )
    for analysis in ended[:MOST_ANALYSES]:
        _remove(analysis, what)
    if not ended:
        return False
    last = ended[:MOST_ANALYSES][-1].ended or now
    step = timedelta(microseconds=1)
    with context.db.begin() as db:
        chores.set_hold(db, mark, chores.Hold(last + step, len(ended), "looked at so far"))
    return len(ended) > MOST_ANALYSES


def _remove(analysis: Analysis, what: str) -> None:
    jobs = analysis.folder / "jobmanager"
    if what == "batches":
        shutil.rmtree(jobs / "batches", ignore_errors=True)
        return
    for script in (*jobs.glob("*/Script_*.sh"), *jobs.glob("*/Script_*.sh.json")):
        _unlink(script)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # nobody waits for that
        _log.warning("%s stays: %s", path, error)
