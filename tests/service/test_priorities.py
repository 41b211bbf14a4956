"""Priorities from a request to the scheduler: who may ask, what goes first, and what waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archive_fixtures import Hands
from fakes.idle_scheduler import IdleScheduler
from test_site_trouble import CONFIG, House

from astran.base.errors import SubmitRefused
from astran.base.night import Night
from astran.base.scheduler import Batch, JobRef, JobState, JobStatuses, Known, Priority
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Resources, Stage, Task
from astran.config.htcondor import HTCondorSettings
from astran.config.mailbox import MailSettings, Security, Server
from astran.config.site import LocalSettings, SchedulerSettings
from astran.config.slurm import SlurmSettings
from astran.database import analyses, plans, tasks
from astran.database.analyses import RequestOrigin
from astran.mail.parsing.headers import read_message
from astran.scheduler.htcondor.submit_description import describe_submission
from astran.scheduler.local import job_files, pool
from astran.scheduler.local.controller import LocalScheduler
from astran.scheduler.slurm.submit_script import sbatch_command
from astran.service.intake.decision import Decision, MailOutcome, decide_mail
from astran.service.jobs.submission import describe_full

ALERT, DAILY, CAMPAIGN = Priority


class Queue(IdleScheduler):
    """Takes at most so many tasks; those that were ended are gone."""

    name = "queue"
    most = 10_000

    def __init__(self) -> None:
        super().__init__()
        self.ended: set[str] = set()

    @property
    def waiting(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.token not in self.ended]

    def submit(self, batch: Batch) -> str:
        if sum(len(one.scripts) for one in self.waiting) + len(batch.scripts) > self.most:
            raise SubmitRefused("job submit limit", "", transient=True, too_many=True)
        return super().submit(batch)

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        return {(job.token, index): self._of(job) for job in jobs for index in job.wanted}

    def _of(self, job: JobRef) -> Known:
        if job.token in self.ended:
            return Known(JobState.CANCELLED, "CANCELLED")
        return Known(JobState.PENDING, "PENDING")


class Site(House):
    """Analyses with any number of tasks that are ready at once."""

    def ask(self, number: int, priority: Priority, who: str = "ann@a.test") -> int:
        now = self.clock.now()
        with self.db.begin() as db:
            origin = RequestOrigin(subject="ASTRAN-LAUNCH", params={"priority": priority.value})
            made = analyses.create_analysis(
                db, now, origin, "Crab20231207", CONFIG, self.site.workdir, who
            )
            analyses.move_analysis(db, now, made, AnalysisState.RUNNING)
            plan = Plan(tuple(a_task(made.folder, index) for index in range(number)))
            plans.store_plan(db, now, made.id, plan, date="20231207", source=("Crab", 83.6, 22.0))
        return made.id

    def submitted(self, number: int) -> int:
        with self.db.begin() as db:
            rows = tasks.of_analysis(db, number, (TaskState.SUBMITTED,))
        return len(rows)

    def limit(self, **settings: int) -> None:
        scheduler = SchedulerSettings(**settings)
        self.context.site = self.site.model_copy(update={"scheduler": scheduler})


def a_task(folder: Path, index: int) -> Task:
    return Task(
        key=f"irf-{index}",
        stage=Stage.IRF,
        argv=("tool",),
        outputs=(Output(f"irf{index}.fits", str(folder / f"irf{index}.fits"), ProductKind.IRF),),
        folder=str(folder),
        script=str(folder / f"irf{index}.sh"),
        log=str(folder / f"irf{index}.log"),
        record=str(folder / f"irf{index}.json"),
        fingerprint=f"{folder.name} {index}",
    )


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def site(tmp_path: Path, queue: Queue) -> Iterator[Site]:
    made = Site(tmp_path, cluster=queue)  # type: ignore[arg-type]
    yield made
    made.db.close()


def test_the_most_urgent_goes_first(site: Site, queue: Queue) -> None:
    for priority in (CAMPAIGN, DAILY, ALERT):
        site.ask(2, priority)
    assert site.tick() == []
    assert [batch.priority for batch in queue.batches] == [ALERT, DAILY, CAMPAIGN]


def test_a_limit_of_the_site_holds_and_campaigns_leave_places(site: Site, queue: Queue) -> None:
    site.limit(most_tasks=20, kept_free=4)
    campaign = site.ask(30, CAMPAIGN)
    site.tick(2)
    assert site.submitted(campaign) == 16
    daily = site.ask(3, DAILY, "bob@b.test")
    site.tick()
    assert (site.submitted(campaign), site.submitted(daily)) == (16, 3)
    alert = site.ask(3, ALERT, "eve@c.test")
    site.tick(2)
    assert (site.submitted(campaign), site.submitted(alert)) == (16, 1)
    with site.db.begin() as db:
        assert "20 tasks of this site" in describe_full(site.context, db, DAILY)
    queue.ended |= {batch.token for batch in queue.batches if batch.priority is CAMPAIGN}
    site.tick(2)
    assert (site.submitted(alert), site.submitted(campaign)) == (3, 10)


def test_a_limit_of_the_scheduler_is_learnt(site: Site, queue: Queue) -> None:
    """What it refuses keeps a later daily request waiting for one tick at the most."""
    queue.most = 20
    campaign = site.ask(50, CAMPAIGN)
    site.tick(3)
    assert site.submitted(campaign) == 20
    queue.ended |= {batch.token for batch in queue.batches[:2]}
    site.tick(3)
    taken = site.submitted(campaign)
    assert taken <= 18
    daily = site.ask(20 - taken, DAILY, "bob@b.test")
    site.tick()
    assert site.submitted(daily) == 20 - taken


def test_a_campaign_gets_its_share_beside_more_urgent_work(site: Site, queue: Queue) -> None:
    site.limit(most_tasks=10)
    daily = site.ask(100, DAILY)
    site.tick()
    campaign = site.ask(5, CAMPAIGN, "bob@b.test")
    queue.ended |= {batch.token for batch in queue.batches}
    site.tick(2)
    assert (site.submitted(campaign), site.submitted(daily)) == (1, 9)


def test_two_senders_share_what_becomes_free(site: Site, queue: Queue) -> None:
    site.limit(most_tasks=10)
    first, second = site.ask(50, DAILY), site.ask(50, DAILY, "bob@b.test")
    site.tick()
    assert (site.submitted(first), site.submitted(second)) == (5, 5)


def test_an_old_analysis_is_daily(site: Site) -> None:
    number = site.launch()
    assert site.get(number).priority is DAILY
    with site.db.begin() as db:
        db.exec_driver_sql("update analysis set priority = 'campaign'")
    assert site.get(number).priority is CAMPAIGN


def test_a_portion_of_a_clock_that_was_ahead_does_not_count(site: Site, queue: Queue) -> None:
    queue.most = 0
    number = site.ask(2, DAILY)
    site.clock.time += timedelta(hours=20)
    site.tick()
    site.clock.time -= timedelta(hours=20)
    queue.most = 10
    site.tick(4)
    assert site.submitted(number) == 2


SERVER = Server(host="localhost", port=1, security=Security.NONE)
RULES = MailSettings(
    address="astran@a.test",
    imap=SERVER,
    smtp=SERVER,
    allow=("@b.test",),
    alert_senders=("Eve@b.test",),
    trust_from=True,
)


def decide(sender: str, line: str) -> Decision:
    head = (
        f"From: {sender}\r\nTo: astran@a.test\r\nSubject: ASTRAN-LAUNCH\r\nMessage-ID: <1@b.test>"
    )
    raw = f"{head}\r\n\r\ntarget: Crab\r\ndate: 20231207\r\n{line}\r\n".encode()
    assert read_message(raw)
    return decide_mail(raw, RULES, Night.parse("20231208"))


@pytest.mark.parametrize(
    ("sender", "line", "priority"),
    [
        ("bob@b.test", "", None),
        ("bob@b.test", "priority: campaign", CAMPAIGN),
        ("bob@b.test", "Priority = Daily", DAILY),
        ("eve@b.test", "priority: alert", ALERT),
    ],
)
def test_a_request_names_its_priority(sender: str, line: str, priority: Priority | None) -> None:
    decision = decide(sender, line)
    assert decision.outcome is MailOutcome.LAUNCH, decision.problems
    assert decision.params.get("priority") == priority
    assert RequestOrigin(params=decision.params).priority is (priority or DAILY)


@pytest.mark.parametrize(
    ("line", "words"),
    [("priority: alert", "mail.alert_senders"), ("priority: soon", "campaign")],
)
def test_who_may_not_ask_for_a_priority_is_told(line: str, words: str) -> None:
    decision = decide("bob@b.test", line)
    assert decision.outcome is MailOutcome.ERROR_REPLY
    [problem] = decision.problems
    assert problem.line == 3
    assert words in str(problem)


def test_a_scheduler_is_told_the_priority(tmp_path: Path) -> None:
    """By options of sbatch(1) and commands of condor_submit(1)."""
    commands = {}
    for priority in Priority:
        batch = Batch("t", "A1", ("s",), ("l",), ("t.0",), Resources(1, 100, 1), str(tmp_path))
        batch = replace(batch, priority=priority)
        nice = [
            word
            for word in sbatch_command(batch, tmp_path / "s", SlurmSettings())
            if word.startswith("--nice")
        ]
        lines = describe_submission(batch, HTCondorSettings(), 60.0).splitlines()
        commands[priority] = nice + [line for line in lines if line.startswith("priority")]
    assert commands == {
        ALERT: ["priority = 10"],
        DAILY: [],
        CAMPAIGN: ["--nice=1000", "priority = -10"],
    }


def test_the_pool_of_this_machine_begins_with_the_most_urgent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(pool, "_start", lambda folder, *_: started.append(folder.path.name))
    clock = Hands(datetime(2023, 12, 8, tzinfo=UTC))
    local = LocalScheduler(tmp_path / "pool", LocalSettings(cores=1, memory_mb=100), clock)
    monkeypatch.setattr(local, "advance", lambda: None)
    for hours, name, priority in [
        (0, "old-campaign", CAMPAIGN),
        (14, "daily", DAILY),
        (1, "campaign", CAMPAIGN),
        (1, "alert", ALERT),
    ]:
        clock.time += timedelta(hours=hours)
        batch = Batch(name, "A1", ("/s",), ("/l",), (f"{name}.0",), Resources(1, 10, 1), "")
        local.submit(replace(batch, folder=str(tmp_path / name), priority=priority))
    job_files.write_capacity(tmp_path / "pool", local.capacity)
    pool.advance_pool(tmp_path / "pool", clock.now())
    assert started == ["alert", "old-campaign", "daily", "campaign"]
