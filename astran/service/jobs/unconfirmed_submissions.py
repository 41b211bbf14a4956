"""Submissions whose answer was lost with a crash or a time-out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from astran.base.errors import SchedulerUnavailable
from astran.base.scheduler import Missing, Unavailable
from astran.database import submissions
from astran.database.submissions import Submission
from astran.service.context import Context
from astran.service.jobs import scheduler_outages

DOUBT_AGE = timedelta(seconds=90)
"""A submission without answer is looked up once no other process can still be at it."""
DOUBT_LOOKS = timedelta(seconds=30)
"""Slurm must not know a token in two looks at least so far apart before it counts as void."""
AT_ONCE = 100
"""So many are looked up in one tick."""


def resolve_unconfirmed(context: Context, doubts: Sequence[Submission]) -> bool:
    """Look them up with one question; returns whether any was settled."""
    now = context.clock.now()
    # the pool of this machine answers with certainty; a cluster may lag or still be asked
    local = context.scheduler.name == "local"
    age = max(DOUBT_AGE, timedelta(seconds=1.5 * context.site.scheduler.slurm.timeout))
    ripe = [doubt for doubt in doubts if local or now - doubt.intent >= age][:AT_ONCE]
    if not ripe:
        return False
    found = context.scheduler.find_all({doubt.token: doubt.intent for doubt in ripe})
    now, changed = context.clock.now(), False
    for doubt in ripe:
        answer = found[doubt.token]
        looked = doubt.missing_since is not None and now - doubt.missing_since >= DOUBT_LOOKS
        never = isinstance(answer, Missing) and (local or looked)
        if never:
            # it may have run and be forgotten; else it must not turn up beside the next one
            answer = _forbid(context, doubt)
        with context.db.begin() as db:
            if isinstance(answer, str):
                submissions.confirm_submission(db, now, doubt, answer)
                changed = True
            elif isinstance(answer, Unavailable):
                scheduler_outages.note_outage(context, db, answer.reason)
                break  # one silence is the same for all
            elif never:
                submissions.void_submission(
                    db, now, doubt, "the submission never reached the scheduler"
                )
                changed = True
            elif doubt.missing_since is None:
                submissions.request_poll(db, doubt, now)
    return changed


def _forbid(context: Context, doubt: Submission) -> str | Missing | Unavailable:
    try:
        return context.scheduler.forbid(doubt.token, doubt.folder) or Missing()
    except SchedulerUnavailable as error:
        return Unavailable(str(error))
