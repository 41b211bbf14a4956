"""Schedules in the simulated world: what is lost, doubled, silent or stuck, and in which.

    .venv/bin/python benchmarks/world.py [--schedules 100000] [--first SEED] [--jobs N]
    .venv/bin/python benchmarks/world.py --single       every single fault once
    .venv/bin/python benchmarks/world.py --seed N       one schedule, with its trace

A schedule that breaks an invariant (docs/guarantees.md) is shrunk and printed. Ends with 1 if there
was one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from world.play import Played, play_schedule
from world.schedule import Schedule, draw
from world.shrink import shrink
from world.single_faults import all_single_faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--single", action="store_true", help="every single fault once")
    parser.add_argument("--part", default="0/1", help="with --single: which part of how many")
    parser.add_argument("--seed", type=int, help="play one, and show it")
    args = parser.parse_args()
    if args.seed is not None:
        return _show(play_schedule(draw(args.seed)))
    begin, cpu_s, plays, found = time.monotonic(), 0.0, 0, 0
    with Pool(args.jobs) as pool:
        for played, spent_s in pool.imap_unordered(_play, _schedules(args), chunksize=8):
            plays, cpu_s = plays + 1, cpu_s + spent_s
            if played is not None:
                found += 1
                _tell(shrink(played))
    wall_s = time.monotonic() - begin
    print(f"{plays} schedules, {found} break an invariant; {cpu_s / max(plays, 1):.3f} s of CPU")
    print(f"each, {wall_s:.0f} s in all")
    return 1 if found else 0


def _schedules(args: argparse.Namespace) -> Iterable[Schedule]:
    if args.single:
        part, of = map(int, args.part.split("/"))
        return islice(all_single_faults(), part, None, of)
    return _drawn(range(args.first, args.first + args.schedules))


def _drawn(seeds: range) -> Iterator[Schedule]:
    for seed in seeds:
        yield draw(seed)


def _play(schedule: Schedule) -> tuple[Played | None, float]:
    begin = time.process_time()
    played = play_schedule(schedule)
    return played if played.breaches else None, time.process_time() - begin


def _tell(played: Played) -> None:
    print(f"seed {played.schedule.seed}: {played.breaches[0]}")
    for step in played.schedule.steps:
        print(f"    {step}")
    sys.stdout.flush()


def _show(played: Played) -> int:
    print("\n".join(played.trace))
    print(f"digest {played.digest}")
    if played.breaches:
        _tell(shrink(played))
    return 1 if played.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
