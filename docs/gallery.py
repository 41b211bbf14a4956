"""Make the images of gallery.md: one real and one simulated night or more, every kind of plot.

    make gallery        (or: python docs/gallery.py --data DIR [--simulated DIR])

The public DL3 data are not part of the project: `--data`, or ASTRAN_TEST_DATA, names the folder
with `hess-dl3-dr1` and `magic/rad_max`. `--simulated` names a folder of simulated DL3, such as
`astran demo` leaves; without it those images stay as they are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = HERE / "gallery"
DATA = HERE.parent.parent / "shared" / "data"


@dataclass(frozen=True)
class Show:
    """An analysis, and which of its plots are shown."""

    name: str
    folder: str
    words: tuple[str, ...]
    plots: tuple[str, ...]


SHOWS = (
    Show(
        "crab-magic",
        "magic/rad_max",
        ("--target", "Crab"),
        ("theta2", "skymap", "significance_distribution", "cumulative", "spectrum", "events"),
    ),
    Show(
        "crab-hess",
        "hess-dl3-dr1",
        ("--target", "Crab", "--theta-cut", "0.11", "--energy-min", "0.5"),
        ("skymap", "response"),
    ),
    Show(
        "flare-hess",
        "hess-dl3-dr1",
        ("--target", "PKS 2155-304", "--theta-cut", "0.11"),
        ("light_curve", "spectrum", "data_taking", "rates"),
    ),
    Show(
        "extended-hess",
        "hess-dl3-dr1",
        ("--target", "MSH 15-52", "--theta-cut", "0.2", "--energy-min", "0.5"),
        ("theta2", "skymap"),
    ),
    Show(
        "nothing-hess",
        "hess-dl3-dr1",
        ("--target", "3C 273", "--ra", "187.2792", "--dec", "2.0524", "--theta-cut", "0.11"),
        ("theta2", "spectrum", "significance_distribution"),
    ),
)
SIMULATED = Show(
    "simulated-lst",
    "",
    ("--target", "Crab", "--simulated"),
    ("theta2", "skymap", "rates", "data_taking"),
)


def draw(show: Show, dl3: Path) -> int:
    """Analyse, and copy the images that are shown; returns the exit code of the analysis."""
    from astran.highlevel.__main__ import main as highlevel

    with tempfile.TemporaryDirectory(prefix="astran-gallery-") as place:
        code = highlevel(["--dl3", str(dl3), *show.words, "--output", place])
        for plot in show.plots if code == 0 else ():
            shutil.copyfile(Path(place) / f"{plot}.png", IMAGES / f"{show.name}-{plot}.png")
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """1 where an analysis failed, 2 without data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("ASTRAN_TEST_DATA", DATA))
    parser.add_argument("--data", type=Path, default=default, help="folder of public DL3 data")
    parser.add_argument("--simulated", type=Path, help="folder of simulated DL3")
    args = parser.parse_args(argv)
    if not args.data.is_dir():
        print(f"no public DL3 data in {args.data}: give --data", file=sys.stderr)
        return 2
    IMAGES.mkdir(exist_ok=True)
    codes = [draw(show, args.data / show.folder) for show in SHOWS]
    if args.simulated:
        codes.append(draw(SIMULATED, args.simulated))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
