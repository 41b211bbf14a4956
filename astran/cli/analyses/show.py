"""`astran show A12`: everything about one analysis; `astran show FILE`: where a file came from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from astran.base.states import AnalysisState
from astran.base.text import duration, strip_control
from astran.cli.analyses.lineage_text import lineage_lines
from astran.cli.analyses.selection import analysis_id
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.cli.terminal_tables import View, columns_of, show_view, tally_states
from astran.database import analyses, tasks
from astran.service.context import Context
from astran.service.provenance import product_search
from astran.service.provenance.graph import (
    Lineage,
    lineage_as_dict,
    lineage_of_product,
    lineage_of_tasks,
)
from astran.service.reporting.overview import describe_analysis
from astran.service.reporting.privacy import private_rule

_TITLES = ("Task", "State", "Attempts", "Node", "Time", "Memory", "Remark")
_NEWEST = 12
"""Lines of its history while it is watched."""
_MOST, _MOST_AS_JSON = 60, 3000
"""Tasks whose provenance is told."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="ID", type=_what, help="the analysis, for example A12, or a product file"
    )
    add_site_option(parser)
    parser.add_argument("--watch", action="store_true", help="follow it to its end")
    parser.add_argument("--json", action="store_true", help="for programs")


def _what(text: str) -> int | Path:
    """argparse type: an analysis by its id, or a file."""
    try:
        return analysis_id(text)
    except argparse.ArgumentTypeError:
        if "/" in text or "." in text or Path(text).exists():
            return Path(text)
        raise


def run(args: argparse.Namespace) -> int:
    """Print stages, runs, tasks, history and provenance."""
    context = make_context(read_site(args))
    if isinstance(args.what, Path):
        lineage = _of_file(context, args.what)
        if args.json:
            print(json.dumps(lineage_as_dict(lineage), indent=2))
        else:
            print("\n".join(map(strip_control, lineage_lines(lineage))))
        return Exit.OK
    if args.json:
        found = _found(context, args.what)
        made = lineage_as_dict(*_of_analysis(context, args.what, _MOST_AS_JSON))
        print(json.dumps({**found, "provenance": made}, indent=2))
        return Exit.OK
    show_view(
        lambda: _view(_found(context, args.what), args.watch), context.clock, watch=args.watch
    )
    if not args.watch:
        lineage, left_out = _of_analysis(context, args.what, _MOST)
        if lines := lineage_lines(lineage, left_out):
            print("Provenance:")
            print("\n".join(f"  {strip_control(line)}" for line in lines))
    return Exit.OK


def _found(context: Context, analysis_id: int) -> dict[str, Any]:
    with context.db.begin() as db:
        return describe_analysis(context, db, analyses.get_analysis(db, analysis_id))


def _of_file(context: Context, path: Path) -> Lineage:
    with context.db.begin() as db:
        found = product_search.find_product(db, path)
        return lineage_of_product(db, found.made, private_rule(context.site.pages.private))[0]


def _of_analysis(context: Context, analysis_id: int, most: int) -> tuple[Lineage, int]:
    with context.db.begin() as db:
        rows = tasks.of_analysis(db, analysis_id)
        return lineage_of_tasks(db, rows, private_rule(context.site.pages.private), most)


def _view(found: dict[str, Any], watch: bool) -> View:
    left = found["remaining_s"]
    head = [*found["verdict"], f"{found['id']} {found['label']}: {found['state']}"]
    head += [f"About {duration(left)} left"] if left is not None else []
    head += [words for words in (found["words"], found["unsent"]) if words]
    head += [_night(one) for one in found["nights"]]
    head += [f"Run {run} left out: {why}" for run, why in found["left_out"]]
    head += [f"{stage}: {tally_states(counts)}" for stage, counts in found["stages"].items()]
    history = [f"{_moment(e['at'])}  {e['kind']}: {e['text']}" for e in found["events"]]
    foot = [f"Folder: {found['folder']}", *(f"Note: {note}" for note in found["notes"])]
    foot += history[-_NEWEST:] if watch else history
    over = AnalysisState(found["state"]).final
    if not found["tasks"]:
        return View(tuple(head), foot=tuple(foot), over=over)
    titles, *rows = columns_of([_row(task) for task in found["tasks"]], _TITLES)
    return View(tuple(head), titles, tuple(rows), tuple(foot), over)


def _night(one: dict[str, Any]) -> str:
    said = " ".join(filter(None, (one["analysis"], one["state"], one["remark"])))
    return f"Night {one['night']} {one['target']}: {said or 'not started'}"


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
