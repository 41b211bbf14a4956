"""`astran show A12`: everything about one analysis."""

from __future__ import annotations

import argparse
import json
from typing import Any

from astran.base.states import AnalysisState
from astran.base.text import duration
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_one_parser
from astran.cli.screen import View, columns_of, show, tally
from astran.service.context import Context
from astran.service.overview import whole
from astran.store import analyses

_TITLES = ("Task", "State", "Attempts", "Node", "Time", "Memory", "Remark")
_NEWEST = 12
"""Lines of its history while it is watched."""


def add_parser(subparsers: Any) -> None:
    parser = add_one_parser(subparsers, "show", "everything about one analysis")
    parser.add_argument("--watch", action="store_true", help="follow it to its end")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print stages, runs, tasks and history."""
    context = make_context(read_site(args), print)
    if args.json:
        print(json.dumps(_found(context, args.id), indent=2))
        return Exit.OK
    show(lambda: _view(_found(context, args.id), args.watch), context.clock, watch=args.watch)
    return Exit.OK


def _found(context: Context, analysis_id: int) -> dict[str, Any]:
    with context.db.begin() as db:
        return whole(context, db, analyses.get(db, analysis_id))


def _view(found: dict[str, Any], watch: bool) -> View:
    left = found["remaining_s"]
    head = [f"{found['id']} {found['label']}: {found['state']}"]
    head += [f"About {duration(left)} left"] if left is not None else []
    head += [found["words"]] if found["words"] else []
    head += [f"Run {run} left out: {why}" for run, why in found["left_out"]]
    head += [f"{stage}: {tally(counts)}" for stage, counts in found["stages"].items()]
    history = [f"{_moment(e['at'])}  {e['kind']}: {e['text']}" for e in found["events"]]
    foot = [f"Folder: {found['folder']}", *(f"Note: {note}" for note in found["notes"])]
    foot += history[-_NEWEST:] if watch else history
    over = AnalysisState(found["state"]).final
    if not found["tasks"]:
        return View(tuple(head), foot=tuple(foot), over=over)
    titles, *rows = columns_of([_row(task) for task in found["tasks"]], _TITLES)
    return View(tuple(head), titles, tuple(rows), tuple(foot), over)


def _moment(iso: str) -> str:
    return iso[:19].replace("T", " ")


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    memory = task["max_rss_mb"]
    return (
        task["task"],
        task["state"],
        str(task["attempts"] or ""),
        task["node"],
        "" if task["elapsed_s"] is None else duration(task["elapsed_s"]),
        "" if memory is None else f"{memory:.0f} MB",
        task["reason"] or task["waits"],
    )
