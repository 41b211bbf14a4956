"""Why a task waits, in words, and whom it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from astran.base.jobs import JobState, Seen
from astran.base.text import count, one_line
from astran.service import letterbox
from astran.service.context import Context
from astran.store import analyses, events, tasks
from astran.store.analyses import Analysis
from astran.store.tasks import AttemptRow

_TOLD = "decision"


def why_waiting(attempt: AttemptRow) -> str:
    """What the scheduler says of a job in its queue, as a sentence; empty where it is not there."""
    return said_of(attempt) if attempt.sight in (JobState.PENDING, JobState.HELD) else ""


def said_of(attempt: AttemptRow) -> str:
    """What the scheduler last said of an attempt, as a sentence; empty where it said nothing."""
    from astran.scheduler.words import explain

    if not attempt.sight:
        return ""
    return explain(
        Seen(
            JobState(attempt.sight),
            attempt.word,
            exit_code=attempt.exit_code,
            signal=attempt.signal,
            reason=attempt.reason,
            node=attempt.node,
        )
    )


def ask_for_decisions(context: Context) -> None:
    """Tell the requester, once per analysis, that jobs will not start by themselves.

    A job that was held on request needs no letter.
    """
    if context.site.mail is None:
        return
    with context.db.begin() as db:
        for analysis_id, held in tasks.held(db).items():
            analysis = analyses.get(db, analysis_id)
            if analysis.requester and not events.count(db, _TOLD, analysis.created, analysis_id):
                _ask(context, db, analysis, held)


def _ask(
    context: Context, db: Connection, analysis: Analysis, held: Sequence[tuple[str, AttemptRow]]
) -> None:
    from astran.mail.content import Cells
    from astran.service.planning import config_of

    config = config_of(analysis)
    many = count(len(held), "job")
    letter = context.letters.decision(
        letterbox.thread_of(analysis),
        analysis.name,
        config,
        f"{many} will not start without help",
        [Cells((key, one_line(why_waiting(attempt)))) for key, attempt in held],
    )
    letterbox.put(context, db, _TOLD, letter, analysis)
    events.note(db, context.clock.now(), _TOLD, f"{many} held", analysis.id)
