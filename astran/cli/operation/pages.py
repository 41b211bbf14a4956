"""`astran pages --output DIR`: the browsable pages of all analyses."""

from __future__ import annotations

import argparse
from pathlib import Path

from astran.base.errors import ConfigError
from astran.base.text import count_noun
from astran.cli.common import Exit, add_site_option, make_context, read_site
from astran.service.reporting.site_pages import write_pages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="folder of the pages (default: pages.output of the site configuration)",
    )
    parser.add_argument("--anew", action="store_true", help="make every page again")
    add_site_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write what has changed; print where to begin to read."""
    site = read_site(args)
    output = args.output or site.pages.output
    if output is None:
        raise ConfigError(
            "No folder for the pages is named.",
            cure="Give --output DIR, or set pages.output in the site configuration.",
        )
    output = output.expanduser().absolute()
    outcome = write_pages(make_context(site), output, anew=args.anew)
    done = f"{outcome.made} of {count_noun(outcome.analyses, 'analysis', 'analyses')} made anew"
    files = f"{count_noun(outcome.written, 'file')} written, {outcome.removed} removed"
    print(f"{done}; {files}\n{output / 'index.html'}")
    for text in outcome.failed:
        print(text)
    return Exit.PARTIAL if outcome.failed else Exit.OK
