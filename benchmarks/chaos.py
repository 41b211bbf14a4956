"""Does the controller survive everything?

Each run is an analysis of three stages (DL2 and IRF, DL3, high-level) that goes through the true
tick, store and Slurm code, on the fake Slurm of tests/fakes with random faults, or with
`--on htcondor` through those of HTCondor. Ticks are processes of their own until, in each run at
least once, one of them was killed by SIGKILL at a random statement, commit, command or change of a
file. Time is played, the array scripts are truly run.

All is drawn from a seed; the seed of a case that fails is printed: `--runs 1 --seed THAT` does the
same again, `--verbose` tells what happened.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from chaoslib.case import draw  # noqa: E402
from chaoslib.driver import drive, ended, state_of  # noqa: E402
from chaoslib.house import build  # noqa: E402
from chaoslib.oracle import Findings, examine  # noqa: E402

from astran.database.connection import Database  # noqa: E402

KINDS = ("duplicates", "lost", "false_success", "stuck", "wrong_end")


@dataclass(frozen=True)
class Result:
    """What came of one run."""

    seed: int
    state: str
    ticks: int
    kills: int
    findings: Findings


def one_run(
    seed: int, folder: Path, template: Path, keep: bool = False, scheduler: str = "slurm"
) -> Result:
    """Play one case to its end."""
    case = draw(seed, scheduler)
    home = folder / (f"run{seed}" if keep else f"worker{os.getpid()}")
    house = build(home, template, case)
    ticks, kills, failed = drive(house, case)
    findings = examine(house, case, ended=ended(house), failed=failed)
    state = state_of(house)
    if not keep:
        shutil.rmtree(home, ignore_errors=True)
    return Result(seed, state, ticks, kills, findings)


def make_template(folder: Path) -> Path:
    """An empty database, to be copied for each run."""
    path = folder / "template.sqlite"
    Database.open(f"sqlite:///{path}").close()
    return path


def play(seeds: range, folder: Path, workers: int, keep: bool, scheduler: str) -> Iterator[Result]:
    """All cases, as they end."""
    template = make_template(folder)
    job = partial(one_run, folder=folder, template=template, keep=keep, scheduler=scheduler)
    if workers == 1 or len(seeds) == 1:
        yield from map(job, seeds)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(job, seeds, chunksize=4)


def tell(result: Result) -> None:
    """The seed of a case that failed, and in what."""
    print(f"seed {result.seed} failed (again with: --runs 1 --seed {result.seed} --verbose)")
    for kind, texts in vars(result.findings).items():
        for text in texts:
            print(f"    {kind}: {text}")


def summary(results: list[Result]) -> dict[str, int]:
    """The object that is printed: each count is a number of runs."""
    counts = {kind: sum(bool(getattr(r.findings, kind)) for r in results) for kind in KINDS}
    return {"runs": len(results), **counts}


def main() -> int:
    """Play and judge; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="number of runs (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run (default: 1)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="one line for each run")
    parser.add_argument(
        "--on",
        choices=("slurm", "htcondor"),
        default="slurm",
        help="the fake scheduler (default: slurm)",
    )
    parser.add_argument("--keep", type=Path, help="keep everything in this folder")
    args = parser.parse_args()
    shared = Path("/dev/shm")
    base = args.keep or Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    base.mkdir(parents=True, exist_ok=True)
    begin, results = time.monotonic(), []
    try:
        seeds = range(args.seed, args.seed + args.runs)
        for result in play(seeds, base, args.workers, bool(args.keep), args.on):
            results.append(result)
            if result.findings:
                tell(result)
            if args.verbose:
                print(f"seed {result.seed}: {result.state}, {result.ticks} ticks, "
                      f"{result.kills} kills", flush=True)  # fmt: skip
    finally:
        if not args.keep:
            shutil.rmtree(base, ignore_errors=True)
    said = summary(results)
    ends = Counter(result.state for result in results)
    print(f"{sum(r.ticks for r in results)} ticks in {time.monotonic() - begin:.0f} s, "
          f"{sum(r.kills for r in results)} times killed, "
          f"{sum(not r.kills for r in results)} runs without a kill")  # fmt: skip
    print("ends: " + ", ".join(f"{ends[state]} {state}" for state in sorted(ends)))
    print(", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in said.items()))
    if args.json:
        print(json.dumps(said))
    return int(any(said[kind] for kind in KINDS))


if __name__ == "__main__":
    sys.exit(main())
