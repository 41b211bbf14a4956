"""Ticking until the wanted mail has come, and giving up with a reason."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from astran.base.errors import AstranError
from astran.base.process import Completed
from astran.demo import ticks as driving
from astran.demo.demo_folder import make_fresh_folder
from astran.demo.servers import Delivered
from astran.demo.ticks import Launcher, TickAnswer

START = datetime(2023, 12, 14, tzinfo=UTC)


def mail(kind: str, text: str = "the text") -> Delivered:
    message = EmailMessage()
    message["Message-ID"] = f"<{kind}.A1.1.0123456789abcdef@demo.example>"
    message["Subject"] = f"Re: ASTRAN-LAUNCH {kind}"
    message.set_content(text)
    return Delivered(START, message.as_bytes())


@dataclass
class FakeClock:
    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class FakeServers:
    mails: list[Delivered] = field(default_factory=list)

    def inbox(self, user: str) -> list[Delivered]:
        assert user == "shifter"
        return list(self.mails)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A launcher of which each tick does what the next entry of `world.script` says."""

    class World:
        script: list = []
        servers = FakeServers()
        commands: list = []

        def tick(self, argv, *, timeout, check):
            self.commands.append(argv)
            happens = self.script.pop(0) if self.script else None
            if isinstance(happens, Delivered):
                self.servers.mails.append(happens)
            failed = isinstance(happens, str)
            return Completed(tuple(argv), int(failed), "a tick\n", happens if failed else "")

    world = World()
    monkeypatch.setattr(driving, "run_command", world.tick)
    with make_fresh_folder(tmp_path / "demo") as files:
        world.files = files
        world.launcher = Launcher(files, world.servers, FakeClock())
        yield world


def test_it_ticks_until_the_wanted_mail(world):
    world.script[:] = [None, mail("confirmation"), None, mail("report"), mail("late")]
    answer = world.launcher.until("report", frozenset({"problems"}), 100)
    assert answer.kind == "report"
    assert answer.subject == "Re: ASTRAN-LAUNCH report"
    assert len(world.commands) == 4
    assert world.commands[0][-2:] == ["--site", str(world.files.site)]
    assert world.files.launcher_log.read_text() == "a tick\n" * 4


def test_old_mails_are_no_answer(world):
    world.servers.mails.append(mail("report"))
    world.script[:] = [None, mail("report")]
    world.launcher.until("report", frozenset(), 100)
    assert len(world.commands) == 2


def test_a_refusal_ends_it_with_its_words(world):
    world.script[:] = [mail("problems", "there is no target Crba")]
    with pytest.raises(AstranError, match="there is no target Crba"):
        world.launcher.until("report", frozenset({"problems"}), 100)


def test_time_runs_out_and_the_logs_are_named(world):
    with pytest.raises(AstranError, match="within 20 s") as caught:
        world.launcher.until("report", frozenset(), 20)
    assert str(world.files.launcher_log) in str(caught.value)
    assert len(world.commands) > 15


def test_a_tick_may_fail_but_not_for_ever(world):
    world.script[:] = ["no database", None, mail("report")]
    world.launcher.until("report", frozenset(), 100)
    world.script[:] = ["no database"] * 10
    with pytest.raises(AstranError, match="no database"):
        world.launcher.until("report", frozenset(), 100)
    assert "no database" in Path(world.files.launcher_log).read_text()


def test_an_interrupted_demo_cancels_its_analysis(world):
    world.launcher.cancel()
    assert world.commands[-1][-4:] == ["cancel", "A1", "--site", str(world.files.site)]


def test_an_answer_is_read_from_its_mail():
    answer = TickAnswer.read(mail("confirmation", "accepted"))
    assert (answer.kind, answer.text.strip()) == ("confirmation", "accepted")
