"""Options that say which night, target and runs: the same for all commands of production."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from astran.api import set_parameter
from astran.base.errors import ConfigError
from astran.base.night import Night
from astran.config.yaml_files import read_yaml
from astran.config.yaml_files import read_yaml_value as yaml_value
from astran.launch_language.bad_value import BadValue
from astran.launch_language.keys import Key, ValueKind
from astran.launch_language.values import read_value


def add_night_options(parser: argparse.ArgumentParser) -> None:
    """`--config-analysis`, target, night, runs and any parameter."""
    parser.add_argument(
        "--config-analysis",
        "--config",
        type=Path,
        metavar="FILE",
        help="analysis configuration; the other options win over it",
    )
    parser.add_argument("-t", "--target", help="name of the source")
    parser.add_argument(
        "-d", "--date", "--night", metavar="YYYYMMDD", help="night, by the date of its evening"
    )
    parser.add_argument("-r", "--runs", help="run numbers and ranges: 15864,15867-15870")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any parameter of an analysis, for example dl3.theta_cut=0.2",
    )


def read_night_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say, as plain data of an analysis configuration.

    Raises
    ------
    ConfigError : a value that cannot be read
    """
    data: dict[str, Any] = read_yaml(args.config_analysis) if args.config_analysis else {}
    given = {
        "target": args.target,
        "date": read_night(args.date),
        "runs": read_run_numbers(args.runs),
    }
    data.update({key: value for key, value in given.items() if value is not None})
    for text in args.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: write KEY=VALUE, for example dl3.theta_cut=0.2.")
        set_parameter(data, key, yaml_value(key, value))
    return data


def read_run_numbers(text: str | None) -> tuple[int, ...] | None:
    """Run numbers, as a launch mail may give them (ConfigError: they cannot be read)."""
    if text is None:
        return None
    try:
        runs = read_value(Key("runs", ValueKind.RUNS, optional=True), text)
    except BadValue as error:
        raise ConfigError(f"--runs {text!r} is no list of run numbers: {error}") from error
    return None if runs is None else tuple(runs)


def read_night(text: str | None) -> str | None:
    """A night as YYYYMMDD (ConfigError: it is none)."""
    if text is None:
        return None
    try:
        return str(Night.parse(text.replace("-", "").strip()))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no night: it is written YYYYMMDD, for example 20231207."
        ) from error
