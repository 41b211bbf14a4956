"""astran-launcher: one tick, to be run by cron every minute.

Reads the mailbox, moves every live analysis on by one step, sends what is due. Two at once do no
harm: the second finds the first one's lock and ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from astran import __version__
from astran.base.clock import SystemClock
from astran.cli.common import Exit, add_site_option, guarded, make_context, read_site
from astran.service.tick import tick


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="astran-launcher", description=__doc__)
    parser.add_argument("--version", action="version", version=f"ASTRAN {__version__}")
    add_site_option(parser)
    args = parser.parse_args(argv)
    return guarded("astran-launcher", lambda: _launch(args))


def _launch(args: argparse.Namespace) -> int:
    clock = SystemClock()

    def say(text: str) -> None:
        print(f"{clock.now():%Y-%m-%d %H:%M:%S} {text}", flush=True)

    context = make_context(read_site(args), say, clock)
    result = tick(context)
    return Exit.FAILED if result.faults else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
