"""`astran release A12`: take a hold back."""

from __future__ import annotations

import argparse
from typing import Any

from astran.base.text import count_noun
from astran.cli.analyses.selection import add_choice, add_one_parser, read_selection, task_names
from astran.cli.common import Exit, make_context, read_site
from astran.database import analyses
from astran.database.task_requests import TaskRequest
from astran.service.jobs.task_control import request_for_tasks
from astran.service.tick import run_tick


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "release", "let go on what was held"))


def run(args: argparse.Namespace) -> int:
    """Note the wish and act on it at once where no other tick is under way."""
    context = make_context(read_site(args))
    with context.db.begin() as db:
        analysis = analyses.get_analysis(db, args.id)
    meant = request_for_tasks(context, analysis, read_selection(args), TaskRequest.RELEASE)
    if not meant:
        print(f"{analysis.name}: nothing is held ({read_selection(args)}).")
        return Exit.OK
    run_tick(context, mail=False, only=analysis.id)
    print(f"{analysis.name}: {count_noun(len(meant), 'task')} to release: {task_names(meant)}.")
    print("The scheduler confirms it at the next tick; `astran show` tells.")
    return Exit.OK
