"""`astran refit`: fit OGIP spectra, of ASTRAN's own results or of others, again."""

from __future__ import annotations

import argparse
import json
import sys

from astran.base.errors import AstranError, ConfigError
from astran.cli.common import Exit
from astran.highlevel.options import add_model_arguments, read_model_settings
from astran.results.codec import to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Power law and log-parabola, or the model that is asked for, fitted to OGIP spectra "
        "together. The spectra of one night or of many, of one telescope or of several."
    )
    parser.add_argument(
        "spectra",
        nargs="+",
        metavar="PATH[@LOW:HIGH]",
        help="PHA file, or folder of pha_*.fits; with the energies to be used [TeV]",
    )
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the fits as one line of JSON")


def run(args: argparse.Namespace) -> int:
    """0: fitted; 1: nothing to fit, or no fit converged; 2: wrong options."""
    from astran.highlevel.spectral.refit import OgipSpectra, choose_model, refit

    try:
        choice = choose_model(read_model_settings(args))
        found = refit([OgipSpectra.parse(text) for text in args.spectra], choice)
    except AstranError as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED
    if args.json:
        print(json.dumps(to_json(found)))
        return Exit.OK
    low, high = found.energy_min_tev, found.energy_max_tev
    print(f"{len(found.files)} spectra, {low:.4g} to {high:.4g} TeV:")
    for model in found.models:
        values = ", ".join(
            f"{name} {value:.4g} +- {model.errors[name]:.2g}"
            for name, value in model.parameters.items()
        )
        values += "".join(
            f", {name} {value:g} (fixed)" for name, value in model.fixed_parameters.items()
        )
        fit = f"{model.statistic:.1f}/{model.degrees_of_freedom}"
        print(f"{model.name}: {values} (statistic/degrees of freedom {fit})")
    return Exit.OK
