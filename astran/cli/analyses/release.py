"""`astran release A12`: take a hold back."""

from __future__ import annotations

import argparse

from astran.cli.analyses.selection import add_choice, add_id, request_part
from astran.database.task_requests import TaskRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    add_choice(parser)


def run(args: argparse.Namespace) -> int:
    """Store the request."""
    return request_part(args, TaskRequest.RELEASE, "nothing is held")
