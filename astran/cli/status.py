"""`astran status`: the newest analyses and how they are going."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran.base.text import harmless
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.store import analyses, tasks


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="list analyses and how they are going")
    parser.add_argument("--all", action="store_true", help="ended ones too, the newest 50")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table or JSON."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        found = analyses.newest(db, 50)
        rows: list[dict[str, Any]] = []
        for analysis in found:
            if analysis.state.final and not args.all:
                continue
            counts: dict[str, int] = {}
            for _, state in tasks.states(db, analysis.id):
                counts[state.value] = counts.get(state.value, 0) + 1
            rows.append(
                {
                    "id": analysis.name,
                    "label": analysis.label,
                    "state": analysis.state.value,
                    "requester": analysis.requester,
                    "received": analysis.created.isoformat(),
                    "folder": str(analysis.folder),
                    "tasks": counts,
                    "reason": analysis.reason,
                }
            )
    if args.json:
        print(json.dumps(rows, indent=2))
        return Exit.OK
    console = Console()
    if not rows:
        console.print("Nothing is under way." + ("" if args.all else " (--all lists ended ones)"))
        return Exit.OK
    table = Table()
    for title in ("Id", "Analysis", "State", "Requester", "Received", "Tasks"):
        table.add_column(title)
    for row in rows:
        words = ", ".join(f"{number} {state}" for state, number in row["tasks"].items())
        cells = (row["id"], row["label"], row["state"], row["requester"], row["received"][:16])
        table.add_row(*(Text(harmless(str(cell))) for cell in cells), Text(words))
    console.print(table)
    return Exit.OK
