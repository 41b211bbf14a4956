"""Once a day, where the site wants it, the operator hears how the service is doing."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from sqlalchemy import Connection

from astran.base.states import AnalysisState
from astran.base.text import count_noun, one_line
from astran.database import analyses, chores, messages, outbox
from astran.database.history import durations
from astran.service.context import Context
from astran.service.jobs import scheduler_outages
from astran.service.operator.rejected_mail import TOLD, next_time
from astran.service.outgoing.enqueue import tell_operator

NAME = "daily"
_DAY = timedelta(days=1)
_MOST = 50
"""Failures that one letter names; more are counted."""


def send_daily_summary(context: Context) -> None:
    """Write the letter if it is due, and note when the next one is."""
    if not context.mail.daily_digest or not context.mail.operator:
        return
    now = context.clock.now()
    with context.db.begin() as db:
        if (due := chores.time_of(db, NAME)) is None:
            chores.plan_chore(db, NAME, next_time(now))
        elif due <= now and chores.strike_chore(db, NAME):
            text = make_summary(context, db, due - _DAY, due)
            title = f"the day until {due:%Y-%m-%d %H:%M} UTC"
            tell_operator(context, db, key=f"daily.{due:%Y%m%d}", title=title, text=text)
            chores.plan_chore(db, NAME, next_time(now))


def make_summary(context: Context, db: Connection, since: datetime, until: datetime) -> str:
    """Requests, ends, failures, queue, quarantine, disk and scheduler, in plain lines."""
    ended = analyses.ended_between(db, since, until)
    lines = [
        _requests(db, since, until),
        _ends(ended),
        *_failures(ended),
        _queue(db),
        _quarantine(db, since, until),
        _disk(context),
        *_mails(context, db),
    ]
    if (silent := scheduler_outages.outage_since(db)) is not None:
        lines.append(f"Scheduler: no answer since {silent:%Y-%m-%d %H:%M} UTC.")
    return "\n".join(lines)


def _requests(db: Connection, since: datetime, until: datetime) -> str:
    asked = durations.count_requests(db, since, until)
    words = ", ".join(f"{number} {command}" for command, number in sorted(asked.items()))
    return f"Requests: {words or 'none'}."


def _ends(ended: list[analyses.Analysis]) -> str:
    counts: dict[str, int] = {}
    for analysis in ended:
        counts[analysis.state] = counts.get(analysis.state, 0) + 1
    words = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    return f"Analyses that ended: {words or 'none'}."


def _failures(ended: list[analyses.Analysis]) -> list[str]:
    sad = (AnalysisState.FAILED, AnalysisState.PARTIAL, AnalysisState.EXPIRED)
    bad = [analysis for analysis in ended if analysis.state in sad]
    lines = [f"  {a.name} {a.label}: {a.state}. {a.reason}".rstrip() for a in bad[:_MOST]]
    return [*lines, *([f"  and {len(bad) - _MOST} more"] if len(bad) > _MOST else [])]


def _queue(db: Connection) -> str:
    tasks = ", ".join(f"{n} {state}" for state, n in sorted(durations.task_counts(db).items()))
    live = analyses.live_count(db)
    under_way = count_noun(live, "analysis", "analyses")
    return f"Under way: {under_way}; tasks: {tasks or 'none'}."


def _mails(context: Context, db: Connection) -> list[str]:
    """What has not gone out: a report that nobody got is no answer."""
    mails = outbox.count_mails(db)
    lines = []
    now = context.clock.now()
    if mails.since is not None and mails.since <= now - outbox.FRESH:
        since = f"{mails.since:%Y-%m-%d %H:%M} UTC"
        lines.append(f"Mails that have not gone out: {mails.waiting}, the oldest since {since}.")
    if mails.dead:
        lines.append(f"Mails that could not be delivered: {mails.dead}.")
    for number, one in sorted(outbox.unsent(db, now).items())[:_MOST]:
        what = "its report" if one.report else "a letter"
        lines.append(f"  A{number}: {what} has not gone out. {one_line(one.error)}".rstrip())
    return lines


def _quarantine(db: Connection, since: datetime, until: datetime) -> str:
    unheard = messages.unanswered_mails(db, since, until, [verdict.value for verdict in TOLD])
    return f"Mails in quarantine or of strangers: {len(unheard)}."


def _disk(context: Context) -> str:
    try:
        usage = shutil.disk_usage(context.site.workdir)
    except OSError as error:
        return f"Disk: {context.site.workdir} cannot be looked at: {error}."
    free, total = usage.free / 1024**3, usage.total / 1024**3
    return f"Disk: {free:.0f} of {total:.0f} GB free for {context.site.workdir}."
