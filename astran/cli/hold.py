"""`astran hold A12`: what waits does not start; what runs goes on."""

from __future__ import annotations

import argparse
from typing import Any

from astran.base.text import count
from astran.cli.common import Exit, make_context, read_site
from astran.cli.one import add_choice, add_one_parser, choice, names
from astran.service.steering import want
from astran.service.tick import tick
from astran.store import analyses
from astran.store.wishes import Wish


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "hold", "keep a part of an analysis from starting"))


def run(args: argparse.Namespace) -> int:
    """Note the wish and act on it at once where no other tick is under way."""
    context = make_context(read_site(args), print)
    with context.db.begin() as db:
        analysis = analyses.get(db, args.id)
    meant = want(context, analysis, choice(args), Wish.HOLD)
    if not meant:
        print(f"{analysis.name}: nothing waits that could be held ({choice(args)}).")
        return Exit.OK
    tick(context, mail=False, only=analysis.id)
    print(f"{analysis.name}: {count(len(meant), 'task')} to hold: {names(meant)}.")
    print("The scheduler confirms it at the next tick; `astran show` tells.")
    return Exit.OK
