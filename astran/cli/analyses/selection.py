"""What the commands about one analysis share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any

from astran.cli.common import add_site_option
from astran.database.task_requests import TaskSelection
from astran.database.tasks import TaskRow


def analysis_id(text: str) -> int:
    """argparse type: `A12` or `12`."""
    match = re.fullmatch(r"[Aa]?(\d{1,9})", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no analysis; they are named like A12")
    return int(match[1])


def add_one_parser(subparsers: Any, name: str, text: str) -> argparse.ArgumentParser:
    """A sub-command that takes the id of an analysis."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text)
    parser.add_argument("id", type=analysis_id, help="the analysis, for example A12")
    add_site_option(parser)
    return parser


def add_choice(parser: argparse.ArgumentParser) -> None:
    """`--stage S` and `--run N`: a part of the analysis."""
    parser.add_argument("--stage", metavar="S", default="", help="only this stage, for example dl2")
    parser.add_argument("--run", type=int, metavar="N", help="only this run")


def read_selection(args: argparse.Namespace) -> TaskSelection:
    """The part of the analysis that is meant."""
    return TaskSelection(args.stage, args.run)


def task_names(rows: Iterable[TaskRow], most: int = 8) -> str:
    """Names of tasks for a line on the terminal."""
    keys = [row.key for row in rows]
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
