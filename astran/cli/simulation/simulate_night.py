"""`astran simulate-night`: a night of LST-1 data in lstchain's formats, simulated."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import yaml

from astran.base.clock import SystemClock
from astran.base.night import Night
from astran.cli.common import Exit

_DESCRIPTION = """\
Simulate a night of LST-1 on the Crab: runs in wobble mode, Monte Carlo, and random forests trained
by lstchain itself, in lstchain's own formats and in folders as on La Palma. Everything is marked
SIMULATED. A night that was made before comes from the cache ($ASTRAN_CACHE, else ~/.cache/astran).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="new or empty folder"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs (default 3)")
    parser.add_argument(
        "--duration", type=float, default=75.0, metavar="S", help="of each run [s] (default 75)"
    )
    parser.add_argument(
        "--flux", type=float, default=3.0, metavar="CRAB", help="in Crab units (default 3)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="another seed: another night's luck")
    parser.add_argument(
        "--date", type=_night, metavar="YYYYMMDD", help="evening of the night (default 20231213)"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def _night(text: str) -> Night:
    try:
        return Night.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(args: argparse.Namespace) -> int:
    """Simulate; print where things are and the `data` section of a site configuration."""
    from astran.cli.progress_bars import Bars
    from astran.demo.simulate import Simulation, simulated_night

    given = {"night": args.date, "seed": args.seed}
    simulation = dataclasses.replace(
        Simulation(runs=args.runs, duration=args.duration, flux=args.flux),
        **{name: value for name, value in given.items() if value is not None},
    )
    began = time.monotonic()
    with Bars(quiet=args.json) as bars:
        bars.stage("Simulating the night")
        tree, cached = simulated_night(simulation, SystemClock(), bars.progress, args.output)
    report = {
        "output": str(tree.root),
        "night": str(tree.night),
        "truth": str(tree.truth),
        "cached": cached,
        "wall_s": round(time.monotonic() - began, 1),
        "data": tree.data_settings(),
    }
    if args.json:
        print(json.dumps(report))
        return Exit.OK
    source = "from the cache" if cached else "simulated"
    print(f"Night of {tree.night.iso} ({source}, {report['wall_s']} s): {tree.root}")
    print(f"What was simulated: {tree.truth}")
    print("\nFor the site configuration:\n")
    print(yaml.safe_dump({"simulated": True, "data": report["data"]}, sort_keys=False), end="")
    return Exit.OK
