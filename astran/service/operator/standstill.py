"""What has not moved for a while is told, whatever the cause: once, and then daily.

Requester and operator hear why in words: those of the scheduler for a job in its queue, those of a
refused submission, those of a scheduler or a site that is away.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from astran.base.states import AnalysisState, TaskState
from astran.base.text import duration, one_line
from astran.database import analyses, chores, events, tasks
from astran.database.analyses import Analysis
from astran.database.history.progress import STEPS, newest_events
from astran.database.task_requests import TaskRequest
from astran.database.tasks import TaskRow
from astran.service.context import Context
from astran.service.jobs import scheduler_outages
from astran.service.jobs.submission import describe_full
from astran.service.outgoing import enqueue
from astran.service.reporting.overview import reason_in_words

_log = logging.getLogger(__name__)

NAME = "standstill"
EVERY = timedelta(minutes=15)
"""Pause between two looks."""
AGAIN = timedelta(days=1)
_TOLD = (NAME, "trouble", "decision")
"""Events that a requester heard of by mail: a standstill is told a day after them again."""
_UNKNOWN = "The cause is not known; `astran doctor` and the log of the launcher may tell."


@dataclass(frozen=True, slots=True)
class Standstill:
    """An analysis of which nothing has moved."""

    analysis: Analysis
    since: datetime
    reason: str


def tell_standstills(context: Context) -> None:
    """Tell requesters and operator of every standstill that is due to be told."""
    if context.site.mail is None:
        return
    now = context.clock.now()
    with context.db.begin() as db:
        due = chores.time_of(db, NAME)
        if due is None:
            if analyses.live_count(db):
                chores.plan_chore(db, NAME, now + EVERY)
            return
        if due > now:
            return
        live = analyses.live_analyses(db)
        if not live:
            chores.strike_chore(db, NAME)
            return
        chores.postpone_chore(db, NAME, now + EVERY)
        found = find_standstills(context, db, live)
        for one in found:
            _tell_requester(context, db, one)
        if found:
            _tell_operator(context, db, found)


def find_standstills(
    context: Context, db: Connection, live: Sequence[Analysis]
) -> list[Standstill]:
    """Those that have to be told now, oldest first."""
    now = context.clock.now()
    ids = [analysis.id for analysis in live]
    moved = newest_events(db, ids, STEPS)
    told = newest_events(db, ids, _TOLD)
    patience = timedelta(hours=context.mail.standstill_h)
    found = []
    for analysis in live:
        since = moved.get(analysis.id, analysis.created)
        last = told.get(analysis.id)
        due = since + patience if last is None or last < since else last + AGAIN
        if now >= due and now - since >= patience:
            rows = tasks.of_analysis(db, analysis.id)
            if _stands(analysis, rows):
                found.append(Standstill(analysis, since, _reason(context, db, analysis, rows)))
    return sorted(found, key=lambda one: one.since)


def _stands(analysis: Analysis, rows: Sequence[TaskRow]) -> bool:
    """Whether somebody should know: it neither works, nor waits for data or for a person."""
    if analysis.is_data_set and not rows:
        # of its nights each is looked at by itself
        return bool(analysis.trouble)
    unfinished = [row for row in rows if not row.state.final]
    if any(row.state is TaskState.RUNNING for row in unfinished):
        return False
    if unfinished and all(row.request == TaskRequest.HOLD for row in unfinished):
        return False
    # until its deadline an analysis waits for data, as its requester was told
    idle = analysis.state is AnalysisState.WAITING and not unfinished
    return not idle or bool(analysis.trouble)


def _reason(context: Context, db: Connection, analysis: Analysis, rows: Sequence[TaskRow]) -> str:
    if outage := scheduler_outages.get_outage(db):
        return one_line(
            f"The scheduler has not answered since {outage.since:%Y-%m-%d %H:%M} UTC: "
            f"{outage.reason}",
            600,
        )
    words = reason_in_words(analysis, rows, tasks.newest_attempts(db, analysis.id))
    if words:
        return one_line(words, 600)
    fingerprints = [row.fingerprint for row in rows if row.state is TaskState.PLANNED]
    if twins := tasks.under_way_like(db, fingerprints, analysis.id):
        many = len(twins)
        return f"{many} of its tasks wait for the same work of another analysis."
    if fingerprints and (full := describe_full(context, db, analysis.priority)):
        return full
    return _UNKNOWN


def _tell_requester(context: Context, db: Connection, one: Standstill) -> None:
    analysis, now = one.analysis, context.clock.now()
    length = duration((now - one.since).total_seconds())
    text = f"nothing has moved for {length}: {one.reason}"
    events.note_event(db, now, NAME, text, analysis.id)
    _log.warning("%s: %s", analysis.label, text)
    if not analysis.recipient:
        return
    thread = enqueue.thread_of_analysis(analysis)
    letter = context.letters.notice(
        # each day's letter is another one
        replace(thread, seed=f"{thread.seed} {NAME} {now:%Y%m%d%H%M}"),
        f"{analysis.name}: nothing has moved for {length}",
        f"{one.reason}\n\n"
        "ASTRAN goes on by itself as soon as that has passed. The operator of this site has been "
        f"told. You hear of it again in a day if it lasts. `ASTRAN-CANCEL {analysis.name}` ends "
        "it.",
        request_id=analysis.name,
    )
    enqueue.enqueue_letter(context, db, NAME, letter, analysis)


def _tell_operator(context: Context, db: Connection, found: Sequence[Standstill]) -> None:
    """One letter for all."""
    together: dict[str, list[Standstill]] = {}
    for one in found:
        together.setdefault(one.reason, []).append(one)
    text = "\n\n".join(_paragraph(reason, some) for reason, some in _by_number(together))
    first = found[0].analysis.name
    title = f"nothing moves in {first}"
    if len(found) > 1:
        title = f"nothing moves in {len(found)} analyses, {first} first"
    key = f"{NAME}.{first}.{context.clock.now():%Y%m%d%H%M}"
    enqueue.tell_operator(context, db, key=key, title=title, text=text)


def _by_number(
    together: Mapping[str, list[Standstill]],
) -> list[tuple[str, list[Standstill]]]:
    return sorted(together.items(), key=lambda pair: -len(pair[1]))


def _paragraph(reason: str, some: Sequence[Standstill]) -> str:
    lines = [
        f"  {one.analysis.name} {one.analysis.label}, since {one.since:%Y-%m-%d %H:%M} UTC"
        for one in some[:50]
    ]
    more = [f"  and {len(some) - 50} more"] if len(some) > 50 else []
    return "\n".join([reason, *lines, *more])
