"""Data that are not there yet are waited for, once told, up to a deadline."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from fakes.idle_scheduler import IdleScheduler

from astran.base.states import AnalysisState
from astran.catalogue.sources import resolve
from astran.config.analysis import AnalysisConfig
from astran.config.model import build
from astran.config.site import SiteConfig
from astran.service.context import Context
from astran.service.tick import tick
from astran.store import analyses, outbox, tasks
from astran.store.analyses import Analysis, Origin
from astran.store.database import Database

pytestmark = [pytest.mark.lstchain]
MORNING = datetime(2023, 12, 14, 8, tzinfo=UTC)


@dataclass
class Hands:
    """A clock that a test moves."""

    time: datetime = MORNING

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Morning:
    """A service on the morning after the night, with DL1 that come and go."""

    context: Context
    clock: Hands
    scheduler: IdleScheduler
    folder: Path
    kept: Path

    def launch(self, **more: object) -> int:
        data = {"target": resolve("Crab").model_dump(), "date": "20231213", **more}
        config = build(AnalysisConfig, data, "test")
        with self.context.db.begin() as db:
            origin = Origin(subject="ASTRAN-LAUNCH", in_reply_to="<l@a.test>")
            workdir = self.context.site.workdir
            made = analyses.create(
                db, self.clock.now(), origin, config.label, config.plain(), workdir, "ann@a.test"
            )
        return made.id

    def tick(self, after: timedelta = timedelta()) -> None:
        self.clock.time += after
        result = tick(self.context, mail=False)
        assert result.faults == []

    def state(self, number: int) -> Analysis:
        with self.context.db.begin() as db:
            return analyses.get(db, number)

    def letters(self, number: int) -> list[str]:
        with self.context.db.begin() as db:
            return [kind for kind, _ in outbox.raws(db, number)]

    def take_away(self, run: int) -> None:
        for path in self.folder.rglob(f"dl1_LST-1.Run{run}.h5"):
            path.rename(self.kept / path.name)

    def bring(self, run: int) -> None:
        (place,) = self.folder.glob("real/DL1/20231213/*/*")
        (self.kept / f"dl1_LST-1.Run{run}.h5").rename(place / f"dl1_LST-1.Run{run}.h5")


@pytest.fixture
def morning(simulated_night: SmallNight, tmp_path: Path) -> Iterator[Morning]:
    folder, kept = tmp_path / "night", tmp_path / "kept"
    shutil.copytree(simulated_night.root / "real", folder / "real")
    kept.mkdir()
    written = (MORNING - timedelta(hours=1)).timestamp()
    for path in folder.rglob("*.h5"):
        os.utime(path, (written, written))
    root = str(simulated_night.root / "real")
    data = simulated_night.tree.data_settings()
    for key in ("dl1", "run_catalog"):
        data[key] = str(data[key]).replace(root, str(folder / "real"))
    secret = tmp_path / "password"
    secret.write_text("x\n")
    secret.chmod(0o600)
    # nobody listens on this port: letters stay in the outbox
    server = {"host": "127.0.0.1", "port": 9, "security": "none", "password": {"file": str(secret)}}
    site = build(
        SiteConfig,
        {
            "site": "Test",
            "workdir": str(tmp_path / "work"),
            "data": data,
            "mail": {"address": "astran@a.test", "imap": server, "smtp": server},
            "lstchain": {
                "default": "here",
                "environments": {"here": {"bin": str(Path(sys.executable).parent)}},
            },
        },
        "test",
    )
    clock, scheduler = Hands(), IdleScheduler()
    context = Context(
        site=site,
        db=Database.open(site.database_url),
        clock=clock,
        python=sys.executable,
        say=print,
        make_scheduler=lambda: scheduler,
    )
    yield Morning(context, clock, scheduler, folder, kept)
    context.db.close()


def test_a_missing_run_is_waited_for_and_then_taken(morning: Morning) -> None:
    morning.take_away(15862)
    number = morning.launch()
    morning.tick()
    assert morning.state(number).state is AnalysisState.WAITING
    for _ in range(3):
        morning.tick(timedelta(minutes=6))
    assert morning.letters(number) == ["waiting"], "told once"
    morning.bring(15862)
    morning.tick()
    assert morning.state(number).state is AnalysisState.WAITING, "looks only every few minutes"
    morning.tick(timedelta(minutes=6))
    assert morning.state(number).state is AnalysisState.RUNNING
    scripts = [b.scripts for b in morning.scheduler.batches if "dl2" in b.token]
    assert [Path(name).name for names in scripts for name in names] == [
        "Script_dl2_15861.sh",  # did not wait for the other
        "Script_dl2_15862.sh",
    ]
    with morning.context.db.begin() as db:
        (index,) = [r.spec for r in tasks.of_analysis(db, number) if r.spec.key == "index"]
    assert index.after == ("dl3-15861", "dl3-15862")
    assert morning.letters(number) == ["waiting"], "nothing more to tell"


def test_at_the_deadline_what_is_there_is_analysed(morning: Morning) -> None:
    morning.take_away(15862)
    number = morning.launch()
    morning.tick()
    morning.tick(timedelta(days=3))
    found = morning.state(number)
    assert found.state is AnalysisState.RUNNING
    assert [run for run, _ in found.left_out] == [15862]
    with morning.context.db.begin() as db:
        keys = {row.spec.key for row in tasks.of_analysis(db, number)}
    assert "dl2-15861" in keys
    assert "dl2-15862" not in keys
    morning.tick()
    assert morning.letters(number) == ["waiting", "deadline"]


def test_all_or_nothing_if_the_request_says_so(morning: Morning) -> None:
    morning.take_away(15862)
    number = morning.launch(waiting={"at_deadline": "expire", "hours": 4})
    morning.tick()
    assert morning.scheduler.batches == [], "no run starts before all are there"
    morning.tick(timedelta(hours=7))
    assert morning.state(number).state is AnalysisState.WAITING
    morning.tick(timedelta(hours=2))  # four hours after noon are over
    found = morning.state(number)
    assert found.state is AnalysisState.EXPIRED
    assert "run 15862: no DL1 yet" in found.reason
    assert "expire" in found.reason
    assert morning.letters(number) == ["waiting", "report"]


def test_nothing_at_the_deadline_expires_with_a_letter(morning: Morning) -> None:
    morning.take_away(15861)
    morning.take_away(15862)
    number = morning.launch()
    morning.tick()
    assert morning.state(number).state is AnalysisState.WAITING
    morning.tick(timedelta(days=3))
    found = morning.state(number)
    assert found.state is AnalysisState.EXPIRED
    assert "15861" in found.reason
    assert morning.letters(number) == ["waiting", "report"]


def test_an_old_night_without_data_is_answered_at_once(morning: Morning) -> None:
    morning.clock.time += timedelta(days=30)
    morning.take_away(15861)
    morning.take_away(15862)
    number = morning.launch()
    morning.tick()
    assert morning.state(number).state is AnalysisState.FAILED
    assert morning.letters(number) == ["report"]
    assert morning.scheduler.batches == []
