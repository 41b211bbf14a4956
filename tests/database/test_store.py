"""The store on SQLite and on PostgreSQL: guarded transitions, uniqueness, migrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, inspect, select

from astran.base.errors import StoreError
from astran.base.exit_record import ProductRecord
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.database import analyses, events, messages, outbox, plans, submissions, tasks
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import HEAD, Database
from astran.database.history import durations, return_codes
from astran.database.history.task_products import add_products, products_of_task
from astran.database.live_tasks import live_tasks_of
from astran.database.messages import Cursor, Incoming
from astran.database.outbox import MailState
from astran.database.schema import tables
from astran.database.schema.tables import metadata, request

NOW = datetime(2023, 12, 8, 6, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database.open(f"sqlite:///{tmp_path}/astran.sqlite")
    else:
        postgres = request.getfixturevalue("postgres")
        database = Database.open(postgres.url(postgres.new_database()))
    yield database
    database.close()


def launch(db: Database, workdir: Path, label: str = "Crab20231207") -> Analysis:
    with db.begin() as c:
        config = {"target": "Crab"}
        return analyses.create_analysis(
            c, NOW, RequestOrigin(), label, config, workdir, "ann@lst.example"
        )


def task(key: str, stage: Stage = Stage.DL2, run: int | None = 1, **more: object) -> Task:
    output = Output(f"{key}.h5", f"/data/{key}.h5", ProductKind.DL2)
    values = {"argv": ("tool",), "outputs": (output,), "folder": "/w", "script": f"/w/{key}.sh"}
    values |= {"log": f"/w/{key}.log", "record": f"/w/{key}.json", "run": run, **more}
    return Task(key=key, stage=stage, **values)  # type: ignore[arg-type]


def planned(db: Database, analysis: Analysis, *these: Task) -> list[tasks.TaskRow]:
    with db.begin() as c:
        plan = Plan(these, versions=(("astran", "0.1"), ("lstchain", "0.12.3")))
        source = ("Crab", 83.63, 22.01)
        plans.store_plan(c, NOW, analysis.id, plan, date="20231207", source=source)
        return tasks.of_analysis(c, analysis.id)


def test_the_schema_is_that_of_the_tables(db: Database) -> None:
    assert db.version() == HEAD
    with db.begin() as c:
        found = inspect(c)
        assert set(found.get_table_names()) == {*metadata.tables, "alembic_version"}
        for name, table in metadata.tables.items():
            columns = {column["name"] for column in found.get_columns(name)}
            assert columns == set(table.columns.keys()), name


def test_an_unknown_schema_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/astran.sqlite"
    first = Database.open(url)
    with first.begin() as c:
        c.exec_driver_sql("update alembic_version set version_num = '9999'")
    first.close()
    with pytest.raises(StoreError, match=r"9999.*astran db upgrade"):
        Database.open(url)


def test_each_analysis_has_a_folder_of_its_own(db: Database, tmp_path: Path) -> None:
    folders = [launch(db, tmp_path).folder.name for _ in range(3)]
    assert folders == ["Crab20231207", "Crab20231207_2", "Crab20231207_3"]


def test_a_folder_on_disk_is_not_taken(db: Database, tmp_path: Path) -> None:
    (tmp_path / "Crab20231207").mkdir()
    assert launch(db, tmp_path).folder.name == "Crab20231207_2"


def test_only_one_of_two_moves_an_analysis(db: Database, tmp_path: Path) -> None:
    seen = launch(db, tmp_path)
    with db.begin() as c:
        assert analyses.move_analysis(c, NOW, seen, AnalysisState.RUNNING)
    with db.begin() as c:
        assert not analyses.move_analysis(c, NOW, seen, AnalysisState.WAITING)
        assert analyses.get_analysis(c, seen.id).state is AnalysisState.RUNNING
        kinds = [event.kind for event in events.history(c, seen.id)]
    assert kinds == ["received", "analysis-running"]


def test_an_illegal_move_is_a_fault(db: Database, tmp_path: Path) -> None:
    seen = launch(db, tmp_path)
    with db.begin() as c, pytest.raises(StoreError, match="cannot go from received to done"):
        analyses.move_analysis(c, NOW, seen, AnalysisState.DONE)


LIVE = (TaskState.SUBMITTING, TaskState.SUBMITTED, TaskState.RUNNING, TaskState.CHECKING)


@pytest.mark.parametrize("state", LIVE)
def test_no_analysis_ends_while_a_task_of_it_lives(
    db: Database, tmp_path: Path, state: TaskState
) -> None:
    """It is refused as a whole: what has not begun stays as it is."""
    seen = launch(db, tmp_path)
    planned(db, seen, task("dl2-1"), task("dl2-2", run=2))
    with db.begin() as c:
        c.execute(tables.task.update().where(tables.task.c.key == "dl2-1").values(state=state))
        assert not analyses.move_analysis(c, NOW, seen, AnalysisState.FAILED)
        assert analyses.get_analysis(c, seen.id).state is AnalysisState.RECEIVED
        assert [row.state for row in tasks.of_analysis(c, seen.id)] == [state, TaskState.PLANNED]
        assert analyses.move_analysis(c, NOW, seen, AnalysisState.RUNNING), (
            "only the end is refused"
        )


def test_the_end_of_an_analysis_cancels_what_has_not_begun(db: Database, tmp_path: Path) -> None:
    seen = launch(db, tmp_path)
    states = (TaskState.PLANNED, TaskState.LOST, TaskState.DONE)
    planned(db, seen, *(task(f"dl2-{state}") for state in states))
    with db.begin() as c:
        for state in states:
            one = tables.task.update().where(tables.task.c.key == f"dl2-{state}")
            c.execute(one.values(state=state))
        assert analyses.move_analysis(c, NOW, seen, AnalysisState.FAILED)
        ends = [row.state for row in tasks.of_analysis(c, seen.id)]
        assert ends == [TaskState.CANCELLED] * 2 + [TaskState.DONE]
        assert analyses.with_orphans(c) == []


def test_ended_analyses_with_live_tasks_are_found(db: Database, tmp_path: Path) -> None:
    """As an older version left them."""
    old, live = launch(db, tmp_path), launch(db, tmp_path)
    planned(db, old, task("dl2-1"), task("dl2-2", run=2))
    planned(db, live, task("dl2-1"))
    with db.begin() as c:
        end = tables.analysis.update().where(tables.analysis.c.id == old.id)
        c.execute(end.values(state=AnalysisState.FAILED))
        assert [one.id for one in analyses.with_orphans(c)] == [old.id]


def test_times_come_back_aware(db: Database, tmp_path: Path) -> None:
    assert launch(db, tmp_path).created == NOW


def test_an_unknown_analysis_is_a_friendly_error(db: Database) -> None:
    with db.begin() as c, pytest.raises(StoreError, match="no analysis A77"):
        analyses.get_analysis(c, 77)


def test_a_mail_is_stored_once(db: Database) -> None:
    mail = Incoming("m", 1, 5, "<a@x>", "ann@x", "s", "take", "", NOW, b"raw", "Processed")
    with db.begin() as c:
        first = messages.add_message(c, mail)
        assert first is not None
        assert messages.add_message(c, mail) is None, "same UID"
        assert (first, 5, "Processed") in messages.messages_to_move(c, "m", 1, NOW)
        messages.mark_moved(c, first)
        assert first not in {row for row, _, _ in messages.messages_to_move(c, "m", 1, NOW)}


def test_of_several_copies_one_acts(db: Database) -> None:
    key = messages.act_key("<a@x>", "ann@x")
    assert key == messages.act_key("<a@x>", "Ann@x") != messages.act_key("<a@x>", "bob@x")
    with db.begin() as c:
        rows = [
            messages.add_message(
                c, Incoming("m", 1, uid, "<a@x>", "ann@x", "s", v, "", NOW, None, "P")
            )
            for uid, v in ((5, "machine"), (6, "take"), (7, "take"))
        ]
        ignored, first, second = (row or 0 for row in rows)
        assert ignored and first and second
        assert messages.may_act(c, first, key)
        assert not messages.may_act(c, second, key)
        messages.did_not_act(c, first)
        assert messages.may_act(c, second, key)


def test_the_cursor_is_kept(db: Database) -> None:
    with db.begin() as c:
        assert messages.get_cursor(c, "m") is None
        messages.set_cursor(c, "m", Cursor(1, 5))
        messages.set_cursor(c, "m", Cursor(2, 1))
        assert messages.get_cursor(c, "m") == Cursor(2, 1)


def test_a_stranger_is_refused_once_a_day(db: Database) -> None:
    with db.begin() as c:
        assert messages.may_refuse(c, "eve@x", NOW)
        assert not messages.may_refuse(c, "eve@x", NOW + timedelta(hours=23))
        assert messages.may_refuse(c, "eve@x", NOW + timedelta(hours=25))


def test_a_letter_is_queued_once_and_sent_by_one(db: Database) -> None:
    with db.begin() as c:
        assert outbox.enqueue(c, NOW, "report", "ann@x", "<r.A1@x>", "s", b"raw")
        assert not outbox.enqueue(c, NOW, "report", "ann@x", "<r.A1@x>", "s", b"raw")
        (mail,) = outbox.due_mails(c, NOW)
        assert outbox.move_mail(c, mail, MailState.SENDING, tries=1, next_try=NOW)
        assert not outbox.move_mail(c, mail, MailState.SENDING, tries=1, next_try=NOW)
        outbox.mark_proven(c, "<r.A1@x>", NOW)
        assert outbox.due_mails(c, NOW) == []
        assert outbox.open_count(c) == 0


def _put_mails(db: Database, **errors: tuple[MailState, str]) -> None:
    with db.begin() as c:
        for name, (state, error) in errors.items():
            outbox.enqueue(c, NOW, "report", "ann@x", f"<{name}@x>", "s", b"raw")
            one = tables.outgoing_mail.c.message_id == f"<{name}@x>"
            later = {"state": state, "error": error, "next_try": NOW + timedelta(days=1)}
            c.execute(tables.outgoing_mail.update().where(one).values(tries=6, **later))


def test_mails_that_nobody_refused_are_revived(db: Database) -> None:
    _put_mails(
        db,
        away=(MailState.DEAD, "given up after 6 tries: The server is out of reach: refused"),
        silent=(MailState.DEAD, "given up after 6 tries"),
        refused=(MailState.DEAD, "The submission server refused the mail: 550 no such user"),
        back=(MailState.DEAD, "mails to ann@x come back, since 2023-12-01 09:00"),
        waits=(MailState.RETRY, "The server is out of reach: refused"),
        put_off=(MailState.RETRY, "not taken yet: 451 the mailbox is full"),
        enough=(MailState.RETRY, "ann@x got 50 mails in 24 hours"),
        sent=(MailState.SENT, ""),
    )
    with db.begin() as c:
        assert outbox.due_mails(c, NOW) == []
        assert outbox.revive(c, NOW) == 3
        due = {mail.message_id: mail for mail in outbox.due_mails(c, NOW)}
        assert set(due) == {"<away@x>", "<silent@x>", "<waits@x>"}
        assert {mail.state for mail in due.values()} == {MailState.RETRY}
        assert outbox.count_mails(c).dead == 2
        assert outbox.revive(c, NOW) == 0


def test_what_has_not_gone_out_is_told_by_analysis(db: Database, tmp_path: Path) -> None:
    one, other = launch(db, tmp_path), launch(db, tmp_path)
    with db.begin() as c:
        assert outbox.waiting_since(c) is None
        outbox.enqueue(c, NOW, "confirmation", "ann@x", "<c@x>", "s", b"raw", one.id)
        later = NOW + timedelta(hours=1)
        outbox.enqueue(c, later, "report", "ann@x", "<r@x>", "s", b"raw", one.id)
        outbox.enqueue(c, later, "report", "ann@x", "<o@x>", "s", b"raw", other.id)
        first, report, gone = outbox.due_mails(c, later)
        outbox.move_mail(c, first, MailState.SENT, sent=later)
        outbox.move_mail(c, gone, MailState.SENT, sent=later)
        outbox.move_mail(c, report, MailState.RETRY, next_try=later, error="no line")
        old = later + outbox.FRESH
        assert outbox.unsent(c, later) == {}, "its turn comes"
        assert outbox.unsent(c, old) == {one.id: outbox.Unsent(1, 0, later, "no line", True)}
        assert outbox.waiting_since(c) == later
        assert outbox.count_mails(c) == outbox.MailCounts(1, 0, later)


def test_a_plan_comes_back_as_it_was(db: Database, tmp_path: Path) -> None:
    analysis = launch(db, tmp_path)
    dl2 = task("dl2-1", fingerprint="f1", inputs=(str(tmp_path / "dl1.h5"),))
    dl3 = task("dl3-1", Stage.DL3, needs=("dl2-1",), variables=(("A", "b"),))
    rows = planned(db, analysis, dl2, dl3)
    assert [row.spec for row in rows] == [dl2, dl3]
    assert {row.state for row in rows} == {TaskState.PLANNED}


def test_intent_is_all_or_nothing(db: Database, tmp_path: Path) -> None:
    analysis = launch(db, tmp_path)
    first, second = planned(db, analysis, task("dl2-1"), task("dl2-2", run=2))
    with db.begin() as c:
        assert submissions.write_intent(
            c, NOW, analysis.id, "t1", "local", "/j", [second], ["t1.0"]
        )
        both = [first, second]
        assert not submissions.write_intent(
            c, NOW, analysis.id, "t2", "local", "/j", both, ["t2.0", "t2.1"]
        )
        states = [row.state for row in tasks.of_analysis(c, analysis.id)]
        assert states == [TaskState.PLANNED, TaskState.SUBMITTING]
        assert [s.token for s in submissions.unconfirmed_submissions(c, "local", NOW)] == ["t1"]
        assert submissions.unconfirmed_submissions(c, "slurm", NOW) == [], "it cannot know"
        late = NOW + submissions.ANY_SCHEDULER_AFTER * 2
        assert len(submissions.unconfirmed_submissions(c, "slurm", late)) == 1


def test_a_submission_is_settled_or_void(db: Database, tmp_path: Path) -> None:
    analysis = launch(db, tmp_path)
    rows = planned(db, analysis, task("dl2-1"))
    with db.begin() as c:
        submissions.write_intent(c, NOW, analysis.id, "t1", "local", "/j", rows, ["t1.0"])
        submissions.void_submission(c, NOW, submissions.submission_by_token(c, "t1"), "never came")
        (row,) = tasks.of_analysis(c, analysis.id)
        assert row.state is TaskState.PLANNED
        assert tasks.count_tries(c, row.id) == 0, "a void submission is no try"
        submissions.write_intent(c, NOW, analysis.id, "t2", "local", "/j", [row], ["t2.0"])
        submissions.confirm_submission(c, NOW, submissions.submission_by_token(c, "t2"), "4711")
        (row,) = tasks.of_analysis(c, analysis.id)
        assert (row.state, row.attempts) == (TaskState.SUBMITTED, 2)
        assert tasks.count_tries(c, row.id) == 1
        (one,) = live_tasks_of(c, "local")
        live = submissions.submissions_by_ids(c, [one.submission_id])[one.submission_id]
        assert live.job_id == "4711"
        assert tasks.newest_attempts(c, analysis.id)[row.id].token == "t2.0"


def test_finished_work_is_found_by_fingerprint(db: Database, tmp_path: Path) -> None:
    analysis = launch(db, tmp_path)
    (row,) = planned(db, analysis, task("dl2-1", fingerprint="f1"))
    with db.begin() as c:
        submissions.write_intent(c, NOW, analysis.id, "t", "local", "/j", [row], ["t.0"])
        submissions.confirm_submission(c, NOW, submissions.submission_by_token(c, "t"), "1")
        assert tasks.under_way_like(c, ["f1", "f2", ""], other_than=999) == {"f1"}
        assert not tasks.under_way_like(c, ["f1"], other_than=analysis.id)
        (row,) = tasks.of_analysis(c, analysis.id)
        tasks.move_task(c, NOW, row, TaskState.CHECKING)
        tasks.move_task(c, NOW, replace(row, state=TaskState.CHECKING), TaskState.DONE)
        add_products(c, [(row.id, ProductRecord("/p", 5, 1, "0" * 64, "dl2", {"rows": 3}))])
        assert tasks.finished_like(c, ["f1", "f2"]) == {"f1": [row.id]}
        (product,) = products_of_task(c, row.id)
        assert product.facts == {"rows": 3}


def test_exit_codes_of_a_tool_come_before_those_of_all(db: Database) -> None:
    with db.begin() as c:
        own = return_codes.exit_meaning(c, ["/opt/bin/lstchain_create_dl3_file", "-d", "x"], 2)
        assert own is not None and "output existed" in own[0]
        assert return_codes.exit_meaning(c, ["any"], 137) == (
            "the tool was killed, most often for want of memory",
            True,
        )
        assert return_codes.exit_meaning(c, ["any"], 3) is None


@pytest.mark.parametrize(
    "command",
    [
        "lstchain_dl1_to_dl2 -f x",
        "/opt/lst/bin/lstchain_dl1_to_dl2 -f x",
        "apptainer exec --bind /data /images/lst.sif lstchain_dl1_to_dl2 -f x",
        "python -m lstchain.scripts.lstchain_dl1_to_dl2 -f x",
        "/usr/bin/python3 -I /opt/lst/lstchain_dl1_to_dl2.py -f x",
    ],
)
def test_a_return_code_is_found_however_the_tool_is_run(db: Database, command: str) -> None:
    with db.begin() as c:
        found = return_codes.exit_meaning(c, command.split(), 2)
    assert found is not None
    assert "options" in found.meaning


def test_typical_times_need_finished_tasks(db: Database) -> None:
    with db.begin() as c:
        assert durations.typical_seconds(c) == []


def test_twins_are_found_without_searching_all_that_ever_was(tmp_path: Path) -> None:
    """The fingerprint leads, however many tasks have succeeded."""
    database = Database.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    asked: list[str] = []
    with database.begin() as c:

        def note(connection: object, cursor: object, text: str, values: object, *_: object) -> None:
            asked.append(text)

        event.listen(c, "before_cursor_execute", note)
        tasks.finished_like(c, ["a", "b", "c"])
        tasks.under_way_like(c, ["a", "b", "c"], other_than=1)
        event.remove(c, "before_cursor_execute", note)
        for text in asked:
            marks = tuple("x" for mark in text if mark == "?")
            plan = str(list(c.exec_driver_sql(f"explain query plan {text}", marks)))
            assert "INDEX ix_task_fingerprint_state (fingerprint=?)" in plan, plan
    assert len(asked) == 2
    database.close()


def test_a_database_of_an_unknown_version_is_not_upgraded(db: Database) -> None:
    with db.begin() as c:
        c.exec_driver_sql("update alembic_version set version_num = '0003'")
    with pytest.raises(StoreError, match=r"0003.*Upgrade an older database with ASTRAN 0\.2\.0"):
        db.upgrade()
    assert db.version() == "0003"


NASTY = "a\x00b\udcff\ud800c"
CLEAN = "a\ufffdb\ufffd\ufffdc"


def test_any_text_can_be_stored(db: Database) -> None:
    mail = Incoming("m", 1, 5, f"<{NASTY}@x>", NASTY, NASTY, "take", NASTY, NOW, b"r", "P")
    origin = RequestOrigin(
        subject=NASTY, in_reply_to=NASTY, references=(NASTY,), params={NASTY: [NASTY]}
    )
    with db.begin() as c:
        assert messages.add_message(c, mail) is not None
        known = messages.sender_id(c, NASTY, NOW)
        assert messages.sender_id(c, NASTY, NOW) == known, "found again by the same text"
        events.note_event(c, NOW, "mail-in", NASTY)
        (found,) = messages.unanswered_mails(c, NOW, NOW + timedelta(days=1), ["take"])
        assert (found.subject, found.sender, found.reason) == (CLEAN, CLEAN, CLEAN)
        key = analyses.add_request(c, NOW, origin)
        row = c.execute(select(request.c.params, request.c.refs).where(request.c.id == key)).one()
        assert row.params == {CLEAN: [CLEAN]}
        assert row.refs == [CLEAN]


def test_every_column_of_text_takes_any_text() -> None:
    from sqlalchemy import JSON, String

    kinds = [c.type for table in metadata.tables.values() for c in table.columns]
    assert not [kind for kind in kinds if isinstance(kind, String | JSON)]


def test_a_mail_that_is_put_off_is_asked_for_with_growing_pauses(db: Database) -> None:
    with db.begin() as c:
        first = messages.put_off(c, "m", 1, 5, NOW, "empty answer", fault=False)
        second = messages.put_off(c, "m", 1, 5, NOW, "ValueError", fault=True)
        assert (first.tries, first.faults) == (1, 0)
        assert (second.tries, second.faults) == (2, 1)
        assert first.next_try < second.next_try <= NOW + timedelta(minutes=2)
        assert messages.all_put_off(c, "m", 1) == [second]
        assert messages.all_put_off(c, "m", 2) == []
        messages.settle(c, "m", 1, 5)
        assert messages.all_put_off(c, "m", 1) == []


def test_new_numbers_void_what_was_to_be_done_by_the_old_ones(db: Database) -> None:
    with db.begin() as c:
        messages.put_off(c, "m", 1, 5, NOW, "", fault=False)
        messages.add_message(
            c, Incoming("m", 1, 6, "<a@x>", "ann@x", "s", "take", "", NOW, None, "P")
        )
        messages.forget_numbers(c, "m", 2)
        assert messages.all_put_off(c, "m", 1) == []
        assert messages.messages_to_move(c, "m", 1, NOW) == []


def test_a_refused_move_does_not_stand_before_others(db: Database) -> None:
    with db.begin() as c:
        first, second = (
            messages.add_message(
                c, Incoming("m", 1, uid, "<a@x>", "", "s", "machine", "", NOW, None, "P")
            )
            for uid in (5, 6)
        )
        assert first is not None
        messages.not_moved(c, first, NOW)
        assert [row for row, _, _ in messages.messages_to_move(c, "m", 1, NOW)] == [second]
        later = NOW + timedelta(minutes=1)
        assert [row for row, _, _ in messages.messages_to_move(c, "m", 1, later)] == [second, first]
        assert messages.unmoved(c, "m") == 1
