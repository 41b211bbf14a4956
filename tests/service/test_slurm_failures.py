"""Ways in which followers of Slurm have failed, each played to its end through the whole service:
tick, store, Slurm code and the fake cluster."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chaoslib.case import BEGIN, Case
from chaoslib.driver import drive, one_tick, state_of
from chaoslib.house import House, build
from chaoslib.oracle import examine
from fakes.slurm.faults import Faults, Outage
from sqlalchemy import Engine, event

from astran.database.connection import Database

CALM = Case(
    seed=1, runs=2, begin=BEGIN, faults=Faults(wait_s=(30, 30), work_s=(200, 200)),
    accounting=True, min_job_age=300, skew=0, federated=False, outside=False, kills=(),
    pauses={}, recycle=0, cancel=0, tick_s=(60, 60),
)  # fmt: skip
Play = Callable[..., "Scene"]


class Scene:
    """One installation, and what its store says."""

    def __init__(self, house: House, case: Case) -> None:
        self.house, self.case = house, case

    def to_the_end(self) -> Scene:
        """Tick until the analysis has ended, and hold everything against what truly happened."""
        _, _, failed = drive(self.house, self.case)
        findings = examine(self.house, self.case, ended=True, failed=failed)
        assert not findings, findings
        return self

    def ticks(self, count: int, seconds: float = 60, kill_after: str = "") -> Scene:
        for _ in range(count):
            self.house.clock.seconds += seconds
            self.house.cluster.play_until(self.house.clock.seconds)
            one_tick(self.house, self.case, -1, kill_after=kill_after)
        return self

    @property
    def end(self) -> str:
        return state_of(self.house)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.house.database)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def causes(self, key: str) -> list[str]:
        """Of all attempts that truly were submitted."""
        query = "select outcome from attempt join task on task.id = task_id where key = '{}' "
        return [c for (c,) in self.ask(query.format(key) + "order by attempt.id") if c != "void"]

    def state(self, key: str) -> str:
        ((state,),) = self.ask(f"select state from task where key = '{key}'")
        return str(state)

    def requests(self, key: str) -> list[str]:
        """What each attempt asked for."""
        query = "select requested from attempt join task on task.id = task_id where key = '{}' "
        return [r for (r,) in self.ask(query.format(key) + "order by attempt.id")]

    def jobs(self, part: str) -> int:
        return sum(part in job.name for job in self.house.cluster.state.jobs)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def start(**changes: Any) -> Scene:
        template = tmp_path / "template.sqlite"
        Database.open(f"sqlite:///{template}").close()
        cluster = changes.pop("cluster", {})
        faults = {k: changes.pop(k) for k in list(changes) if k in Faults.__dataclass_fields__}
        case = replace(CALM, faults=replace(CALM.faults, **faults), **changes)
        house = build(tmp_path / "house", template, case)
        house.cluster.set(**cluster)
        return Scene(house, case)

    return start


def fates(**by_task: list[str]) -> dict[str, list[str]]:
    return {f"Script_{task}.sh": list(fate) for task, fate in by_task.items()}


def test_a_quiet_night(play: Play) -> None:
    scene = play().to_the_end()
    assert scene.end == "done"
    assert scene.jobs("") == 4, "one array per stage"


def test_a_job_that_nobody_knows_any_more_is_lost_and_done_again_once(play: Play) -> None:
    """Neither waited for without end, nor taken for completed, nor for failed at once."""
    scene = play(runs=1).ticks(3)
    scene.house.cluster.set(jobs=[])
    scene.ticks(12)
    assert scene.causes("dl2-1") == [""]
    scene.ticks(8)
    assert scene.causes("dl2-1") == ["lost", ""]
    scene.house.cluster.set(jobs=[])
    scene.ticks(40)
    assert scene.causes("dl2-1") == ["lost", "lost"]
    assert scene.state("dl2-1") == "failed"


def test_an_outage_of_the_controller_is_no_failure(play: Play) -> None:
    away = Outage("slurmctld", BEGIN + 90, BEGIN + 90 + 7200)
    scene = play(outages=(away,)).to_the_end()
    assert scene.end == "done"
    assert scene.causes("dl2-1") == ["ok"]


@pytest.mark.parametrize("begin", [0, 150])
def test_without_accounting_for_weeks(play: Play, begin: int) -> None:
    away = Outage("slurmdbd", BEGIN + begin, float("inf"))
    scene = play(outages=(away,), fates=fates(dl2_1=["oom"], dl3_2=["tool"])).to_the_end()
    assert scene.causes("dl2-1") == ["memory", "ok"]
    assert scene.end == "partial"


def test_without_accounting_and_with_a_short_memory(play: Play) -> None:
    """Jobs are forgotten before anybody looks: their own records tell."""
    scene = play(accounting=False, min_job_age=30, tick_s=(400, 400)).to_the_end()
    assert scene.end == "done"


def test_an_answer_that_times_out_makes_no_second_job(play: Play) -> None:
    scene = play(rates={"sbatch-timeout-taken": 1.0}, taken_late_s=60).to_the_end()
    assert scene.jobs("") == 4
    assert scene.end == "done"


def test_a_request_that_is_lost_is_made_again(play: Play) -> None:
    scene = play(rates={"sbatch-timeout-lost": 0.6, "sbatch-hangs-lost": 0.3}).to_the_end()
    assert scene.end == "done"


def test_a_submission_that_slurm_has_forgotten_is_not_made_again(play: Play) -> None:
    """The driver dies after sbatch; the job ends and is purged before the next one starts; there
    is no accounting. The job has left its mark in its folder."""
    scene = play(runs=1, accounting=False, min_job_age=30)
    scene.ticks(1, kill_after="sbatch")
    assert scene.ask("select job_id, state from submission") == [("", "intent")]
    scene.ticks(1, 7200).ticks(10)
    assert scene.jobs("dl2") == 1
    assert scene.causes("dl2-1") == ["ok"]


def test_squeue_that_keeps_a_job_to_itself_makes_no_second_one(play: Play) -> None:
    scene = play(
        runs=1, rates={"sbatch-timeout-taken": 0.5, "squeue-short": 0.5}, wait_s=(600, 600)
    )
    scene.to_the_end()
    assert scene.end == "done"


@pytest.mark.parametrize(
    "rate",
    ["sacct-runaway", "sacct-stranger", "sacct-doubled", "sacct-shuffled", "sacct-noisy",
     "squeue-doubled", "squeue-shuffled", "squeue-noisy", "sbatch-noisy", "sbatch-cluster",
     "sbatch-garbage-taken", "sacct-hangs", "sacct-fails", "sacct-garbage"],
)  # fmt: skip
def test_commands_that_always_say_it_badly(play: Play, rate: str) -> None:
    scene = play(rates={rate: 1.0}, fates=fates(dl2_1=["oom"])).to_the_end()
    assert scene.end == "done"
    assert scene.causes("dl2-1") == ["memory", "ok"]


@pytest.mark.parametrize(
    "rate", ["squeue-garbage", "squeue-hangs", "squeue-fails", "squeue-short", "squeue-stale"]
)
def test_a_controller_that_says_it_badly_half_of_the_time(play: Play, rate: str) -> None:
    scene = play(rates={rate: 0.5}, fates=fates(dl2_1=["node"])).to_the_end()
    assert scene.end == "done"
    assert scene.causes("dl2-1") == ["node", "ok"]


def test_an_unknown_word_is_neither_success_nor_failure(play: Play) -> None:
    scene = play(rates={"squeue-strange": 0.5}).to_the_end()
    assert scene.end == "done"
    assert scene.ask("select count(*) from event where kind = 'strange-state'") != [(0,)]


def test_ids_that_are_used_again(play: Play) -> None:
    scene = play(recycle=9, fates=fates(dl2_1=["node"], irf=["oom"])).to_the_end()
    ids = [job.id for job in scene.house.cluster.state.jobs]
    assert len(set(ids)) < len(ids)
    assert scene.end == "done"


@pytest.mark.parametrize("skew", [-280, 280])
def test_a_clock_that_is_wrong(play: Play, skew: float) -> None:
    scene = play(skew=skew, rates={"sbatch-timeout-taken": 1.0}).to_the_end()
    assert scene.end == "done"


@pytest.mark.parametrize("begin", [1_774_745_400.0, 1_792_888_200.0, 1_798_761_300.0])
def test_over_midnight_new_year_and_summer_time(play: Play, begin: float) -> None:
    scene = play(begin=begin, work_s=(3000, 3000), min_job_age=60, tick_s=(300, 300)).to_the_end()
    assert scene.end == "done"


def test_a_federation_of_clusters(play: Play) -> None:
    assert play(federated=True).to_the_end().end == "done"


@pytest.mark.parametrize(
    ("fate", "cause"),
    [("oom", "memory"), ("timeout", "time"), ("timeout-hard", "time"), ("deadline", "time"),
     ("node", "node"), ("node-late", "node"), ("boot", "node"), ("preempted", "preempted"),
     ("crash", "no-record"), ("silent", "no-record"), ("lying", "product"),
     ("oom-as-failed", "no-record")],
)  # fmt: skip
def test_what_may_pass_is_tried_again(play: Play, fate: str, cause: str) -> None:
    """Only the failed one of the array, and for its own cause."""
    scene = play(fates=fates(dl2_2=[fate])).to_the_end()
    assert scene.causes("dl2-2") == [cause, "ok"]
    assert scene.causes("dl2-1") == ["ok"]
    assert scene.end == "done"


def test_memory_and_time_are_raised(play: Play) -> None:
    scene = play(fates=fates(dl2_1=["oom", "oom"], dl2_2=["timeout"])).to_the_end()
    memory = ['"memory_mb": 1000', '"memory_mb": 2000', '"memory_mb": 4000']
    assert all(m in said for m, said in zip(memory, scene.requests("dl2-1"), strict=True))
    assert '"time_min": 90' in scene.requests("dl2-2")[1]


def test_attempts_are_bounded(play: Play) -> None:
    scene = play(fates=fates(dl2_1=["oom"] * 9, dl2_2=["crash", "oom", "crash"])).to_the_end()
    assert scene.causes("dl2-1") == ["memory"] * 3
    assert scene.causes("dl2-2") == ["no-record", "memory", "no-record"]
    assert scene.end == "failed"


def test_preemption_has_a_budget_of_its_own(play: Play) -> None:
    scene = play(fates=fates(dl2_1=["preempted"] * 4)).to_the_end()
    assert scene.causes("dl2-1") == ["preempted"] * 4 + ["ok"]


@pytest.mark.parametrize(
    ("fates_before", "causes"),
    [
        (["preempted", "preempted", "node"], ["preempted", "preempted", "node"]),
        (["node", "node", "preempted", "oom", "crash"],
         ["node", "node", "preempted", "memory", "no-record"]),
        (["preempted"] * 5 + ["oom", "oom"], ["preempted"] * 5 + ["memory", "memory"]),
    ],
)  # fmt: skip
def test_each_cause_has_a_budget_of_its_own(
    play: Play, fates_before: list[str], causes: list[str]
) -> None:
    """Two preemptions, then one node failure: the documentation leaves it two more attempts."""
    scene = play(fates=fates(dl2_1=fates_before)).to_the_end()
    assert scene.causes("dl2-1") == [*causes, "ok"]
    assert scene.end == "done"


def test_over_all_causes_the_attempts_are_bounded(play: Play) -> None:
    mixed = ["preempted"] * 5 + ["oom", "oom", "timeout-hard", "timeout-hard", "node", "node"]
    scene = play(fates=fates(dl2_1=[*mixed, "crash"])).to_the_end()
    assert len(scene.causes("dl2-1")) == 12
    assert scene.state("dl2-1") == "failed"


def test_a_job_that_is_put_back_is_one_attempt(play: Play) -> None:
    scene = play(fates=fates(dl2_1=["requeue", "requeue"])).to_the_end()
    assert scene.causes("dl2-1") == ["ok"]


def test_the_failing_node_is_left_out_as_long_as_there_is_another(play: Play) -> None:
    scene = play(fates=fates(dl2_1=["node", "node"])).to_the_end()
    truth = [t for t in scene.house.cluster.state.truth if t["task"] == "Script_dl2_1.sh"]
    assert truth[0]["node"] != truth[1]["node"]
    jobs = [job for job in scene.house.cluster.state.jobs if "dl2" in job.name]
    assert [sorted(job.exclude) for job in jobs[:2]] == [[], [truth[0]["node"]]]
    assert scene.end == "done", "two nodes have failed, and there are no others"


def test_a_failure_of_the_tool_is_final(play: Play) -> None:
    scene = play(fates=fates(dl3_1=["tool"])).to_the_end()
    assert scene.causes("dl3-1") == ["tool"]
    assert scene.end == "partial"


@pytest.mark.parametrize("fate", ["cancelled", "withdrawn"])
def test_what_was_cancelled_from_outside_is_not_done_again(play: Play, fate: str) -> None:
    scene = play(fates=fates(dl2_2=[fate])).to_the_end()
    assert scene.causes("dl2-2") == ["cancelled"]
    assert scene.jobs("dl2") == 1
    assert scene.end == "partial"


def test_a_slow_file_system(play: Play) -> None:
    """Records and products become visible most of a minute after the end."""
    scene = play(lag_s=55, fates=fates(dl3_1=["tool"])).to_the_end()
    assert scene.causes("dl2-1") == ["ok"]
    assert scene.causes("dl3-1") == ["tool"]


def test_a_slow_file_system_and_an_answer_that_takes_a_minute(play: Play) -> None:
    """The wait for a record begins when the end is known, not when it was asked about."""
    scene = play(lag_s=40, rates={"sacct-hangs": 1.0}).to_the_end()
    assert scene.causes("dl2-1") == scene.causes("dl3-1") == ["ok"]


def test_a_full_quota_is_waited_for(play: Play) -> None:
    scene = play(rates={"sbatch-quota": 0.7}).to_the_end()
    assert scene.end == "done"


def test_arrays_are_cut_by_the_largest_index(play: Play) -> None:
    scene = play(runs=7, cluster={"max_array": 3}).to_the_end()
    arrays = [job.array for job in scene.house.cluster.state.jobs if "dl2" in job.name]
    assert arrays == ["0-2", "0-2", "0-0"]
    assert scene.end == "done"


def test_what_has_not_changed_is_not_read(play: Play) -> None:
    """Neither are tasks fetched of which the queue says the same as before, nor forgotten when it
    says something else."""
    scene = play(runs=4, work_s=(5000, 6000)).ticks(5)
    asked: list[str] = []

    def note(connection: object, cursor: object, text: str, values: object, *_: object) -> None:
        asked.append(" ".join(text.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        scene.ticks(2, 600)
        assert asked and not any("FROM task JOIN attempt" in text for text in asked)
        scene.ticks(3, 2000)
        assert any("FROM task JOIN attempt" in text for text in asked)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert scene.to_the_end().end == "done"
    assert scene.ask("select distinct state from submission") == [("ended",)]


@pytest.mark.parametrize("rate", ["scancel-fails", "scancel-lost"])
def test_cancelling_leaves_nothing_behind(play: Play, rate: str) -> None:
    """What was asked for is asked for again until the queue confirms it."""
    scene = play(cancel=4, rates={rate: 0.6}, work_s=(5000, 5000)).to_the_end()
    assert scene.end == "cancelled"


def test_no_job_waits_for_another(play: Play) -> None:
    """A job that depends on one that failed waits for ever, or starts once that is forgotten: so
    the next stage is submitted when its inputs have passed their check."""
    scene = play(runs=1, fates=fates(dl2_1=["tool"])).to_the_end()
    assert scene.jobs("dl2") == scene.jobs("irf") == 1
    assert scene.jobs("dl3") == 0


def test_an_exit_record_is_worth_more_than_a_silent_queue(play: Play) -> None:
    """A job that is in no book any more has not ended well unless its task says so."""
    scene = play(runs=1, accounting=False).ticks(3)
    scene.house.cluster.play_until(scene.house.clock.seconds + 3600)
    scene.house.cluster.set(jobs=[])
    scene.ticks(4)
    assert scene.causes("dl2-1") == ["ok"]
