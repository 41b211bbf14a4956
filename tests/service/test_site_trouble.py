"""Trouble of the site is waited out, and no analysis ends while a task of it lives."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from archive_fixtures import ArchiveHouse, Hands
from fakes.idle_scheduler import IdleScheduler
from sqlalchemy import Connection, update
from sqlalchemy.exc import OperationalError

from astran.base.errors import CatalogueError, DataUnavailable, SchedulerUnavailable, SiteNotReady
from astran.base.night_data import MissingRun, NightData
from astran.base.scheduler import JobRef, JobState, JobStatuses, Known
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.cli.analyses.status import run as status
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses, events, outbox, plans, tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.service.context import Context
from astran.service.jobs.cancellation import request_cancel
from astran.service.operator import site_trouble
from astran.service.reporting import overview
from astran.service.tick import run_tick

CONFIG = {"target": {"name": "Crab", "ra": 83.6, "dec": 22.0}, "date": "20231207"}
CONFIG |= {"waiting": {"hours": 24}}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SITE_TROUBLES = [
    DataUnavailable("The folder of models /models does not exist."),
    SiteNotReady("The lstchain environment 'here' could not be asked."),
    OSError(errno.EACCES, "Permission denied", "/models"),
    OSError(errno.ESTALE, "Stale file handle", "/models"),
    SchedulerUnavailable("scontrol does not answer."),
    OperationalError("select 1", {}, Exception("connection lost")),
]


class Cluster(IdleScheduler):
    """Its jobs run until they are cancelled."""

    name = "cluster"

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: set[str] = set()
        self.silent = False

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        return {(job.token, index): self._of(job) for job in jobs for index in job.wanted}

    def _of(self, job: JobRef) -> Known:
        if job.token in self.cancelled:
            return Known(JobState.CANCELLED, "CANCELLED")
        return Known(JobState.RUNNING, "RUNNING")

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        if self.silent:
            raise SchedulerUnavailable("scancel does not answer")
        self.cancelled.add(job.token)


@dataclass
class House:
    """A site with a cluster, and a clock that the test moves."""

    folder: Path
    clock: Hands = field(default_factory=lambda: Hands(datetime(2023, 12, 8, 9, tzinfo=UTC)))
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        secret = self.folder / "password"
        secret.write_text("x\n")
        secret.chmod(0o600)
        server: dict[str, object] = {"host": "127.0.0.1", "port": 9, "security": "none"}
        server["password"] = {"file": str(secret)}
        mail = {"address": "astran@a.test", "imap": server, "smtp": server}
        settings = {"site": "T", "workdir": str(self.folder / "work")}
        self.site = build_settings(
            SiteConfig, {**settings, "mail": {**mail, "operator": "op@a.test"}}, "t"
        )
        self.db = Database.open(self.site.database_url)
        self.context = Context(
            self.site,
            self.db,
            self.clock,
            sys.executable,
            make_scheduler=lambda: self.cluster,
        )

    def launch(self, state: AnalysisState = AnalysisState.RECEIVED, task: bool = False) -> int:
        now = self.clock.now()
        with self.db.begin() as db:
            origin = RequestOrigin(subject="ASTRAN-LAUNCH", in_reply_to="<l@a.test>")
            made = analyses.create_analysis(
                db, now, origin, "Crab20231207", CONFIG, self.site.workdir, "ann@a.test"
            )
            if state is not AnalysisState.RECEIVED:
                analyses.move_analysis(db, now, made, state)
            if task:
                self._store(db, made)
        return made.id

    def _store(self, db: Connection, made: Analysis) -> None:
        name = f"irf-{made.id}"
        one = Task(
            key=name,
            stage=Stage.IRF,
            argv=("tool",),
            outputs=(Output("irf.fits", str(made.folder / "irf.fits"), ProductKind.IRF),),
            folder=str(made.folder),
            script=str(made.folder / "irf.sh"),
            log=str(made.folder / "irf.log"),
            record=str(made.folder / "irf.json"),
            fingerprint="the same work",
        )
        source = ("Crab", 83.6, 22.0)
        plans.store_plan(
            db,
            self.clock.now(),
            made.id,
            Plan((one,)),
            date="20231207",
            source=source,
        )

    def tick(self, times: int = 1, after: timedelta = MINUTE) -> list[str]:
        faults: list[str] = []
        for _ in range(times):
            self.clock.time += after
            faults = run_tick(self.context, mail=False).faults
        return faults

    def get(self, number: int) -> Analysis:
        with self.db.begin() as db:
            return analyses.get_analysis(db, number)

    def state(self, number: int) -> AnalysisState:
        return self.get(number).state

    def task(self, number: int) -> TaskState:
        with self.db.begin() as db:
            (row,) = tasks.of_analysis(db, number)
        return row.state

    def letters(self, number: int) -> list[str]:
        with self.db.begin() as db:
            return [kind for kind, _ in outbox.raw_mails(db, number)]

    def to_operator(self) -> int:
        with self.db.begin() as db:
            query = "select count(*) from outgoing_mail where recipient = 'op@a.test'"
            return int(db.exec_driver_sql(query).scalar_one())

    def words(self, number: int) -> str:
        with self.db.begin() as db:
            return str(
                overview.summarise_analysis(self.context, db, analyses.get_analysis(db, number))[
                    "words"
                ]
            )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.db.close()


Break = Callable[[str, BaseException | None], None]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Have a function of the service raise; None mends it."""

    def spoil(name: str, error: BaseException | None) -> None:
        module, _, function = name.rpartition(".")

        def fail(*_: object, **__: object) -> NightData:
            if error is not None:
                raise error
            return NightData(complete=False, missing=(MissingRun(1, "no DL1 yet", True),))

        monkeypatch.setattr(f"astran.service.{module}.{function}", fail)

    return spoil


@pytest.mark.parametrize("error", SITE_TROUBLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("state", [AnalysisState.RECEIVED, AnalysisState.WAITING])
def test_trouble_of_the_site_is_waited_out(
    bench: House, broken: Break, state: AnalysisState, error: Exception
) -> None:
    number = bench.launch(state)
    broken("planning.find_data", error)
    faults = bench.tick()
    assert faults, "monitoring sees it"
    bench.tick(6, after=3.5 * HOUR)
    assert bench.state(number) is state
    assert bench.letters(number) == ["trouble"], "told once"
    assert bench.to_operator() == 1, "told once"
    assert "tries again since 2023-12-08 09:01 UTC" in bench.words(number)
    broken("planning.find_data", None)
    assert bench.tick(1, after=HOUR) == []
    assert bench.state(number) is AnalysisState.WAITING
    assert bench.get(number).trouble == ""
    assert "tries again" not in bench.words(number)


def test_it_is_tried_again_with_growing_pauses(
    bench: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = bench.launch()
    looks: list[datetime] = []

    def look(*_: object) -> NightData:
        looks.append(bench.clock.now())
        raise DataUnavailable("The folder of models does not exist.")

    monkeypatch.setattr("astran.service.planning.find_data", look)
    bench.tick(4 * 60)
    pauses = [after - before for before, after in pairwise(looks)]
    assert pauses[0] <= 2 * MINUTE
    assert pauses == sorted(pauses) and pauses[-1] == 30 * MINUTE
    assert bench.state(number) is AnalysisState.RECEIVED


def test_trouble_that_does_not_pass_ends_it_with_its_tasks(bench: House, broken: Break) -> None:
    """What runs is stopped first; the report comes when nothing lives any more."""
    number = bench.launch(AnalysisState.WAITING, task=True)
    broken("planning.find_data", SITE_TROUBLES[0])
    bench.tick(3)
    assert bench.task(number) is TaskState.RUNNING, "what has begun goes on"
    bench.tick(15, after=3 * HOUR)
    assert bench.state(number) is AnalysisState.FAILED
    assert bench.task(number) is TaskState.CANCELLED
    assert len(bench.cluster.cancelled) == 1
    assert bench.letters(number) == ["trouble", "report"]
    assert "did not pass in" in bench.get(number).reason


def test_it_waits_as_long_as_for_its_data(bench: House, broken: Break) -> None:
    """A night that is waited for longer than a day anyway does not end earlier."""
    number = bench.launch()
    with bench.db.begin() as db:
        config = {**CONFIG, "waiting": {"hours": 72}}
        db.execute(update(t.analysis).values(config=config))
    broken("planning.find_data", SITE_TROUBLES[0])
    bench.tick(14, after=5 * HOUR)
    assert bench.state(number) is AnalysisState.RECEIVED
    bench.tick(site_trouble.LEAST_TRIES + 2, after=5 * HOUR)
    assert bench.state(number) is AnalysisState.FAILED


def test_time_alone_ends_nothing(bench: House, broken: Break) -> None:
    """A clock that is a day ahead for one tick, or a service that was off: it is tried again."""
    number = bench.launch()
    broken("planning.find_data", SITE_TROUBLES[0])
    bench.tick()
    bench.tick(after=49 * HOUR)
    assert bench.state(number) is AnalysisState.RECEIVED


def test_what_the_request_has_wrong_is_answered_at_once(bench: House, broken: Break) -> None:
    number = bench.launch()
    broken("planning.find_data", CatalogueError("No run of Crab was taken in that night."))
    assert bench.tick() == []
    assert bench.state(number) is AnalysisState.FAILED
    assert bench.letters(number) == ["report"]


def test_a_wrong_request_stops_what_has_begun(bench: House, broken: Break) -> None:
    number = bench.launch(AnalysisState.WAITING, task=True)
    broken("planning.find_data", None)
    bench.tick(2)
    broken("planning.find_data", CatalogueError("The models 'x' are not below /models."))
    with bench.db.begin() as db:
        analyses.change_analysis(db, number, next_look=None)
    bench.tick()
    assert bench.state(number) is AnalysisState.REPORTING, "its task runs"
    bench.tick(5)
    assert bench.state(number) is AnalysisState.FAILED
    assert bench.task(number) is TaskState.CANCELLED


def test_a_fault_of_astran_stops_the_tasks_before_the_end(bench: House, broken: Break) -> None:
    number = bench.launch(AnalysisState.WAITING, task=True)
    broken("planning.find_data", None)
    bench.tick(3)
    assert bench.task(number) is TaskState.RUNNING
    broken("planning.find_data", ValueError("a bug"))
    with bench.db.begin() as db:
        analyses.change_analysis(db, number, next_look=None)
    bench.tick(3)
    assert bench.state(number) is AnalysisState.REPORTING
    bench.tick(5)
    assert bench.state(number) is AnalysisState.FAILED
    assert bench.task(number) is TaskState.CANCELLED
    assert "a bug" in bench.get(number).reason


@pytest.mark.parametrize(
    "place", ["jobs.completion.complete_ended", "reporting.reports.build_report"]
)
def test_a_fault_that_meets_the_ending_itself(bench: House, broken: Break, place: str) -> None:
    """Whatever cannot be done, the tasks end, and then the analysis does."""
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(3)
    assert bench.task(number) is TaskState.RUNNING
    broken("jobs.task_control.act_on_requests", ValueError("a bug"))
    broken(place, TypeError("another bug"))
    bench.tick(15)
    assert bench.state(number) in (AnalysisState.FAILED,)
    assert bench.task(number).final
    assert bench.to_operator() < 6, "no letter a minute"


def test_nothing_ends_while_the_scheduler_cannot_be_asked(bench: House, broken: Break) -> None:
    number = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(3)
    broken("jobs.task_control.act_on_requests", ValueError("a bug"))
    bench.cluster.silent = True
    bench.tick(30)
    assert bench.state(number) is AnalysisState.REPORTING
    assert bench.task(number) is TaskState.RUNNING
    bench.cluster.silent = False
    bench.tick(5)
    assert bench.state(number) is AnalysisState.FAILED
    assert bench.task(number) is TaskState.CANCELLED


def test_the_twin_takes_over_and_a_retry_works(bench: House, broken: Break) -> None:
    first = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(2)
    twin = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(2)
    assert bench.task(twin) is TaskState.PLANNED, "the same work is under way"
    with bench.db.begin() as db:
        now, to = bench.clock.now(), AnalysisState.REPORTING
        analyses.move_analysis(
            db, now, analyses.get_analysis(db, first), to, reason="it cannot go on"
        )
    bench.tick(6)
    assert bench.state(first) is AnalysisState.FAILED
    assert bench.task(twin) is TaskState.RUNNING
    bench.cluster.cancelled.update(batch.token for batch in bench.cluster.batches)
    bench.tick(6)
    assert bench.state(twin).final
    again = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(2)
    assert bench.task(again) in (TaskState.SUBMITTED, TaskState.RUNNING)


LIVE = [state for state in TaskState if not state.final]


@pytest.mark.parametrize("state", LIVE)
def test_orphans_of_an_older_astran_are_healed(bench: House, state: TaskState) -> None:
    """An analysis that ended before its task: the task ends, its twin goes on."""
    first = bench.launch(AnalysisState.RUNNING, task=True)
    begun = state is not TaskState.PLANNED
    if begun:
        bench.tick()
    with bench.db.begin() as db:
        db.execute(update(t.task).values(state=state))
        if state is TaskState.SUBMITTING:
            db.execute(update(t.submission).values(state="intent", job_id=""))
        if state in (TaskState.CHECKING, TaskState.LOST):
            db.execute(update(t.attempt).values(ended=bench.clock.now()))
        db.execute(update(t.analysis).values(state="failed", ended=bench.clock.now()))
    twin = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(12)
    assert bench.state(first) is AnalysisState.FAILED
    assert bench.task(first).final
    assert bench.task(twin) in (TaskState.SUBMITTED, TaskState.RUNNING)


def test_orphans_alone_are_healed(bench: House) -> None:
    first = bench.launch(AnalysisState.RUNNING, task=True)
    bench.tick(2)
    with bench.db.begin() as db:
        db.execute(update(t.analysis).values(state="failed", ended=bench.clock.now()))
    bench.tick(5)
    assert bench.task(first) is TaskState.CANCELLED


@pytest.mark.parametrize("error", [*SITE_TROUBLES, ValueError("a bug")], ids=repr)
@pytest.mark.parametrize(
    ("state", "place"),
    [
        (AnalysisState.RECEIVED, "planning.find_data"),
        (AnalysisState.WAITING, "planning.find_data"),
        (AnalysisState.RUNNING, "jobs.task_control.act_on_requests"),
        (AnalysisState.RUNNING, "jobs.completion.complete_ended"),
        (AnalysisState.REPORTING, "reporting.reports.build_report"),
    ],
)
def test_cancel_works_in_every_trouble(
    bench: House, broken: Break, state: AnalysisState, place: str, error: Exception
) -> None:
    has_task = state in (AnalysisState.WAITING, AnalysisState.RUNNING)
    number = bench.launch(state, task=has_task)
    if has_task:
        broken("planning.find_data", None)
        bench.tick(3)
        with bench.db.begin() as db:
            analyses.change_analysis(db, number, next_look=None)
    broken(place, error)
    bench.tick()
    assert not bench.state(number).final
    request_cancel(bench.context, bench.get(number))
    bench.tick(5)
    assert bench.state(number) is AnalysisState.CANCELLED
    assert not has_task or bench.task(number).final


def test_a_database_that_is_away_is_in_the_heartbeat(
    bench: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = bench.launch(AnalysisState.RUNNING, task=True)
    with monkeypatch.context() as patch:

        def away(*_: object) -> None:
            raise OperationalError("select", {}, Exception("server closed the connection"))

        patch.setattr(Database, "begin", away)
        for _ in range(5):
            faults = bench.tick()
    assert any("server closed the connection" in fault for fault in faults)
    assert "server closed" in (bench.site.workdir / "heartbeat.json").read_text()
    assert bench.tick() == []
    assert bench.state(number) is AnalysisState.RUNNING


def test_status_says_it(
    bench: House, broken: Break, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from argparse import Namespace

    bench.launch()
    broken("planning.find_data", SITE_TROUBLES[0])
    bench.tick()
    site = tmp_path / "site.yml"
    site.write_text(f"site: T\nworkdir: {bench.site.workdir}\n")
    args = Namespace(site=str(site), json=False, all=False, watch=False)
    assert status(args) == 0
    assert "/models does not exist" in capsys.readouterr().out


def test_it_is_in_the_history(bench: House, broken: Break) -> None:
    number = bench.launch()
    broken("planning.find_data", SITE_TROUBLES[0])
    bench.tick(2)
    broken("planning.find_data", None)
    bench.tick(5)
    with bench.db.begin() as db:
        kinds = [event.kind for event in events.history(db, number)]
    assert [kind for kind in kinds if "trouble" in kind] == ["trouble", "trouble-over"]


@pytest.mark.lstchain
def test_models_that_are_away_for_one_look(
    house: ArchiveHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run's job is at work while the second run is waited for."""
    house.clock.time = datetime(2023, 12, 16, 9, tzinfo=UTC)
    monkeypatch.setattr(house.scheduler, "_do", lambda task, token: None)
    running = Known(JobState.RUNNING, "RUNNING")
    monkeypatch.setattr(
        house.scheduler,
        "statuses_of",
        lambda jobs: {(job.token, index): running for job in jobs for index in job.wanted},
    )
    number = house.launch("20231215")
    house.tick(2)
    assert house.state(number).state is AnalysisState.WAITING
    models = house.context.site.data.models
    assert models is not None
    aside = models.with_name("aside")
    house.clock.time += timedelta(minutes=10)
    shutil.move(models, aside)
    (fault,) = run_tick(house.context, mail=False).faults
    assert str(models) in fault
    assert house.state(number).state is AnalysisState.WAITING
    assert house.kinds(number) == ["waiting", "trouble"]
    shutil.move(aside, models)
    house.tick(3, timedelta(minutes=2))
    assert house.state(number).state is AnalysisState.WAITING
    assert house.state(number).trouble == ""
