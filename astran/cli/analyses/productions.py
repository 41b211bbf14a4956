"""`astran productions`: what exists of each source and night, who made it, and what is stale."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from astran.base.night import Night
from astran.base.text import count_noun
from astran.catalogue.sources import resolve_source
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.cli.terminal_tables import View, columns_of, format_plain
from astran.service.reporting.productions import Production, list_productions

_TITLES = (
    *("Source", "Night", "Id", "Kind", "From", "Software", "State"),
    *("Made by", "Ended", "Stale"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", default="", metavar="NAME", help="only of this source")
    parser.add_argument("--night", type=_night, metavar="YYYYMMDD", help="only of this night")
    parser.add_argument("--stale", action="store_true", help="only what something newer is of")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


def _night(text: str) -> str:
    """argparse type: a night."""
    try:
        return str(Night.parse(text.replace("-", "")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no night; write 20231207") from None


def run(args: argparse.Namespace) -> int:
    """Print a table or JSON.

    Raises
    ------
    CatalogueError : the source is in no catalogue
    """
    context = make_context(read_site(args))
    target = resolve_source(args.target).name if args.target else ""
    with context.db.begin() as db:
        found = list_productions(db, target, args.night or "")
    found = [one for one in found if one.stale or not args.stale]
    if args.json:
        print(json.dumps([_plain(one) for one in found], indent=2))
        return Exit.OK
    if found:
        titles, *rows = columns_of([_row(one) for one in found], _TITLES)
        print(format_plain(View((), titles, tuple(rows))))
    print(f"{count_noun(len(found), 'production')}.")
    return Exit.OK


def _plain(one: Production) -> dict[str, object]:
    return {**asdict(one), "ended": one.ended.isoformat() if one.ended else None}


def _row(one: Production) -> tuple[str, ...]:
    return (
        one.target,
        one.night,
        one.name,
        one.kind,
        " ".join(filter(None, (one.telescope, one.start))),
        ", ".join(f"{name} {version}".strip() for name, version in one.versions),
        one.state.value,
        one.made_by or "by hand",
        f"{one.ended:%Y-%m-%d}" if one.ended else "",
        "; ".join(one.stale),
    )
