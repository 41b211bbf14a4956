"""`astran highlevel`: results from a folder of DL3 files, by the code that the task runs."""

from __future__ import annotations

import argparse

from astran.highlevel import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "theta2, significance and sky map of a folder of GADF DL3 files, with or "
        "without index files."
    )
    options.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0: results were written; 1: no usable run; 2: wrong options."""
    from astran.highlevel.__main__ import run as analyse

    return analyse(args)
