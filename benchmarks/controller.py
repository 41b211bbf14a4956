"""What does following job arrays cost?

The same arrays are followed in turns, on the same moments, by

  ours       ASTRAN: one look of its service (`follow`), with all that it reads from its store and
             writes into it
  submitit   a round of its `helpers.monitor_jobs`: one sacct call for all, then each job's state,
             and whether it is done
  single     one sacct call for each task, as simple scripts do it

The cost is CPU time, that of the called commands included, per task and poll. Two ways:

  stand-in   100 arrays of 100 tasks each. squeue and sacct are stand-ins that print, at nearly no
             cost, what Slurm prints of a night in which 2,000 tasks run at a time for 20 minutes
             each, looked at every 30 s: in each poll 50 of them end and 50 others begin. Those of
             an older array come first, as they do in Slurm's queue; or, for a second figure, all
             arrays share evenly, as they do where each is throttled.
  slurm      one array on a true Slurm (a private one on loopback), with its true commands: their
             own cost, the same for all followers, is most of what it takes.

The bar: with the stand-ins ours costs at most a tenth of each of the others.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from services.slurm import HOW, SlurmCluster, missing  # noqa: E402

from astran.base.states import AnalysisState  # noqa: E402
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task  # noqa: E402
from astran.cli.common import make_context  # noqa: E402
from astran.config.yaml_files import load_site  # noqa: E402
from astran.database import analyses, plans, tasks  # noqa: E402
from astran.database.analyses import RequestOrigin  # noqa: E402
from astran.service.context import Context  # noqa: E402
from astran.service.jobs.polling import poll_scheduler  # noqa: E402
from astran.service.tick import run_tick  # noqa: E402

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


def open_site(folder: Path, kind: str = "slurm") -> Context:
    """ASTRAN with a store of its own, that looks whenever it is asked to."""
    scheduler = {"kind": kind, "poll_shortest_s": 0, "poll_longest_s": 0, "resources": {}}
    site = folder / "site.yml"
    settings = {"site": "Benchmark", "workdir": str(folder / "work"), "scheduler": scheduler}
    site.write_text(json.dumps(settings))
    return make_context(load_site(site))


def plan_array(context: Context, number: int, seconds: float) -> int:
    """An analysis of so many tasks that sleep; its id."""
    now, workdir = datetime.now(UTC), context.site.workdir
    with context.db.begin() as db:
        made = analyses.create_analysis(db, now, RequestOrigin(), "Array", {}, workdir, "")
        script = made.folder / "sleep.sh"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/bash\nsleep {seconds}\n")
        plan = Plan(tuple(one_task(made.folder, script, run) for run in range(1, number + 1)))
        analyses.move_analysis(db, now, made, AnalysisState.RUNNING)
        source = ("Crab", 83.63, 22.01)
        plans.store_plan(db, now, made.id, plan, date="20231207", source=source)
    return made.id


def job_ids(context: Context) -> list[str]:
    with context.db.begin() as db:
        query = "select job_id from submission order by id"
        return [str(job) for job in db.exec_driver_sql(query).scalars()]


def one_task(folder: Path, script: Path, run: int) -> Task:
    """A task without products: it is only followed here."""
    from astran.base.tasks import Resources

    return Task(
        key=f"dl2-{run}",
        stage=Stage.DL2,
        argv=("sleep",),
        outputs=(Output("p", str(folder / f"p{run}"), ProductKind.DL2),),
        folder=str(folder),
        script=str(script),
        log=str(folder / "log" / f"dl2-{run}.log"),
        record=str(folder / f"dl2-{run}.record.json"),
        run=run,
        resources=Resources(1, 50, 60),
    )


def submitit_jobs(folder: Path, arrays: list[str], number: int) -> list[Any]:
    """submitit's own objects for the elements of the arrays."""
    from submitit.slurm.slurm import SlurmJob

    where = folder / "submitit"
    return [SlurmJob(where, f"{job}_{i}", tasks=[0]) for job in arrays for i in range(number)]


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


def on_slurm(number: int, polls: int, pause: float) -> dict[str, Any]:
    """One array on a true Slurm."""
    costs = Costs()
    with SlurmCluster() as cluster, tempfile.TemporaryDirectory() as name:
        os.environ["SLURM_CONF"] = str(cluster.conf)
        folder = Path(name)
        context = open_site(folder)
        analysis = plan_array(context, number, 8.0)
        run_tick(context, mail=False)
        (job,) = job_ids(context)
        jobs = submitit_jobs(folder, [job], number)
        time.sleep(8)  # accounting hears of a job some seconds late
        poll_scheduler(context)
        poll_submitit(jobs)
        some = list(range(0, number, max(1, number // SINGLE)))[:SINGLE]
        for _ in range(polls):
            time.sleep(pause)
            costs.ours.append(cost(lambda: poll_scheduler(context)) / number)
            costs.peer.append(cost(lambda: poll_submitit(jobs)) / number)
            costs.single.append(cost(lambda: poll_single(job, some)) / len(some))
        seen = states_of(context, [analysis])
        told = Counter(poll_submitit(jobs))
        context.db.close()
        cluster.cancel_all()
        del os.environ["SLURM_CONF"]
    return {"tasks": number, "arrays": 1, "polls": polls, **costs.told(), **ends(seen, told)}


def on_stand_ins(arrays: int, number: int, polls: int, evenly: bool = False) -> dict[str, Any]:
    """Many arrays whose life is played; tasks begin in the order of their submission, or evenly
    in all arrays."""
    costs = Costs()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = open_site(folder)
        found = [plan_array(context, number, 0) for _ in range(arrays)]
        night = Night(folder / "bin", evenly)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{night.folder}:{before}"
        run_tick(context, mail=False)
        with context.db.begin() as db:
            query = "select job_id, token from submission order by id"
            night.begin(dict(map(tuple, db.exec_driver_sql(query))), number)
        jobs = submitit_jobs(folder, job_ids(context), number)
        for _ in range(WARM_UP):
            night.go_on()
            poll_scheduler(context)
        poll_submitit(jobs)
        total = arrays * number
        some = list(range(0, number, max(1, number // SINGLE)))[:SINGLE]
        for _ in range(polls):
            night.go_on()
            costs.ours.append(cost(lambda: poll_scheduler(context)) / total)
            costs.peer.append(cost(lambda: poll_submitit(jobs)) / total)
            costs.single.append(cost(lambda: poll_single("1", some)) / len(some))
        quiet = [cost(lambda: poll_scheduler(context)) / total for _ in range(3)]
        seen, told = states_of(context, found), Counter(poll_submitit(jobs))
        context.db.close()
        os.environ["PATH"] = before
    rest = {
        "changes_per_poll": 2 * RUNNING // LENGTH,
        "quiet": us(quiet),
        **ends(seen, told),
    }
    return {"tasks": total, "arrays": arrays, "polls": polls, **costs.told(), **rest}


@dataclass
class Costs:
    """CPU time per task of each poll [s]."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        mine = statistics.fmean(self.ours)
        return {
            "ours": us(self.ours),
            "peer": us(self.peer),
            "single": us(self.single),
            "ratio": round(statistics.fmean(self.peer) / mine, 2),
            "ratio_single": round(statistics.fmean(self.single) / mine, 1),
        }


def us(values: list[float]) -> float:
    return round(statistics.fmean(values) * 1e6, 2)


def states_of(context: Context, found: list[int]) -> Counter[str]:
    with context.db.begin() as db:
        return Counter(n.state.value for one in found for n in tasks.outline(db, one).values())


def ends(seen: Counter[str], told: Counter[str]) -> dict[str, Any]:
    """What both know in the end, so that it can be compared."""
    return {"states_ours": dict(seen), "states_submitit": dict(told)}


WARM_UP = 60
RUNNING, LENGTH, KEPT = 2000, 40, 10
"""Tasks at a time, polls that each takes, polls for which squeue shows what has ended."""
_COMMAND = """\
#!/bin/sh
exec cat {here}/{name}.txt
"""
_SACCT = """\
#!/bin/sh
case "$*" in
*--duplicates*) exec cat {here}/sacct.ended.txt ;;
*) exec cat {here}/sacct.txt ;;
esac
"""
_SBATCH = """\
#!/bin/sh
number=$(($(cat {here}/number) + 1))
echo $number > {here}/number
echo $number
"""


class Night:
    """The life of some arrays, one poll after another, as squeue and sacct tell it."""

    def __init__(self, folder: Path, evenly: bool) -> None:
        self.folder = folder
        self._evenly = evenly
        folder.mkdir()
        for name in ("squeue", "sacct", "scontrol", "scancel"):
            self._write(name, _COMMAND.format(here=folder, name=name))
            (folder / f"{name}.txt").touch()
        self._write("sacct", _SACCT.format(here=folder))
        self._write("sbatch", _SBATCH.format(here=folder))
        (folder / "number").write_text("100")
        self.polls = 0
        self._waiting: dict[str, int] = {}
        """Of each array the first index that has not begun."""
        self._live: list[tuple[int, str, int]] = []
        """Poll of the end, array, index of what runs and what has ended."""

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def begin(self, names: dict[str, str], number: int) -> None:
        self._names, self._number = names, number
        self._waiting = dict.fromkeys(names, 0)
        self._when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def go_on(self) -> None:
        """Play until the next poll."""
        self.polls += 1
        running = sum(end > self.polls for end, _, _ in self._live)
        some = min(RUNNING - running, RUNNING // LENGTH)
        begun = 0
        while begun < some and any(n < self._number for n in self._waiting.values()):
            array = self._next()
            self._live.append((self.polls + LENGTH, array, self._waiting[array]))
            self._waiting[array] += 1
            begun += 1
        self._tell()

    def _next(self) -> str:
        if self._evenly:
            return min(self._waiting, key=lambda job: self._waiting[job])
        return next(job for job, first in self._waiting.items() if first < self._number)

    def _tell(self) -> None:
        queue, books, ended = [], ["JobID|State|NodeList"], []
        for array, first in self._waiting.items():
            if first < self._number:
                rest = f"{first}-{self._number - 1}"
                queue.append(self._row(array, rest, "PENDING", "", "N/A", "Priority"))
                books.append(f"{array}_[{rest}]|PENDING|None assigned")
        for end, array, index in self._live:
            word = "RUNNING" if end > self.polls else "COMPLETED"
            node = f"cp{index % 40}"
            if end > self.polls - KEPT:
                queue.append(self._row(array, str(index), word, node, self._when, "None"))
            name = f"{array}_{index}"
            books += [f"{name}|{word}|{node}", f"{name}.batch|{word}|{node}"]
            if end == self.polls:  # ASTRAN asks about these only
                tail = f"{word}|0:0|{self._when}|1200"
                ended += [f"{name}|{self._names[array]}|{tail}||{node}|None"]
                ended += [f"{name}.batch|batch|{tail}|4376K|{node}|"]
        (self.folder / "squeue.txt").write_text("\n".join(queue) + "\n")
        (self.folder / "sacct.txt").write_text("\n".join(books) + "\n")
        (self.folder / "sacct.ended.txt").write_text("\n".join(ended) + "\n")

    def _row(self, array: str, indices: str, word: str, node: str, begin: str, why: str) -> str:
        cells = (array, indices, self._names[array], word, "0", self._when, node, begin, begin, why)
        return "|".join(cells) + "|"


def main() -> int:
    """Measure and print; 1 where the bar is missed, 2 where something is not installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--on", choices=("stand-in", "slurm", "both"), default="both")
    parser.add_argument("--arrays", type=int, default=100, help="with stand-ins")
    parser.add_argument("--tasks", type=int, default=100, help="of each of these arrays")
    parser.add_argument("--slurm-tasks", type=int, default=1000, help="of the array on Slurm")
    parser.add_argument("--polls", type=int, default=10)
    parser.add_argument("--pause", type=float, default=2.0, help="between polls of Slurm [s]")
    args = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    if args.on != "slurm":
        results["stand-in"] = on_stand_ins(args.arrays, args.tasks, args.polls)
        evenly = on_stand_ins(args.arrays, args.tasks, args.polls, evenly=True)
        results["stand-in, evenly"] = evenly
    if args.on != "stand-in":
        if absent := missing():
            print(f"Slurm is not here ({', '.join(absent)}). {HOW}", file=sys.stderr)
            return 2
        results["slurm"] = on_slurm(args.slurm_tasks, args.polls, args.pause)
    for name, found in results.items():
        print(
            f"{name}: {found['arrays']} arrays, {found['tasks']} tasks; us of CPU per task and poll"
        )
        print(f"  ASTRAN             {found['ours']:10.2f}")
        print(f"  submitit           {found['peer']:10.2f}   {found['ratio']:.1f} times as much")
        print(f"  a sacct per task   {found['single']:10.2f}   {found['ratio_single']:.0f} times")
    judged = results.get("stand-in") or results["slurm"]
    if args.json:
        said = {"name": "controller", "unit": "us of CPU per task and poll", "bar": BAR}
        version = importlib.metadata.version("submitit")
        rest = {name: found for name, found in results.items() if found is not judged}
        print(json.dumps({**said, "submitit": version, **judged, **rest}))
    return int(min(judged["ratio"], judged["ratio_single"]) < BAR)


if __name__ == "__main__":
    sys.exit(main())
