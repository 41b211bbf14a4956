"""What does following a job array cost?

One array of many tasks on a real Slurm (a private one on loopback), followed in turns, on the same
moments, by

  ours       ASTRAN: one look of its service, with all that it writes into its store
  submitit   a round of its `helpers.monitor_jobs`: one sacct call for all, then each job's state
  single     one sacct call for each task, as simple scripts do it

The cost is CPU time, that of the called commands included, per task and poll. The bar: ours costs
at most a tenth of each of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from services.slurm import HOW, SlurmCluster, missing  # noqa: E402

from astran.base.states import AnalysisState, TaskState  # noqa: E402
from astran.base.tasks import Check, Output, Plan, Stage, Task  # noqa: E402
from astran.cli.common import make_context  # noqa: E402
from astran.config.load import load_site  # noqa: E402
from astran.service.context import Context  # noqa: E402
from astran.service.observing import follow  # noqa: E402
from astran.service.tick import tick  # noqa: E402
from astran.store import analyses, plans, tasks  # noqa: E402
from astran.store.analyses import Origin  # noqa: E402

BAR = 10.0
SINGLE = 20
"""Of single polls so many tasks are measured: the cost of each is the same."""


def cpu() -> float:
    """CPU time of this process and its ended children [s]."""
    parts = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def cost(act: Callable[[], object]) -> float:
    begin = cpu()
    act()
    return cpu() - begin


def launch(folder: Path, number: int, seconds: float) -> tuple[Context, int, str]:
    """An analysis of so many tasks that sleep, submitted; the context, its id and the job's id."""
    slurm = {"poll_shortest_s": 0, "poll_longest_s": 0, "partition": ""}
    scheduler = {"kind": "slurm", "slurm": slurm, "resources": {}}
    site = folder / "site.yml"
    settings = {"site": "Benchmark", "workdir": str(folder / "work"), "scheduler": scheduler}
    site.write_text(json.dumps(settings))
    context = make_context(load_site(site), lambda text: None)
    now = datetime.now(UTC)
    with context.db.begin() as db:
        made = analyses.create(db, now, Origin(), "Array", {}, folder / "work", "")
        script = made.folder / "sleep.sh"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/bash\nsleep {seconds}\n")
        plan = Plan(tuple(one_task(made.folder, script, run) for run in range(1, number + 1)))
        analyses.move(db, now, made, AnalysisState.RUNNING)
        source = ("Crab", 83.63, 22.01)
        plans.store(db, now, made.id, plan, date="20231207", source=source)
    tick(context, mail=False)
    with context.db.begin() as db:
        job = db.exec_driver_sql("select job_id from submission").scalar_one()
    return context, made.id, str(job)


def one_task(folder: Path, script: Path, run: int) -> Task:
    """A task without products: it is only followed here."""
    from astran.base.tasks import Resources

    return Task(
        key=f"dl2-{run}",
        stage=Stage.DL2,
        argv=("sleep",),
        outputs=(Output("p", str(folder / f"p{run}"), Check.DL2),),
        folder=str(folder),
        script=str(script),
        log=str(folder / "log" / f"dl2-{run}.log"),
        record=str(folder / f"dl2-{run}.record.json"),
        run=run,
        resources=Resources(1, 50, 60),
    )


def submitit_jobs(folder: Path, job: str, number: int) -> list[Any]:
    """submitit's own objects for the elements of the array."""
    from submitit.slurm.slurm import SlurmJob

    return [SlurmJob(folder / "submitit", f"{job}_{i}", tasks=[0]) for i in range(number)]


def poll_submitit(jobs: list[Any]) -> list[str]:
    """One round of submitit's own `helpers.monitor_jobs`, without its printing."""
    jobs[0].get_info(mode="force")
    states = []
    for job in jobs:
        states.append(job.state.upper())
        job.done()
    return states


def poll_single(job: str, indices: list[int]) -> list[str]:
    """A sacct for each."""
    words = ["sacct", "-n", "-X", "--parsable2", "--format=State,ExitCode", "-j"]
    return [
        subprocess.run(
            [*words, f"{job}_{i}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for i in indices
    ]


def measure(number: int, polls: int, pause: float) -> dict[str, Any]:
    """The whole comparison, as the JSON object that is printed."""
    ours: list[float] = []
    peer: list[float] = []
    single: list[float] = []
    with SlurmCluster() as cluster, tempfile.TemporaryDirectory() as name:
        os.environ["SLURM_CONF"] = str(cluster.conf)
        folder = Path(name)
        context, analysis, job = launch(folder, number, 8.0)
        jobs = submitit_jobs(folder, job, number)
        for one in jobs:
            one.watcher.register_job(one.job_id)
        time.sleep(8)  # accounting hears of a job some seconds late
        follow(context)
        poll_submitit(jobs)
        some = list(range(0, number, max(1, number // SINGLE)))[:SINGLE]
        for _ in range(polls):
            time.sleep(pause)
            ours.append(cost(lambda: follow(context)) / number)
            peer.append(cost(lambda: poll_submitit(jobs)) / number)
            single.append(cost(lambda: poll_single(job, some)) / len(some))
        with context.db.begin() as db:
            states = [node.state for node in tasks.outline(db, analysis).values()]
        seen = {state.value: states.count(state) for state in TaskState if state in states}
        told = poll_submitit(jobs)
        context.db.close()
        cluster.cancel_all()
    mine = statistics.median(ours)
    return {
        "name": "controller",
        "unit": "us of CPU per task and poll",
        "bar": BAR,
        "tasks": number,
        "polls": polls,
        "ours": round(mine * 1e6, 2),
        "peer": round(statistics.median(peer) * 1e6, 2),
        "single": round(statistics.median(single) * 1e6, 1),
        "ratio": round(statistics.median(peer) / mine, 2),
        "ratio_single": round(statistics.median(single) / mine, 1),
        "states_ours": seen,
        "states_submitit": {word: told.count(word) for word in sorted(set(told))},
    }


def main() -> int:
    """Measure and print; 1 where the bar is missed, 2 where something is not installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--tasks", type=int, default=1000, help="elements of the array")
    parser.add_argument("--polls", type=int, default=10)
    parser.add_argument("--pause", type=float, default=2.0, help="between two polls [s]")
    args = parser.parse_args()
    if absent := missing():
        print(f"Slurm is not here ({', '.join(absent)}). {HOW}", file=sys.stderr)
        return 2
    result = measure(args.tasks, args.polls, args.pause)
    print(f"array of {result['tasks']} tasks; {result['unit']}:")
    print(f"  ASTRAN             {result['ours']:10.1f}")
    print(f"  submitit           {result['peer']:10.1f}   {result['ratio']:.1f} times as much")
    print(f"  a sacct per task   {result['single']:10.1f}   {result['ratio_single']:.0f} times")
    if args.json:
        print(json.dumps(result))
    return int(min(result["ratio"], result["ratio_single"]) < BAR)


if __name__ == "__main__":
    sys.exit(main())
