"""The launcher's silence is told once, and its return once, whatever else is away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from mail_house import SetClock

from astran.base.errors import MailUnavailable
from astran.cli.main import main
from astran.config.site import MailSettings, Server, SiteConfig
from astran.mail.letters.service_letters import Letters
from astran.service.heartbeat import heartbeat_path, write_heartbeat
from astran.service.operator.launcher_watch import WatchResult, state_path, watch_launcher

START = datetime(2023, 12, 8, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Watch:
    """A site of which the test lets time go by: ticks every minute, looks every five."""

    def __init__(self, folder: Path) -> None:
        server = Server(host="localhost", port=993)
        self.mail = MailSettings(
            address="astran@a.example", imap=server, smtp=server, operator="op@a.example"
        )
        work = folder / "work"
        work.mkdir()
        self.site = SiteConfig(
            site="T", workdir=work, mail=self.mail, database="postgresql://nowhere:1/none"
        )
        self.clock = SetClock(START)
        self.letters = Letters(self.mail, "T", False, self.clock)
        self.state = folder / "state" / "watch.json"
        self.sent: list[EmailMessage] = []
        self.refused = False

    def look(self) -> WatchResult:
        def send(letter: EmailMessage) -> None:
            if self.refused:
                raise MailUnavailable("the relay is away")
            self.sent.append(letter)

        return watch_launcher(
            self.site,
            self.clock,
            send,
            lambda title, text, seed: self.letters.operator(title, text, seed=seed),
            state=self.state,
        )

    def tick(self) -> None:
        write_heartbeat(self.site, self.clock, ())

    def go_by(self, minutes: int, *, ticks: bool) -> WatchResult | None:
        found = None
        for _ in range(minutes):
            self.clock.moment += MINUTE
            if ticks:
                self.tick()
            if self.clock.moment.minute % 5 == 0:
                try:
                    found = self.look()
                except MailUnavailable:
                    assert self.refused
        return found

    @property
    def subjects(self) -> list[str]:
        return [str(letter["Subject"]) for letter in self.sent]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


SILENT = "ASTRAN operator: no tick of the launcher since 2023-12-08 09:30 UTC"
BACK = "ASTRAN operator: the launcher runs again"


def test_silence_and_return_are_told_once_each(watch: Watch) -> None:
    watch.go_by(30, ticks=True)
    assert watch.sent == []
    assert watch.go_by(14, ticks=False) == WatchResult(False, "the last tick ended 10 min 00 s ago")
    assert watch.sent == []
    found = watch.go_by(600, ticks=False)
    assert found is not None and found.quiet
    assert watch.subjects == [SILENT]
    watch.go_by(60, ticks=True)
    assert watch.subjects == [SILENT, BACK]
    watch.go_by(60, ticks=False)
    assert len(watch.sent) == 3 and watch.subjects[2].startswith(SILENT[:40])
    assert len({letter["Message-ID"] for letter in watch.sent}) == 3


def test_what_the_relay_does_not_take_is_sent_later(watch: Watch) -> None:
    watch.go_by(30, ticks=True)
    watch.refused = True
    watch.go_by(120, ticks=False)
    assert watch.sent == []
    watch.refused = False
    watch.go_by(60, ticks=False)
    assert watch.subjects == [SILENT]
    watch.refused = True
    watch.go_by(30, ticks=True)
    watch.refused = False
    watch.go_by(30, ticks=True)
    assert watch.subjects == [SILENT, BACK]


def break_nothing(watch: Watch) -> None:
    pass


def remove_work(watch: Watch) -> None:
    shutil.rmtree(watch.site.workdir)


def spoil_beat(watch: Watch) -> None:
    heartbeat_path(watch.site).write_text('{"at":')


def beat_of_the_future(watch: Watch) -> None:
    beat = {"at": (watch.clock.now() + timedelta(days=1)).isoformat(), "faults": []}
    heartbeat_path(watch.site).write_text(json.dumps(beat))


@pytest.mark.parametrize("harm", [break_nothing, remove_work, spoil_beat, beat_of_the_future])
def test_whatever_is_the_cause_it_is_told_once(watch: Watch, harm: Callable[[Watch], None]) -> None:
    watch.go_by(30, ticks=True)
    harm(watch)
    watch.go_by(120, ticks=False)
    assert len(watch.sent) == 1 and "no tick of the launcher" in watch.subjects[0]
    watch.site.workdir.mkdir(exist_ok=True)
    watch.go_by(30, ticks=True)
    assert watch.subjects[1:] == [BACK]


def test_one_that_never_ran_is_told_after_a_while(watch: Watch) -> None:
    assert watch.go_by(15, ticks=False) == WatchResult(False, "no tick was seen yet")
    watch.go_by(60, ticks=False)
    assert len(watch.sent) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"first_look": "yesterday"}', '{"a": 1}'])
def test_a_damaged_state_is_begun_anew(watch: Watch, text: str) -> None:
    watch.go_by(30, ticks=True)
    watch.state.write_text(text)
    watch.go_by(60, ticks=False)
    assert watch.subjects == [SILENT]


def test_the_state_lies_outside_of_the_work_folder(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_path(watch.site).is_relative_to(tmp_path / "xdg")
    other = watch.site.model_copy(update={"workdir": tmp_path / "other"})
    assert state_path(other) != state_path(watch.site)


def test_the_command_needs_an_operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    site = tmp_path / "site.yml"
    site.write_text(f"site: T\nworkdir: {tmp_path / 'work'}\n")
    assert main(["watch-launcher", "--site", str(site)]) == 2
    assert "mail.operator" in capsys.readouterr().err
    server = "{host: localhost, port: 1}"
    mail = f"address: a@a.example\n  imap: {server}\n  smtp: {server}\n  operator: op@a.example"
    site.write_text(f"site: T\nworkdir: {tmp_path / 'work'}\nmail:\n  {mail}\n")
    assert main(["watch-launcher", "--site", str(site)]) == 0
    assert capsys.readouterr().out == "no tick was seen yet\n"
