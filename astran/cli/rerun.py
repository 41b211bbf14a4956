"""`astran rerun capsule.zip`: make the results of a capsule again, and compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from astran.base.text import count_noun, strip_control
from astran.cli.common import existing_file

EQUAL, DIFFERENT = 0, 1
MOST_LINES = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Unpacks a capsule that `astran capsule` packed, makes the high-level results again from "
        "its DL3 files, and compares all numbers. Neither a site configuration nor a database is "
        "needed. Exit codes: 0 equal, 1 numbers differ, 2 it cannot be repeated."
    )
    parser.add_argument("capsule", type=existing_file, metavar="ZIP", help="the capsule")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder for capsule and results (default: beside it, named like it)",
    )
    parser.add_argument(
        "--max-gb", type=float, default=50.0, metavar="GB", help="most that is unpacked (50)"
    )
    parser.add_argument("--no-plots", action="store_true", help="make only numbers and tables")


def run(args: argparse.Namespace) -> int:
    """Repeat, compare, and say so."""
    from astran.highlevel.capsule.rerun import rerun_capsule

    output = args.output or args.capsule.with_suffix("")
    done = rerun_capsule(args.capsule, output, int(args.max_gb * 1e9), plots=not args.no_plots)
    if done.equal:
        print(f"EQUAL: all {done.compared:,} values are those of the capsule.")
    else:
        number = count_noun(len(done.differences), "value")
        print(f"DIFFERENT: {number} of {done.compared:,} differ.")
    for one in done.differences[:MOST_LINES]:
        print(f"  {strip_control(str(one))}")
    if len(done.differences) > MOST_LINES:
        print(f"  and {len(done.differences) - MOST_LINES} more")
    for text in done.versions:
        print(f"Other software: {strip_control(text)}")
    print(f"Results: {done.folder}")
    return EQUAL if done.equal else DIFFERENT
