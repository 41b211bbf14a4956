"""`astran convert-models`: flat arrays of random forests, for the fast DL2 engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from astran.cli.common import Exit, add_site_option
from astran.cli.production.dl2_command import of_site
from astran.dl2.options import add_options, default_flat


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Convert the random forests of lstchain in a folder to flat arrays, which the "
        "fast DL2 engine maps into memory. It does so by itself when they are missing or stale."
    )
    parser.add_argument("models", type=Path, metavar="MODELDIR", nargs="+")
    add_options(parser)
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """0: converted."""
    from astran.dl2.flat_models import NAMES, Store

    flat, trusted = of_site(args)
    store = Store(args.flat_models or flat or default_flat(), (*args.trust, *trusted))
    for folder in args.models:
        print(f"{folder} -> {store.convert(folder, NAMES)}")
    return Exit.OK
