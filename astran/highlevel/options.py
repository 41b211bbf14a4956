"""What a run of the high-level analysis is told: options of the command line and their meaning.

Imports nothing heavy, so that the main command line can list the options.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from astran.base.errors import CatalogueError, ConfigError
from astran.base.night import Night
from astran.config.analysis import (
    AnalysisConfig,
    EblModel,
    HighlevelSettings,
    SpectralModel,
    Target,
)
from astran.config.model import build_settings
from astran.telescopes.configuration import load_analysis

DEFAULT_THETA_DEG = 0.2


class Background(StrEnum):
    """Where the acceptance of the sky map comes from: the files' model, or the data themselves."""

    IRF = "irf"
    RADIAL = "radial"
    TWO_D = "2d"


class Threshold(StrEnum):
    """Where the energy range of a spectrum begins."""

    LOWEST = "lowest"
    """The lower one of the other two, as far as area and events support it; a chosen energy wins
    where the files state nothing."""
    FILES = "files"
    """As the files state (LO_THRES), else by the effective area; a chosen energy wins over the
    latter."""
    AREA = "area"
    """Where the effective area reaches a tenth of its maximum."""


class StackRule(StrEnum):
    """Which runs are added before spectral models are fitted to all stacks together."""

    NIGHT = "night"
    RESPONSE = "response"
    """Runs with the same kind of response, of any night."""


@dataclass(frozen=True)
class Options:
    """One high-level analysis."""

    dl3: tuple[Path, ...]
    """Folders of DL3 files, or single files."""
    output: Path
    name: str
    """Of the target; empty: as the files say."""
    position: tuple[float, float] | None
    """RA, Dec (ICRS) [deg]; none: as the files say."""
    settings: HighlevelSettings
    night: Night | None = None
    runs: frozenset[int] | None = None
    theta_cut: float | None = None
    """Wanted fixed cut [deg]; none: as the IRFs say."""
    fallback_theta: float = DEFAULT_THETA_DEG
    """Where the IRFs do not say anything [deg]."""
    fallback_origin: str = "default"
    background: Background | None = None
    """Kind of acceptance for the sky map; none: the best there is."""
    spectrum: bool = True
    """Whether to make spectrum and light curve."""
    threshold: Threshold = Threshold.LOWEST
    stack_by: StackRule | None = None
    """None: by night, by response where the nights are many."""
    simulated: bool = False
    versions: tuple[tuple[str, str], ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, alike for `astran highlevel` and `python -m astran.highlevel`."""
    settings = HighlevelSettings.model_fields
    add = parser.add_argument
    add(
        "--dl3",
        type=Path,
        required=True,
        action="append",
        metavar="PATH",
        help="folder of GADF DL3 files, or one file; several times for several nights",
    )
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add("--target", metavar="NAME", help="name of the source")
    add("--ra", type=float, metavar="DEG", help="right ascension of the source, ICRS")
    add("--dec", type=float, metavar="DEG", help="declination of the source, ICRS")
    add("--config", type=Path, metavar="FILE", help="analysis configuration; options win over it")
    add("--date", metavar="YYYYMMDD", help="only the runs of this night")
    add("--runs", metavar="N,N", help="only these runs")
    add("--theta-cut", type=float, metavar="DEG", help="fixed theta cut; else the IRFs' own")
    add("--off-regions", type=int, metavar="N", help=settings["off_regions"].description)
    for name, unit in (("energy_min", "TEV"), ("energy_max", "TEV")):
        add(_flag(name), type=float, metavar=unit, help=settings[name].description)
    for name in ("map_width", "map_bin", "map_radius"):
        field = settings[name]
        text = f"{field.description} Default: {field.default:g}."
        add(_flag(name), type=float, metavar="DEG", help=text)
    add(
        "--map-background",
        choices=[kind.value for kind in Background],
        help="acceptance of the sky map: the files' model (irf), or from the data (radial, 2d); "
        "default: the best there is",
    )
    add("--no-spectrum", action="store_true", help="leave out spectrum and light curve")
    add(
        "--spectrum-threshold",
        choices=[rule.value for rule in Threshold],
        default=Threshold.LOWEST.value,
        help="where the spectrum begins: as the files state (LO_THRES), where the effective area "
        "reaches a tenth of its maximum, or at the lower one of the two. Default: lowest.",
    )
    add_model_arguments(parser)
    add("--confidence", type=float, metavar="P", help=settings["confidence"].description)
    add(
        "--index",
        type=float,
        dest="assumed_index",
        metavar="N",
        help=settings["assumed_index"].description,
    )
    add(
        "--stack-by",
        choices=[rule.value for rule in StackRule],
        help="runs that are added before the fit of the spectrum: those of a night, or those with "
        "the same kind of response. Default: by night; by response where --dl3 is given several "
        "times or there are more than 20 nights.",
    )
    add("--simulated", action="store_true", help="mark all results as SIMULATED")
    add(
        "--version",
        action="append",
        default=[],
        dest="versions",
        metavar="NAME=VALUE",
        help="software version to be shown with the results; may be given several times",
    )
    add("--json", action="store_true", help="print the results as one line of JSON")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is fitted to a spectrum."""
    settings = HighlevelSettings.model_fields
    for name, unit in (("spectral_index", "N"), ("redshift", "Z")):
        parser.add_argument(_flag(name), type=float, metavar=unit, help=settings[name].description)
    for name, kinds in (("spectral_model", SpectralModel), ("ebl", EblModel)):
        words = [kind.value for kind in kinds]
        parser.add_argument(_flag(name), choices=words, help=settings[name].description)


def read_model_settings(args: argparse.Namespace) -> HighlevelSettings:
    """The settings that `add_model_arguments` leaves in parsed arguments. Raises ConfigError."""
    names = ("spectral_model", "spectral_index", "ebl", "redshift")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return build_settings(HighlevelSettings, given, "The options")


def read_options(args: argparse.Namespace) -> Options:
    """Options from parsed arguments and, where named, the analysis configuration.

    Raises
    ------
    ConfigError : something given cannot be used
    """
    config = load_analysis(args.config, _no_catalogue) if args.config else None
    given = {
        name: getattr(args, name)
        for name in HighlevelSettings.model_fields
        if getattr(args, name, None) is not None
    }
    base = config.highlevel.model_dump() if config else {}
    settings = build_settings(HighlevelSettings, {**base, **given}, "The options")
    if args.theta_cut is not None and not 0.01 < args.theta_cut <= 1.0:
        raise ConfigError(f"--theta-cut {args.theta_cut:g} is not between 0.01 and 1 deg.")
    if (args.ra is None) != (args.dec is None):
        raise ConfigError("--ra and --dec belong together.", cure="Give both, or none.")
    return Options(
        dl3=tuple(args.dl3),
        output=args.output,
        name=args.target or (config.target.name if config else ""),
        position=_position(args, config),
        settings=settings,
        night=_night(args, config),
        runs=_runs(args, config),
        theta_cut=args.theta_cut,
        fallback_theta=(config and config.theta_cut_deg) or DEFAULT_THETA_DEG,
        fallback_origin="configuration" if config else "default",
        background=Background(args.map_background) if args.map_background else None,
        spectrum=not args.no_spectrum,
        threshold=Threshold(args.spectrum_threshold),
        stack_by=_stack_rule(args),
        simulated=args.simulated,
        versions=tuple(_version(text) for text in args.versions),
    )


def _stack_rule(args: argparse.Namespace) -> StackRule | None:
    if args.stack_by:
        return StackRule(args.stack_by)
    return StackRule.RESPONSE if len(args.dl3) > 1 else None


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _no_catalogue(name: str) -> Target:
    raise CatalogueError(
        f"The configuration names the target {name!r} without coordinates.",
        "Write name, ra and dec below `target:`.",
    )


def _position(
    args: argparse.Namespace, config: AnalysisConfig | None
) -> tuple[float, float] | None:
    if args.ra is not None:
        target = build_settings(
            Target, {"name": args.target or "?", "ra": args.ra, "dec": args.dec}, "The position"
        )
        return target.ra, target.dec
    if config is None or (args.target and args.target.casefold() != config.target.name.casefold()):
        return None
    return config.target.ra, config.target.dec


def _night(args: argparse.Namespace, config: AnalysisConfig | None) -> Night | None:
    if args.date is None:
        return config.night if config else None
    try:
        return Night.parse(args.date.replace("-", ""))
    except ValueError as error:
        raise ConfigError(f"--date: {error}.") from error


def _runs(args: argparse.Namespace, config: AnalysisConfig | None) -> frozenset[int] | None:
    if args.runs is None:
        return frozenset(config.runs) if config and config.runs else None
    try:
        return frozenset(int(word) for word in args.runs.replace(",", " ").split())
    except ValueError as error:
        raise ConfigError(f"--runs {args.runs!r}: write run numbers like 15864,15865.") from error


def _version(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise ConfigError(f"--version {text!r}: write NAME=VALUE, for example lstchain=0.12.3.")
    return name, value
