"""What does a tick cost while very much is under way?

A store with many live analyses (and many more that ended long ago) and Slurm commands that answer
for all their tasks. Each tick is a whole `astran-launcher`; its CPU time is counted with that of
the commands it calls, and so are the calls.

The bars, at 10,000 live tasks in 100 analyses: a tick takes under 2 s of CPU, and at most 2 calls
of each Slurm command; a history of 2,000 ended analyses adds nothing that matters.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Resources, Stage, Task, fingerprint
from astran.database import analyses, plans, submissions, tasks
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables
from astran.production.job.products import measure_product

BAR_S, BAR_CALLS = 2.0, 2
ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
_COMMAND = """\
#!/bin/sh
echo {name} >> {here}/calls
exec cat {here}/{name}.txt
"""


def task(folder: Path, stage: Stage, run: int, needs: Sequence[str] = ()) -> Task:
    """A task as a plan for LST-1 has it."""
    key = f"{stage}-{run}"
    product = folder / stage.upper() / f"{stage}_LST-1.Run{run}.h5"
    argv = ("lstchain_dl1_to_dl2", "--input-file", f"/data/DL1/dl1_LST-1.Run{run}.h5")
    return Task(
        key=key,
        stage=stage,
        argv=(*argv, "--path-models", "/data/models/dec_2276", "--output-dir", "{work}"),
        outputs=(Output(product.name, str(product), ProductKind.DL2, (("run", run),)),),
        folder=str(folder),
        script=str(folder / "jobmanager" / "v0.12.3" / f"Script_{stage}_{run}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(folder / "jobmanager" / "v0.12.3" / f"{key}.record.json"),
        run=run,
        needs=tuple(needs),
        resources=Resources(2, 16000, 240),
        fingerprint=fingerprint(folder=str(folder), key=key),
    )


def plan(folder: Path, runs: int, stages: Sequence[Stage]) -> Plan:
    """Some stages for each run, each needing the one before."""
    made = []
    for run in range(1, runs + 1):
        needs: tuple[str, ...] = ()
        for stage in stages:
            made.append(task(folder, stage, run, needs))
            needs = (f"{stage}-{run}",)
    return Plan(tuple(made))


def fill(db: Database, workdir: Path, live: int, runs: int, ended: int, now: datetime) -> str:
    """Live analyses whose first stage runs, and ended ones; returns what squeue prints."""
    lines: list[str] = []
    with db.begin() as c:
        for number in range(ended):
            _ended(c, workdir, number, now)
        for number in range(live):
            made = analyses.create_analysis(
                c, now, RequestOrigin(), f"Live{number}", {}, workdir, ""
            )
            layout = plan(made.folder, runs, (Stage.DL2, Stage.DL3))
            source = ("Crab", 83.63, 22.01)
            analyses.move_analysis(c, now, made, AnalysisState.RUNNING)
            plans.store_plan(c, now, made.id, layout, date="20231207", source=source)
            rows = [r for r in tasks.of_analysis(c, made.id) if r.spec.stage is Stage.DL2]
            token = f"astran-{made.name}-dl2-0123abcd"
            tokens = [f"{token}.{i}" for i in range(len(rows))]
            folder = str(made.folder / "jobmanager" / "batches" / token)
            submissions.write_intent(c, now, made.id, token, "slurm", folder, rows, tokens)
            job = submissions.submission_by_token(c, token)
            submissions.confirm_submission(c, now, job, str(1000 + number))
            lines += [_line(1000 + number, i, token, now) for i in range(len(rows))]
    return "".join(lines)


def _line(job: int, index: int, token: str, now: datetime) -> str:
    when = now.strftime("%Y-%m-%dT%H:%M:%S")
    if index % 3:
        return f"{job}|{index}|{token}|PENDING|0|{when}||N/A|N/A|Priority|\n"
    return f"{job}|{index}|{token}|RUNNING|0|{when}|cp{index % 40}|{when}|{when}|None|\n"


def _ended(c: Any, workdir: Path, number: int, now: datetime) -> None:
    """An analysis that was done long ago, with all that stays of it."""
    then = now - timedelta(days=30)
    made = analyses.create_analysis(c, then, RequestOrigin(), f"Old{number}", {}, workdir, "")
    layout = plan(made.folder, 10, (Stage.DL2, Stage.DL3))
    source = ("Crab", 83.63, 22.01)
    plans.store_plan(c, then, made.id, layout, date="20231107", source=source)
    c.execute(
        update(tables.task)
        .where(tables.task.c.analysis_id == made.id)
        .values(state=TaskState.DONE, attempts=1)
    )
    values = {"analysis_id": made.id, "scheduler": "slurm", "state": "ended", "size": 20}
    token = f"astran-{made.name}-all"
    key = c.execute(
        insert(tables.submission).values(
            **values, token=token, job_id=str(number), folder="/f", intent=then, submitted=then
        )
    ).inserted_primary_key
    rows = tasks.of_analysis(c, made.id)
    c.execute(
        insert(tables.attempt),
        [
            {
                "task_id": row.id,
                "submission_id": key[0],
                "number": 1,
                "token": f"{token}.{index}",
                "array_index": index,
                "requested": {"cpus": 2, "memory_mb": 16000, "time_min": 240},
                "sight": "completed",
                "outcome": "ok",
                "ended": then,
                "elapsed_s": 600.0,
                "max_rss_mb": 5000.0,
                "telling": [],
            }
            for index, row in enumerate(rows)
        ],
    )
    c.execute(
        update(tables.analysis)
        .where(tables.analysis.c.id == made.id)
        .values(state=AnalysisState.DONE, started=then, ended=then)
    )


def end_all(url: str, now: datetime) -> str:
    """End every live task with success: its product and its exit record; returns what sacct
    prints."""
    db, lines = Database.open(url), []
    then = now.strftime("%Y-%m-%dT%H:%M:%S")
    with db.begin() as c:
        for batch in submissions.open_submissions(c, "slurm"):
            attempts = tasks.newest_attempts(c, batch.analysis_id, [TaskState.RUNNING])
            for row in tasks.of_analysis(c, batch.analysis_id, [TaskState.RUNNING]):
                attempt = attempts[row.id]
                _end(row.spec, attempt.token, now)
                job = f"{batch.job_id}_{attempt.array_index}"
                lines.append(f"{job}|{batch.token}|COMPLETED|0:0|{then}|600||cp1|None\n")
    db.close()
    return "".join(lines)


def _end(done: Task, token: str, now: datetime) -> None:
    [output] = done.outputs
    product, when = Path(output.path), now.isoformat(timespec="seconds")
    for path in (product, Path(done.record)):
        path.parent.mkdir(parents=True, exist_ok=True)
    product.write_text("x")
    size, mtime_ns = measure_product(product)
    record = ProductRecord(output.path, size, mtime_ns, "0" * 64, output.check, {"rows": 1})
    ExitRecord(
        token=token,
        key=done.key,
        outcome=TaskOutcome.OK,
        returncode=0,
        message="done",
        started=when,
        ended=when,
        host="cp1",
        argv=done.argv,
        products=(record,),
        max_rss_mb=5000.0,
    ).write(Path(done.record))


@dataclass(frozen=True)
class Tick:
    """Cost of one launcher [s of CPU] and its calls."""

    own: float
    children: float
    calls: Counter[str]


@contextmanager
def database(kind: str, workdir: Path) -> Iterator[str]:
    """URL of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{workdir / 'astran.sqlite'}"
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from services.postgres import Postgres

    with Postgres() as server:
        yield server.url(server.new_database())


CHILD = """\
import os, sys
from astran.cli.launcher import main
code = main(sys.argv[1:])
t = os.times()
print(t.user + t.system, t.children_user + t.children_system, file=sys.stderr)
sys.exit(code)
"""


def tick(site: Path, bin_: Path) -> Tick:
    """Run the launcher once, as a process of its own."""
    calls = bin_ / "calls"
    calls.write_text("")
    environ = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    argv = [sys.executable, "-c", CHILD, "--site", str(site)]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the launcher failed:\n{done.stdout}\n{done.stderr}")
    own, children = (float(word) for word in done.stderr.split()[-2:])
    return Tick(own, children, Counter(calls.read_text().split()))


def measure(kind: str, live: int, runs: int, ended: int, ticks: int) -> dict[str, Any]:
    """The whole measurement, as the JSON object that is printed."""
    now = datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory() as name, database(kind, Path(name)) as url:
        folder = Path(name)
        bin_, workdir = folder / "bin", folder / "work"
        bin_.mkdir()
        for command in COMMANDS:
            (bin_ / command).write_text(_COMMAND.format(name=command, here=bin_))
            (bin_ / command).chmod(0o755)
            (bin_ / f"{command}.txt").write_text("")
        site = folder / "site.yml"
        scheduler = {"kind": "slurm", "poll_shortest_s": 0, "poll_longest_s": 0}
        settings = {"site": "Benchmark", "workdir": str(workdir), "database": url}
        site.write_text(json.dumps({**settings, "scheduler": scheduler}))
        db = Database.open(url)
        queue = fill(db, workdir, live, runs, ended, now)
        db.close()
        (bin_ / "squeue.txt").write_text(queue)
        first = tick(site, bin_)  # every task is seen for the first time
        steady = [tick(site, bin_) for _ in range(ticks)]
        (bin_ / "squeue.txt").write_text(queue.replace("|PENDING|", "|RUNNING|"))
        turn = tick(site, bin_)  # all that waited has begun
        (bin_ / "squeue.txt").write_text("")
        (bin_ / "sacct.txt").write_text(end_all(url, now))
        (bin_ / "sbatch.txt").write_text("5000\n")
        end = tick(site, bin_)  # all have ended, and their next stage is submitted
    costs = sorted(one.own + one.children for one in steady)
    worst = max((first, turn, end, *steady), key=lambda one: one.own + one.children)
    calls = {name: max(one.calls[name] for one in (first, turn, *steady)) for name in COMMANDS}
    return {
        "name": "busy_tick",
        "database": kind,
        "live_tasks": live * runs,
        "live_analyses": live,
        "ended_analyses": ended,
        "unit": "s of CPU",
        "bar": BAR_S,
        "ours": round(costs[len(costs) // 2], 3),
        "first": round(first.own + first.children, 3),
        "all_change": round(turn.own + turn.children, 3),
        "all_end": round(end.own + end.children, 3),
        "all_end_commands": round(end.children, 3),
        "all_end_submissions": end.calls["sbatch"],
        "worst": round(worst.own + worst.children, 3),
        "commands_share": round(steady[0].children, 3),
        "calls": calls,
    }


def main() -> int:
    """Measure and print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--analyses", type=int, default=100)
    parser.add_argument("--runs", type=int, default=100, help="live tasks per analysis")
    parser.add_argument("--ended", type=int, default=2000, help="ended analyses in the store")
    parser.add_argument("--ticks", type=int, default=3)
    args = parser.parse_args()
    result = measure(args.database, args.analyses, args.runs, args.ended, args.ticks)
    print(f"live tasks        {result['live_tasks']} in {result['live_analyses']} analyses")
    print(f"steady tick       {result['ours']:.2f} s of CPU  (bar: {BAR_S:g})")
    print(f"first sight       {result['first']:.2f} s")
    print(f"all change        {result['all_change']:.2f} s")
    print(
        f"all end           {result['all_end']:.2f} s, {result['all_end_commands']:.2f} s of them "
        f"in {result['all_end_submissions']} submissions"
    )
    print(f"calls in a tick   {result['calls']}")
    if args.json:
        print(json.dumps(result))
    return int(result["worst"] >= BAR_S or max(result["calls"].values()) > BAR_CALLS)


if __name__ == "__main__":
    sys.exit(main())
