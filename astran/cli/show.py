"""`astran show A12`: everything about one analysis."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran.base.text import harmless
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_one_parser
from astran.store import analyses, events, tasks


def add_parser(subparsers: Any) -> None:
    parser = add_one_parser(subparsers, "show", "everything about one analysis")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print tasks, attempts, products and history."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
        attempts = tasks.newest_attempts(db, analysis.id)
        rows = []
        for row in tasks.of_analysis(db, analysis.id):
            attempt = attempts.get(row.id)
            rows.append(
                {
                    "task": row.spec.key,
                    "state": row.state.value,
                    "attempts": row.attempts,
                    "reason": row.reason,
                    "node": attempt.node if attempt else "",
                    "elapsed_s": attempt.elapsed_s if attempt else None,
                    "max_rss_mb": attempt.max_rss_mb if attempt else None,
                    "log": row.spec.log,
                    "script": row.spec.script,
                    "fingerprint": row.spec.fingerprint,
                    "products": [
                        {"path": p.path, "sha256": p.sha256, "facts": dict(p.facts)}
                        for p in tasks.products(db, row.id)
                    ],
                }
            )
        history = events.history(db, analysis.id)
    if args.json:
        data = {
            "id": analysis.name,
            "label": analysis.label,
            "state": analysis.state.value,
            "folder": str(analysis.folder),
            "config": dict(analysis.config),
            "notes": list(analysis.notes),
            "versions": dict(analysis.versions),
            "left_out": [list(pair) for pair in analysis.left_out],
            "tasks": rows,
            "events": [{"at": e.at.isoformat(), "kind": e.kind, "text": e.text} for e in history],
        }
        print(json.dumps(data, indent=2))
        return Exit.OK
    _print(analysis, rows, history)
    return Exit.OK


def _print(
    analysis: analyses.Analysis, rows: list[dict[str, Any]], history: list[events.Event]
) -> None:
    console = Console()
    console.print(Text(f"{analysis.name} {analysis.label}: {analysis.state}", style="bold"))
    console.print(Text(f"Folder: {analysis.folder}"), soft_wrap=True)
    for note in analysis.notes:
        console.print(Text(f"Note: {harmless(note)}"))
    table = Table()
    for title in ("Task", "State", "Attempts", "Time", "Memory", "Remark"):
        table.add_column(title)
    for row in rows:
        time = "" if row["elapsed_s"] is None else f"{row['elapsed_s']:.0f} s"
        memory = "" if row["max_rss_mb"] is None else f"{row['max_rss_mb']:.0f} MB"
        cells = (row["task"], row["state"], row["attempts"], time, memory, row["reason"])
        table.add_row(*(Text(harmless(str(cell))) for cell in cells))
    console.print(table)
    for event in history:
        console.print(Text(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind}: {harmless(event.text)}"))
