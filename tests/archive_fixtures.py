"""The service on a copy of the simulated archive, with a clock that the test moves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from fakes.instant_scheduler import InstantScheduler
from simulated_archive import NEW, OLD, Archive, copy

from astran.base.tasks import Stage
from astran.catalogue.sources import resolve_source
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses, outbox
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import Database
from astran.service.context import Context
from astran.service.tick import run_tick
from astran.telescopes.lst.settings import LstConfig

HERE = {"default": "here", "environments": {"here": {"bin": str(Path(sys.executable).parent)}}}


@dataclass
class Hands:
    """A clock that a test moves."""

    time: datetime

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def whole_archive(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Five nights, three sources; the tests spoil copies of it."""
    tree = simulated_night.tree
    root = tmp_path_factory.mktemp("archive") / "real"
    archive = Archive(root, tuple(tree.dl1(run) for run in simulated_night.runs))
    # 1: two versions; other sources beside
    for run in (100, 101):
        archive.run("20231213", run, version=OLD)
        archive.run("20231213", run, version=NEW)
    archive.run("20231213", 102, "Mrk421")
    archive.run("20231213", 103, "BL Lac")
    # 2: subrun-wise
    archive.run("20231214", 200, parts=3)
    archive.run("20231214", 201, parts=3)
    # 3: one not there yet
    archive.run("20231215", 300)
    archive.run("20231215", 301, there=False)
    archive.run("20231215", 302, "Mrk421")
    # 4: for files that are damaged
    for run in (400, 401, 402):
        archive.run("20231216", run)
    archive.run("20231216", 403, version=OLD)
    archive.run("20231216", 403, version=NEW)
    # 5: bad weather and moon, by data check and by DL1
    for run in (500, 501, 502):
        archive.run("20231217", run)
    archive.run("20231217", 503, rate=0.2)
    archive.write_tables()
    return archive


@dataclass
class ArchiveHouse:
    """The service on a copy of the archive."""

    context: Context
    clock: Hands
    scheduler: InstantScheduler
    archive: Archive

    def launch(self, night: str, target: str = "Crab", **more: object) -> int:
        data = {"target": resolve_source(target).model_dump(), "date": night, **more}
        config = build_settings(LstConfig, data, "test")
        with self.context.db.begin() as db:
            origin = RequestOrigin(subject="ASTRAN-LAUNCH", in_reply_to="<l@a.test>")
            workdir = self.context.site.workdir
            made = analyses.create_analysis(
                db, self.clock.now(), origin, config.label, config.plain(), workdir, "ann@a.test"
            )
        return made.id

    def tick(self, times: int = 1, after: timedelta = timedelta()) -> None:
        for _ in range(times):
            self.clock.time += after
            assert run_tick(self.context, mail=False).faults == []

    def end(self, number: int) -> Analysis:
        """Tick until the analysis has ended; it must not have to wait."""
        for _ in range(12):
            self.tick()
            if self.state(number).state.final:
                break
        return self.state(number)

    def state(self, number: int) -> Analysis:
        with self.context.db.begin() as db:
            return analyses.get_analysis(db, number)

    def letters(self, number: int) -> list[tuple[str, str]]:
        """(kind, text with blanks joined) of what the requester was sent."""
        with self.context.db.begin() as db:
            return [(kind, _text(raw)) for kind, raw in outbox.raw_mails(db, number)]

    def kinds(self, number: int) -> list[str]:
        return [kind for kind, _ in self.letters(number)]

    def runs_of(self, stage: Stage) -> list[int | None]:
        return [task.run for task in self.scheduler.done if task.stage is stage]

    def file(self, run: int, version: str = NEW) -> Path:
        (path,) = self.archive.root.glob(f"DL1/*/{version}/*/dl1_LST-1.Run{run:05d}.h5")
        return path


def _text(raw: bytes) -> str:
    letter = message_from_bytes(raw, policy=default)
    assert isinstance(letter, EmailMessage)
    body = letter.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


@pytest.fixture(scope="session")
def asked_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lstchain says of its tools; asking takes seconds."""
    from astran.telescopes.lst.environment.releases import find_toolset

    work = tmp_path_factory.mktemp("asked")
    site = {"site": "Test", "workdir": str(work), "lstchain": HERE}
    find_toolset(build_settings(SiteConfig, site, "test"), "")
    return work / "shared"


@pytest.fixture
def house(
    whole_archive: Archive, asked_tools: Path, simulated_night: SmallNight, tmp_path: Path
) -> Iterator[ArchiveHouse]:
    archive = copy(whole_archive, tmp_path / "real")
    shutil.copytree(asked_tools, tmp_path / "work" / "shared")
    secret = tmp_path / "password"
    secret.write_text("x\n")
    secret.chmod(0o600)
    # nobody listens on this port: letters stay in the outbox
    server = {"host": "127.0.0.1", "port": 9, "security": "none", "password": {"file": str(secret)}}
    night = simulated_night.tree.data_settings()
    site = build_settings(
        SiteConfig,
        {
            "site": "Test",
            "workdir": str(tmp_path / "work"),
            "data": {**night, **archive.settings()},
            "mail": {"address": "astran@a.test", "imap": server, "smtp": server},
            "lstchain": HERE,
        },
        "test",
    )
    clock = Hands(datetime(2023, 12, 18, 9, tzinfo=UTC))
    scheduler = InstantScheduler(clock)
    context = Context(
        site=site,
        db=Database.open(site.database_url),
        clock=clock,
        python=sys.executable,
        make_scheduler=lambda: scheduler,
    )
    yield ArchiveHouse(context, clock, scheduler, archive)
    context.db.close()
