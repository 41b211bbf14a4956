"""Cancel, hold, release and retry of parts of an analysis, as a person does it, on a fake Slurm."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.slurm.cluster import FakeCluster
from fakes.slurm.state import locked

from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.cli.common import make_context
from astran.cli.main import main
from astran.config.yaml_files import load_site
from astran.database import analyses, plans, tasks
from astran.database.analyses import RequestOrigin
from astran.database.schema import tables
from astran.service.context import Context
from astran.service.jobs.task_control import leave_out_failed
from astran.service.tick import run_tick

RUNS = (1, 2, 3)


class House:
    """A site with a fake Slurm that has room for nothing, and one analysis of three runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.cluster = FakeCluster(folder / "cluster", slots=0)
        for name, value in self.cluster.env.items():
            if os.environ.get(name) != value:
                monkeypatch.setenv(name, value)
        self.site = folder / "site.yml"
        settings = {"site": "T", "workdir": str(folder / "work")}
        scheduler = {"kind": "slurm", "poll_shortest_s": 0, "poll_longest_s": 0}
        self.site.write_text(json.dumps({**settings, "scheduler": scheduler}))
        self.context: Context = make_context(load_site(self.site))
        self.db = self.context.db
        self.id = self._launch()
        self.tick()

    def _launch(self) -> int:
        now = datetime.now(UTC)
        with self.db.begin() as db:
            made = analyses.create_analysis(
                db, now, RequestOrigin(), "Crab", {}, self.folder / "work", ""
            )
            analyses.move_analysis(db, now, made, AnalysisState.RUNNING)
            dl2 = [self._task(made.folder, Stage.DL2, run) for run in RUNS]
            dl3 = [self._task(made.folder, Stage.DL3, run, f"dl2-{run}") for run in RUNS]
            source = ("Crab", 83.6, 22.0)
            plan = Plan((*dl2, *dl3))
            plans.store_plan(db, now, made.id, plan, date="20231207", source=source)
        return made.id

    def _task(self, folder: Path, stage: Stage, run: int, *needs: str) -> Task:
        key = f"{stage}-{run}"
        script = folder / f"{key}.sh"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("#!/bin/bash\n")
        return Task(
            key=key,
            stage=stage,
            argv=("tool",),
            outputs=(Output(key, str(folder / key), ProductKind.DL2),),
            folder=str(folder),
            script=str(script),
            log=str(folder / f"{key}.log"),
            record=str(folder / f"{key}.record.json"),
            run=run,
            needs=needs,
        )

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            assert run_tick(self.context, mail=False).faults == []

    def astran(self, command: str, *words: str) -> int:
        return main([command, f"A{self.id}", *words, "--site", str(self.site)])

    def states(self) -> dict[str, TaskState]:
        with self.db.begin() as db:
            return {key: node.state for key, node in tasks.outline(db, self.id).items()}

    def reasons(self) -> dict[str, str]:
        """What squeue says of each run's waiting DL2 task."""
        said = self.cluster.run("squeue", "--array", "--noheader", "--format=%K|%T|%r")
        rows = [line.split("|") for line in said.split()]
        return {f"dl2-{int(index) + 1}": reason for index, _, reason in rows}

    def ends(self, key: str, outcome: TaskOutcome = TaskOutcome.OK) -> None:
        """The task leaves its exit record, and Slurm forgets it."""
        with self.db.begin() as db:
            row = next(row for row in tasks.of_analysis(db, self.id) if row.key == key)
            attempt = tasks.newest_attempts(db, self.id)[row.id]
        product = Path(row.spec.outputs[0].path)
        product.write_text("data")
        good = outcome is TaskOutcome.OK
        made = ProductRecord(str(product), 4, product.stat().st_mtime_ns, "0" * 64, "dl2")
        now = datetime.now(UTC).isoformat()
        ExitRecord(
            token=attempt.token,
            key=key,
            outcome=outcome,
            returncode=0 if good else 1,
            message="said the tool",
            started=now,
            ended=now,
            host="n1",
            products=(made,) if good else (),
        ).write(Path(row.spec.record))
        with locked(self.cluster.folder) as state:
            for job in state.jobs:
                for element in job.elements:
                    if f"{job.name}.{element.index}" == attempt.token:
                        element.state = "COMPLETED" if good else "FAILED"
                        element.code, element.end = int(not good), state.time()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path, monkeypatch)
    yield made
    made.db.close()
    made.cluster.close()


Print = pytest.CaptureFixture[str]


def test_a_run_is_cancelled_and_the_others_go_on(house: House, capsys: Print) -> None:
    assert house.reasons().keys() == {"dl2-1", "dl2-2", "dl2-3"}
    assert house.astran("cancel", "--run", "2") == 0
    said = capsys.readouterr().out
    assert "dl2-2" in said and "dl3-2" in said and "dl2-1" not in said
    house.tick(2)
    assert house.reasons().keys() == {"dl2-1", "dl2-3"}, "gone from the queue"
    states = house.states()
    assert states["dl2-2"] is TaskState.CANCELLED and states["dl3-2"].final
    assert states["dl2-1"] is states["dl2-3"] is TaskState.SUBMITTED
    with house.db.begin() as db:
        row = next(row for row in tasks.of_analysis(db, house.id) if row.key == "dl2-2")
    assert row.attempts == 1, "not submitted again"


def test_a_stage_is_cancelled(house: House, capsys: Print) -> None:
    assert house.astran("cancel", "--stage", "dl3") == 0
    assert "3 tasks cancelled: dl3-1, dl3-2, dl3-3" in capsys.readouterr().out
    house.ends("dl2-1")
    house.tick(2)
    states = house.states()
    assert states["dl2-1"] is TaskState.DONE and states["dl3-1"] is TaskState.CANCELLED


def test_a_cancelled_element_that_no_one_remembers_is_not_lost(house: House) -> None:
    """Slurm keeps no record of a waiting element that was cancelled."""
    house.astran("cancel", "--run", "1")
    with locked(house.cluster.folder) as state:
        for job in state.jobs:
            job.elements = [e for e in job.elements if e.index != 0]
    house.tick()
    assert house.states()["dl2-1"] is TaskState.SUBMITTED, "one answer may leave something out"
    house.tick()
    assert house.states()["dl2-1"] is TaskState.CANCELLED


def test_a_run_is_held_and_released(house: House, capsys: Print) -> None:
    assert house.astran("hold", "--run", "3") == 0
    assert "2 tasks to hold: dl2-3, dl3-3" in capsys.readouterr().out
    assert house.reasons()["dl2-3"] == "JobHeldUser" != house.reasons()["dl2-1"]
    house.tick()
    house.ends("dl2-3")  # an administrator may let it run nevertheless
    house.tick(2)
    states = house.states()
    assert states["dl2-3"] is TaskState.DONE
    assert states["dl3-3"] is TaskState.PLANNED, "held: not submitted"
    assert house.astran("release", "--run", "3") == 0
    house.tick()
    assert house.states()["dl3-3"] is TaskState.SUBMITTED


def test_what_is_held_in_the_queue_is_released_there(house: House, capsys: Print) -> None:
    house.astran("hold")
    house.tick()
    assert set(house.reasons().values()) == {"JobHeldUser"}
    house.astran("release", "--stage", "dl2")
    house.tick()
    assert "JobHeldUser" not in house.reasons().values()
    house.tick()
    capsys.readouterr()
    assert house.astran("release", "--stage", "dl2") == 0
    assert "nothing is held" in capsys.readouterr().out


def test_only_what_failed_runs_again_in_place(house: House, capsys: Print) -> None:
    house.ends("dl2-1")
    house.ends("dl2-2", TaskOutcome.TOOL_FAILED)
    house.tick(2)
    states = house.states()
    assert states["dl2-1"] is TaskState.DONE and states["dl3-1"] is TaskState.SUBMITTED
    assert states["dl2-2"] is states["dl3-2"] is TaskState.FAILED
    before = house.cluster.state.calls.get("sbatch")
    assert house.astran("retry", "--run", "2") == 0
    assert "2 tasks run again: dl2-2, dl3-2" in capsys.readouterr().out
    states = house.states()
    assert states["dl2-2"] is TaskState.SUBMITTED and states["dl3-2"] is TaskState.PLANNED
    assert house.cluster.state.calls.get("sbatch") == (before or 0) + 1
    assert house.astran("retry", "--run", "1") == 2, "nothing of it failed"


def test_a_part_that_is_not_there_is_named(house: House, capsys: Print) -> None:
    assert house.astran("cancel", "--run", "99") == 2
    said = capsys.readouterr().err
    assert "has no task for run 99" in said and "dl2, dl3" in said


def test_of_an_ended_analysis_only_the_chosen_failure_is_repeated(house: House) -> None:
    house.ends("dl2-1")
    house.ends("dl2-2", TaskOutcome.TOOL_FAILED)
    house.ends("dl2-3", TaskOutcome.TOOL_FAILED)
    house.tick(2)
    with house.db.begin() as db:
        now = datetime.now(UTC)
        db.execute(
            tables.task.update()
            .where(tables.task.c.state.not_in([TaskState.DONE, TaskState.FAILED]))
            .values(state=TaskState.DONE)
        )
        old = analyses.get_analysis(db, house.id)
        analyses.move_analysis(db, now, old, AnalysisState.REPORTING)
        analyses.move_analysis(db, now, analyses.get_analysis(db, house.id), AnalysisState.PARTIAL)
        rows = tasks.of_analysis(db, house.id)
    assert house.astran("retry", "--run", "3") == 0
    with house.db.begin() as db:
        new = analyses.newest_analyses(db, 1)[0]
        plan = Plan(tuple(row.spec for row in rows))
        source = ("Crab", 83.6, 22.0)
        plans.store_plan(db, now, new.id, plan, date="20231207", source=source)
        leave_out_failed(db, now, new)
        states = {row.key: (row.state, row.reason) for row in tasks.of_analysis(db, new.id)}
    assert states["dl2-2"] == (TaskState.CANCELLED, f"left as it was in A{house.id}")
    assert states["dl2-3"][0] is states["dl2-1"][0] is TaskState.PLANNED
