"""What does the simulated world see? Plants bugs, one at a time, and looks for each.

    .venv/bin/python benchmarks/world_eyesight.py [--schedules N] [--jobs N] [--only TEXT]

Each bug is a small patch (tests/world/planted.py), played in a process of its own until an
invariant is broken. Ends with 1 where fewer than 48 of 50 are found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from world.planted import PLANTED, plant  # noqa: E402

SHARE = 48 / 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=2000, help="at most so many per bug")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--only", default="", help="bugs whose names hold this text")
    parser.add_argument("--hunt", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.hunt:
        print(hunt(args.hunt, args.schedules))
        return 0
    names = [bug.name for bug in PLANTED if args.only in bug.name]
    with ThreadPoolExecutor(args.jobs) as pool:
        answers = list(pool.map(lambda name: _apart(name, args.schedules), names))
    found = sum(answer.startswith("found") for answer in answers)
    print(f"{found} of {len(names)} found")
    return 0 if found >= SHARE * len(names) else 1


def _apart(name: str, schedules: int) -> str:
    argv = [sys.executable, __file__, "--hunt", name, "--schedules", str(schedules)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    answer = done.stdout.strip() or f"broken: {done.stderr.strip()[-300:]}"
    print(f"{name:60} {answer}", flush=True)
    return answer


def hunt(name: str, schedules: int) -> str:
    """Plant a bug here and play until an invariant is broken; what came of it."""
    plant(next(bug for bug in PLANTED if bug.name == name))
    from world.play import play_schedule
    from world.schedule import draw

    for seed in range(schedules):
        try:
            breaches = play_schedule(draw(seed)).breaches
        except Exception as error:  # noqa: BLE001 - the engine itself fell over: seen, too
            breaches = (f"{type(error).__name__}: {error}",)
        if breaches:
            return f"found after {seed + 1}: {breaches[0].splitlines()[0][:90]}"
    return f"not found in {schedules}"


if __name__ == "__main__":
    sys.exit(main())
