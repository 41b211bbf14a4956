"""`astran hold A12`: what waits does not start; what runs goes on."""

from __future__ import annotations

import argparse
from typing import Any

from astran.cli.analyses.selection import add_choice, add_one_parser, request_part
from astran.database.task_requests import TaskRequest


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "hold", "keep a part of an analysis from starting"))


def run(args: argparse.Namespace) -> int:
    """Store the request."""
    return request_part(args, TaskRequest.HOLD, "nothing waits that could be held")
