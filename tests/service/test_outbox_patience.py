"""A letter goes out whenever the mail server comes back, and nothing that is refused for good."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from archive_fixtures import Hands
from fakes.postman import FakePostman
from sqlalchemy import update

from astran.base.errors import MailDeferred, MailError, MailRejected, MailUnavailable
from astran.base.states import AnalysisState
from astran.cli.main import main
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses, outbox
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.service.context import Context
from astran.service.manual_run import drive_analysis
from astran.service.operator import daily_summary
from astran.service.outgoing.delivery import MOST_FAILURES, deliver_due
from astran.service.tick import run_tick

NOW = datetime(2023, 12, 8, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AWAY = MailUnavailable("The submission server is out of reach: Connection refused")
FULL = MailDeferred("The submission server cannot take the mail now: 452 mailbox full")


class Relay(FakePostman):
    """Away, refusing or well."""

    def __init__(self) -> None:
        super().__init__()
        self.error: MailError | None = None
        self.only = ""
        """Recipient that the error is about; empty: everybody."""
        self.tries: list[datetime] = []

    def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        self.tries.append(House.clock.time)
        if self.error is not None and self.only in ("", recipients[0]):
            raise self.error
        return super().send(raw, sender, recipients)


class NoCopies:
    """A mailbox that holds no copy of any letter."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> NoCopies:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def contains(self, *_: object) -> bool:
        return False


class House:
    """A site with a relay, and a clock that the test moves."""

    clock: Hands

    def __init__(self, folder: Path, relay: Relay, keep_copy: bool) -> None:
        House.clock = Hands(NOW)
        self.relay = relay
        server = {"host": "127.0.0.1", "port": 9, "security": "none"}
        mail = {"address": "astran@a.test", "imap": server, "smtp": server, "keep_copy": keep_copy}
        mail |= {"operator": "op@a.test", "quotas": {"mails_per_recipient": 1000}}
        self.settings = {"site": "T", "workdir": str(folder / "work"), "mail": mail}
        self.site = build_settings(SiteConfig, self.settings, "test")
        self.db = Database.open(self.site.database_url)
        self.context = Context(self.site, self.db, self.clock, sys.executable)

    def put(self, name: str, to: str = "ann@a.test", analysis_id: int | None = None) -> None:
        with self.db.begin() as db:
            now, number = self.clock.now(), f"<{name}@a.test>"
            outbox.enqueue(db, now, "report", to, number, name, b"raw", analysis_id)

    def deliver(self, times: int = 1, after: timedelta = MINUTE) -> None:
        for _ in range(times):
            self.clock.time += after
            deliver_due(self.context)

    def states(self) -> dict[str, str]:
        with self.db.begin() as db:
            c = t.outgoing_mail.c
            rows = db.execute(t.outgoing_mail.select().where(c.kind == "report").order_by(c.id))
            return {row.subject: row.state for row in rows}

    def analysis(self) -> int:
        config = {"target": {"name": "Crab", "ra": 83.6, "dec": 22.0}, "date": "20231207"}
        with self.db.begin() as db:
            made = analyses.create_analysis(
                db, NOW, RequestOrigin(), "Crab", config, self.site.workdir, "ann@a.test"
            )
            analyses.move_analysis(db, NOW, made, AnalysisState.FAILED, reason="no data")
        return made.id


@pytest.fixture(params=[False, True], ids=["without copies", "with copies"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    relay = Relay()
    monkeypatch.setattr("astran.service.outgoing.delivery.SmtpPostman", lambda server: relay)
    monkeypatch.setattr("astran.service.outgoing.delivery.Inbox", NoCopies)
    made = House(tmp_path, relay, request.param)
    yield made
    made.db.close()


def test_a_relay_that_is_away_for_seven_hours(bench: House) -> None:
    bench.put("report")
    bench.relay.error = AWAY
    bench.deliver(7 * 6, after=10 * MINUTE)
    bench.relay.error = None
    bench.deliver(14, after=10 * MINUTE)
    assert bench.states() == {"report": "sent"}


@pytest.mark.parametrize("error", [AWAY, FULL], ids=["away", "put off"])
def test_the_outbox_tries_for_five_days_with_growing_pauses(bench: House, error: MailError) -> None:
    bench.put("report")
    bench.relay.error = error
    bench.deliver(5 * 24 * 4, after=15 * MINUTE)
    assert bench.states()["report"] != "dead"
    pauses = [b - a for a, b in pairwise(bench.relay.tries)]
    assert max(pauses) <= 2 * HOUR + 30 * MINUTE
    assert pauses == sorted(pauses)
    bench.relay.error = None
    bench.deliver(2, after=2 * HOUR + 15 * MINUTE)
    assert bench.states() == {"report": "sent"}


def test_after_that_another_letter_revives_it(bench: House) -> None:
    bench.put("old")
    bench.relay.error = AWAY
    bench.deliver(8 * 24, after=HOUR)
    tries = len(bench.relay.tries)
    bench.deliver(10, after=MINUTE)
    assert len(bench.relay.tries) - tries <= 1, "tried seldom by now"
    bench.relay.error = None
    bench.put("new")
    bench.deliver(3)
    assert bench.states() == {"old": "sent", "new": "sent"}


def test_after_that_it_goes_out_by_itself_as_well(bench: House) -> None:
    bench.put("old")
    bench.relay.error = AWAY
    bench.deliver(8 * 6, after=4 * HOUR)
    bench.relay.error = None
    bench.deliver(30, after=HOUR)
    assert bench.states() == {"old": "sent"}


def test_letters_that_an_older_astran_gave_up_are_revived(bench: House) -> None:
    bench.put("given up")
    bench.put("refused")
    with bench.db.begin() as db:
        for name, error in (
            ("given up", "given up after 6 tries: The submission server is out of reach"),
            ("refused", "The submission server refused the mail: 554 no"),
        ):
            one = update(t.outgoing_mail).where(t.outgoing_mail.c.subject == name)
            db.execute(one.values(state="dead", tries=6, error=error))
    bench.deliver(3)
    assert bench.states() == {"given up": "dead", "refused": "dead"}
    bench.put("new")
    bench.deliver(3)
    assert bench.states() == {"given up": "sent", "refused": "dead", "new": "sent"}


def test_a_recipient_that_is_refused_for_good_stays_dead(bench: House) -> None:
    bench.put("report", to="gone@a.test")
    bench.relay.error, bench.relay.only = MailRejected("550 no such user"), "gone@a.test"
    bench.deliver()
    assert bench.states() == {"report": "dead"}
    bench.relay.error = None
    bench.put("new")
    bench.deliver(5, after=DAY)
    assert bench.states() == {"report": "dead", "new": "sent"}


def test_a_full_mailbox_is_not_tried_with_every_letter_of_others(bench: House) -> None:
    bench.put("full", to="full@a.test")
    bench.relay.error, bench.relay.only = FULL, "full@a.test"
    bench.deliver(24 * 12, after=5 * MINUTE)
    tries = len(bench.relay.tries)
    for number in range(10):
        bench.put(f"{number}")
        bench.deliver()
    assert len(bench.relay.tries) - tries <= 11
    assert [state for name, state in bench.states().items() if name != "full"] == ["sent"] * 10
    bench.deliver(40, after=DAY)
    assert bench.states()["full"] == "dead", "in the end"


def test_a_relay_that_is_away_holds_no_tick_up(bench: House) -> None:
    for number in range(15):
        bench.put(f"{number}")
    bench.relay.error = AWAY
    bench.deliver()
    assert len(bench.relay.tries) == MOST_FAILURES
    bench.relay.error = None
    bench.deliver(4, after=10 * MINUTE)
    assert set(bench.states().values()) == {"sent"}


def test_everybody_who_looks_is_told(
    bench: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = bench.analysis()
    bench.put("report", analysis_id=number)
    bench.relay.error = AWAY
    bench.deliver(2, after=HOUR)
    run_tick(bench.context, mail=False)
    beat = json.loads((bench.site.workdir / "heartbeat.json").read_text())
    assert beat["mail_unsent_since"] == NOW.isoformat()
    with bench.db.begin() as db:
        text = daily_summary.make_summary(bench.context, db, NOW - DAY, NOW + DAY)
    assert "Mails that have not gone out: 1, the oldest since 2023-12-08 09:00 UTC." in text
    assert f"A{number}: its report has not gone out" in text
    site = tmp_path / "site.yml"
    site.write_text(json.dumps(bench.settings))
    assert main(["status", "--site", str(site)]) == 0
    assert "its report has not gone out since 2023-12-08 09:00 UTC" in capsys.readouterr().out
    bench.relay.error = None
    bench.deliver(30, after=HOUR)
    run_tick(bench.context, mail=False)
    beat = json.loads((bench.site.workdir / "heartbeat.json").read_text())
    assert beat["mail_unsent_since"] is None
    assert main(["status", "--site", str(site)]) == 0
    assert "Nothing is under way" in capsys.readouterr().out


def test_a_hand_run_does_not_wait_for_days(bench: House) -> None:
    number = bench.analysis()
    bench.put("report", analysis_id=number)
    bench.relay.error = AWAY
    assert (
        drive_analysis(bench.context, number, lambda progress: None).state is AnalysisState.FAILED
    )
    assert bench.clock.time - NOW < HOUR
    assert bench.states()["report"] in ("retry", "sending"), "the launcher goes on with it"
