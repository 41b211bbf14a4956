"""Does the cost of a task stay the same while an archive grows?

Night after night of a simulated archive goes through the whole service: planner, store, sbatch
controller, verdicts, report. Slurm and the tools are stand-ins that answer at once, in this
process; their CPU time is not counted. The catalogue is left out: it reads files, not the store.

The bar: the last thousand runs cost at most 1.3 times as much CPU per task as the first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "production")]

from fakes.instant_scheduler import InstantScheduler  # noqa: E402
from production_samples import TOOLS, a_config, a_night, a_site, ref  # noqa: E402

from astran.base.night_data import RunFile  # noqa: E402
from astran.base.process import Completed  # noqa: E402
from astran.base.tasks import Task  # noqa: E402
from astran.config.slurm import SlurmSettings  # noqa: E402
from astran.database import analyses, tasks  # noqa: E402
from astran.database.analyses import RequestOrigin  # noqa: E402
from astran.database.connection import Database  # noqa: E402
from astran.scheduler.slurm.controller import SlurmScheduler  # noqa: E402
from astran.service import planning  # noqa: E402
from astran.service.context import Context  # noqa: E402
from astran.service.tick import run_tick  # noqa: E402
from astran.telescopes.lst.environment import releases  # noqa: E402

BAR = 1.3
PER_NIGHT = 20
BLOCK = 1000
"""Runs of which the cost is averaged."""


class Hands:
    """A clock that moves a minute with each tick."""

    def __init__(self) -> None:
        self.time = datetime(2024, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class QuickSlurm:
    """Slurm's commands in this process: a task has ended well as soon as it is submitted."""

    def __init__(self, clock: Hands) -> None:
        self._clock, self._tools = clock, InstantScheduler(clock)
        self._jobs: deque[tuple[int, str, int, str]] = deque(maxlen=8)
        self._number = 0
        self.cpu = 0.0
        """Spent here, and not by ASTRAN [s]."""

    def __call__(
        self,
        argv: Sequence[Any],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> Completed:
        begin = time.process_time()
        words = [str(word) for word in argv]
        said = getattr(self, f"_{words[0]}")(words[1:])
        self.cpu += time.process_time() - begin
        return Completed(tuple(words), 0, said, "")

    def _sbatch(self, words: list[str]) -> str:
        self._number += 1
        name = next(w for w in words if w.startswith("--job-name=")).partition("=")[2]
        lines = Path(words[-1]).with_suffix(".tsv").read_text().splitlines()
        for line in lines:
            _, script, _, token = line.split("\t")
            task = Task.from_json(json.loads(Path(f"{script}.json").read_text()))
            self._tools._do(task, token)
        when = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S")
        self._jobs.append((self._number, name, len(lines), when))
        return f"{self._number}\n"

    def _squeue(self, words: list[str]) -> str:
        return "".join(
            f"{number}|{index}|{name}|COMPLETED|0|{when}|n1|{when}|{when}|None|\n"
            for number, name, size, when in self._jobs
            for index in range(size)
        )

    def _sacct(self, words: list[str]) -> str:
        return "".join(
            f"{number}_{index}|{name}|COMPLETED|0:0|{when}|2|300M|n1|None\n"
            for number, name, size, when in self._jobs
            for index in range(size)
        )

    def _scontrol(self, words: list[str]) -> str:
        return "MaxArraySize            = 1001\n"


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'astran.sqlite'}"
        return
    from services.postgres import Postgres

    with Postgres() as server:
        yield server.url(server.new_database())


class Archive:
    """A service, and nights for it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = Hands()
        self.slurm = QuickSlurm(self.clock)
        site = a_site(folder, database=url, scheduler={"kind": "slurm"})
        self.db = Database.open(url)
        scheduler = SlurmScheduler(SlurmSettings(), {}, runner=self.slurm)
        self.context = Context(site, self.db, self.clock, sys.executable, lambda: scheduler)
        self._night = date(2004, 1, 1)
        self._run = 0
        releases.find_toolset = lambda *args, **kwargs: TOOLS
        planning.find_data = lambda *args, **kwargs: self._data

    def night(self) -> tuple[int, int]:
        """One night from request to end; the number of its runs and of its tasks."""
        self._night += timedelta(days=1)
        runs = range(self._run + 1, self._run + PER_NIGHT + 1)
        self._run += PER_NIGHT
        self._data = a_night(
            runs=tuple(RunFile(run, ref(f"/data/DL1/dl1_LST-1.Run{run:05d}.h5")) for run in runs)
        )
        config = a_config(date=f"{self._night:%Y%m%d}")
        workdir, now = self.context.site.workdir, self.clock.now()
        with self.db.begin() as db:
            plain = config.plain()
            made = analyses.create_analysis(
                db, now, RequestOrigin(), config.label, plain, workdir, ""
            )
        for _ in range(20):
            self.clock.sleep(60)
            if faults := run_tick(self.context, mail=False).faults:
                raise SystemExit(f"a fault: {faults}")
            with self.db.begin() as db:
                if analyses.get_analysis(db, made.id).state.final:
                    break
        with self.db.begin() as db:
            states = [node.state for node in tasks.outline(db, made.id).values()]
        if not all(state.succeeded for state in states):
            raise SystemExit(f"{made.name} did not end well: {states}")
        return PER_NIGHT, len(states)


def measure(kind: str, runs: int) -> dict[str, Any]:
    """The whole measurement, as the JSON object that is printed."""
    costs: list[float] = []
    total = 0
    with tempfile.TemporaryDirectory() as name, database(kind, Path(name)) as url:
        archive = Archive(Path(name), url)
        archive.night()  # imports
        while len(costs) * BLOCK < runs:
            begin, own, number, block = time.process_time(), archive.slurm.cpu, 0, 0
            while block < BLOCK:
                done, count = archive.night()
                block += done
                number += count
            spent = time.process_time() - begin - (archive.slurm.cpu - own)
            costs.append(spent / number)
            total += number
            print(f"{len(costs) * BLOCK:6d} runs  {costs[-1] * 1e3:.2f} ms per task", flush=True)
        archive.db.close()
    return {
        "name": "archive",
        "database": kind,
        "unit": "ms of CPU per task",
        "bar": BAR,
        "runs": runs,
        "tasks": total,
        "first": round(costs[0] * 1e3, 3),
        "last": round(costs[-1] * 1e3, 3),
        "ratio": round(costs[-1] / costs[0], 3),
    }


def main() -> int:
    """Measure and print; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--runs", type=int, default=20_000)
    args = parser.parse_args()
    result = measure(args.database, args.runs)
    print(f"last thousand / first: {result['ratio']:.2f}  (bar: {BAR:g})")
    if args.json:
        print(json.dumps(result))
    return int(result["ratio"] > BAR)


if __name__ == "__main__":
    sys.exit(main())
