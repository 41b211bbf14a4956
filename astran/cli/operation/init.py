"""`astran init`: a starter site configuration with what can be guessed on this machine."""

from __future__ import annotations

import argparse
import getpass
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from astran.base.errors import ConfigError
from astran.base.files import write_atomic
from astran.cli.common import Exit
from astran.config.examples import comment, render_example
from astran.config.site import SiteConfig
from astran.config.yaml_files import load_site
from astran.scheduler.registry import available_kind

USUAL = Path("~/.config/astran/site.yml")
TOOL = "lstchain_dl1_to_dl2"
_HEADER = """\
ASTRAN site configuration, begun by `astran init`.

Lines that begin with "# " are help. Lines that begin with "#" and a key show a default: take the
"#" away to change it. The section `mail` is switched off as a whole: take the first "#" of each of
its lines away to switch it on. `astran doctor` tries every part.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a starter site configuration with what can be guessed on this machine."
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=USUAL,
        help=f"where to write it (default: {USUAL}; ./site.yml is found, too)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")


def run(args: argparse.Namespace) -> int:
    """Write the file, say what to do next."""
    path = args.output.expanduser()
    if path.exists() and not args.force:
        raise ConfigError(
            f"{path} is there already.",
            cure="Name another file with --output, or overwrite it with --force.",
        )
    values = guess()
    text = comment(_HEADER) + "\n" + render_example(SiteConfig, values, switched_off=["mail"])
    try:
        write_atomic(path, text)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.",
            cure="Name another file with --output.",
        ) from error
    site = load_site(path)
    print(f"Wrote {path}")
    print(f"  work folder  {site.workdir}")
    print(f"  scheduler    {site.scheduler.kind} (auto would take the same here)")
    print(f"  lstchain     {_where(values)}")
    print()
    print("Next:")
    print(f"  1. Edit {path}: where the data are (`data`), and the mailbox (`mail`),")
    print("     if requests are to come by mail. Passwords stay out of the file.")
    print(f"  2. Try every part:  astran doctor{_site_option(path)}")
    print(f"  3. Plan a night:    astran --config-analysis FILE{_site_option(path)}")
    print("  4. For requests by mail, let cron run astran-launcher: see crontab.example.")
    return Exit.OK


def guess() -> dict[str, Any]:
    """Values for the starter, nested as in the file."""
    values: dict[str, Any] = {
        "site": f"{getpass.getuser()} at {socket.gethostname().split('.')[0]}",
        "workdir": str(Path("~/astran").expanduser().absolute()),
        "scheduler": {"kind": available_kind()},
    }
    beside = Path(sys.executable).parent
    if (beside / TOOL).is_file():
        values["lstchain"] = {"environments": {"default": {"bin": str(beside)}}}
    return values


def _where(values: dict[str, Any]) -> str:
    if "lstchain" in values:
        return str(values["lstchain"]["environments"]["default"]["bin"])
    found = shutil.which(TOOL)
    return f"{Path(found).parent} (on PATH)" if found else "not found; see `lstchain` in the file"


def _site_option(path: Path) -> str:
    """Nothing where ASTRAN finds the file by itself."""
    return "" if path == USUAL.expanduser() else f" --site {path}"
