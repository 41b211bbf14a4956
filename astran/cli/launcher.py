"""astran-launcher: one tick, to be run by cron every minute.

Reads the mailbox, moves every live analysis on by one step, sends what is due. Two at once do no
harm: the second finds the first one's lock and ends.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from astran import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    # without plugins pydantic need not search all installed packages for them at each start
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from astran.base.permissions import private_umask
    from astran.cli.common import add_logging_options, add_site_option, run_guarded

    parser = argparse.ArgumentParser(prog="astran-launcher", description=__doc__)
    parser.add_argument("--version", action="version", version=f"ASTRAN {__version__}")
    add_site_option(parser)
    add_logging_options(parser)
    args = parser.parse_args(argv)
    from astran.service.tick_limit import limit_wall_time

    with private_umask(), limit_wall_time():
        return run_guarded("astran-launcher", lambda: _launch(args))


def _launch(args: argparse.Namespace) -> int:
    from astran.base.clock import SystemClock
    from astran.cli.common import Exit, make_context, read_site
    from astran.database.location import file_modes
    from astran.service.idle import nothing_to_do

    clock = SystemClock()

    site = read_site(args)
    if mended := file_modes.restrict_modes(site):
        import logging

        _configure_logging(args)
        logging.getLogger(__name__).warning("%s", "; ".join(mended))
    if nothing_to_do(site, clock):
        return Exit.OK
    _configure_logging(args)
    from astran.service.tick import run_tick

    result = run_tick(make_context(site, clock))
    return Exit.FAILED if result.faults else Exit.OK


def _configure_logging(args: argparse.Namespace) -> None:
    # an idle minute logs nothing, and does without
    from astran.base.logging_setup import configure_logging

    configure_logging(verbose=args.verbose, as_json=args.log_json)


if __name__ == "__main__":
    sys.exit(main())
