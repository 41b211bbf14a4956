"""Answers to ASTRAN-DRYRUN: the plan of an analysis; nothing is submitted, nothing is kept."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from astran.base.errors import AstranError
from astran.base.night import Night
from astran.service import letterbox
from astran.service.context import Context
from astran.service.faults import guarded
from astran.store import analyses, chores
from astran.store.chores import Chore

if TYPE_CHECKING:
    from astran.base.tasks import Plan
    from astran.config.analysis import AnalysisConfig
    from astran.mail.compose import Thread

_PREFIX = "dryrun."
_MOST_TRIES = 3


def answer_due(context: Context, faults: list[str]) -> None:
    """Make and mail every plan that was asked for."""
    now = context.clock.now()
    with context.db.begin() as db:
        due = chores.due(db, now, _PREFIX)
        for chore in due:
            if chore.tries >= _MOST_TRIES:
                chores.done(db, chore.name)
            else:
                # noted before the try: what kills the process cannot do so for ever
                chores.postpone(db, chore.name, now + timedelta(minutes=5))
    for chore in due:
        if chore.tries < _MOST_TRIES:
            with guarded(context, faults, None):
                _answer(context, chore)


def _answer(context: Context, chore: Chore) -> None:
    from astran.catalogue.sources import resolve as resolve_source
    from astran.mail.compose import Thread
    from astran.requests.language import Parsed
    from astran.requests.resolve import resolve

    with context.db.begin() as db:
        request = analyses.request(db, int(chore.name.removeprefix(_PREFIX)))
    thread = Thread(
        to=request.sender,
        subject=request.subject,
        in_reply_to=request.in_reply_to or None,
        references=request.references,
    )
    parsed = Parsed(params=dict(request.params))
    config = resolve(parsed, resolve_source, Night.of(context.clock.now()))
    try:
        plan = _plan(context, config)
    except AstranError as error:
        with context.db.begin() as db:
            if chores.done(db, chore.name):
                title = "This analysis could not be planned"
                _put_notice(context, db, thread, title, str(error))
        return
    with context.db.begin() as db:
        if chores.done(db, chore.name):
            letter = context.letters.plan(thread, config, plan, tuple(request.params))
            letterbox.put(context, db, "plan", letter)


def _plan(context: Context, config: AnalysisConfig) -> Plan:
    from astran.service.planning import lay_out, look

    data = look(context, config)
    for _ in range(_MOST_TRIES):
        if not data.looking:
            break
        data = look(context, config)
    with tempfile.TemporaryDirectory(prefix="astran-plan-") as folder:
        plan, _ = lay_out(context, config, data, Path(folder), keep=False)
    return plan


def _put_notice(context: Context, db: Connection, thread: Thread, title: str, text: str) -> None:
    letterbox.put(context, db, "notice", context.letters.notice(thread, title, text))
