"""Requests for several nights, from the mail to the report on their stack."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.instant_scheduler import InstantScheduler
from mail_desk import Desk
from mail_house import ALICE

from astran.base.states import AnalysisState
from astran.cli.analyses import campaign, productions
from astran.cli.main import main
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses, tasks
from astran.database.analyses import Analysis
from astran.database.orders import data_sets
from astran.database.orders.data_sets import DataSetNight
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.mail_facts import MailFacts
from astran.mail.parsing.new_text import read_body
from astran.service.context import Context
from astran.service.tick import run_tick
from astran.telescopes.registry import find_chain, register_chains

CHAIN_FILE = Path(__file__).parent / "data_set_chain.py"
THREE = "target: Crab\nnights: 20231201-20231205\n"


class Sets(Desk):
    """A service whose tasks end well at once."""

    def __init__(self, folder: Path, database: str = "", **mail: Any) -> None:
        super().__init__(folder, database, **mail)
        data = self.site.model_dump(exclude_unset=True)
        data["telescopes"] = {"NIGHTS": {"chain": f"{CHAIN_FILE}:CHAIN"}}
        data["telescope"] = "NIGHTS"
        data["scheduler"] = {"kind": "local", "nights_at_once": 2}
        self.site = build_settings(SiteConfig, data, "the test site")
        self.scheduler = InstantScheduler(self.clock)
        self.archive.nights.clear()
        self.archive.awaited.clear()
        self.archive.away = False
        for number, night in enumerate(("20231201", "20231203", "20231204")):
            self.archive.nights[night] = {"Crab": [100 + number, 200 + number]}

    @property
    def archive(self) -> Any:
        register_chains(self.site.chains)
        chain = find_chain("NIGHTS")
        return importlib.import_module(type(chain).__module__).ARCHIVE

    def context(self) -> Context:
        return Context(
            self.site, self.db, self.clock, "python", make_scheduler=lambda: self.scheduler
        )

    def ask(self, title: str, text: str = "", **headers: str) -> None:
        self.box.add(self.raw(title, text, **headers))
        self.read()

    def tick(self, number: int = 1) -> None:
        for _ in range(number):
            self.clock.sleep(60)
            result = run_tick(self.context(), mail=False)
            assert not result.faults, result.faults

    def state(self, number: int = 1) -> AnalysisState:
        with self.db.begin() as db:
            return analyses.get_analysis(db, number).state

    def nights(self, number: int = 1) -> list[DataSetNight]:
        with self.db.begin() as db:
            return data_sets.nights_of(db, number)

    def mails(self) -> list[tuple[str, str]]:
        """Kind and text of each letter to Alice."""
        with self.db.begin() as db:
            query = "select kind, raw from outgoing_mail where recipient = ? order by id"
            rows = db.exec_driver_sql(query, (ALICE,)).all()
        return [(kind, read_body(read_message(raw)).texts[0]) for kind, raw in rows]

    def answer(self, text: str, kind: str = "data-set") -> None:
        """Answer the newest letter of a kind."""
        with self.db.begin() as db:
            query = "select raw from outgoing_mail where kind = ? order by id desc limit 1"
            raw = db.exec_driver_sql(query, (kind,)).scalar_one()
        facts = MailFacts(read_message(raw))
        chain = " ".join([*facts.references, facts.message_id])
        self.ask(f"Re: {facts.subject}", text, In_Reply_To=facts.message_id, References=chain)

    def end(self, number: int = 1, most: int = 40) -> AnalysisState:
        for _ in range(most):
            self.tick()
            if self.state(number).final:
                break
        return self.state(number)


@pytest.fixture(autouse=True)
def no_postman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astran.service.tick.deliver_due", lambda context: 0)


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[Sets]:
    made = Sets(tmp_path)
    yield made
    made.db.close()


def test_one_request_one_thread_one_report(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick()
    ((kind, text),) = sets.mails()
    assert kind == "data-set"
    assert "5 asked for, 3 with data" in text
    assert "2.0 h" in text, "six runs of 20 min"
    # two DL3 and one high-level task a night, 2 cores for an hour each
    assert "18.0 core hours" in text
    assert "2023-12-02" in text, "a night without data is named"
    assert sets.end() is AnalysisState.DONE
    assert [kind for kind, _ in sets.mails()] == ["data-set", "report"]
    report = sets.mails()[-1][1]
    assert "left out: No run of Crab was taken" in report
    states = [one.state for one in sets.nights() if one.child_id]
    assert states == [AnalysisState.DONE] * 3


def test_the_stack_reads_the_dl3_of_all_nights(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.end()
    with sets.db.begin() as db:
        (row,) = tasks.of_analysis(db, 1)
    task = row.spec
    assert task.argv[:3] == ("python", "-m", "astran.highlevel")
    assert "--dl3={work}/dl3" in task.argv
    assert not [word for word in task.argv if word.startswith("--date=")]
    runs = sorted(Path(target).name for _, target in task.links)
    assert runs == [f"dl3_{run}.fits" for run in (100, 101, 102, 200, 201, 202)]
    assert len({name for name, _ in task.links}) == 6


def test_no_more_nights_at_once_than_the_site_has(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    most = 0
    for _ in range(30):
        sets.tick()
        live = sum(one.child_id is not None and not one.over for one in sets.nights())
        most = max(most, live)
    assert most == 2
    assert sets.state() is AnalysisState.DONE


def test_a_large_request_waits_for_its_word(tmp_path: Path) -> None:
    sets = Sets(tmp_path, quotas={"nights_without_question": 2})
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(5)
    assert sets.state() is AnalysisState.WAITING
    ((_, text),) = sets.mails()
    assert "3 nights are more than the 2 that start" in " ".join(text.split())
    assert sets.analyses() == 1
    sets.answer("thanks for the numbers")
    sets.tick(2)
    assert sets.state() is AnalysisState.WAITING
    sets.answer("GO\n")
    assert sets.end() is AnalysisState.DONE
    sets.answer("go")
    assert sets.analyses() == 4, "a second GO starts nothing"
    sets.db.close()


def test_nobody_says_go(tmp_path: Path) -> None:
    sets = Sets(tmp_path, quotas={"core_hours_without_question": 17})
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick()
    assert sets.state() is AnalysisState.WAITING
    sets.wait(timedelta(days=8))
    assert sets.end() is AnalysisState.FAILED
    assert "Nobody said GO" in sets.mails()[-1][1]
    assert sets.analyses() == 1
    sets.db.close()


def test_another_person_cannot_say_go(tmp_path: Path) -> None:
    bob = "bob@astran.test"
    sets = Sets(tmp_path, quotas={"nights_without_question": 2}, allow=[ALICE, bob])
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick()
    with sets.db.begin() as db:
        raw = db.exec_driver_sql("select raw from outgoing_mail").scalar_one()
    own = MailFacts(read_message(raw)).message_id
    mail = sets.raw("Re: x", "GO", sender=bob, In_Reply_To=own, References=f"<0@x.test> {own}")
    sets.box.add(mail)
    sets.read()
    sets.tick()
    assert sets.state() is AnalysisState.WAITING
    sets.db.close()


def test_no_night_has_data(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", "target: Crab\ndate: 20231101-20231103\n")
    assert sets.end() is AnalysisState.FAILED
    ((kind, text),) = sets.mails()
    assert kind == "report"
    assert "None of 3 nights can be analysed" in text


def test_targets_by_name_and_all(sets: Sets) -> None:
    sets.archive.nights["20231203"]["Mrk 421"] = [300]
    sets.archive.nights["20231203"]["MadeUpSource"] = [301]
    sets.ask("ASTRAN-LAUNCH", "target: all\ndate: 20231203\n")
    assert sets.end() is AnalysisState.DONE
    found = {one.target: (one.state, one.remark) for one in sets.nights()}
    assert found["Crab"][0] is found["Mrk 421"][0] is AnalysisState.DONE
    assert found["MadeUpSource"][0] is None
    assert "MadeUpSource" in found["MadeUpSource"][1]
    with sets.db.begin() as db:
        keys = {row.key for row in tasks.of_analysis(db, 1)}
    assert keys == {"stack-Crab", "stack-Mrk421"}
    sets.ask("ASTRAN-LAUNCH", "targets: Crab Nebula and Mrk 421\ndate: 20231203\n")
    sets.tick()
    whole = max(int(str(row[0])) for row in sets.rows("select analysis_id from data_set"))
    assert {one.target for one in sets.nights(whole)} == {"Crab", "Mrk 421"}


def test_cancel_of_the_whole(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    sets.ask("ASTRAN-CANCEL A1")
    assert sets.end() is AnalysisState.CANCELLED
    assert all(one.state is None or one.state.final for one in sets.nights())
    number = sets.analyses()
    sets.tick(3)
    assert sets.analyses() == number
    assert [kind for kind, _ in sets.mails()] == ["data-set", "notice", "cancelled"]


def test_cancel_of_a_night(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    child = next(one.child_id for one in sets.nights() if one.child_id)
    sets.ask(f"ASTRAN-CANCEL A{child}")
    assert sets.end() is AnalysisState.PARTIAL
    report = sets.mails()[-1][1]
    assert f"left out: A{child} cancelled" in report


def test_hold_and_release(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.ask("ASTRAN-HOLD A1")
    sets.tick(5)
    assert sets.state() is AnalysisState.RUNNING
    assert not [one for one in sets.nights() if one.child_id]
    sets.ask("ASTRAN-STATUS A1")
    assert "held: 0 of 3 nights ended" in sets.mails()[-1][1]
    sets.ask("ASTRAN-RELEASE A1")
    assert sets.end() is AnalysisState.DONE


def test_status_and_list(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    sets.ask("ASTRAN-STATUS A1")
    text = sets.mails()[-1][1]
    assert "2023-12-03" in text
    assert "A2" in text
    sets.ask("ASTRAN-LIST")
    listed = sets.mails()[-1][1]
    assert "Crab20231201-20231205" in listed
    assert "A2 " not in listed, "nights stand in their data set"


def test_retry_of_the_whole_and_of_a_night(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    child = next(one.child_id for one in sets.nights() if one.child_id)
    sets.ask(f"ASTRAN-CANCEL A{child}")
    sets.tick(1)
    sets.ask(f"ASTRAN-RETRY A{child}")
    assert sets.end() is AnalysisState.DONE, "the repetition took its place"
    assert child not in [one.child_id for one in sets.nights()]
    done = len(sets.scheduler.done)
    sets.ask("ASTRAN-RETRY A1")
    again = max(int(str(row[0])) for row in sets.rows("select analysis_id from data_set"))
    assert again > 1
    assert sets.end(again) is AnalysisState.DONE
    assert len(sets.scheduler.done) == done, "all of it was there already"


def test_a_night_that_is_still_to_come(sets: Sets) -> None:
    sets.archive.awaited.add("20231205")
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick()
    assert "of which 1 are still to come" in sets.mails()[0][1]
    sets.tick(10)
    assert sets.state() is AnalysisState.RUNNING
    sets.archive.awaited.clear()
    sets.archive.nights["20231205"] = {"Crab": [103]}
    sets.wait(timedelta(hours=1))
    assert sets.end() is AnalysisState.DONE
    assert [kind for kind, _ in sets.mails()] == ["data-set", "report"]


def test_two_launchers_start_a_night_once(sets: Sets) -> None:
    """Both have seen it without an analysis."""
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(1)
    with sets.db.begin() as db:
        whole = analyses.get_analysis(db, 1)
        night = next(one for one in data_sets.nights_of(db, 1) if one.has_data)
    made = []
    for _ in range(2):
        with sets.db.begin() as db:
            now, folder = sets.clock.now(), sets.site.workdir
            made.append(data_sets.start_child(db, now, whole, night, "Crab", whole.config, folder))
    assert made[0] is not None
    assert made[1] is None
    assert sets.analyses() == 2


def test_no_night_starts_once_the_end_was_asked_for(sets: Sets) -> None:
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(1)
    with sets.db.begin() as db:
        whole = analyses.get_analysis(db, 1)
        night = next(one for one in data_sets.nights_of(db, 1) if one.has_data)
        analyses.change_analysis(db, 1, cancel_wanted=True)
        now, folder = sets.clock.now(), sets.site.workdir
        assert not data_sets.start_child(db, now, whole, night, "x", whole.config, folder)


def test_trouble_of_the_site_is_waited_out(sets: Sets) -> None:
    sets.archive.away = True
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.clock.sleep(60)
    run_tick(sets.context(), mail=False)
    assert sets.state() is AnalysisState.RECEIVED
    assert not any(one.counted for one in sets.nights())
    sets.archive.away = False
    sets.wait(timedelta(hours=1))
    assert sets.end() is AnalysisState.DONE
    assert "report" in [kind for kind, _ in sets.mails()]


def test_a_fault_ends_the_nights_too_before_the_report(
    sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would hear of nights that go on without their data set."""
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    assert any(one.child_id and not one.over for one in sets.nights())

    def broken(context: Context, whole: Analysis) -> bool:
        if whole.state is AnalysisState.RUNNING:
            raise RuntimeError("a fault of ASTRAN's own")
        return True

    monkeypatch.setattr("astran.service.tick.advance_data_set", broken)
    # the jobs of the nights last until then
    ends = sets.scheduler.statuses_of
    monkeypatch.setattr(
        sets.scheduler,
        "statuses_of",
        lambda jobs: {} if sets.state() is AnalysisState.RUNNING else ends(jobs),
    )
    for _ in range(20):
        sets.clock.sleep(60)
        run_tick(sets.context(), mail=False)
        if sets.state().final:
            break
    assert sets.state() is AnalysisState.FAILED
    assert all(one.over for one in sets.nights() if one.child_id)
    assert "report" in [kind for kind, _ in sets.mails()]


def test_a_data_set_counts_once_in_the_quotas(tmp_path: Path) -> None:
    sets = Sets(tmp_path, quotas={"live_per_user": 2})
    sets.ask("ASTRAN-LAUNCH", THREE)
    sets.tick(2)
    assert sets.analyses() > 2
    sets.ask("ASTRAN-LAUNCH", "target: Crab\ndate: 20231204\n")
    assert "refusal" not in [kind for kind, _ in sets.mails()]
    sets.ask("ASTRAN-LAUNCH", "target: Crab\ndate: 20231203\n")
    assert [kind for kind, _ in sets.mails()][-1] == "refusal"
    sets.db.close()


def test_a_private_target_keeps_the_whole_off_the_pages(tmp_path: Path) -> None:
    sets = Sets(tmp_path)
    data = sets.site.model_dump(exclude_unset=True)
    data["pages"] = {"output": str(tmp_path / "pages"), "private": ["Mrk 421"]}
    sets.site = build_settings(SiteConfig, data, "the test site")
    sets.archive.nights["20231203"]["Mrk 421"] = [300]
    sets.ask("ASTRAN-LAUNCH", "target: all\ndate: 20231203\n")
    assert sets.end() is AnalysisState.DONE
    sets.ask("ASTRAN-LAUNCH", THREE)
    whole = max(int(str(row[0])) for row in sets.rows("select analysis_id from data_set"))
    assert sets.end(whole) is AnalysisState.DONE
    sets.tick(2)
    pages = [path.read_text() for path in (tmp_path / "pages").rglob("*.html")]
    assert pages
    assert not [page for page in pages if "Mrk" in page]
    page = (tmp_path / "pages" / "analyses" / f"A{whole}" / "index.html").read_text()
    assert "2023-12-03" in page
    assert "left out: No run of Crab was taken" in page
    assert not (tmp_path / "pages" / "analyses" / "A1").exists()
    sets.db.close()


def test_a_campaign_keeps_to_its_budget(
    sets: Sets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each night asks for 6 core hours."""
    monkeypatch.setattr(campaign, "read_site", lambda args: sets.site)
    monkeypatch.setattr(campaign, "make_context", lambda site: sets.context())
    words = ["campaign", "--target", "Crab", "--nights", "20231201-20231205"]
    assert main([*words, "--core-hours", "13"]) == 0
    assert "A1 Crab20231201-20231205" in capsys.readouterr().out
    assert sets.end() is AnalysisState.DONE
    assert [one.night for one in sets.nights() if one.child_id] == ["20231201", "20231203"]
    left = next(one for one in sets.nights() if one.night == "20231204")
    assert "beyond the budget of 13" in left.remark
    assert sets.mails() == [], "nobody asked for one"


@pytest.mark.parametrize(
    ("nights", "words"),
    [
        ("20231201", "is one night of one target"),
        ("20231205-20231201", "Write 20231201-20231205"),
        ("20231201-20991201", "is in the future"),
    ],
)
def test_a_campaign_that_cannot_be(
    sets: Sets,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    nights: str,
    words: str,
) -> None:
    monkeypatch.setattr(campaign, "read_site", lambda args: sets.site)
    monkeypatch.setattr(campaign, "make_context", lambda site: sets.context())
    assert main(["campaign", "--target", "Crab", "--nights", nights]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert sets.analyses() == 0


def test_productions(
    sets: Sets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(productions, "read_site", lambda args: sets.site)
    monkeypatch.setattr(productions, "make_context", lambda site: sets.context())
    sets.ask("ASTRAN-LAUNCH", "target: Crab\ndate: 20231203-20231204\n")
    assert sets.end() is AnalysisState.DONE
    with sets.db.begin() as db:
        # the one of 3 December was made with an older release, and its folder is gone
        old = next(one.child_id for one in data_sets.nights_of(db, 1) if one.night == "20231203")
        assert old is not None
        versions = [["astran", ""], ["nights", "0.9"]]
        analyses.change_analysis(db, old, versions=versions, folder="/nowhere")
    assert main(["productions", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found.keys() == {"A1", "A2", "A3"}
    assert found["A1"]["kind"] == "data set"
    assert found["A1"]["made_by"] == ALICE
    assert found[f"A{old}"]["stale"] == ["nights 1 has been used since", "its folder is gone"]
    assert [one["stale"] for name, one in found.items() if name != f"A{old}"] == [[], []]
    sets.ask("ASTRAN-LAUNCH", "target: Crab\ndate: 20231204\n")
    assert sets.end(4) is AnalysisState.DONE
    assert main(["productions", "--night", "20231204", "--stale"]) == 0
    out = capsys.readouterr().out
    assert "A4 is newer" in out
    assert "1 production." in out
    assert main(["productions", "--target", "Mrk 501"]) == 0
    assert capsys.readouterr().out == "0 productions.\n"
