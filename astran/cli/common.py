"""What all command lines share: site option, context, friendly errors, exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astran.base.clock import Clock, SystemClock
from astran.base.errors import AstranError
from astran.base.permissions import private_umask
from astran.config.site import SiteConfig
from astran.config.yaml_files import load_site, site_path
from astran.database.location import file_modes, identity
from astran.telescopes.registry import register_chains

if TYPE_CHECKING:
    from astran.service.context import Context


class Exit(IntEnum):
    """Exit codes; stable, for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    INTERRUPTED = 130


class OneValue(argparse.Action):
    """An option that may be repeated with the same value, never with another one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest, self.default)
        if before != self.default and _place(before) != _place(values):
            parser.error(f"{option_string} is given twice: {before} and {values}")
        setattr(namespace, self.dest, values)


def _place(value: Any) -> str:
    """The value as it is compared: `site.yml` and `./site.yml` are the same file."""
    return str(Path(value).expanduser())


def add_site_option(parser: argparse.ArgumentParser) -> None:
    """`--site FILE`."""
    parser.add_argument(
        "--site",
        metavar="FILE",
        action=OneValue,
        help="site configuration (default: $ASTRAN_SITE, ./site.yml, ~/.config/astran/site.yml)",
    )


def add_logging_options(parser: argparse.ArgumentParser) -> None:
    """`--verbose` and `--log-json`."""
    parser.add_argument("--verbose", action="store_true", help="log each step")
    parser.add_argument("--log-json", action="store_true", help="log one JSON object per line")


def read_site(args: argparse.Namespace) -> SiteConfig:
    """The site configuration named on the command line or found in its usual place.

    Raises
    ------
    StoreError : its store was there and is not
    """
    site = load_site(site_path(args.site))
    identity.check_store(site)
    register_chains(site.chains)
    return site


def make_context(site: SiteConfig, clock: Clock | None = None) -> Context:
    """The service on this site."""
    # not for the minutes in which nothing happens
    from astran.database.location import opening
    from astran.service.context import Context

    identity.check_store(site)
    try:
        site.workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AstranError(
            f"The work folder {site.workdir} cannot be made: {error.strerror}.",
            "Check `workdir` in the site configuration.",
        ) from error
    context = Context(
        site=site,
        db=opening.open_store(site),
        clock=clock or SystemClock(),
        python=sys.executable,
    )
    _mend_modes(context)
    return context


def _mend_modes(context: Context) -> None:
    if mended := file_modes.restrict_modes(context.site):
        from astran.database import events

        with context.db.begin() as db:
            events.note_event(db, context.clock.now(), "modes", "; ".join(mended))


@private_umask()
def run_guarded(program: str, act: Callable[[], int]) -> int:
    """Run a command, whose files others cannot read.

    Errors that ASTRAN raises on purpose end in one friendly line and code 2.
    """
    try:
        return act()
    except AstranError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return Exit.USAGE
    except BrokenPipeError:
        # the reader of our output went away, as `| head` does
        sys.stderr.close()
        return Exit.OK


def existing_file(text: str) -> Path:
    """argparse type: a file that is there."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path
