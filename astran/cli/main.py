"""astran: analyses by hand, and everything around the service."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from astran import __version__
from astran.base.logging_setup import configure_logging
from astran.base.scheduler import Priority
from astran.cli.common import (
    Exit,
    OneValue,
    add_logging_options,
    add_site_option,
    existing_file,
    run_guarded,
)

_EPILOG = """\
examples:
  astran --config-analysis config.yml                 print the plan, touch nothing
  astran --config-analysis config.yml --submit        run it, with live progress
  astran --config-analysis config.yml --submit --email me@institute.example
  astran status                                       what is under way
  astran demo                                         see it all at work, no set-up needed

exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 partial, 130 interrupted
"""

# sub-command -> module with add_arguments(parser) and run(args); imported only when asked for,
# because some of them are slow to load
COMMANDS = {
    "init": ("astran.cli.operation.init", "write a starter site configuration"),
    "doctor": ("astran.cli.operation.doctor", "try every outside part and say what is wrong"),
    "status": ("astran.cli.analyses.status", "list analyses and how they are going"),
    "show": ("astran.cli.analyses.show", "everything about one analysis"),
    "cancel": ("astran.cli.analyses.cancel", "stop an analysis, a stage or a run of it"),
    "hold": ("astran.cli.analyses.hold", "keep a part of an analysis from starting"),
    "release": ("astran.cli.analyses.release", "let go on what was held"),
    "retry": ("astran.cli.analyses.retry", "run again what failed; what succeeded is reused"),
    "campaign": ("astran.cli.analyses.campaign", "analyse many nights and stack them"),
    "productions": ("astran.cli.analyses.productions", "list what exists, and what is stale"),
    "report": ("astran.cli.analyses.report", "show or resend the report of an analysis"),
    "provenance": ("astran.cli.analyses.provenance", "where a product came from, as W3C PROV"),
    "compare": ("astran.cli.analyses.compare", "what differs between two analyses or folders"),
    "capsule": ("astran.cli.analyses.capsule", "pack results with all that makes them again"),
    "rerun": ("astran.cli.rerun", "make the results of a capsule again and compare"),
    "pages": ("astran.cli.operation.pages", "write browsable pages of all analyses"),
    "catalogue": (
        "astran.cli.production.catalogue_command",
        "list the runs of this site as ASTRAN sees them",
    ),
    "clean": ("astran.cli.operation.clean", "remove what no report points to"),
    "check-mail": ("astran.cli.operation.check_mail", "say what would be done with a stored mail"),
    "highlevel": ("astran.cli.highlevel", "results of a folder of DL3 files"),
    "refit": ("astran.cli.refit", "fit OGIP spectra again"),
    "convert-models": (
        "astran.cli.production.convert_models",
        "prepare models for the fast DL2 engine",
    ),
    "demo": ("astran.cli.simulation.demo", "a simulated night, from mail to mail, on this machine"),
    "simulate-night": (
        "astran.cli.simulation.simulate_night",
        "simulate an LST-1 night of the Crab",
    ),
    "exit-codes": ("astran.cli.operation.exit_codes", "what return codes of tools mean"),
    "watch-launcher": (
        "astran.cli.operation.watch_launcher",
        "mail the operator when the launcher has stopped",
    ),
    "db": ("astran.cli.operation.db", "look after the database"),
}
# these pass their words on to a tool of lstchain, whose options are not known here
PASSING_ON = {"dl2": ("astran.cli.production.dl2_command", "DL1 to DL2 with the fast engine")}


_VALUED = ("--config-analysis", "--email", "--priority", "--site")
"""Options that may stand before the command and have a value."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    words = _command_first(sys.argv[1:] if argv is None else argv)
    chosen = words[0] if words else ""
    if chosen in PASSING_ON:
        passing: Callable[[list[str]], int] = import_module(PASSING_ON[chosen][0]).run
        return run_guarded(f"astran {chosen}", lambda: passing(words[1:]))
    parser = _parser()
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    run: Callable[[argparse.Namespace], int] | None = None
    for name, (module, text) in COMMANDS.items():
        command = subparsers.add_parser(name, help=text)
        if name == chosen:
            loaded = import_module(module)
            loaded.add_arguments(command)
            add_logging_options(command)
            run = loaded.run
    for name, (_, text) in PASSING_ON.items():
        subparsers.add_parser(name, help=text)
    args = parser.parse_args(words)
    configure_logging("WARNING", stream="stderr", verbose=args.verbose, as_json=args.log_json)
    if run is not None:
        chosen_run = run
        return run_guarded(f"astran {args.command}", lambda: chosen_run(args))
    if args.config_analysis is None:
        parser.print_help()
        return Exit.USAGE
    from astran.cli.analyses import manual_run

    return run_guarded("astran", lambda: manual_run.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="astran",
        description="Next-day analysis for Cherenkov telescopes: DL1 to results.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ASTRAN {__version__}")
    parser.add_argument(
        "--config-analysis",
        metavar="FILE",
        type=existing_file,
        action=OneValue,
        help="analysis configuration",
    )
    parser.add_argument("--submit", action="store_true", help="run it (otherwise: show the plan)")
    parser.add_argument(
        "--email", metavar="ADDR", default="", action=OneValue, help="who gets the report"
    )
    parser.add_argument(
        "--priority",
        choices=tuple(Priority),
        action=OneValue,
        help="whose jobs come first: alert, daily (the default) or campaign",
    )
    parser.add_argument(
        "--again", action="store_true", help="run anew though this file was analysed before"
    )
    add_site_option(parser)
    add_logging_options(parser)
    return parser


def _command_first(given: Sequence[str]) -> list[str]:
    """The words with the command in front of options that stand before it: an option counts, or is
    refused by the command, wherever it stands."""
    words = list(given)
    place = _place_of_command(words)
    if place is None:
        return words
    ahead = [word for word in words[:place] if word != "--version"]
    if len(ahead) < place:
        return ["--version"]
    return [words[place], *ahead, *words[place + 1 :]]


def _place_of_command(words: Sequence[str]) -> int | None:
    """The first word that names a command and is no value of an option."""
    value_follows = False
    for place, word in enumerate(words):
        if word == "--":
            return None
        if value_follows:
            value_follows = False
        elif word.startswith("--"):
            # options may be shortened
            value_follows = "=" not in word and any(name.startswith(word) for name in _VALUED)
        elif word in COMMANDS or word in PASSING_ON:
            return place
    return None


if __name__ == "__main__":
    sys.exit(main())
