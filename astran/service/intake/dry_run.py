"""Answers to ASTRAN-DRYRUN: the plan of an analysis; nothing is submitted, nothing is kept."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from astran.base.errors import AstranError
from astran.base.night import Night
from astran.base.tasks import Plan
from astran.catalogue.sources import find_redshift, resolve_source
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, chores
from astran.database.chores import Chore
from astran.launch_language.parser import Parsed
from astran.launch_language.resolve import resolve_config
from astran.mail.letters.mime import Thread
from astran.service.context import Context
from astran.service.operator.faults import guard_faults
from astran.service.outgoing import enqueue
from astran.service.planning import find_data, make_plan_of

_PREFIX = "dryrun."
_MOST_TRIES = 3


def answer_dry_runs(context: Context, faults: list[str]) -> None:
    """Make and mail every plan that was asked for."""
    now = context.clock.now()
    with context.db.begin() as db:
        due = chores.due_chores(db, now, _PREFIX)
        for chore in due:
            if chore.tries >= _MOST_TRIES:
                chores.strike_chore(db, chore.name)
            else:
                # noted before the try: what kills the process cannot do so for ever
                chores.postpone_chore(db, chore.name, now + timedelta(minutes=5))
    for chore in due:
        if chore.tries < _MOST_TRIES:
            with guard_faults(context, faults, None):
                _answer(context, chore)


def _answer(context: Context, chore: Chore) -> None:
    with context.db.begin() as db:
        request = analyses.get_request(db, int(chore.name.removeprefix(_PREFIX)))
    thread = Thread(
        to=request.sender,
        subject=request.subject,
        in_reply_to=request.in_reply_to or None,
        references=request.references,
    )
    parsed = Parsed(params=dict(request.params))
    config = resolve_config(
        parsed,
        resolve_source,
        Night.of(context.clock.now()),
        context.site.telescope,
        find_redshift,
    )
    try:
        plan = _plan(context, config)
    except AstranError as error:
        with context.db.begin() as db:
            if chores.strike_chore(db, chore.name):
                title = "This analysis could not be planned"
                _put_notice(context, db, thread, title, str(error))
        return
    with context.db.begin() as db:
        if chores.strike_chore(db, chore.name):
            letter = context.letters.plan(thread, config, plan, tuple(request.params))
            enqueue.enqueue_letter(context, db, "plan", letter)


def _plan(context: Context, config: AnalysisConfig) -> Plan:
    data = find_data(context, config)
    for _ in range(_MOST_TRIES):
        if not data.looking:
            break
        data = find_data(context, config)
    with tempfile.TemporaryDirectory(prefix="astran-plan-") as folder:
        plan = make_plan_of(context, config, data, Path(folder), keep=False)
    return plan


def _put_notice(context: Context, db: Connection, thread: Thread, title: str, text: str) -> None:
    enqueue.enqueue_letter(context, db, "notice", context.letters.notice(thread, title, text))
