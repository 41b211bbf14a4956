"""`astran cancel A12`: stop an analysis or a part of it; the next tick confirms."""

from __future__ import annotations

import argparse
from typing import Any

from astran.base.text import count
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_choice, add_one_parser, choice, names
from astran.service.context import Context
from astran.service.steering import want
from astran.service.stopping import want_cancel
from astran.service.tick import tick
from astran.store import analyses, tasks
from astran.store.analyses import Analysis
from astran.store.wishes import Choice, Wish


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "cancel", "stop an analysis, a stage or a run of it"))


def run(args: argparse.Namespace) -> int:
    """Note the wish and act on it at once where no other tick is under way."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
    if analysis.state.final:
        print(f"{analysis.name} has already ended: {analysis.state}.")
        return Exit.OK
    if not choice(args).all:
        return _part(context, analysis, choice(args))
    want_cancel(context, analysis)
    tick(context, mail=False, only=analysis.id)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
    print(f"{analysis.name} is {'cancelled' if analysis.state.final else 'being cancelled'}.")
    return Exit.OK


def _part(context: Context, analysis: Analysis, part: Choice) -> int:
    meant = want(context, analysis, part, Wish.CANCEL)
    if not meant:
        print(f"{analysis.name}: all tasks of {part} have already ended.")
        return Exit.OK
    tick(context, mail=False, only=analysis.id)
    with context.db.begin() as db:
        now = tasks.get_all(db, [row.id for row in meant]).values()
    ended = [row for row in now if row.state.final]
    waits = [row for row in now if not row.state.final]
    if ended:
        print(f"{analysis.name}: {count(len(ended), 'task')} cancelled: {names(ended)}.")
    if waits:
        print(
            f"{analysis.name}: {count(len(waits), 'task')} being cancelled: {names(waits)}. "
            "The scheduler confirms it at the next tick."
        )
    return Exit.OK
