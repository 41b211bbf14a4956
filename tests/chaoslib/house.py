"""An installation with one analysis of three stages, its tasks played by a stand-in."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from chaoslib.case import Case
from fakes.condor.pool import FakePool
from fakes.slurm.cluster import FakeCluster

from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.states import AnalysisState
from astran.base.tasks import Output, Plan, ProductKind, Resources, Stage, Task
from astran.config.site import SiteConfig
from astran.database import analyses, plans
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.production.job import scripts
from astran.service.context import Context
from astran.telescopes.lst.settings import LstConfig

_STAND_IN = """\
#!/bin/bash
# In place of the runner: makes the product and the exit record that the fake Slurm calls for.
said="${@: -1}.$FAKE_SLURM_PLAY"
[ "$FAKE_SLURM_PLAY" = start ] && exit 0
. "${@: -1}.play"
if [ "$FAKE_SLURM_PLAY" = ok ]; then
    printf '%s' "$ASTRAN_TOKEN" > "$product.part"
    mv -f "$product.part" "$product"
    [ -n "$results" ] && echo '{}' > "$results"
fi
text=$(< "$said")
text=${text//@TOKEN@/$ASTRAN_TOKEN}
printf '%s' "${text//\\"@SIZE@\\"/${#ASTRAN_TOKEN}}" > "$record.part"
mv -f "$record.part" "$record"
case $FAKE_SLURM_PLAY in tool) exit 10;; stopped) exit 13;; esac
"""


class PlayedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class House:
    """One installation."""

    folder: Path
    site: SiteConfig
    cluster: FakeCluster
    clock: PlayedClock
    tasks: tuple[Task, ...]

    @property
    def database(self) -> Path:
        return self.folder / "astran.sqlite"


def build(folder: Path, template: Path, case: Case) -> House:
    """Everything up to the moment at which the first task may be submitted.

    Parameters
    ----------
    folder : new folder for the whole of it
    template : an empty database with ASTRAN's schema
    """
    folder.mkdir(parents=True)
    kind = FakePool if case.scheduler == "htcondor" else FakeCluster
    cluster = kind(
        folder / "cluster", case.faults, played=True, now=case.begin, skew=case.skew,
        accounting=case.accounting, min_job_age=case.min_job_age, federated=case.federated,
        next_id=100,
    )  # fmt: skip
    limits = {"timeout": 20 if case.outside else 60}
    throttle = 3 if case.seed % 4 == 0 else 0
    site = SiteConfig.model_validate(
        {
            "site": "chaos",
            "workdir": str(folder / "work"),
            "database": f"sqlite:///{folder / 'astran.sqlite'}",
            "scheduler": {
                "kind": case.scheduler,
                case.scheduler: limits,
                "throttle": throttle,
            },
        }
    )
    shutil.copyfile(template, folder / "astran.sqlite")
    clock = PlayedClock(case.begin)
    tasks = _store(folder, site, clock, case)
    return House(folder, site, cluster, clock, tasks)


def _store(folder: Path, site: SiteConfig, clock: PlayedClock, case: Case) -> tuple[Task, ...]:
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    night = f"{clock.now() - timedelta(days=1):%Y%m%d}"
    config = LstConfig.model_validate({"target": target, "date": night})
    db = _opened(site.database_url)
    with db.begin() as connection:
        made = analyses.create_analysis(
            connection, clock.now(), RequestOrigin(), config.label, config.plain(), site.workdir, ""
        )
        analyses.move_analysis(connection, clock.now(), made, AnalysisState.RUNNING, "planned")
        plan = Plan(_tasks(made.folder, case.runs))
        plans.store_plan(
            connection, clock.now(), made.id, plan, date=config.date, source=("Crab", 83.6, 22.0)
        )
    db.close()
    stand_in = folder / "stand-in"
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    for task in plan.tasks:
        scripts.write_scripts(task, site, None, str(stand_in))
        _write_play(task)
    return plan.tasks


def _tasks(folder: Path, runs: int) -> tuple[Task, ...]:
    numbers = range(1, runs + 1)
    tasks = [_task(folder, Stage.DL2, n) for n in numbers]
    tasks.append(_task(folder, Stage.IRF, None))
    tasks += [_task(folder, Stage.DL3, n, needs=(f"dl2-{n}", "irf")) for n in numbers]
    tasks.append(_task(folder, Stage.HIGHLEVEL, None, after=tuple(f"dl3-{n}" for n in numbers)))
    return tuple(tasks)


def _task(
    folder: Path,
    stage: Stage,
    run: int | None,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> Task:
    name = stage.value if run is None else f"{stage}_{run}"
    key = name.replace("_", "-")
    product = folder / ("results" if stage is Stage.HIGHLEVEL else f"{key}.product")
    jobs = folder / "jobmanager" / "none"
    return Task(
        key=key,
        stage=stage,
        argv=("chaos", key),
        outputs=(Output(product.name, str(product), ProductKind(stage.value) if stage is not
                        Stage.HIGHLEVEL else ProductKind.RESULTS),),
        folder=str(folder),
        script=str(jobs / f"Script_{name}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(jobs / f"{key}.record.json"),
        run=run,
        needs=needs,
        after=after,
        resources=Resources(1, 1000, 60),
        fingerprint="" if after else f"chaos-{key}",
    )  # fmt: skip


def product_of(task: Task) -> Path:
    """The file that holds the token of the attempt which made it."""
    path = Path(task.outputs[0].path)
    return path / "token" if task.stage is Stage.HIGHLEVEL else path


def _write_play(task: Task) -> None:
    """What the stand-in says of the task's end, beside the task's script."""
    product, stem = product_of(task), f"{task.script}.json"
    product.parent.mkdir(parents=True, exist_ok=True)
    results = product.parent / "results.json" if task.stage is Stage.HIGHLEVEL else ""
    play = f"product='{product}'\nrecord='{task.record}'\nresults='{results}'\n"
    Path(f"{stem}.play").write_text(play)
    made = ProductRecord(task.outputs[0].path, -1, 0, "", task.outputs[0].check)
    outcomes = {
        "ok": (TaskOutcome.OK, (made,)),
        "lying": (TaskOutcome.OK, (ProductRecord(f"{product}.lost", 1, 0, "", made.check),)),
        "tool": (TaskOutcome.TOOL_FAILED, ()),
        "stopped": (TaskOutcome.STOPPED, ()),
    }
    for deed, (outcome, products) in outcomes.items():
        record = ExitRecord(
            token="@TOKEN@", key=task.key, outcome=outcome, returncode=10 if deed == "tool" else 0,
            message=deed, started="2026-01-01T00:00:00+00:00", ended="2026-01-01T00:01:00+00:00",
            host="fake", argv=task.argv, products=products,
        )  # fmt: skip
        text = json.dumps(asdict(record)).replace('"size": -1', '"size": "@SIZE@"')
        Path(f"{stem}.{deed}").write_text(text)


@cache
def _opened(url: str) -> Database:
    """One object for all databases that are at this place in turn: it keeps the statements that it
    has compiled, and no connection from one tick to the next."""
    return Database.open(url)


def context_of(house: House, **more: object) -> Context:
    """The service, as a launcher sees it that has just been started."""
    database = _opened(house.site.database_url)
    return Context(house.site, database, house.clock, "python", **more)  # type: ignore[arg-type]
