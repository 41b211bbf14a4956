"""`python -m astran.highlevel`: the scheduled task that turns a folder of DL3 into results.

Exit codes: 0 results were written; 1 no run could be used, or the folder is not there; 2 wrong
options.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from astran.base.errors import AstranError, CatalogueError, ConfigError
from astran.base.permissions import private_umask
from astran.highlevel import options
from astran.results.codec import results_to_json
from astran.results.document import Results

DONE, FAILED, USAGE = 0, 1, 2
MOST_LINES = 20


def run(args: argparse.Namespace) -> int:
    """Do what the parsed options say; returns the exit code."""
    try:
        wanted = options.read_options(args)
    except (ConfigError, CatalogueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    from astran.highlevel.analysis import analyse

    try:
        results = analyse(wanted)
    except AstranError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(results_to_json(results), allow_nan=False))
    else:
        print("\n".join(summary(results)))
    return DONE


def summary(results: Results) -> list[str]:
    """A few lines for the log."""
    stacked, excluded = results.stacked, results.excluded
    lines = [
        f"{results.target.name}: {stacked.significance:.2f} sigma, excess "
        f"{stacked.excess:.1f} +- {stacked.excess_error:.1f} "
        f"(N_on {stacked.n_on}, N_off {stacked.n_off}, alpha {stacked.alpha:.3f}) "
        f"in {stacked.livetime_h:.3f} h, {len(results.runs)} runs.",
    ]
    lines += [
        f"left out: {item.obs_id or item.file}: {item.reason}" for item in excluded[:MOST_LINES]
    ]
    if len(excluded) > MOST_LINES:
        lines.append(f"left out: {len(excluded) - MOST_LINES} more; see results.json")
    return lines + [f"warning: {text}" for text in results.warnings]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the task."""
    parser = argparse.ArgumentParser(
        prog="python -m astran.highlevel",
        description="theta2, significance and sky map of a folder of DL3 files.",
    )
    options.add_arguments(parser)
    with private_umask():
        return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
