"""Options of `astran dl2` besides those of the stock tool."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMPRESSIONS = ("lz4", "zstd")
PROVEN = ("0.10", "0.11", "0.12")
"""Releases of lstchain whose products were compared with those of the fast engine, bit by bit."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the fast engine adds to the options of the stock tool."""

    flat: Path
    trusted: tuple[Path, ...] = ()
    threads: int = 1
    rows: int | None = None
    compression: str = "lz4"
    any_release: bool = False


def default_flat() -> Path:
    """Where converted models are kept unless told: in the cache of the user (XDG)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "astran" / "models"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of where converted models lie; the same for `dl2` and `convert-models`."""
    parser.add_argument(
        "--flat-models", metavar="DIR", type=Path,
        help="where converted models are kept (default: below the site's shared folder; without a "
        f"site {default_flat()})",
    )  # fmt: skip
    parser.add_argument(
        "--trust", metavar="DIR", type=Path, action="append", default=[],
        help="load pickled models from below this folder; may be repeated",
    )  # fmt: skip


def parse_options(
    words: Sequence[str], flat: Path | None = None
) -> tuple[EngineOptions, list[str]]:
    """Our options, and the words that are for lstchain's tool."""
    parser = argparse.ArgumentParser(
        prog="astran dl2",
        description="DL1 to DL2 with a fast evaluation of the random forests: the options of "
        "lstchain_dl1_to_dl2 (-f, -p, -o, -c, ...), and these:",
        epilog="`lstchain_dl1_to_dl2 --help` lists the options of the stock tool.",
        allow_abbrev=False,
    )
    add_options(parser)
    parser.add_argument(
        "--threads", type=_positive, default=_cpus(),
        help="threads to use (default: what the job was given, here %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--block-rows", type=_positive, metavar="N",
        help="events that are in work at a time (default: 65536, or 262144 with large models)",
    )  # fmt: skip
    parser.add_argument(
        "--compression", choices=COMPRESSIONS, default=COMPRESSIONS[0],
        help="of the table of events: lz4 (default), or zstd as lstchain: slower, smaller",
    )  # fmt: skip
    parser.add_argument(
        "--any-release", action="store_true",
        help="be fast also with a release of lstchain that was not compared yet (compared: "
        f"{', '.join(PROVEN)})",
    )  # fmt: skip
    ours, rest = parser.parse_known_args(list(words))
    choices = EngineOptions(
        flat=ours.flat_models,
        trusted=tuple(ours.trust),
        threads=ours.threads,
        rows=ours.block_rows,
        compression=ours.compression,
        any_release=ours.any_release,
    )
    return choices, rest


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _cpus() -> int:
    """Cores that the job was given; else those that this process may use."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))
