"""Why a task waits, in a sentence, and whom it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from astran.base.scheduler import JobState, Known
from astran.base.text import count_noun, one_line
from astran.database import analyses, events, tasks
from astran.database.analyses import Analysis
from astran.database.tasks import AttemptRow
from astran.report.tables import TableRow
from astran.scheduler.explanations import explain_reason
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.outgoing import enqueue

_EVENT = "decision"


def why_waiting(attempt: AttemptRow) -> str:
    """Why a job is still in the queue, as a sentence; empty where it is not there."""
    return last_reason(attempt) if attempt.status in (JobState.PENDING, JobState.HELD) else ""


def last_reason(attempt: AttemptRow) -> str:
    """The last status of an attempt, as a sentence; empty where there is none."""
    if not attempt.status:
        return ""
    return explain_reason(
        Known(
            JobState(attempt.status),
            attempt.word,
            exit_code=attempt.exit_code,
            signal=attempt.signal,
            reason=attempt.reason,
            node=attempt.node,
        )
    )


def ask_scheduler(context: Context) -> None:
    """Tell the requester, once per analysis, that jobs will not start by themselves.

    A job that was held on request needs no letter.
    """
    if context.site.mail is None:
        return
    with context.db.begin() as db:
        for analysis_id, held in tasks.held(db).items():
            analysis = analyses.get_analysis(db, analysis_id)
            if analysis.recipient and not events.count_events(
                db, _EVENT, analysis.created, analysis_id
            ):
                _ask(context, db, analysis, held)


def _ask(
    context: Context, db: Connection, analysis: Analysis, held: Sequence[tuple[str, AttemptRow]]
) -> None:
    config = config_of(analysis)
    many = count_noun(len(held), "job")
    letter = context.letters.decision(
        enqueue.thread_of_analysis(analysis),
        analysis.name,
        config,
        f"{many} will not start without help",
        [TableRow((key, one_line(why_waiting(attempt)))) for key, attempt in held],
    )
    enqueue.enqueue_letter(context, db, _EVENT, letter, analysis)
    events.note_event(db, context.clock.now(), _EVENT, f"{many} held", analysis.id)
