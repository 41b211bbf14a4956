"""What does not move is told, whatever the cause: in words, once, and then daily."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from fakes.idle_scheduler import IdleScheduler
from test_site_trouble import House

from astran.base.errors import SubmitRefused
from astran.base.scheduler import Batch, JobRef, JobState, JobStatuses, Known, Unavailable
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Plan, Stage, Task
from astran.database import chores, outbox, plans, tasks
from astran.service.operator.standstill import NAME

HOUR = timedelta(hours=1)
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


class StuckCluster(IdleScheduler):
    """Its jobs wait for the reason that is set, or it refuses them, or does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.reason, self.state = "Priority", JobState.PENDING
        self.refusal: SubmitRefused | None = None
        self.silent = False
        self.limit = 1000
        self.refused = 0

    def submit(self, batch: Batch) -> str:
        if self.refusal is not None:
            raise self.refusal
        if sum(len(one.scripts) for one in self.batches) + len(batch.scripts) > self.limit:
            self.refused += 1
            raise SubmitRefused(f"Slurm refused the job: {POLICY}", "", True, too_many=True)
        return super().submit(batch)

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        seen: Known | Unavailable = Unavailable("squeue does not answer")
        if not self.silent:
            seen = Known(self.state, str(self.state).upper(), reason=self.reason)
        return {(job.token, index): seen for job in jobs for index in job.wanted}


@pytest.fixture
def cluster() -> StuckCluster:
    return StuckCluster()


@pytest.fixture
def bench(tmp_path: Path, cluster: StuckCluster) -> Iterator[House]:
    made = House(tmp_path, cluster=cluster)  # type: ignore[arg-type]
    yield made
    made.db.close()


def words_to(bench: House, recipient: str) -> list[str]:
    with bench.db.begin() as db:
        query = "select raw from outgoing_mail where recipient = ? order by id"
        raws = db.exec_driver_sql(query, (recipient,)).scalars().all()
    texts = []
    for raw in raws:
        part = message_from_bytes(raw, policy=policy.default).get_body(("plain",))  # type: ignore[arg-type]
        texts.append(" ".join(part.get_content().split()))
    return texts


def standstills(bench: House, number: int) -> int:
    return bench.letters(number).count(NAME)


CAUSES: dict[str, tuple[Callable[[StuckCluster], None], str]] = {
    "minutes of the account": (
        lambda cluster: setattr(cluster, "reason", "AssocGrpCPUMinutesLimit"),
        "The account's computing time is used up",
    ),
    "partition down": (
        lambda cluster: setattr(cluster, "reason", "PartitionDown"),
        "The partition takes no jobs to run at the moment.",
    ),
    "pending for a day": (lambda cluster: None, "Jobs with a higher priority are before it"),
    "sbatch missing": (
        lambda cluster: setattr(
            cluster, "refusal", SubmitRefused("sbatch was not found.", "", transient=True)
        ),
        "sbatch was not found.",
    ),
    "submission limit of none": (lambda cluster: setattr(cluster, "limit", 0), "job submit limit"),
    "a scheduler that is away": (
        lambda cluster: setattr(cluster, "silent", True),
        "The scheduler has not answered since",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_told_once_and_then_daily(
    bench: House, cluster: StuckCluster, cause: str
) -> None:
    begin, reason = CAUSES[cause]
    begin(cluster)
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(3)
    bench.tick(2, after=2.5 * HOUR)
    assert standstills(bench, number) == 0
    bench.tick(2, after=HOUR)
    assert standstills(bench, number) == 1
    bench.tick(4, after=5 * HOUR)
    assert standstills(bench, number) == 1
    bench.tick(8, after=6 * HOUR)
    assert standstills(bench, number) == 3
    for recipient in ("ann@a.test", "op@a.test"):
        told = [text for text in words_to(bench, recipient) if reason in text]
        assert len(told) >= 3, recipient
    assert any("nothing has moved for" in text for text in words_to(bench, "ann@a.test"))


def test_what_moves_is_not_told(bench: House, cluster: StuckCluster) -> None:
    cluster.state = JobState.RUNNING
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(10, after=4 * HOUR)
    assert bench.task(number) is TaskState.RUNNING
    assert standstills(bench, number) == 0


def test_a_step_begins_the_count_anew(bench: House, cluster: StuckCluster) -> None:
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(8, after=HOUR)
    assert standstills(bench, number) == 1
    cluster.state = JobState.RUNNING
    bench.tick(3, after=HOUR)
    cluster.state = JobState.PENDING
    bench.tick(4, after=HOUR)
    assert standstills(bench, number) == 1


def test_waiting_for_data_is_told_by_its_own_letter(bench: House) -> None:
    number = bench.launch(AnalysisState.WAITING)
    with bench.db.begin() as db:
        from astran.database import analyses

        analyses.change_analysis(db, number, next_look=bench.clock.now() + 40 * HOUR)
    bench.tick(5, after=6 * HOUR)
    assert standstills(bench, number) == 0


def test_one_letter_to_the_operator_for_all(bench: House, cluster: StuckCluster) -> None:
    numbers = [bench.launch(AnalysisState.RUNNING) for _ in range(4)]
    for number in numbers:
        plan(bench, number, 2)
    cluster.reason = "PartitionDown"
    bench.tick(8, after=HOUR)
    assert [standstills(bench, number) for number in numbers] == [1, 1, 1, 1]
    [text] = words_to(bench, "op@a.test")
    assert "nothing moves in 4 analyses, A1 first" in text
    assert text.count("The partition takes no jobs to run at the moment.") == 1


def test_nothing_is_looked_after_when_nothing_is_live(bench: House) -> None:
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(2)
    with bench.db.begin() as db:
        db.exec_driver_sql("update task set state = 'cancelled'")
        db.exec_driver_sql("update analysis set state = 'cancelled'")
    bench.tick(2, after=HOUR)
    with bench.db.begin() as db:
        assert chores.time_of(db, NAME) is None
    assert standstills(bench, number) == 0


def plan(bench: House, number: int, runs: int) -> None:
    made = bench.get(number)
    specs = tuple(
        Task(
            f"dl2-{run}",
            Stage.DL2,
            ("tool",),
            (),
            str(made.folder),
            str(made.folder / f"{run}.sh"),
            str(made.folder / f"{run}.log"),
            str(made.folder / f"{run}.json"),
            run=run,
            fingerprint=f"{number}.{run}",
        )
        for run in range(1, runs + 1)
    )
    with bench.db.begin() as db:
        plans.store_plan(
            db,
            bench.clock.now(),
            number,
            Plan(specs),
            date="20231207",
            source=("Crab", 83.6, 22.0),
        )


def submitted(bench: House, number: int) -> int:
    with bench.db.begin() as db:
        return len(tasks.of_analysis(db, number, (TaskState.SUBMITTED,)))


@pytest.mark.parametrize(("runs", "limit"), [(8, 5), (3, 1), (100, 17), (6, 6), (1, 1)])
def test_an_array_is_cut_to_what_is_allowed(
    bench: House, cluster: StuckCluster, runs: int, limit: int
) -> None:
    """MaxSubmitJobs counts all jobs in the queue, an array by its elements (slurm.conf(5))."""
    cluster.limit = limit
    number = bench.launch(AnalysisState.RUNNING)
    plan(bench, number, runs)
    bench.tick(2, after=timedelta(minutes=6))
    assert sum(len(batch.scripts) for batch in cluster.batches) == min(runs, limit)
    assert submitted(bench, number) == min(runs, limit)
    scripts = [script for batch in cluster.batches for script in batch.scripts]
    assert len(set(scripts)) == len(scripts)


def test_a_full_queue_is_not_asked_every_minute(bench: House, cluster: StuckCluster) -> None:
    cluster.limit = 5
    number = bench.launch(AnalysisState.RUNNING)
    plan(bench, number, 8)
    bench.tick(1)
    first = cluster.refused
    assert first <= 6
    bench.tick(20)
    assert cluster.refused - first <= 2 * 20 / 5
    cluster.limit = 8
    bench.tick(10)
    assert submitted(bench, number) == 8


def test_attempts_are_not_used_up_by_refusals(bench: House, cluster: StuckCluster) -> None:
    cluster.limit = 0
    number = bench.launch(AnalysisState.RUNNING)
    plan(bench, number, 4)
    bench.tick(14, after=2 * HOUR)
    cluster.limit = 4
    bench.tick(2, after=HOUR)
    assert submitted(bench, number) == 4
    with bench.db.begin() as db:
        assert outbox.open_count(db) > 0
