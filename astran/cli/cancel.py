"""`astran cancel A12`: stop an analysis; the next tick acts."""

from __future__ import annotations

import argparse
from typing import Any

from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_one_parser
from astran.service.stopping import want_cancel
from astran.service.tick import tick
from astran.store import analyses


def add_parser(subparsers: Any) -> None:
    add_one_parser(subparsers, "cancel", "stop an analysis")


def run(args: argparse.Namespace) -> int:
    """Note the wish and act on it at once where no other tick is under way."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
    if analysis.state.final:
        print(f"{analysis.name} has already ended: {analysis.state}.")
        return Exit.OK
    want_cancel(context, analysis)
    tick(context, mail=False, only=analysis.id)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
    print(f"{analysis.name} is {'cancelled' if analysis.state.final else 'being cancelled'}.")
    return Exit.OK
