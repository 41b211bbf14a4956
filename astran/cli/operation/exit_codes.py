"""`astran exit-codes`: what return codes of tools mean, and whether another attempt may help."""

from __future__ import annotations

import argparse

from astran.base.errors import StoreError
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.database.history import return_codes
from astran.database.history.return_codes import ExitCode

_DESCRIPTION = """\
Without further words, lists the table. A task whose tool ends with one of these codes says so in
its report; where the code passes, it is tried once more. A row of a tool counts before that of "*".

  astran exit-codes set lstchain_dl1_to_dl2 5 --meaning "no licence was free" --passes
  astran exit-codes remove lstchain_dl1_to_dl2 5
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", nargs="?", choices=("list", "set", "remove"), default="list")
    parser.add_argument("tool", nargs="?", help='name of the tool, without folder; "*": any')
    parser.add_argument("code", nargs="?", type=int, help="return code, 1 to 255")
    parser.add_argument("--meaning", default="", help="in words, for the report")
    parser.add_argument("--passes", action="store_true", help="another attempt may help")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """List, set or remove."""
    context = make_context(read_site(args))
    if args.action != "list":
        _check(args)
    with context.db.begin() as db:
        if args.action == "set":
            return_codes.set_exit_code(
                db, ExitCode(args.tool, args.code, args.meaning, args.passes)
            )
        elif args.action == "remove" and not return_codes.remove_exit_code(
            db, args.tool, args.code
        ):
            raise StoreError(
                f"The table has no code {args.code} of {args.tool}.",
                "`astran exit-codes` lists it.",
            )
        for row in return_codes.exit_codes(db):
            passes = "passes" if row.transient else "stays"
            print(f"{row.tool:32} {row.code:4}  {passes:7} {row.meaning}")
    return Exit.OK


def _check(args: argparse.Namespace) -> None:
    if args.tool is None or args.code is None or not 1 <= args.code <= 255:
        raise StoreError(
            f"`astran exit-codes {args.action}` needs a tool and a return code from 1 to 255.",
            f"For example: astran exit-codes {args.action} lstchain_dl1_to_dl2 5",
        )
    if "/" in args.tool:
        raise StoreError(f"{args.tool} has a folder in it.", "Name the tool alone.")
    if args.action == "set" and not args.meaning.strip():
        raise StoreError("What the code means is not said.", "Add --meaning 'in words'.")
