"""What a real pool does to its jobs by itself, by other hands, and when its daemons die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scheduler.benches import Bench, condor_bench, state_of
from services.condor import CondorPool

from astran.base.errors import SchedulerUnavailable, SubmitRefused, SubmitUnknown
from astran.base.findings import Result
from astran.base.scheduler import JobState, Known, Missing, Unavailable
from astran.base.tasks import Resources
from astran.scheduler.htcondor import job_ads


@pytest.fixture
def bench(condor_pool: CondorPool, tmp_path: Path) -> Iterator[Bench]:
    made = condor_bench(condor_pool, tmp_path)
    yield made
    made.close()


def counted(bench: Bench, then: str = "sleep 300") -> str:
    """A body that notes each of its starts in `runs`."""
    return f'echo "$ASTRAN_TOKEN" >> "{bench.folder}/runs"; {then}'


def starts(bench: Bench) -> list[str]:
    path = bench.folder / "runs"
    return path.read_text().split() if path.exists() else []


def pool_of(bench: Bench) -> CondorPool:
    assert bench.pool is not None
    return bench.pool


def test_an_evicted_task_is_not_started_again(bench: Bench) -> None:
    job = bench.submit(bench.batch(counted(bench)))
    bench.until(job, "started", lambda _: starts(bench))
    pool_of(bench).run("condor_vacate_job", f"{job.job_id}.0")
    bench.until_all(job, JobState.PREEMPTED)
    assert len(starts(bench)) == 1
    bench.scheduler.release(job, [0])  # nobody sets it free by mistake
    time.sleep(2)
    assert state_of(bench.look(job)[0]) is JobState.PREEMPTED
    assert len(starts(bench)) == 1


def test_a_lost_node_is_named_and_a_killed_schedd_starts_nothing_twice(bench: Bench) -> None:
    """The lease of this pool is 20 s, the shortest that HTCondor takes."""
    first = bench.submit(bench.batch(counted(bench, "sleep 4")))
    bench.until(first, "started", lambda _: starts(bench))
    assert pool_of(bench).signal("schedd", signal.SIGKILL)
    pool_of(bench).wait_until_up()
    # it went on, or its second start ended at once
    ended = bench.ended(first)[0]
    assert state_of(ended) in (JobState.COMPLETED, JobState.NODE_FAIL)
    assert len(starts(bench)) == 1
    second = bench.submit(bench.batch(counted(bench)))
    running = bench.until_all(second, JobState.RUNNING)[0]
    assert isinstance(running, Known)
    bench.until(second, "started", lambda _: len(starts(bench)) == 2)
    machine = running.node.partition("@")[0]
    assert pool_of(bench).signal("startd", signal.SIGKILL, machine)
    pool_of(bench).signal("starter", signal.SIGKILL)
    lost = bench.until_all(second, JobState.NODE_FAIL)[0]
    assert isinstance(lost, Known) and lost.node == running.node
    assert len(starts(bench)) == 2
    pool_of(bench).wait_until_up()


def test_holds_and_removals_by_another_hand(bench: Bench) -> None:
    job = bench.submit(bench.batch(counted(bench), counted(bench)))
    bench.until(job, "started", lambda _: len(starts(bench)) == 2)
    pool_of(bench).run("condor_hold", "-reason", "not tonight", f"{job.job_id}.0")
    pool_of(bench).run("condor_rm", f"{job.job_id}.1")
    seen = bench.until(job, "held and removed", lambda s: state_of(s[1]) is JobState.CANCELLED)
    assert state_of(seen[0]) is JobState.HELD
    assert isinstance(seen[0], Known) and "not tonight" in seen[0].reason
    # released, it would run a second time
    pool_of(bench).run("condor_release", f"{job.job_id}.0")
    bench.until(job, "preempted", lambda s: state_of(s[0]) is JobState.PREEMPTED)
    assert len(starts(bench)) == 2


def test_a_job_that_no_machine_can_run_is_held(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_ads, "IDLE_S", 1)
    job = bench.submit(bench.batch("true", "true", resources=Resources(1, 900_000, 5)))
    seen = bench.until_all(job, JobState.HELD)[1]
    assert isinstance(seen, Known)
    assert seen.reason.startswith("It can never start: of ")
    assert "TARGET.Memory >= RequestMemory" in seen.reason


def test_a_silent_schedd_proves_nothing(bench: Bench) -> None:
    """Commands are given up; what was submitted meanwhile is found by its token."""
    job = bench.submit(bench.batch("exit 4", "sleep 300"))
    bench.until(job, "one has ended", lambda s: state_of(s[0]) is JobState.FAILED)
    hasty = condor_bench(pool_of(bench), bench.folder, timeout=2).scheduler
    batch, before = bench.batch("sleep 1"), datetime.now(UTC)
    pool_of(bench).signal("schedd", signal.SIGSTOP)
    try:
        statuses = hasty.poll([job]).statuses([job])
        assert isinstance(statuses[job.token, 1], Unavailable)
        with pytest.raises(SubmitUnknown):
            hasty.submit(batch)
        assert isinstance(hasty.find_jobs({batch.token: before})[batch.token], Unavailable)
        with pytest.raises(SchedulerUnavailable):
            hasty.cancel(job)
    finally:
        pool_of(bench).signal("schedd", signal.SIGCONT)
    answer: object = None
    for _ in range(50):
        answer = bench.find(batch.token, before)
        if not isinstance(answer, Unavailable):
            break
        time.sleep(0.2)
    # condor_submit was killed while it waited: one transaction, so there is a whole job or none
    assert answer == Missing() or isinstance(answer, str)
    assert state_of(bench.until_all(job, JobState.FAILED, JobState.RUNNING)[0]) is JobState.FAILED


def test_a_schedd_that_is_away_takes_nothing(bench: Bench) -> None:
    assert pool_of(bench).signal("schedd", signal.SIGKILL)
    batch, before = bench.batch("true"), datetime.now(UTC)
    try:
        bench.submit(batch)
    except SubmitRefused as refused:
        assert refused.transient
        pool_of(bench).wait_until_up()
        assert bench.find(batch.token, before) == Missing()
    except SubmitUnknown:
        pass  # it broke in the middle
    pool_of(bench).wait_until_up()


def test_nodes_are_left_out(bench: Bench) -> None:
    batch = bench.batch("true", "true", exclude=["m1@localhost.pool.test"])
    seen = bench.ended(bench.submit(batch))
    nodes = {status.node for status in seen.values() if isinstance(status, Known)}
    assert nodes == {"m2@localhost.pool.test"}
    machines = ["m1@localhost.pool.test", "m2@localhost.pool.test"]
    with pytest.raises(SubmitRefused):
        bench.submit(bench.batch("true", exclude=machines))


def test_a_glutton_is_ended(bench: Bench) -> None:
    """No control groups here: the measured size of a task counts."""
    body = "head -c 150000000 /dev/zero | tail -c 150000000 > /dev/null; sleep 0.1"
    job = bench.submit(bench.batch(f"while :; do {body}; done", resources=Resources(1, 20, 5)))
    seen = bench.until_all(job, JobState.OUT_OF_MEMORY)[0]
    assert isinstance(seen, Known) and seen.max_rss_mb is not None and seen.max_rss_mb > 20


def test_the_examination_runs_a_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = {f.part: f for f in bench.scheduler.probe({"dl2": Resources(1, 100, 5)})}
    assert [f.result for f in found.values()] == [Result.OK] * 4, found
    assert "m1@" in found["htcondor job"].message or "m2@" in found["htcondor job"].message
    large = {f.part: f for f in bench.scheduler.probe({"dl2": Resources(1, 99_000, 5)})}
    assert large["htcondor slots"].result is Result.FAIL
    assert "dl2" in large["htcondor slots"].message


def test_root_is_told_that_it_may_not_submit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    *_, last = bench.scheduler.probe({})
    assert (last.part, last.result) == ("htcondor user", Result.FAIL)


def test_a_pool_that_is_not_there(tmp_path: Path, condor_pool: CondorPool) -> None:
    bench = condor_bench(condor_pool, tmp_path, schedd="nobody@nowhere.test", timeout=20)
    (found,) = bench.scheduler.probe({})
    assert (found.part, found.result) == ("htcondor", Result.FAIL)
    assert isinstance(bench.find("astran-x", datetime.now(UTC)), Unavailable)
