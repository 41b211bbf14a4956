"""`astran clean`: make room on the disk."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astran.base.disk_space import format_bytes, free_bytes
from astran.base.errors import AstranError
from astran.base.files import try_lock
from astran.base.text import strip_control
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.service.context import Context
from astran.service.heartbeat import lock_path, use_lock_path
from astran.service.products.cleaning import removable_items, remove_items

_TRIES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Removes, of analyses that have ended: DL2 of subruns that were put together, "
        "work folders of attempts that died, files of the scheduler; with --dl2 also DL2. Results, "
        "DL3, logs, and whatever a report or another analysis points to stay. From the store of "
        "the site: what no analysis folder has any more."
    )
    parser.add_argument("--dry-run", action="store_true", help="list it, remove nothing")
    parser.add_argument("--dl2", action="store_true", help="DL2 of whole runs, too")
    parser.add_argument(
        "--older-than",
        metavar="DAYS",
        type=float,
        default=14.0,
        help="only of analyses that ended so many days ago (default: 14)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    add_site_option(parser)


@contextmanager
def _alone(context: Context, dry_run: bool) -> Iterator[None]:
    """No tick begins to use a file while it is removed."""
    for _ in range(_TRIES):
        site = context.site
        with try_lock(lock_path(site)) as free, try_lock(use_lock_path(site)) as unused:
            if (free and unused) or dry_run:
                yield
                return
        context.clock.sleep(1)
    raise AstranError("The service is at work all the time.", "Try again in a minute.")


def run(args: argparse.Namespace) -> int:
    """List, and remove unless it is a dry run."""
    site = read_site(args)
    context = make_context(site)
    age = timedelta(days=max(args.older_than, 0.0))
    freed = 0
    with _alone(context, args.dry_run):
        items = removable_items(context, age, args.dl2)
        total = sum(item.size for item in items)
        if not args.dry_run:
            freed = remove_items(context, items)
    if args.json:
        rows = [
            {"path": str(i.path), "size": i.size, "why": i.why, "analysis": i.analysis}
            for i in items
        ]
        print(json.dumps({"dry_run": args.dry_run, "bytes": total, "items": rows}, indent=2))
        return Exit.OK
    console = Console(soft_wrap=True)
    if not items:
        console.print("There is nothing to remove.")
        return Exit.OK
    table = Table()
    for title in ("Analysis", "Size", "What", "Path"):
        table.add_column(title, justify="right" if title == "Size" else "left")
    for item in items:
        words = (item.analysis, format_bytes(item.size), item.why, str(item.path))
        table.add_row(*(Text(strip_control(word)) for word in words))
    console.print(table)
    if args.dry_run:
        console.print(f"{format_bytes(total)} in {len(items)} items would go; nothing was removed.")
    else:
        free = format_bytes(free_bytes(site.workdir))
        console.print(f"{format_bytes(freed)} were removed; {free} are free now.")
    return Exit.OK
