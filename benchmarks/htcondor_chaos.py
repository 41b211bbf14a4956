"""Does the port for HTCondor survive what a real pool can suffer?

Rounds of one array each on a private pool with two machines, while at random moments daemons are
killed (schedd, startd, starter, shadow, negotiator) or stopped for some seconds (schedd,
collector), jobs are evicted, held, released and removed by another hand, and condor_submit itself
is killed. Every element writes a line into a journal outside of ASTRAN when it begins and when it
has done its work. Wrong is: an attempt that began twice, a success without work, an element without
an end after ten minutes, a cluster that nobody knows of.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from scheduler.benches import Bench, condor_bench  # noqa: E402
from services.condor import HOW, CondorPool, home  # noqa: E402

from astran.base.errors import (  # noqa: E402
    SchedulerError,
    SubmitRefused,
    SubmitUnknown,
    ToolTimeout,
)
from astran.base.process import Completed, run_command  # noqa: E402
from astran.base.scheduler import JobRef, JobState, Known, Missing  # noqa: E402
from astran.config.htcondor import HTCondorSettings  # noqa: E402
from astran.scheduler.htcondor.condor_pool import HTCondorScheduler  # noqa: E402

ELEMENTS, PATIENCE_S = 6, 600.0


class HastyRunner:
    """Runs commands; now and then one of condor_submit is killed after a random time."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def __call__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        if os.fspath(argv[0]) == "condor_submit" and self._dice.random() < 0.3:
            timeout = self._dice.uniform(0.02, 0.4)
        return run_command(argv, timeout=timeout, check=check, env=env)


def disturbances(
    pool: CondorPool, job: JobRef, dice: random.Random
) -> dict[str, Callable[[], object]]:
    """What may happen, by name."""
    one = f"{job.job_id}.{dice.randrange(ELEMENTS)}"

    def stop(daemon: str) -> None:
        pool.signal(daemon, signal.SIGSTOP)
        time.sleep(dice.uniform(1, 8))
        pool.signal(daemon, signal.SIGCONT)

    kills = {
        f"kill {name}": (lambda name=name: pool.signal(name, signal.SIGKILL))
        for name in ("schedd", "startd", "starter", "shadow", "negotiator")
    }
    return {
        **kills,
        "stop schedd": lambda: stop("schedd"),
        "stop collector": lambda: stop("collector"),
        "evict": lambda: pool.run("condor_vacate_job", one, check=False),
        "hold": lambda: pool.run("condor_hold", one, check=False),
        "release": lambda: pool.run("condor_release", job.job_id, check=False),
        "remove": lambda: pool.run("condor_rm", one, check=False),
    }


def submit(bench: Bench, journal: Path, dice: random.Random) -> JobRef:
    """One array, found again where the answer was lost."""
    body = (
        f'echo "begin $ASTRAN_TOKEN" >> "{journal}"; sleep {dice.uniform(1, 12):.1f}; '
        f'echo "end $ASTRAN_TOKEN" >> "{journal}"'
    )
    while True:
        batch, submitted = bench.batch(*[body] * ELEMENTS), datetime.now(UTC)
        try:
            job_id = bench.scheduler.submit(batch)
        except SubmitRefused:
            time.sleep(1)
            continue
        except (SubmitUnknown, ToolTimeout):
            answer = look_up(bench, batch.token, submitted, batch.folder)
            if answer is None:
                continue
            job_id = answer
        return JobRef(batch.token, job_id, submitted, ELEMENTS, batch.folder)


def look_up(bench: Bench, token: str, submitted: datetime, folder: str) -> str | None:
    """As the service does: absent twice, and then forbidden."""
    absent = 0
    while True:
        answer = bench.find(token, submitted)
        if isinstance(answer, str):
            return answer
        absent = absent + 1 if isinstance(answer, Missing) else 0
        if absent >= 2:
            try:
                return bench.scheduler.forbid(token, folder)
            except SchedulerError:
                absent = 0
        time.sleep(2)


def play(bench: Bench, pool: CondorPool, dice: random.Random, folder: Path) -> list[str]:
    """One round; what was wrong."""
    journal = folder / "journal"
    job = submit(bench, journal, dice)
    done: list[str] = []
    end, wrong = time.monotonic() + PATIENCE_S, []
    while True:
        if len(done) < 3 and dice.random() < 0.5:
            name, act = dice.choice(list(disturbances(pool, job, dice).items()))
            done.append(name)
            act()
        found = bench.scheduler.poll([job]).statuses([job])
        states = [s.state for s in found.values() if isinstance(s, Known)]
        if JobState.HELD in states and len(done) >= 3:  # somebody lets go what somebody held
            bench.scheduler.release(job, range(ELEMENTS))
        if len(states) == ELEMENTS and all(state.ended for state in states):
            break
        if time.monotonic() > end:
            wrong.append(f"stuck: {found}")
            break
        time.sleep(0.5)
    lines = Counter(journal.read_text().splitlines() if journal.exists() else ())
    wrong += [f"twice: {line}" for line, number in lines.items() if number > 1]
    for (token, index), status in found.items():
        good = isinstance(status, Known) and status.state is JobState.COMPLETED
        if good and not lines[f"end {token}.{index}"]:
            wrong.append(f"a success without work: {token}.{index}")
    ends = Counter(s.state.value for s in found.values() if isinstance(s, Known))
    print(f"{', '.join(done) or 'nothing'}: {dict(ends)} {wrong or ''}", flush=True)
    return wrong


def main() -> int:
    """0 where nothing was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if home() is None:
        sys.exit(f"HTCondor is not here. {HOW}")
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name, CondorPool() as pool:
        for seed in range(args.seed, args.seed + args.runs):
            dice, folder = random.Random(seed), Path(name) / str(seed)
            folder.mkdir()
            bench = condor_bench(pool, folder)
            bench.scheduler = HTCondorScheduler(
                HTCondorSettings(timeout=20), folder, pool.env, HastyRunner(dice)
            )
            pool.wait_until_up()
            print(f"seed {seed}: ", end="")
            wrong += play(bench, pool, dice, folder)
        pool.wait_until_up()
        left = pool.run("condor_q", "-af", "ClusterId", "JobStatus").split("\n")
    print(
        f"{args.runs} runs, {len(wrong)} wrong; {len(left) - 1} ended elements still in the queue"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
