"""check_dl2 and check_dl3: what exists, is missing, is broken, as a table or JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran import api
from astran.base.errors import ConfigError
from astran.base.tasks import ProductKind
from astran.base.text import strip_control
from astran.cli.common import Exit, add_site_option, read_site, run_guarded
from astran.cli.production.night_options import (
    add_night_options,
    read_night,
    read_night_options,
    read_run_numbers,
)
from astran.production.audit.findings import Audit, Dl2Audit, Dl3Audit, State
from astran.production.audit.inventory import Inventory

_COLOURS = {
    State.OK: "green",
    State.SUSPICIOUS: "yellow",
    State.BROKEN: "red",
    State.MISSING: "red",
}
_EPILOG = """\
examples:
  {prog} --night 20231207                      all runs of the night
  {prog} --night 20231207 --target Crab        those of one source
  {prog} --config-analysis config.yml          those of an analysis
  {prog} FOLDER                                whatever is in there

exit codes: 0 all is there and good, 1 something is missing or broken, 2 wrong usage or
configuration, 3 nothing worse than suspicious
"""


def check_dl2(argv: Sequence[str] | None = None) -> int:
    """Run check_dl2."""
    return _check_products(ProductKind.DL2, argv)


def check_dl3(argv: Sequence[str] | None = None) -> int:
    """Run check_dl3."""
    return _check_products(ProductKind.DL3, argv)


def _check_products(kind: ProductKind, argv: Sequence[str] | None) -> int:
    level = kind.value.upper()
    parser = argparse.ArgumentParser(
        prog=f"check_{kind.value}",
        description=f"Tell for a night, an analysis or a folder what {level} exists, is missing, "
        "is broken or suspicious.",
        epilog=_EPILOG.format(prog=f"check_{kind.value}"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="files, or folders of products or of analyses (default: those of the night)",
    )
    add_night_options(parser)
    if kind is ProductKind.DL2:
        parser.add_argument(
            "--dl1",
            nargs="+",
            default=(),
            type=Path,
            metavar="PATH",
            help="DL1 files or folders to compare with (default: what the DL2 was made from)",
        )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)
    args = parser.parse_args(argv)
    return run_guarded(parser.prog, lambda: _act(kind, args))


def _act(kind: ProductKind, args: argparse.Namespace) -> int:
    found = _look(kind, args)
    if args.json:
        json.dump(dataclasses.asdict(found), sys.stdout, indent=1)
        print()
    else:
        _print(found)
    if found.ok:
        return Exit.OK
    return Exit.FAILED if _bad(found) else Exit.PARTIAL


def _bad(found: Inventory) -> bool:
    every = (*found.runs, *found.index)
    return not found.runs or any(one.state in (State.BROKEN, State.MISSING) for one in every)


def _look(kind: ProductKind, args: argparse.Namespace) -> Inventory:
    dl1 = args.dl1 if kind is ProductKind.DL2 else ()
    named = args.config_analysis or args.target or args.date
    if not named:
        if args.runs or args.set:
            raise ConfigError("Of which night?", cure="Use --night or --config-analysis.")
        if not args.paths:
            raise ConfigError(
                "Nothing to check.", cure="Name files or folders, --night or --config-analysis."
            )
        return api.check(kind, places=args.paths, dl1=dl1)
    site = read_site(args)
    if args.config_analysis or args.target:
        if args.target and not (args.date or args.config_analysis):
            raise ConfigError("The date is not given.", cure="Use --night or --config-analysis.")
        config = api.configure({"telescope": site.telescope, **read_night_options(args)})
        return api.check(kind, site, args.paths, config, dl1=dl1)
    return api.check(
        kind,
        site,
        args.paths,
        night=read_night(args.date) or "",
        runs=read_run_numbers(args.runs) or (),
        dl1=dl1,
    )


# ---- as a table ----------------------------------------------------------------------------------

Cell = tuple[str, str, Callable[[Audit], str]]
"""Title, alignment, content."""


def _print(found: Inventory) -> None:
    # in a file or pipe nothing is gained by folding lines
    console = Console(width=None if sys.stdout.isatty() else 200)
    title = " ".join(word for word in (found.kind.upper(), found.target, found.night) if word)
    table = Table(title=title, title_justify="left")
    columns = _DL2 if found.kind is ProductKind.DL2 else _DL3
    for heading, justify, _ in columns:
        right = justify == "right"
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for one in found.runs:
        cells = [Text(strip_control(cell(one))) for _, _, cell in columns]
        cells[_STATE].stylize(_COLOURS[one.state])
        table.add_row(*cells)
    console.print(table)
    for one in (*found.runs, *found.index):
        for text in (*one.problems, *one.warnings):
            name = "" if one.run is None else f"run {one.run}: "
            where = f" [{one.path}]" if one.path and one.state is not State.MISSING else ""
            line = Text(f"{name}{strip_control(text)}", style=_COLOURS[one.state])
            console.print(line.append(strip_control(where), style="dim"), soft_wrap=True)
    for folder in found.folders if len(found.folders) <= 20 else found.folders[-20:]:
        console.print(Text(strip_control(folder), style="dim"), soft_wrap=True)
    told = ", ".join(f"{number} {state}" for state, number in found.counts.items() if number)
    console.print(Text(f"{told or 'nothing'}.", style="bold green" if found.ok else "bold"))


def _number(value: float | None, form: str = "{:,.0f}") -> str:
    return "" if value is None else form.format(value)


def _size(audit: Audit) -> str:
    return "" if audit.size_bytes is None else f"{audit.size_bytes / 1e6:,.1f} MB"


def _run(audit: Audit) -> str:
    return Path(audit.path).name if audit.run is None else str(audit.run)


def _not_finite(counts: dict[str, int]) -> str:
    return f"{max(counts.values()):,}" if counts else "0"


def _of_dl2(form: Callable[[Dl2Audit], str]) -> Callable[[Audit], str]:
    return lambda audit: form(audit) if isinstance(audit, Dl2Audit) and audit.rows else ""


def _of_dl3(form: Callable[[Dl3Audit], str]) -> Callable[[Audit], str]:
    return lambda audit: form(audit) if isinstance(audit, Dl3Audit) and audit.hdus else ""


_COMMON: tuple[Cell, ...] = (
    ("Run", "right", _run),
    ("Source", "left", lambda one: one.source),
    ("State", "left", lambda one: one.state.value),
)
_STATE = 2
_DL2: tuple[Cell, ...] = (
    *_COMMON,
    ("Rows", "right", _of_dl2(lambda one: _number(one.rows))),
    ("of DL1", "right", _of_dl2(lambda one: _number(one.expected_rows))),
    ("Showers", "right", _of_dl2(lambda one: _number(one.events_by_type.get("shower")))),
    ("Rate", "right", _of_dl2(lambda one: _number(one.shower_rate_hz, "{:,.0f} Hz"))),
    ("Livetime", "right", _of_dl2(lambda one: _number(one.livetime_s, "{:,.1f} s"))),
    ("DEADC", "right", _of_dl2(lambda one: _number(one.deadc, "{:.3f}"))),
    ("Zenith", "right", _of_dl2(lambda one: _number(one.zenith_deg, "{:.1f}°"))),
    ("NaN", "right", _of_dl2(lambda one: _not_finite(one.non_finite))),
    ("Twice", "right", _of_dl2(lambda one: _number(one.duplicate_events))),
    ("lstchain", "left", _of_dl2(lambda one: one.versions.get("lstchain", ""))),
    ("Size", "right", _size),
)
_DL3: tuple[Cell, ...] = (
    *_COMMON,
    ("Events", "right", _of_dl3(lambda one: _number(one.events))),
    ("GTI", "right", _of_dl3(lambda one: _number(one.gti.number if one.gti else None))),
    ("Time", "right", _of_dl3(lambda one: _number(one.ontime_s, "{:,.1f} s"))),
    ("Livetime", "right", _of_dl3(lambda one: _number(one.livetime_s, "{:,.1f} s"))),
    ("DEADC", "right", _of_dl3(lambda one: _number(one.deadc, "{:.3f}"))),
    ("Zenith", "right", _of_dl3(lambda one: _number(one.zenith_deg, "{:.1f}°"))),
    ("Offset", "right", _of_dl3(lambda one: _number(one.offset_deg, "{:.2f}°"))),
    ("IRFs", "left", _of_dl3(lambda one: " ".join(one.irfs))),
    ("NaN", "right", _of_dl3(lambda one: _not_finite(one.non_finite))),
    ("Checksum", "left", _of_dl3(lambda one: one.checksums or "")),
    ("Size", "right", _size),
)
