"""How often the scheduler is asked, with a clock and random numbers that a test holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes.idle_scheduler import IdleScheduler

from astran.base.findings import Finding, Result
from astran.base.scheduler import (
    JobRef,
    JobState,
    JobStatus,
    JobStatuses,
    Known,
    Missing,
    Unavailable,
)
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses, events, outbox, plans, submissions, tasks
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables
from astran.service.context import Context
from astran.service.doctor import scheduler_and_data
from astran.service.doctor.doctor_context import DoctorContext
from astran.service.jobs import poll_interval, scheduler_outages
from astran.service.jobs.polling import poll_scheduler
from astran.service.operator import daily_summary
from astran.service.tick import run_tick

MAIL = {
    "address": "astran@a.test",
    "allow": ["alice@a.test"],
    "operator": "operator@a.test",
    "authserv_id": "a.test",
    "imap": {"host": "localhost", "port": 993, "user": "u", "password": {"env": "NONE"}},
    "smtp": {"host": "localhost", "port": 465, "user": "u", "password": {"env": "NONE"}},
}


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2023, 12, 8, 6, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Cluster(IdleScheduler):
    """Counts the looks; says what a test tells it."""

    name = "slurm"
    display_name = "Slurm"

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.sight: JobStatus = Known(JobState.PENDING, "PENDING", reason="Priority")
        self.forgotten: set[str] = set()

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        self.looks += 1
        return {token: "1" if token not in self.forgotten else Missing() for token in since}

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        self.looks += 1
        return {(job.token, index): self.sight for job in jobs for index in job.wanted}


class House:
    """A service with one analysis of one run, whose job the cluster has."""

    def __init__(self, folder: Path, **scheduler: Any) -> None:
        site = {"site": "T", "workdir": str(folder), "mail": MAIL, "scheduler": scheduler}
        self.cluster, self.clock = Cluster(), Hands()
        self.db = Database.open(f"sqlite:///{folder / 'a.sqlite'}")
        config = build_settings(SiteConfig, site, "test")
        self.context = Context(config, self.db, self.clock, "python", lambda: self.cluster)
        self.analysis = self._launch(folder)

    def _launch(self, folder: Path) -> int:
        now = self.clock.now()
        with self.db.begin() as db:
            made = analyses.create_analysis(db, now, RequestOrigin(), "Crab", {}, folder, "")
            task = Task(
                key="dl2-1",
                stage=Stage.DL2,
                argv=("tool",),
                outputs=(Output("p", str(folder / "p"), ProductKind.DL2),),
                folder=str(folder),
                script=str(folder / "s.sh"),
                log=str(folder / "l.log"),
                record=str(folder / "r.json"),
            )
            analyses.move_analysis(db, now, made, AnalysisState.RUNNING)
            source = ("Crab", 83.6, 22.0)
            plans.store_plan(db, now, made.id, Plan((task,)), date="20231207", source=source)
            rows = tasks.of_analysis(db, made.id)
            submissions.write_intent(db, now, made.id, "tok", "slurm", "/f", rows, ["tok.0"])
            submissions.confirm_submission(db, now, submissions.submission_by_token(db, "tok"), "1")
        return made.id

    def follow(self, minutes: float = 0, rng: random.Random | None = None) -> None:
        self.clock.sleep(60 * minutes)
        self.context.rng = rng or random.Random(1)
        poll_scheduler(self.context)

    def looks_in(self, minutes: int) -> list[int]:
        """Minutes, of ticks a minute apart, in which the cluster was asked."""
        asked = []
        for minute in range(minutes):
            before = self.cluster.looks
            self.follow(1)
            if self.cluster.looks > before:
                asked.append(minute)
        return asked

    def state(self) -> TaskState:
        with self.db.begin() as db:
            return tasks.of_analysis(db, self.analysis)[0].state

    def letters(self) -> list[str]:
        with self.db.begin() as db:
            query = "select subject from outgoing_mail order by id"
            return [row[0] for row in db.exec_driver_sql(query)]

    def events(self, kind: str) -> int:
        with self.db.begin() as db:
            return events.count_events(db, kind, datetime(2000, 1, 1, tzinfo=UTC))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.db.close()


def test_each_tick_asks_soon_after_a_change_then_ever_more_seldom(house: House) -> None:
    asked = house.looks_in(60)
    assert asked[:8] == list(range(8)), "in the first minutes at each tick"
    late = [b - a for a, b in pairwise(asked)][-5:]
    assert set(late) <= {2, 3, 4}, "at last about every three minutes"
    house.cluster.sight = Known(JobState.RUNNING, "RUNNING", node="n1")
    house.looks_in(5)
    assert house.state() is TaskState.RUNNING
    assert house.looks_in(5) == [0, 1, 2, 3, 4], "often again after a change"


def test_a_submission_makes_the_next_look_come_soon(house: House) -> None:
    house.looks_in(60)
    house.follow()
    before = house.cluster.looks
    house.follow(0.01)
    assert house.cluster.looks == before
    with house.db.begin() as db:
        poll_interval.poll_soon(db)
    house.follow(0.01)
    assert house.cluster.looks == before + 1


def test_chance_keeps_the_pause_within_its_bounds(house: House) -> None:
    def pause(unchanged: int, seed: int = 1) -> float:
        settings, rng = house.context.site.scheduler, random.Random(seed)
        return poll_interval.next_pause(settings, unchanged, rng).total_seconds()

    pauses = {pause(50, seed) for seed in range(200)}
    assert len(pauses) > 100
    assert 180 * 0.8 <= min(pauses) < 160 and 200 < max(pauses) <= 180 * 1.2
    assert pause(10**6) <= 216
    shortest = pause(0)
    assert 1.6 <= shortest <= 2.4


def test_a_site_may_want_no_pause(tmp_path: Path) -> None:
    house = House(tmp_path, poll_shortest_s=0, poll_longest_s=0)
    for _ in range(5):
        house.follow()
    assert house.cluster.looks == 5


def test_one_look_whatever_is_in_doubt(house: House) -> None:
    now = house.clock.now()
    with house.db.begin() as db:
        one = analyses.get_analysis(db, house.analysis)
        for number in range(2, 40):
            task = replace_key(tasks.of_analysis(db, one.id)[0].spec, f"dl2-{number}")
            other = analyses.create_analysis(
                db, now, RequestOrigin(), f"x{number}", {}, Path("/x"), ""
            )
            source = ("Crab", 83.6, 22.0)
            plans.store_plan(db, now, other.id, Plan((task,)), date="20231207", source=source)
            rows = tasks.of_analysis(db, other.id)
            submissions.write_intent(
                db, now, other.id, f"t{number}", "slurm", "/f", rows, [f"t{number}"]
            )
    house.follow(2)
    assert house.cluster.looks == 2, "one question for all doubts, one for all jobs"
    with house.db.begin() as db:
        assert submissions.unconfirmed_submissions(db, "slurm", house.clock.now()) == []


def replace_key(task: Task, key: str) -> Task:
    return Task.from_json({**task.to_json(), "key": key})


def test_an_outage_is_told_once_it_lasts_and_when_it_is_over(house: House) -> None:
    house.cluster.sight = Unavailable("squeue: connect failure")
    house.looks_in(28)
    assert house.letters() == [] and house.events("scheduler-unavailable") == 1
    house.looks_in(60)
    (letter,) = house.letters()
    assert "no answer from Slurm" in letter
    assert house.state() is TaskState.SUBMITTED, "nothing follows for the job"
    house.cluster.sight = Known(JobState.PENDING, "PENDING")
    house.looks_in(4)
    assert len(house.letters()) == 2 and "answers again" in house.letters()[1]
    with house.db.begin() as db:
        assert scheduler_outages.outage_since(db) is None


def test_a_short_outage_is_told_to_nobody(house: House) -> None:
    for _ in range(3):
        house.cluster.sight = Unavailable("squeue: timed out")
        house.looks_in(20)
        house.cluster.sight = Known(JobState.PENDING, "PENDING")
        house.looks_in(20)
    assert house.letters() == []
    assert house.events("scheduler-unavailable") == 3 == house.events("scheduler-back")


def test_an_unknown_word_is_told_once_a_day_and_decides_nothing(house: House) -> None:
    house.cluster.sight = Known(JobState.UNKNOWN, "VAPORISED")
    house.looks_in(20)
    (letter,) = house.letters()
    assert "VAPORISED" in letter
    assert house.events("strange-state") == 1
    assert house.state() is TaskState.SUBMITTED


def test_letters_of_an_outage_go_to_the_operator(house: House) -> None:
    house.cluster.sight = Unavailable("squeue: connect failure")
    house.looks_in(40)
    with house.db.begin() as db:
        assert outbox.open_count(db) == 1
        query = "select recipient from outgoing_mail"
        assert db.exec_driver_sql(query).scalar_one() == "operator@a.test"


def test_the_heartbeat_tells_of_an_outage(house: House) -> None:
    house.cluster.sight = Unavailable("squeue: connect failure")
    begin = house.clock.now()
    run_tick(house.context, mail=False)
    beat = json.loads((house.context.site.workdir / "heartbeat.json").read_text())
    assert beat["scheduler_silent_since"] == begin.isoformat()
    house.cluster.sight = Known(JobState.PENDING, "PENDING")
    house.clock.sleep(60)
    run_tick(house.context, mail=False)
    beat = json.loads((house.context.site.workdir / "heartbeat.json").read_text())
    assert beat["scheduler_silent_since"] is None


def test_the_doctor_tells_of_an_outage(house: House) -> None:
    site = house.context.site
    site = site.model_copy(update={"database": f"sqlite:///{site.workdir / 'a.sqlite'}"})
    patient = DoctorContext(site, house.clock, "python")

    def finding() -> Finding:
        [found] = scheduler_and_data.probe_outage(patient)
        return found

    assert finding().result is Result.OK
    house.cluster.sight = Unavailable("squeue: connect failure")
    house.follow(1)
    begin = house.clock.now()
    house.clock.sleep(60)
    assert finding().result is Result.WARN
    house.clock.sleep(1800)
    told = finding()
    assert told.result is Result.FAIL and told.cure
    assert f"since {begin:%Y-%m-%d %H:%M} UTC" in told.message
    assert "connect failure" in told.message


def test_a_daily_letter_for_the_operator(tmp_path: Path) -> None:
    house = House(tmp_path)
    mail = house.context.mail.model_copy(update={"daily_digest": True})
    house.context.site = house.context.site.model_copy(update={"mail": mail})
    daily_summary.send_daily_summary(house.context)
    assert house.letters() == []
    with house.db.begin() as db:
        analysis = analyses.get_analysis(db, house.analysis)
        db.execute(tables.task.update().values(state=TaskState.FAILED))
        analyses.move_analysis(
            db, house.clock.now(), analysis, AnalysisState.FAILED, reason="no memory"
        )
    for _ in range(3):
        house.clock.sleep(3600)
        daily_summary.send_daily_summary(house.context)
    (letter,) = house.letters()
    assert "the day until 2023-12-08 07:00 UTC" in letter
    with house.db.begin() as db:
        now = house.clock.now()
        text = daily_summary.make_summary(house.context, db, now - timedelta(days=1), now)
    lines = text.splitlines()
    assert lines[:3] == [
        "Requests: 1 launch.",
        "Analyses that ended: 1 failed.",
        "  A1 Crab: failed. no memory",
    ]
    assert lines[3].startswith("Under way: 0 analyses; tasks: none.")
    assert lines[4] == "Mails in quarantine or of strangers: 0."
    assert lines[5].startswith("Disk: ") and lines[5].endswith(f"free for {tmp_path}.")
    house.clock.sleep(86400)
    daily_summary.send_daily_summary(house.context)
    assert len(house.letters()) == 2, "each day anew"
    house.db.close()
