"""A confirmation is true when it is sent: its analysis may have ended before."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from astran.base.states import AnalysisState
from astran.base.text import one_line
from astran.database import analyses, messages, outbox, tasks
from astran.database.analyses import Analysis
from astran.database.outbox import MailState, Outgoing
from astran.mail.parsing.headers import read_headers
from astran.mail.parsing.mail_facts import MailFacts
from astran.service.config_files import config_of
from astran.service.context import Context
from astran.service.operator.site_trouble import describe_trouble
from astran.service.outgoing.enqueue import compose_confirmation
from astran.service.reporting.expected_end import describe_expected_end

KIND = "confirmation"


def bring_up_to_date(context: Context, db: Connection, mail: Outgoing) -> Outgoing:
    """The mail with the content that is true now, which is stored; a mail that was tried before,
    or is no confirmation, stays as it is."""
    if mail.kind != KIND or mail.tries or mail.state is not MailState.PENDING:
        return mail
    if mail.analysis_id is None:
        return mail
    from email.policy import SMTP

    analysis = analyses.get_analysis(db, mail.analysis_id)
    letter = compose_confirmation(
        context,
        db,
        analysis,
        config_of(analysis),
        _read_s(db, analysis),
        since=describe_since(analysis),
        expected=describe_expected_end(context, db, analysis, tasks.of_analysis(db, analysis.id)),
    )
    if letter["Message-ID"] != mail.message_id:
        # written by another version: what it says was true when it was written
        return mail
    raw = letter.as_bytes(policy=SMTP)
    outbox.replace_content(db, mail, raw)
    return replace(mail, raw=raw)


def describe_since(analysis: Analysis) -> str:
    """What has become of a request in the meantime, where it is not on its way; else empty."""
    state = analysis.state
    if analysis.cancel_wanted or state is AnalysisState.CANCELLED:
        return "It has been cancelled since."
    if state in _UNSUCCESSFUL or (state is AnalysisState.REPORTING and analysis.reason):
        why = one_line(analysis.reason, 400) or "the report tells why"
        return f"It has ended since, without a result: {why}"
    if state.final or state is AnalysisState.REPORTING:
        return "It has ended since; the report follows in this thread."
    if trouble := describe_trouble(analysis):
        return f"It has not begun: it {trouble}"
    return ""


_UNSUCCESSFUL = (AnalysisState.FAILED, AnalysisState.EXPIRED)


def _read_s(db: Connection, analysis: Analysis) -> float | None:
    """Time between the writing of the request and its reading [s]; None where it is not known."""
    raw = messages.raw_of_analysis(db, analysis.id)
    written = MailFacts(read_headers(raw)).date if raw else None
    if written is None:
        return None
    age = (analysis.created - written).total_seconds()
    return age if 0 <= age < 86400 else None
