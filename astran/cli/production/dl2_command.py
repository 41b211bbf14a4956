"""`astran dl2`: lstchain_dl1_to_dl2 with the fast engine; same inputs, outputs and options."""

from __future__ import annotations

import argparse
from pathlib import Path

from astran.base.errors import ConfigError
from astran.base.logging_setup import LogForm, configure_logging
from astran.cli.common import add_site_option, read_site
from astran.dl2 import engine


def run(words: list[str]) -> int:
    """0: every product is there."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_site_option(parser)
    args, rest = parser.parse_known_args(words)
    flat, trusted = of_site(args)
    configure_logging(form=LogForm.DL2)
    return engine.run_engine(rest, flat, trusted)


def of_site(args: argparse.Namespace) -> tuple[Path | None, tuple[Path, ...]]:
    """Where the site keeps converted models, and the folder whose pickles may be loaded; nothing
    where there is no site configuration."""
    try:
        site = read_site(args)
    except ConfigError:
        if args.site:
            raise
        return None, ()
    root = site.data.models_root
    return site.flat_models_dir, (root,) if root is not None else ()
