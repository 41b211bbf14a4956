"""What the commands about one analysis share."""

from __future__ import annotations

import argparse
import re
from typing import Any

from astran.cli.common import add_site_option


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
