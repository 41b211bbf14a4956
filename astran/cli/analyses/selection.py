"""What the commands about one analysis share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable

from astran.base.text import count_noun
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.database.analyses import get_analysis
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.database.tasks import TaskRow
from astran.service.data_sets.steps import hold_data_set
from astran.service.jobs.task_control import request_for_tasks
from astran.service.tick import run_tick


def analysis_id(text: str) -> int:
    """argparse type: `A12` or `12`."""
    match = re.fullmatch(r"[Aa]?(\d{1,9})", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no analysis; they are named like A12")
    return int(match[1])


def add_id(parser: argparse.ArgumentParser) -> None:
    """The id of an analysis, and `--site`."""
    parser.add_argument("id", type=analysis_id, help="the analysis, for example A12")
    add_site_option(parser)


def add_choice(parser: argparse.ArgumentParser) -> None:
    """`--stage S` and `--run N`: a part of the analysis."""
    parser.add_argument("--stage", metavar="S", default="", help="only this stage, for example dl2")
    parser.add_argument("--run", type=int, metavar="N", help="only this run")


def read_selection(args: argparse.Namespace) -> TaskSelection:
    """The part of the analysis that is meant."""
    return TaskSelection(args.stage, args.run)


def request_part(args: argparse.Namespace, request: TaskRequest, nothing: str) -> int:
    """Store a request on tasks and act on it at once where no other tick is under way.

    `nothing` says that no task is concerned.
    """
    context = make_context(read_site(args))
    with context.db.begin() as db:
        analysis = get_analysis(db, args.id)
    part = read_selection(args)
    if analysis.is_data_set and part.all:
        with context.db.begin() as db:
            hold_data_set(context, db, analysis, request is TaskRequest.HOLD)
        run_tick(context, mail=False, only=analysis.id)
        print(f"{analysis.name}: to {request}, with all of its nights.")
        return Exit.OK
    chosen = request_for_tasks(context, analysis, part, request)
    if not chosen:
        print(f"{analysis.name}: {nothing} ({part}).")
        return Exit.OK
    run_tick(context, mail=False, only=analysis.id)
    number = count_noun(len(chosen), "task")
    print(f"{analysis.name}: {number} to {request}: {task_names(chosen)}.")
    print("The scheduler confirms it at the next tick; `astran show` tells.")
    return Exit.OK


def task_names(rows: Iterable[TaskRow], most: int = 8) -> str:
    """Names of tasks for a line on the terminal."""
    keys = [row.key for row in rows]
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
