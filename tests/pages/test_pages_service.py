"""From the store to the pages: who is left out, and when pages are written."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.idle_scheduler import IdleScheduler

from astran.base.states import AnalysisState
from astran.cli.main import main
from astran.config.analysis import Target
from astran.config.site import LocalSettings, PagesSettings, SchedulerSettings, SiteConfig
from astran.database import analyses, events
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import Database
from astran.service.context import Context
from astran.service.reporting.privacy import private_rule
from astran.service.reporting.site_pages import EVERY, write_due, write_pages
from astran.service.tick import run_tick
from astran.telescopes.lst.settings import LstConfig


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2023, 12, 8, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Office:
    """A service without mail, whose analyses are made by hand."""

    def __init__(self, folder: Path, private: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.output = folder / "site"
        self.clock = Hands()
        self.context = self.context_of(PagesSettings(output=self.output, private=private))

    def context_of(self, pages: PagesSettings) -> Context:
        site = SiteConfig(
            site="LST-1",
            workdir=self.folder / "work",
            pages=pages,
            scheduler=SchedulerSettings(local=LocalSettings(cores=1)),
        )
        site.workdir.mkdir(exist_ok=True)
        return Context(
            site=site,
            db=Database.open(site.database_url),
            clock=self.clock,
            python=sys.executable,
            make_scheduler=IdleScheduler,
        )

    def launch(self, name: str = "Crab", ra: float = 83.633, dec: float = 22.014) -> Analysis:
        config = LstConfig(target=Target(name=name, ra=ra, dec=dec), date="20231207")
        with self.context.db.begin() as db:
            return analyses.create_analysis(
                db,
                self.clock.now(),
                RequestOrigin(subject="ASTRAN-LAUNCH"),
                config.label,
                config.plain(),
                self.context.site.workdir,
                "shifter@institute.example",
            )

    def move(self, analysis: Analysis, *states: AnalysisState) -> None:
        with self.context.db.begin() as db:
            for state in states:
                assert analyses.move_analysis(
                    db,
                    self.clock.now(),
                    analyses.get_analysis(db, analysis.id),
                    state,
                    reason="why",
                )

    def end(self, analysis: Analysis) -> None:
        self.move(analysis, AnalysisState.FAILED)

    @property
    def text(self) -> str:
        """All that the site says."""
        paths = [path for path in self.output.rglob("*") if path.suffix not in (".css", ".js")]
        return "\n".join(path.read_text() for path in paths if path.is_file())

    @property
    def written(self) -> bool:
        return (self.output / "index.html").exists()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_pages_tell_of_every_analysis_but_name_no_person(office: Office) -> None:
    office.end(office.launch())
    office.launch("Mrk 421", 166.11, 38.21)
    outcome = write_pages(office.context, office.output)
    assert (outcome.analyses, outcome.made) == (2, 2)
    assert "Mrk 421" in office.text
    assert "@institute.example" not in office.text
    assert write_pages(office.context, office.output).made == 0


def test_a_new_state_is_seen(office: Office) -> None:
    crab = office.launch()
    write_pages(office.context, office.output)
    office.end(crab)
    assert write_pages(office.context, office.output).made == 1
    assert "failed" in (office.output / "analyses/A1/index.html").read_text()


def test_private_targets_stay_out_and_vanish(tmp_path: Path) -> None:
    open_office = Office(tmp_path)
    for name, ra, dec in (("Crab", 83.63, 22.01), ("GRB 231207A", 10, 5), ("Mrk 421", 166, 38)):
        open_office.end(open_office.launch(name, ra, dec))
    write_pages(open_office.context, open_office.output)
    assert "GRB 231207A" in open_office.text
    closed = Office(tmp_path, private=("M 1", "grb*"))
    outcome = write_pages(closed.context, closed.output)
    assert outcome.analyses == 1
    assert outcome.removed > 0
    for word in ("Crab", "/crab", "GRB", "grb", "A1", "A2"):
        assert word not in closed.text, word
    assert not list(closed.output.glob("analyses/A[12]"))
    assert "Mrk 421" in closed.text


@pytest.mark.parametrize(
    ("names", "target", "private"),
    [
        ((), "Crab", False),
        (("Crab",), "Crab", True),
        (("crab nebula",), "Crab", True),
        (("Crab",), "My own field", True),  # the same place in the sky
        (("Mrk 421",), "Crab", False),
        (("GRB*",), "GRB231207A", True),
        (("grb *",), "GRB 231207A", True),
        (("GRB*",), "Not a GRB", True),  # at the place of a private source: see below
    ],
)
def test_the_rule_of_privacy(names: tuple[str, ...], target: str, private: bool) -> None:
    config = {"target": {"name": target, "ra": 83.6287, "dec": 22.0147}}
    if target == "Not a GRB":
        names = (*names, "Crab")
    assert private_rule(names)(config) is private


def test_a_report_brings_the_pages_up_to_date(office: Office) -> None:
    crab = office.launch()
    office.move(crab, AnalysisState.RUNNING, AnalysisState.REPORTING)
    assert run_tick(office.context, mail=False).faults == []
    assert "failed" in (office.output / "analyses/A1/index.html").read_text()
    assert "The service is well" in (office.output / "service.html").read_text()


def test_pages_follow_what_is_under_way_now_and_then(office: Office) -> None:
    crab = office.launch()
    write_due(office.context)
    first = (office.output / "service.html").read_text()
    office.clock.sleep(60)
    write_due(office.context)
    assert (office.output / "service.html").read_text() == first
    office.clock.sleep(EVERY.total_seconds())
    write_due(office.context)
    assert (office.output / "service.html").read_text() != first
    assert f"analyses/{crab.name}/" in first


def test_an_idle_service_writes_no_pages(office: Office) -> None:
    run_tick(office.context, mail=False)
    assert not office.written


def test_pages_are_off_by_default(office: Office) -> None:
    context = office.context_of(PagesSettings())
    office.move(office.launch(), AnalysisState.RUNNING, AnalysisState.REPORTING)
    run_tick(context, mail=False)
    assert not office.written


def test_pages_that_cannot_be_written_stop_nothing(office: Office) -> None:
    office.output.write_text("a file is in the way")
    crab = office.launch()
    office.move(crab, AnalysisState.RUNNING, AnalysisState.REPORTING)
    result = run_tick(office.context, mail=False)
    assert len(result.faults) == 1
    assert "pages" in result.faults[0]
    with office.context.db.begin() as db:
        assert analyses.get_analysis(db, crab.id).state is AnalysisState.FAILED
        assert events.count_events(db, "fault", crab.created) == 0
    heartbeat = json.loads((office.context.site.workdir / "heartbeat.json").read_text())
    assert len(heartbeat["faults"]) == 1
    # it is tried again, but not every minute
    assert run_tick(office.context, mail=False).faults == []


def test_the_command(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.end(office.launch())
    site = office.folder / "site.yml"
    work = office.context.site.workdir
    site.write_text(f"site: LST-1\nworkdir: {work}\nscheduler: {{kind: local}}\n")
    assert main(["pages", "--site", str(site)]) == 2
    assert "--output DIR" in capsys.readouterr().err
    assert main(["pages", "--site", str(site), "--output", str(office.output)]) == 0
    assert str(office.output / "index.html") in capsys.readouterr().out
    assert office.written
