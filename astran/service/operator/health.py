"""How the service is, for people: queue, mail, last look, troubles."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta

from sqlalchemy import Connection

from astran.base.states import TaskState
from astran.base.text import count_noun, duration
from astran.database import analyses, chores, outbox
from astran.database.history import durations
from astran.report.pages.page_data import Health
from astran.service.context import Context
from astran.service.heartbeat import heartbeat_path

_QUIET = timedelta(minutes=15)
"""A launcher that has not been heard of for so long has stopped."""
_WAITING = (TaskState.PLANNED, TaskState.SUBMITTING, TaskState.SUBMITTED)
_LEAST_FREE = 0.02
"""Fraction of the disk."""


def describe_health(context: Context, db: Connection) -> Health:
    """Figures and troubles, without any name of a target or a person."""
    now = context.clock.now()
    counts = durations.task_counts(db)
    mails = outbox.count_mails(db)
    last, faults = _heartbeat(context)
    troubles = [f"In the last step of the service: {number}." for number in faults]
    if last is None:
        troubles.append("The launcher has never run here (astran-launcher, by cron).")
    elif now - last > _QUIET:
        troubles.append(
            f"The launcher was last heard of {duration((now - last).total_seconds())} ago."
        )
    hold = chores.get_hold(db, "imap")
    if hold is not None and hold.until > now:
        troubles.append(f"The mailbox refuses the log-in; next try at {hold.until:%H:%M} UTC.")
    if mails.since is not None and now - mails.since > outbox.FRESH:
        since = f"{mails.since:%Y-%m-%d %H:%M} UTC"
        troubles.append(
            f"{count_noun(mails.waiting, 'mail')} not gone out, the oldest since {since}."
        )
    if mails.dead:
        troubles.append(f"{count_noun(mails.dead, 'mail')} could not be delivered.")
    disk = shutil.disk_usage(context.site.workdir)
    free = f"{disk.free / 1e9:.0f} GB free of {disk.total / 1e9:.0f} GB"
    if disk.free < _LEAST_FREE * disk.total:
        troubles.append(f"The disk of the work folder is nearly full: {free}.")
    facts = (
        ("As of", f"{now:%Y-%m-%d %H:%M} UTC"),
        ("Last step of the service", f"{last:%Y-%m-%d %H:%M} UTC" if last else "never"),
        ("Analyses under way", str(analyses.live_count(db))),
        ("Tasks running", str(counts.get(TaskState.RUNNING, 0))),
        ("Tasks waiting", str(sum(counts.get(state, 0) for state in _WAITING))),
        ("Mails to be sent", str(mails.waiting)),
        ("Scheduler", context.site.scheduler.kind),
        ("Disk of the work folder", free),
    )
    return Health(facts, tuple(troubles), tuple(durations.typical_seconds(db)), last)


def _heartbeat(context: Context) -> tuple[datetime | None, list[str]]:
    """When the service last did something, and what went wrong then, without details: they may
    name a target that is private."""
    try:
        data = json.loads(heartbeat_path(context.site).read_text(encoding="utf-8"))
        faults = data.get("faults") or []
        told = [count_noun(len(faults), "fault", "faults")] if faults else []
        return datetime.fromisoformat(data["at"]), told
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, []
