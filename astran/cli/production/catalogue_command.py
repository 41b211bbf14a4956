"""`astran catalogue`: the runs of a site as ASTRAN sees them."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran.base.clock import SystemClock
from astran.base.night import Night
from astran.base.text import strip_control
from astran.cli.common import Exit, add_site_option, read_site
from astran.telescopes.hand_tools import RunListing
from astran.telescopes.registry import find_chain

MOST_FOLDERS = 20
_UNFOLDED = ("Run", "Files", "Size", "Livetime")

_COLOURS = {
    "complete": "green",
    "growing": "yellow",
    "unseen": "dim",
    "missing": "yellow",
    "broken": "red",
    "empty": "red",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "For each run: where its DL1 is, which version is taken, and whether it is "
        "complete, growing, missing, broken or empty; pointing, rate and livetime from the DL1."
    )
    parser.epilog = "exit codes: 0 done, 2 wrong usage or configuration"
    parser.add_argument(
        "--night",
        metavar="YYYYMMDD",
        action="append",
        type=_night,
        default=[],
        help="night by the date of its evening, may be given several times (default: all)",
    )
    parser.add_argument("--target", metavar="NAME", help="only runs of this source")
    parser.add_argument("--telescope", default="", metavar="NAME", help="default: the site's own")
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="open files that were never opened (default: if a night is named)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table or JSON."""
    from astran.catalogue.sources import resolve_source

    site = read_site(args)
    target = resolve_source(args.target) if args.target else None
    opens = bool(args.night) if args.open is None else args.open
    clock = SystemClock()
    chain = find_chain(args.telescope or site.telescope)
    found = chain.list_runs(site, clock, nights=args.night, target=target, opens=opens)
    if args.json:
        json.dump(found.records, sys.stdout, indent=1)
        print()
        return Exit.OK
    _print(found)
    return Exit.OK


def _night(text: str) -> str:
    try:
        return str(Night.parse(text.replace("-", "")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _print(found: RunListing) -> None:
    # in a file or pipe nothing is gained by folding lines
    console = Console(width=None if sys.stdout.isatty() else 200)
    if not found.rows:
        console.print("No runs were found.")
        return
    table = Table()
    for title, justify in found.columns:
        right = justify == "right"
        table.add_column(title, justify="right" if right else "left", no_wrap=title in _UNFOLDED)
    for cells, record in zip(found.rows, found.records, strict=True):
        texts = [Text(strip_control(cell)) for cell in cells]
        texts[[title for title, _ in found.columns].index("State")].stylize(
            _COLOURS.get(str(record["state"]), "")
        )
        table.add_row(*texts)
    console.print(table)
    for folder in found.folders[:MOST_FOLDERS]:
        console.print(Text(strip_control(folder)), soft_wrap=True)
    if len(found.folders) > MOST_FOLDERS:
        console.print(f"… and {len(found.folders) - MOST_FOLDERS} more folders")
