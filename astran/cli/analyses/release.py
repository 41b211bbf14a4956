"""`astran release A12`: take a hold back."""

from __future__ import annotations

import argparse
from typing import Any

from astran.cli.analyses.selection import add_choice, add_one_parser, request_part
from astran.database.task_requests import TaskRequest


def add_parser(subparsers: Any) -> None:
    add_choice(add_one_parser(subparsers, "release", "let go on what was held"))


def run(args: argparse.Namespace) -> int:
    """Store the request."""
    return request_part(args, TaskRequest.RELEASE, "nothing is held")
