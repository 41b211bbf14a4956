"""`astran cancel A12`: stop an analysis or a part of it; the next tick confirms."""

from __future__ import annotations

import argparse

from astran.base.text import count_noun
from astran.cli.analyses.selection import add_choice, add_id, read_selection, task_names
from astran.cli.common import Exit, make_context, read_site
from astran.database import analyses, tasks
from astran.database.analyses import Analysis
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.service.context import Context
from astran.service.jobs.cancellation import request_cancel
from astran.service.jobs.task_control import request_for_tasks
from astran.service.tick import run_tick


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    add_choice(parser)


def run(args: argparse.Namespace) -> int:
    """Note the wish and act on it at once where no other tick is under way."""
    context = make_context(read_site(args))
    with context.db.begin() as db:
        analysis = analyses.get_analysis(db, args.id)
    if analysis.state.final:
        print(f"{analysis.name} has already ended: {analysis.state}.")
        return Exit.OK
    if not read_selection(args).all:
        return _part(context, analysis, read_selection(args))
    request_cancel(context, analysis)
    run_tick(context, mail=False, only=analysis.id)
    with context.db.begin() as db:
        analysis = analyses.get_analysis(db, args.id)
    print(f"{analysis.name} is {'cancelled' if analysis.state.final else 'being cancelled'}.")
    return Exit.OK


def _part(context: Context, analysis: Analysis, part: TaskSelection) -> int:
    meant = request_for_tasks(context, analysis, part, TaskRequest.CANCEL)
    if not meant:
        print(f"{analysis.name}: all tasks of {part} have already ended.")
        return Exit.OK
    run_tick(context, mail=False, only=analysis.id)
    with context.db.begin() as db:
        now = tasks.get_all(db, [row.id for row in meant]).values()
    ended = [row for row in now if row.state.final]
    waits = [row for row in now if not row.state.final]
    if ended:
        print(f"{analysis.name}: {count_noun(len(ended), 'task')} cancelled: {task_names(ended)}.")
    if waits:
        print(
            f"{analysis.name}: {count_noun(len(waits), 'task')} being cancelled: "
            f"{task_names(waits)}. "
            "The scheduler confirms it at the next tick."
        )
    return Exit.OK
