"""An array of two hundred on a real Slurm through everything that happens to clusters: the right
end for every task.

Tasks fail, run out of memory and of time, are cancelled from outside while they run and while they
wait, lose their node and are put back; slurmctld is away for a while in the middle, slurmdbd is
stopped for good.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from conftest import require
from scheduler.benches import Bench, Statuses, slurm_bench, state_of
from services import slurm
from services.daemon import wait_until
from services.slurm import SlurmCluster

from astran.base.scheduler import JobRef, JobState, JobStatus, Known, Missing, Unavailable
from astran.base.tasks import Resources

pytestmark = [pytest.mark.services, pytest.mark.slow]

SIZE = 200
THROTTLE = 12
FAILING = range(10, 30)
OOM, LATE, CANCELLED, NODE, AGAIN = range(31, 36)
"""Elements by what happens to them."""
GATES = range(60, 60 + THROTTLE)
"""These wait for a sign: all behind them stays in the queue until then."""
WITHDRAWN = range(190, 195)
"""Cancelled one by one while they wait: no book of Slurm tells of them."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    absent = slurm.missing()
    require(not absent, f"Slurm ({', '.join(absent)})", slurm.HOW)
    with SlurmCluster(cpus=12) as made:
        yield made


@pytest.fixture
def bench(cluster: SlurmCluster, tmp_path: Path) -> Iterator[Bench]:
    yield slurm_bench(cluster, tmp_path, timeout=15)
    cluster.cancel_all()


def bodies(go_on: Path) -> list[str]:
    """Most are done at once."""
    texts = ["exit 0"] * SIZE
    for index in FAILING:
        texts[index] = f"exit {index}"
    for index in (OOM, LATE, CANCELLED, NODE):
        texts[index] = "sleep 600"
    for index in GATES:
        texts[index] = f'until [ -e "{go_on}" ]; do sleep 0.2; done'
    texts[AGAIN] = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || sleep 600'
    return texts


def expected() -> dict[int, JobState | None]:
    """None: the scheduler knows nothing of it, and it never began."""
    ends: dict[int, JobState | None] = dict.fromkeys(range(SIZE), JobState.COMPLETED)
    ends |= dict.fromkeys(FAILING, JobState.FAILED)
    ends |= dict.fromkeys(WITHDRAWN, None)
    ends |= {
        OOM: JobState.OUT_OF_MEMORY,
        LATE: JobState.TIMEOUT,
        CANCELLED: JobState.CANCELLED,
        NODE: JobState.NODE_FAIL,
    }
    return ends


def test_the_right_end_for_every_task(bench: Bench, cluster: SlurmCluster) -> None:
    go_on = bench.folder / "go-on"
    batch = bench.batch(*bodies(go_on), throttle=THROTTLE, resources=Resources(1, 50, 5))
    job = bench.submit(batch)
    for index in WITHDRAWN:
        cluster.run("scancel", f"{job.job_id}_{index}")
    ends, wanted = Ends(), expected()
    at_work = (OOM, LATE, CANCELLED, NODE, AGAIN, GATES[0])
    bench.until(job, "at work", lambda s: ends.all_in(s, at_work, JobState.RUNNING))

    disturb(cluster, job)
    bench.until(job, "ended early", lambda s: ends.as_wanted(s, wanted, (OOM, CANCELLED)))
    assert ends.waiting(bench.look(job)) > SIZE // 3, "this is the middle"
    cluster.stop_daemon("slurmctld")
    assert isinstance(bench.look(job)[GATES[0]], Unavailable)
    cluster.stop_daemon("slurmdbd")  # for good
    go_on.touch()
    time.sleep(2)  # they end while nobody hears of it
    cluster.start_daemon("slurmctld")

    rest = [index for index in range(SIZE) if index != NODE]
    bench.until(job, "all ended", lambda s: ends.as_wanted(s, wanted, rest))
    node = ends.node_of(bench.look(job)[NODE])
    cluster.run("scontrol", "update", f"node={node}", "state=down", "reason=test")
    bench.until(job, "its node failed", lambda s: ends.as_wanted(s, wanted, range(SIZE)))
    for index in FAILING:
        assert ends.seen[index].exit_code == index


def disturb(cluster: SlurmCluster, job: JobRef) -> None:
    """What happens to single elements from outside."""
    cluster.run("scontrol", "update", f"jobid={job.job_id}_{LATE}", "EndTime=now+1")
    cluster.run("scancel", f"{job.job_id}_{CANCELLED}")
    cluster.run("scontrol", "update", f"jobid={job.job_id}_{AGAIN}", "requeue=1", check=False)
    cluster.run("scontrol", "requeue", f"{job.job_id}_{AGAIN}")
    out_of_memory(cluster, job)


def out_of_memory(cluster: SlurmCluster, job: JobRef) -> None:
    """Slurm gives this state from control groups only, which a test cluster has not: so the task is
    ended, and the accounting database told why."""
    cluster.run("scancel", f"{job.job_id}_{OOM}")
    sacct = ("sacct", "-nXP", "-j", f"{job.job_id}_{OOM}", "-o", "State")
    wait_until("its end is recorded", lambda: "CANC" in cluster.run(*sacct), timeout=60)
    cluster.sql(
        "update acct.astran_job_table set state = 11, exit_code = 125 "
        f"where id_array_job = {job.job_id} and id_array_task = {OOM}"
    )


class Ends:
    """The first end that is seen of each element counts, as it does in the service."""

    def __init__(self) -> None:
        self.seen: dict[int, Known] = {}

    def all_in(self, statuses: Statuses, indices: Iterable[int], state: JobState) -> bool:
        self._note(statuses)
        return all(state_of(statuses[index]) is state for index in indices)

    def as_wanted(
        self, statuses: Statuses, wanted: Mapping[int, JobState | None], indices: Iterable[int]
    ) -> bool:
        """Whether all of them have ended; each must have ended as it should."""
        self._note(statuses)
        for index in indices:
            if wanted[index] is None:
                assert statuses[index] == Missing(withdrawn=True), index
            elif index not in self.seen:
                return False
            else:
                assert self.seen[index].state is wanted[index], (index, self.seen[index])
        return True

    def waiting(self, statuses: Statuses) -> int:
        return sum(state_of(status) is JobState.PENDING for status in statuses.values())

    def node_of(self, status: JobStatus) -> str:
        assert isinstance(status, Known) and status.state is JobState.RUNNING
        return status.node

    def _note(self, statuses: Statuses) -> None:
        for index, status in statuses.items():
            if isinstance(status, Known) and status.state.ended:
                self.seen.setdefault(index, status)
