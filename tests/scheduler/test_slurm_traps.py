"""Traps of a real Slurm: lost answers, daemons down or frozen, held and lost jobs, limits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import require
from scheduler.benches import Bench, gone, slurm_bench, state_of
from services import slurm
from services.daemon import wait_until
from services.slurm import SlurmCluster

from astran.base.errors import SchedulerUnavailable, SubmitRefused, SubmitUnknown
from astran.base.scheduler import JobRef, JobState, Known, Missing, Unavailable
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings
from astran.scheduler.explanations import explain_reason
from astran.scheduler.slurm.controller import SlurmScheduler

pytestmark = pytest.mark.services

LIMIT = 12
"""Submitted array elements that the cluster of these tests allows one user."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """A cluster of its own: its daemons are stopped and frozen here, and its limits are narrow."""
    absent = slurm.missing()
    require(not absent, f"Slurm ({', '.join(absent)})", slurm.HOW)
    with SlurmCluster(extra="AccountingStorageEnforce=limits\n") as made:
        made.run("sacctmgr", "-i", "add", "account", "lst", "cluster=astran", check=False)
        user = made.run("id", "-un").strip()
        made.run(
            *("sacctmgr", "-i", "add", "user", user, "account=lst", "cluster=astran"), check=False
        )
        made.run(
            *("sacctmgr", "-i", "modify", "user", user, "where", "account=lst"),
            *("set", f"MaxSubmitJobs={LIMIT}", "DefaultAccount=lst"),
        )
        yield made


@pytest.fixture
def bench(cluster: SlurmCluster, tmp_path: Path) -> Iterator[Bench]:
    yield slurm_bench(cluster, tmp_path, account="lst")
    cluster.cancel_all()


def live_arrays(cluster: SlurmCluster, token: str) -> set[str]:
    return set(cluster.run("squeue", "-h", "-t", "all", f"--name={token}", "-o", "%F").split())


def test_a_lost_answer_is_found_out_by_the_token(bench: Bench, cluster: SlurmCluster) -> None:
    """sbatch times out although its job was taken: the job is found, not submitted again."""
    batch = bench.batch("sleep 100")
    before = datetime.now(UTC)
    with cluster.daemons["slurmctld"].frozen(), pytest.raises(SubmitUnknown):
        bench.scheduler.submit(batch)
    wait_until("the job is there", lambda: live_arrays(cluster, batch.token), timeout=20)
    found = bench.find(batch.token, before)
    assert isinstance(found, str)
    assert live_arrays(cluster, batch.token) == {found}
    job = JobRef(batch.token, found, datetime.now(UTC), 1, batch.folder)
    bench.until_all(job, JobState.RUNNING, JobState.PENDING)
    bench.scheduler.cancel(job)
    bench.until(job, "cancelled", lambda s: gone(s[0]))


@pytest.mark.slow
def test_without_controller_nothing_is_concluded(bench: Bench, cluster: SlurmCluster) -> None:
    job = bench.submit(bench.batch("exit 5", "sleep 60"))
    sacct = ("sacct", "-nXP", "-j", job.job_id, "-o", "State")
    wait_until("the first end is recorded", lambda: "FAILED" in cluster.run(*sacct), timeout=60)
    cluster.stop_daemon("slurmctld")
    try:
        statuses = bench.look(job)
        assert state_of(statuses[0]) is JobState.FAILED, "sacct still answers"
        assert isinstance(statuses[1], Unavailable)
        unknown = bench.batch("true")
        assert isinstance(bench.find(unknown.token, datetime.now(UTC)), Unavailable)
        with pytest.raises(SubmitUnknown):
            bench.scheduler.submit(unknown)
        with pytest.raises(SchedulerUnavailable):
            bench.scheduler.cancel(job, [1])
    finally:
        cluster.start_daemon("slurmctld")
    bench.until(job, "seen again", lambda s: state_of(s[1]) is JobState.RUNNING)
    assert bench.find(unknown.token, datetime.now(UTC)) == Missing()
    bench.scheduler.cancel(job)
    bench.until(job, "cancelled", lambda s: gone(s[1]))


def test_without_accounting_database_all_goes_on(bench: Bench, cluster: SlurmCluster) -> None:
    cluster.stop_daemon("slurmdbd")
    try:
        before = datetime.now(UTC)
        job = bench.submit(bench.batch("exit 0", "exit 9", "sleep 100"))
        assert bench.find(job.token, before) == job.job_id
        bench.until(job, "two ended", lambda s: sum(map(ended, s.values())) == 2)
        bench.scheduler.cancel(job)
        statuses = bench.until(job, "ended", lambda s: all(map(ended, s.values())))
        states = [state_of(statuses[i]) for i in range(3)]
        assert states == [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED]
        assert isinstance(statuses[1], Known) and statuses[1].exit_code == 9
        assert bench.find("astran-unknown", before) == Missing()
    finally:
        cluster.start_daemon("slurmdbd")
    # what happened meanwhile is delivered later
    sacct = ("sacct", "-nXP", "-j", job.job_id, "-o", "State")
    wait_until("records arrive", lambda: "FAILED" in cluster.run(*sacct), timeout=60)


def ended(status: object) -> bool:
    return isinstance(status, Known) and status.state.ended


def test_waiting_elements_that_are_cancelled_one_by_one(bench: Bench) -> None:
    """Neither squeue nor sacct ever tells of these again."""
    job = bench.submit(bench.batch("sleep 2", "sleep 2", "sleep 2", throttle=1))
    bench.scheduler.cancel(job, [1])
    statuses = bench.until(
        job,
        "at rest",
        lambda s: all(state_of(s[i]) is JobState.COMPLETED for i in (0, 2)),
    )
    assert gone(statuses[1])


def test_a_held_job_is_told_as_such(bench: Bench, cluster: SlurmCluster, tmp_path: Path) -> None:
    holding = slurm_bench(cluster, tmp_path / "held", account="lst", options=["--hold"])
    job = holding.submit(holding.batch("true", "true"))
    statuses = holding.until_all(job, JobState.HELD)
    assert isinstance(statuses[0], Known) and "held" in explain_reason(statuses[0])
    cluster.run("scontrol", "release", job.job_id)
    holding.until_all(job, JobState.COMPLETED)


def test_a_node_that_fails_is_named_and_can_be_avoided(bench: Bench, cluster: SlurmCluster) -> None:
    job = bench.submit(bench.batch("sleep 100", exclude=["n1"]))
    bench.until_all(job, JobState.RUNNING)
    cluster.run("scontrol", "update", "node=n2", "state=down", "reason=test")
    try:
        status = bench.until_all(job, JobState.NODE_FAIL)[0]
        assert isinstance(status, Known) and status.node == "n2"
        assert "n2" in explain_reason(status)
        other = bench.submit(bench.batch("true", exclude=["n2"]))
        seen = bench.until_all(other, JobState.COMPLETED)[0]
        assert isinstance(seen, Known) and seen.node == "n1"
    finally:
        # it may have come back by itself
        cluster.run("scontrol", "update", "node=n2", "state=resume", check=False)
        node = ("sinfo", "-h", "-N", "-n", "n2", "-o", "%T")
        wait_until("the node is back", lambda: "idle" in cluster.run(*node), timeout=60)


def test_a_job_with_our_id_but_another_name_is_not_ours(bench: Bench) -> None:
    theirs = bench.submit(bench.batch("sleep 100"))
    ours = JobRef("astran-long-ago", theirs.job_id, theirs.submitted, 1, theirs.folder)
    assert bench.look(ours) == {0: Missing()}
    bench.scheduler.cancel(ours)
    bench.until_all(theirs, JobState.RUNNING)


def test_a_full_quota_passes_with_time(bench: Bench) -> None:
    first = bench.submit(bench.batch(*["sleep 100"] * LIMIT))
    batch = bench.batch("true")
    with pytest.raises(SubmitRefused) as caught:
        bench.scheduler.submit(batch)
    assert caught.value.transient
    assert "AssocMaxSubmitJobLimit" in caught.value.message
    assert caught.value.too_many
    bench.scheduler.cancel(first)
    bench.until(first, "cancelled", lambda s: all(map(gone, s.values())))
    bench.until_all(bench.submit(batch), JobState.COMPLETED)


@pytest.mark.parametrize(
    ("settings", "resources", "part"),
    [
        ({"partition": "nowhere"}, None, "scheduler.slurm.partition"),
        ({"account": "nobody"}, None, "scheduler.slurm.account"),
        ({"constraint": "golden"}, None, "scheduler.slurm.constraint"),
        ({"options": ["--no-such-option"]}, None, "scheduler.slurm.options"),
        ({}, Resources(1, 10_000_000, 5), "less memory"),
    ],
)
def test_refusals_name_the_cure(
    cluster: SlurmCluster,
    tmp_path: Path,
    settings: dict[str, object],
    resources: Resources | None,
    part: str,
) -> None:
    bench = slurm_bench(cluster, tmp_path, **{"account": "lst", **settings})
    batch = bench.batch("true", resources=resources)
    with pytest.raises(SubmitRefused) as caught:
        bench.scheduler.submit(batch)
    assert not caught.value.transient
    assert part in caught.value.cure
    # squeue may tell of a refused job for a while, as FAILED
    living = ("squeue", "-h", f"--name={batch.token}", "-o", "%T")
    assert cluster.run(*living).strip() in ("", "FAILED")


def test_an_array_that_is_too_large_is_refused(cluster: SlurmCluster, tmp_path: Path) -> None:
    bench = slurm_bench(cluster, tmp_path, account="lst")
    assert bench.scheduler.max_batch == 1001
    with pytest.raises(SubmitRefused) as caught:
        bench.scheduler.submit(bench.batch(*["true"] * 1002))
    assert "MaxArraySize" in caught.value.cure


def test_an_element_that_is_put_back_runs_again_and_its_last_end_counts(
    bench: Bench, cluster: SlurmCluster
) -> None:
    """--no-requeue keeps Slurm from it; an administrator may still do it by hand."""
    mark = bench.folder / "been-here"
    mark.parent.mkdir(exist_ok=True)
    batch = bench.batch(f'[ -e "{mark}" ] && exit 6; touch "{mark}"; sleep 100')
    job = bench.submit(batch)
    bench.until(job, "at work", lambda _: mark.exists())
    cluster.run("scontrol", "update", f"jobid={job.job_id}_0", "requeue=1", check=False)
    cluster.run("scontrol", "requeue", f"{job.job_id}_0")
    status = bench.until_all(job, JobState.FAILED)[0]
    assert isinstance(status, Known) and status.exit_code == 6


def test_an_unreadable_configuration_is_a_refusal_that_passes(tmp_path: Path) -> None:
    require(not slurm.missing(accounting=False), "Slurm", slurm.HOW)
    (tmp_path / "slurm.conf").write_text("")
    environ = {**os.environ, "SLURM_CONF": str(tmp_path / "slurm.conf")}
    scheduler = SlurmScheduler(SlurmSettings(), environ)
    begin = time.monotonic()
    with pytest.raises(SubmitRefused) as caught:
        scheduler.submit(Bench(scheduler, tmp_path, 1).batch("true"))
    assert caught.value.transient
    assert time.monotonic() - begin < 60
