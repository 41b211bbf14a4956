"""A confirmation tells the truth of the moment in which it is sent, under one Message-ID."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Plan, Stage, Task
from astran.config.analysis import Target
from astran.config.site import MailSettings, Server, SiteConfig
from astran.database import analyses, outbox, plans
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.service.context import Context
from astran.service.outgoing import delivery, enqueue
from astran.telescopes.lst.settings import LstConfig

NOW = datetime(2023, 12, 8, 9, tzinfo=UTC)
CONFIG = LstConfig(target=Target(name="Crab", ra=83.6, dec=22.0), date="20231207")
ON_ITS_WAY = "is on its way"


class Hands:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a tick never waits")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    """What went out."""
    mails: list[EmailMessage] = []

    class Postman:
        def __init__(self, server: Server) -> None:
            pass

        def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> dict[str, Any]:
            mails.append(message_from_bytes(raw, policy=policy.default))  # type: ignore[arg-type]
            return {}

    monkeypatch.setattr(delivery, "SmtpPostman", Postman)
    return mails


@pytest.fixture
def context(tmp_path: Path) -> Context:
    server = Server(host="localhost", port=993)
    mail = MailSettings(address="astran@lst1.example", imap=server, smtp=server)
    site = SiteConfig(site="LST-1", workdir=tmp_path, mail=mail)
    return Context(site, Database.open(site.database_url), Hands(), sys.executable)


def launch(context: Context) -> Analysis:
    with context.db.begin() as db:
        origin = RequestOrigin(subject="ASTRAN-LAUNCH", in_reply_to="<l@x.example>")
        made = analyses.create_analysis(
            db, NOW, origin, CONFIG.label, CONFIG.plain(), context.site.workdir, "ann@x.example"
        )
        enqueue.enqueue_confirmation(context, db, made, CONFIG, None)
    return made


def move(context: Context, made: Analysis, *states: AnalysisState, **values: Any) -> None:
    with context.db.begin() as db:
        for state in states:
            fresh = analyses.get_analysis(db, made.id)
            assert analyses.move_analysis(db, NOW, fresh, state, **values)


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return " ".join(part.get_content().split())


_S = AnalysisState


@pytest.mark.parametrize(
    ("states", "values", "words"),
    [
        ((), {}, ON_ITS_WAY),
        ((_S.WAITING,), {}, ON_ITS_WAY),
        ((_S.RUNNING,), {}, ON_ITS_WAY),
        ((_S.REPORTING,), {"reason": "no such models"}, "without a result: no such models"),
        ((_S.REPORTING, _S.FAILED), {"reason": "no such models"}, "without a result: no such"),
        ((_S.RUNNING, _S.REPORTING, _S.DONE), {}, "has ended since; the report follows"),
        ((_S.CANCELLED,), {}, "It has been cancelled since."),
    ],
)
def test_a_confirmation_is_true_when_it_is_sent(
    context: Context,
    sent: list[EmailMessage],
    states: tuple[AnalysisState, ...],
    values: dict[str, str],
    words: str,
) -> None:
    made = launch(context)
    with context.db.begin() as db:
        before = outbox.due_mails(db, NOW)[0]
    move(context, made, *states, **values)
    assert delivery.deliver_due(context) == 1
    [message] = sent
    assert words in text_of(message)
    assert (ON_ITS_WAY in text_of(message)) is (words == ON_ITS_WAY)
    assert message["Message-ID"] == before.message_id
    with context.db.begin() as db:
        assert dict(outbox.raw_mails(db, made.id))["confirmation"] == message.as_bytes(
            policy=policy.SMTP
        )


def test_a_request_to_stop_is_not_on_its_way(context: Context, sent: list[EmailMessage]) -> None:
    made = launch(context)
    with context.db.begin() as db:
        db.execute(update(t.analysis).where(t.analysis.c.id == made.id).values(cancel_wanted=True))
    delivery.deliver_due(context)
    assert "It has been cancelled since." in text_of(sent[0])


def test_one_that_cannot_be_made_anew_goes_out_as_it_was(
    context: Context, sent: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(context)

    def broken(*values: Any, **named: Any) -> Any:
        raise KeyError("injected")

    monkeypatch.setattr(delivery.confirmations, "compose_confirmation", broken)
    assert delivery.deliver_due(context) == 1
    assert ON_ITS_WAY in text_of(sent[0])


def plan(context: Context, made: Analysis, runs: int = 2) -> None:
    specs = [
        Task(f"dl2-{run}", Stage.DL2, ("x",), (), "", "", "", "", run=run) for run in range(runs)
    ]
    with context.db.begin() as db:
        plans.store_plan(
            db, NOW, made.id, Plan(tuple(specs)), date="20231207", source=("Crab", 83.6, 22.0)
        )


def remember(context: Context, number: int, minutes: float = 30.0) -> None:
    """Analyses of two runs that took so long, about."""
    for index in range(number):
        started = NOW - timedelta(days=1 + index)
        with context.db.begin() as db:
            made = analyses.create_analysis(
                db,
                started,
                RequestOrigin(),
                CONFIG.label,
                CONFIG.plain(),
                context.site.workdir,
                "",
            )
        plan(context, made)
        with context.db.begin() as db:
            ended = started + timedelta(minutes=minutes + index)
            db.execute(
                update(t.analysis)
                .where(t.analysis.c.id == made.id)
                .values(state=_S.DONE, started=started, ended=ended)
            )
            key = db.execute(
                insert(t.submission).values(
                    analysis_id=made.id,
                    token=f"s{made.id}",
                    scheduler="slurm",
                    state="submitted",
                    size=2,
                    folder="",
                    intent=started,
                    submitted=started,
                )
            ).inserted_primary_key
            assert key is not None
            rows = db.execute(t.task.select().where(t.task.c.analysis_id == made.id)).all()
            for place, row in enumerate(rows):
                db.execute(update(t.task).where(t.task.c.id == row.id).values(state=TaskState.DONE))
                db.execute(
                    insert(t.attempt).values(
                        task_id=row.id,
                        submission_id=key[0],
                        number=1,
                        token=f"{made.id}.{place}",
                        array_index=place,
                        requested={},
                        telling=[],
                        outcome="ok",
                        ended=ended,
                    )
                )


def test_it_tells_when_the_report_is_to_be_expected(
    context: Context, sent: list[EmailMessage]
) -> None:
    remember(context, 10)
    made = launch(context)
    plan(context, made)
    move(context, made, _S.RUNNING)
    delivery.deliver_due(context)
    said = text_of(sent[0])
    # ten analyses of 30 to 39 minutes: an interval about 35 minutes
    assert "The report is expected between 2023-12-08 09:3" in said
    assert "UTC (80 % interval, learnt from 10 earlier analyses of this kind)." in said


@pytest.mark.parametrize("number", [0, 1, 7])
def test_it_is_honest_where_little_is_known(
    context: Context, sent: list[EmailMessage], number: int
) -> None:
    remember(context, number)
    made = launch(context)
    plan(context, made)
    move(context, made, _S.RUNNING)
    delivery.deliver_due(context)
    seen = "1 analysis" if number == 1 else f"{number} analyses"
    expected = f"There is no estimate yet of when the report comes: {seen} of this kind seen"
    assert expected in text_of(sent[0])


def test_work_of_another_kind_tells_nothing(context: Context, sent: list[EmailMessage]) -> None:
    remember(context, 10)
    made = launch(context)
    spec = Task("dl3-1", Stage.DL3, ("x",), (), "", "", "", "", run=1)
    with context.db.begin() as db:
        plans.store_plan(
            db, NOW, made.id, Plan((spec,)), date="20231207", source=("Crab", 83.6, 22.0)
        )
    move(context, made, _S.RUNNING)
    delivery.deliver_due(context)
    assert "0 analyses of this kind seen" in text_of(sent[0])
