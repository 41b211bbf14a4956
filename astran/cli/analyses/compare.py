"""`astran compare OLD NEW`: what differs between two analyses or folders, and why."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from astran.base.errors import AstranError
from astran.base.files import write_atomic, write_json
from astran.base.text import strip_control
from astran.cli.common import add_site_option, make_context, read_site

if TYPE_CHECKING:
    from astran.highlevel.comparison.sides import ComparedSide
    from astran.service.context import Context

SAME, DIFFERENT, NOT_COMPARED = 0, 1, 2
TEXT, DATA = "comparison.txt", "comparison.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compares two analyses, folders of results or folders of DL3: runs, events, energies, "
        "directions, livetime, counts and fluxes, and says what the differences come from. "
        "Exit codes: 0 the same, 1 they differ, 2 they cannot be compared."
    )
    for name in ("old", "new"):
        text = "an analysis (A12), a folder of results, or a folder of DL3"
        parser.add_argument(name, metavar=name.upper(), help=text)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help=f"write {TEXT} and {DATA} there, too"
    )
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print."""
    from astran.highlevel.comparison.compare_sides import compare_sides
    from astran.highlevel.comparison.comparison_text import comparison_lines, comparison_to_json

    stored = any(_analysis(word) for word in (args.old, args.new))
    context = make_context(read_site(args)) if stored else None
    found = compare_sides(_side(args.old, context), _side(args.new, context))
    text = "\n".join(map(strip_control, comparison_lines(found)))
    plain = comparison_to_json(found)
    if args.output is not None:
        try:
            write_atomic(args.output / TEXT, f"{text}\n")
            write_json(args.output / DATA, plain)
        except OSError as error:
            raise AstranError(f"{args.output} cannot be written: {error.strerror}.") from error
    print(json.dumps(plain, indent=2, allow_nan=False) if args.json else text)
    return SAME if found.same else DIFFERENT


def _analysis(word: str) -> int | None:
    """The number of `A12`; None: it is a folder."""
    match = re.fullmatch(r"[Aa](\d{1,9})", word)
    return int(match[1]) if match and not Path(word).exists() else None


def _side(word: str, context: Context | None) -> ComparedSide:
    from astran.highlevel.comparison.sides import read_side

    number = _analysis(word)
    if number is None or context is None:
        return read_side(word, Path(word).expanduser())
    from astran.service.provenance.origin_record import read_origin

    with context.db.begin() as db:
        origin = read_origin(db, number)
    return read_side(f"{origin.name} {origin.label}", origin.folder, origin.dl3, origin.record)
