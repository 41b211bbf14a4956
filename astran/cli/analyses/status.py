"""`astran status`: the newest analyses and how they are going."""

from __future__ import annotations

import argparse
import json
from typing import Any

from astran.base.text import duration
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.cli.terminal_tables import View, columns_of, show_view, tally_states
from astran.database import analyses, outbox
from astran.service.context import Context
from astran.service.reporting.overview import summarise_analysis

_NEWEST = 50
_TITLES = ("Id", "Analysis", "State", "Stages", "Runs", "Left", "Requester", "Received", "Remark")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help=f"ended ones too, the newest {_NEWEST}")
    parser.add_argument("--watch", action="store_true", help="keep the table up to date")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table or JSON."""
    context = make_context(read_site(args))
    if args.json:
        print(json.dumps(_found(context, args.all), indent=2))
        return Exit.OK
    show_view(lambda: _view(_found(context, args.all), args.all), context.clock, watch=args.watch)
    return Exit.OK


def _found(context: Context, everything: bool) -> list[dict[str, Any]]:
    with context.db.begin() as db:
        newest = analyses.newest_analyses(db, _NEWEST, nights=False)
        unsent = outbox.unsent(db, context.clock.now())
        # one whose report has not gone out is not over for its requester
        kept = [
            a
            for a in newest
            if everything or not a.state.final or (a.id in unsent and unsent[a.id].waiting)
        ]
        return [summarise_analysis(context, db, a, unsent.get(a.id)) for a in kept]


def _view(found: list[dict[str, Any]], everything: bool) -> View:
    if not found:
        hint = "" if everything else " (--all lists ended ones)"
        return View((f"Nothing is under way.{hint}",))
    titles, *rows = columns_of([_row(one) for one in found], _TITLES)
    return View((), titles, tuple(rows))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    stages = "; ".join(
        f"{stage}: {tally_states(counts)}" for stage, counts in one["stages"].items()
    )
    runs = one["runs"]
    left = one["remaining_s"]
    return (
        one["id"],
        one["label"],
        one["state"],
        stages,
        f"{runs['ended']} of {runs['total']}" if runs["total"] else "",
        f"about {duration(left)}" if left is not None else "",
        one["requester"],
        one["received"][:16].replace("T", " "),
        "; ".join(filter(None, (one["words"], one["unsent"]))),
    )
