"""`astran db upgrade`: bring the database to the schema of this ASTRAN."""

from __future__ import annotations

import argparse
from typing import Any

from astran.cli.common import Exit, add_site_option, read_site
from astran.store.database import HEAD, Database


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("db", help="look after the database")
    parser.add_argument("action", choices=("upgrade", "version"), help="what to do")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Upgrade, or tell the version."""
    database = Database(read_site(args).database_url)
    if args.action == "upgrade":
        database.upgrade()
    print(f"schema version {database.version() or 'none'}, this ASTRAN needs {HEAD}")
    return Exit.OK
