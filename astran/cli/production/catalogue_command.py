"""`astran catalogue`: the runs of a site as ASTRAN sees them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran.base.clock import SystemClock
from astran.base.disk_space import format_bytes
from astran.base.night import Night
from astran.base.text import strip_control
from astran.cli.common import Exit, add_site_option, read_site

if TYPE_CHECKING:
    from astran.telescopes.lst.catalogue.dl1.listing import Dl1Row

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
    from astran.catalogue.sources import is_same_source, resolve_source
    from astran.telescopes.lst.catalogue.dl1.listing import list_dl1

    site = read_site(args)
    target = resolve_source(args.target) if args.target else None
    opens = bool(args.night) if args.open is None else args.open
    clock = SystemClock()
    rows = list_dl1(site, clock, is_same_source, nights=args.night, target=target, opens=opens)
    if args.json:
        json.dump([dataclasses.asdict(row) for row in rows], sys.stdout, indent=1)
        print()
        return Exit.OK
    _print(rows)
    return Exit.OK


def _night(text: str) -> str:
    try:
        return str(Night.parse(text.replace("-", "")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _print(rows: list[Dl1Row]) -> None:
    # in a file or pipe nothing is gained by folding lines
    console = Console(width=None if sys.stdout.isatty() else 200)
    if not rows:
        console.print("No runs were found.")
        return
    table = Table()
    for title in ("Night", "Run", "Source", "State", "DL1", "Files", "Size", "Livetime"):
        right = title in ("Run", "Files", "Size", "Livetime")
        table.add_column(title, justify="right" if right else "left", no_wrap=right)
    for title in ("Zenith", "Rate", "Pointing", "Wobble", "Pair", "Remark"):
        left = title in ("Remark", "Pointing", "Wobble")
        table.add_column(title, justify="left" if left else "right")
    for row in rows:
        cells = [
            Text(row.night),
            Text(str(row.run)),
            Text(strip_control(row.source)),
            Text(row.state.value, style=_COLOURS[row.state.value]),
            Text(strip_control(f"{row.version} {row.tailcut}".strip())),
            Text(f"{row.files} subruns" if row.subruns else str(row.files)),
            Text(format_bytes(row.size)),
            Text(_number(row.livetime_s, "{:.0f} s")),
            Text(_number(row.zenith_deg, "{:.1f}°")),
            Text(_number(row.rate_hz, "{:.0f} Hz")),
            Text(_pointing(row)),
            Text(_wobble(row)),
            Text("" if row.pair is None else str(row.pair)),
            Text(strip_control(_remark(row))),
        ]
        table.add_row(*cells)
    console.print(table)
    folders = sorted({row.folder for row in rows if row.folder})
    for folder in folders[:20]:
        console.print(Text(strip_control(folder)), soft_wrap=True)
    if len(folders) > 20:
        console.print(f"… and {len(folders) - 20} more folders")


def _remark(row: Dl1Row) -> str:
    others = [version for version in row.versions if version != row.version]
    older = f"also {', '.join(others)}" if others else ""
    return "; ".join(word for word in (row.reason, older) if word)


def _pointing(row: Dl1Row) -> str:
    if row.ra_deg is None or row.dec_deg is None:
        return ""
    return f"{row.ra_deg:.2f}° {row.dec_deg:+.2f}°"


def _wobble(row: Dl1Row) -> str:
    if row.offset_deg is None or row.wobble_deg is None:
        return ""
    return f"{row.offset_deg:.2f}° at {row.wobble_deg:.0f}°"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
