"""Databases of earlier versions, with work under way, are brought up to date without loss.

`make upgrade-data` keeps one of the present version.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest
from fakes.disk_scheduler import Fate
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError
from upgrade.copies import DATA, Content, content, unpack_files, unpack_postgres, unpack_sqlite
from upgrade.scenario import END, HELD, RUNNING
from upgrade.upgrade_house import ALICE, House, make_dl1

from astran.cli.main import main
from astran.database import analyses, messages
from astran.database.connection import Database
from astran.database.messages import Incoming
from astran.database.task_requests import TaskRequest, TaskSelection
from astran.service.jobs.task_control import request_for_tasks
from astran.service.tick import run_tick

VERSIONS = sorted(path.name for path in DATA.iterdir() if path.is_dir())
LIVE = ("received", "waiting", "running", "reporting")
GOOD = ("done", "reused")
ENDED_TASKS = ("done", "reused", "failed", "cancelled")


@dataclass
class Copy:
    """An installation at a moment at which much is under way, of another version."""

    house: House
    before: Content

    def rows(self, query: str) -> list[tuple[object, ...]]:
        engine = create_engine(self.house.site.database_url)
        with engine.connect() as db:
            found = [tuple(row) for row in db.execute(text(query))]
        engine.dispose()
        return found

    def upgrade(self) -> None:
        assert main(["db", "upgrade", "--site", str(self.house.site_file)]) == 0

    @property
    def states(self) -> dict[object, object]:
        """State of each analysis, by the name of its folder."""
        rows = self.rows("select folder, state from analysis")
        return {Path(str(folder)).name: state for folder, state in rows}


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=VERSIONS)
def copy(
    request: pytest.FixtureRequest,
    backend: str,
    tmp_path: Path,
) -> Copy:
    folder = DATA / str(request.param)
    if backend == "sqlite":
        url = unpack_sqlite(folder, tmp_path)
    else:
        url = unpack_postgres(folder, tmp_path, request.getfixturevalue("postgres"))
    unpack_files(folder, tmp_path)
    # the mails of before have been moved out of the inbox
    return Copy(House(tmp_path, END, url, last_uid=1000), content(url))


def test_an_upgrade_loses_no_row(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.upgrade()
    found = re.fullmatch(
        r"schema version (\w+), this ASTRAN needs (\w+)\n", capsys.readouterr().out
    )
    assert found is not None
    assert found[1] == found[2]
    after = content(copy.house.site.database_url)
    for table, ids in copy.before.ids.items():
        # a store that has no name yet gets one
        named = frozenset({1}) if table == "store_identity" else frozenset()
        assert after.ids[table] == ids | named, table
    for place, words in copy.before.words.items():
        if place[0] != "store_identity":
            assert after.words[place] == words, place


def test_the_copy_holds_every_state(copy: Copy) -> None:
    words = copy.before.words
    assert set(LIVE) < words["analysis", "state"].keys()
    for state in ("planned", "submitting", "submitted", "running", "checking", *ENDED_TASKS):
        assert words["task", "state"][state], state
    for state in ("pending", "sending", "sent", "dead"):
        assert words["outgoing_mail", "state"][state], state


def test_after_an_upgrade_everything_comes_to_its_end(copy: Copy) -> None:
    before = copy.states
    letters = letters_of(copy)
    assert {before[name] for name in (HELD, RUNNING)} == {"running"}
    copy.upgrade()
    go_on(copy)
    ended = {name: state for name, state in before.items() if state not in LIVE}
    assert copy.states == {**ended, **dict.fromkeys(before.keys() - ended.keys(), "done")}
    went_on = "select a.folder, t.state from task t join analysis a on a.id = t.analysis_id"
    for folder, state in copy.rows(went_on):
        if Path(str(folder)).name not in ended:
            assert state in GOOD, folder
    assert nothing_twice(copy)
    _letters_went_out_once(copy, letters)
    after = content(copy.house.site.database_url)
    for table, ids in copy.before.ids.items():
        if table not in ("chore", "hold"):
            assert ids <= after.ids[table], table


def test_after_an_upgrade_a_mail_is_answered(copy: Copy) -> None:
    copy.upgrade()
    house = copy.house
    house.open()
    house.mail("ASTRAN-STATUS A10")
    with house.connected(seed=2):
        assert run_tick(house.context).taken == 0
    house.context.db.close()
    assert any("[A10] status" in subject for subject in subjects(house))


def test_a_copy_of_a_mail_that_acted_before_does_not_act(copy: Copy) -> None:
    taken = copy.rows(
        "select m.message_id, m.sender from message m join request r"
        " on r.message_id = m.id where m.verdict = 'take'"
    )
    assert taken
    copy.upgrade()
    with opened(copy) as db:
        for number, (name, sender) in enumerate([*taken, ("<new@x>", ALICE)], start=1):
            name, sender = str(name), str(sender)
            mail = Incoming("other", 7, number, name, sender, "s", "take", "", END, None, "")
            row = messages.add_message(db, mail)
            assert row is not None
            new = number > len(taken)
            assert messages.may_act(db, row, messages.act_key(name, sender)) is new, name


def test_references_hold_after_an_upgrade(copy: Copy) -> None:
    copy.upgrade()
    with pytest.raises(IntegrityError), opened(copy) as db:
        db.exec_driver_sql(
            "insert into request (message_id, command, subject, in_reply_to, refs, params, created)"
            " values (999999, 'launch', 's', '', '[]', '{}', '2023-12-08 06:00:00')"
        )


def test_an_upgraded_schema_is_that_of_a_new_database(
    copy: Copy, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    copy.upgrade()
    url = f"sqlite:///{tmp_path}/new.sqlite"
    if backend == "postgres":
        server = request.getfixturevalue("postgres")
        url = server.url(server.new_database())
    Database.open(url).close()
    assert schema(copy.house.site.database_url) == schema(url)


def schema(url: str) -> dict[object, object]:
    """All that a database knows of its tables, and the rows that every database has."""
    engine = create_engine(url)
    found: dict[object, object] = {}
    with engine.connect() as db:
        seen = inspect(db)
        for table in seen.get_table_names():
            columns = seen.get_columns(table)
            found[table, "columns"] = {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in columns
            }
            found[table, "primary key"] = seen.get_pk_constraint(table)
            for what, parts in (
                ("unique", seen.get_unique_constraints(table)),
                ("indexes", seen.get_indexes(table)),
                ("references", seen.get_foreign_keys(table)),
            ):
                found[table, what] = sorted(map(str, parts))
        found["exit codes"] = set(
            db.execute(text("select tool, code, meaning, transient from exit_code")).all()
        )
        found["version"] = db.execute(text("select version_num from alembic_version")).all()
    engine.dispose()
    return found


@contextmanager
def opened(copy: Copy) -> Iterator[Connection]:
    database = Database.open(copy.house.site.database_url, make=False)
    with database.begin() as db:
        yield db
    database.close()


def go_on(copy: Copy) -> None:
    """What was missing comes, nothing holds anything back any more."""
    house = copy.house
    house.open()
    with house.context.db.begin() as db:
        held = next(one for one in analyses.live_analyses(db) if one.folder.name == HELD)
    request_for_tasks(house.context, held, TaskSelection(), TaskRequest.RELEASE)
    make_dl1(house.root / "data", "20231216", 1602)
    house.scheduler.fates = {"*": Fate.END}
    house.scheduler.finish_quiet()
    with house.connected(seed=2):
        for _ in range(40):
            house.clock.sleep(60)
            result = run_tick(house.context)
            assert result.faults == []
    house.context.db.close()


def nothing_twice(copy: Copy) -> bool:
    """No task was given to the scheduler twice, none of them ran twice."""
    elements = copy.house.scheduler.elements()
    scripts = Counter(element.script for element in elements)
    return max(scripts.values()) == 1 and all(element.times_run <= 1 for element in elements)


def letters_of(copy: Copy) -> dict[object, object]:
    return dict(copy.rows("select message_id, state from outgoing_mail"))


def _letters_went_out_once(copy: Copy, before: dict[object, object]) -> None:
    after = letters_of(copy)
    for message_id, state in before.items():
        assert after[message_id] == ("dead" if state == "dead" else "sent")
    assert set(after.values()) == {"sent", "dead"}
    sent = Counter(message_from_bytes(raw)["Message-ID"] for _, _, raw in copy.house.post.sent)
    assert set(sent.values()) == {1}
    assert not sent.keys() & {one for one, state in before.items() if state in ("sent", "dead")}
    reports = Counter(
        analysis
        for (analysis,) in copy.rows(
            f"select analysis_id from outgoing_mail where kind = 'report' and recipient = '{ALICE}'"
        )
    )
    assert set(reports.values()) == {1}


def subjects(house: House) -> list[str]:
    return [str(message_from_bytes(raw)["Subject"]) for _, _, raw in house.post.sent]
