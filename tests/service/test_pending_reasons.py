"""Jobs that will not start by themselves: said in words, and asked about once."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import insert

from astran.base.scheduler import JobState
from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Plan, Stage, Task
from astran.config.analysis import Target
from astran.config.site import MailSettings, Server, SiteConfig
from astran.database import analyses, plans
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.service.context import Context
from astran.service.jobs.pending_reasons import ask_scheduler
from astran.service.reporting.overview import summarise_analysis
from astran.telescopes.lst.settings import LstConfig

NOW = datetime(2023, 12, 8, 9, tzinfo=UTC)


class Hands:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a tick never waits")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    server = Server(host="localhost", port=993)
    mail = MailSettings(address="astran@lst1.example", imap=server, smtp=server)
    site = SiteConfig(site="LST-1", workdir=tmp_path, mail=mail)
    return Context(site, Database.open(site.database_url), Hands(), sys.executable)


def queue(context: Context, sight: JobState, reason: str, wish: str = "") -> None:
    """An analysis with one job in the queue."""
    config = LstConfig(target=Target(name="Crab", ra=83.6, dec=22.0), date="20231207")
    spec = Task("dl2-15864", Stage.DL2, ("x",), (), "", "", "", "", run=15864)
    with context.db.begin() as db:
        workdir = context.site.workdir
        made = analyses.create_analysis(
            db, NOW, RequestOrigin(), config.label, config.plain(), workdir, "ann@x.example"
        )
        plans.store_plan(
            db, NOW, made.id, Plan((spec,)), date="20231207", source=("Crab", 83.6, 22.0)
        )
        assert analyses.move_analysis(db, NOW, made, AnalysisState.RUNNING)
        (row,) = db.execute(t.task.select()).mappings().all()
        change = {"state": TaskState.SUBMITTED, "attempts": 1, "wish": wish}
        db.execute(t.task.update().values(change))
        batch = {"analysis_id": made.id, "token": "b", "scheduler": "slurm", "state": "done"}
        batch |= {"size": 1, "folder": "", "intent": NOW, "submitted": NOW}
        key = db.execute(insert(t.submission).values(batch)).inserted_primary_key
        assert key is not None
        attempt = {"task_id": row["id"], "submission_id": key[0], "number": 1, "token": "a"}
        attempt |= {"array_index": 0, "requested": {}, "telling": [], "sight": sight}
        db.execute(insert(t.attempt).values(attempt | {"word": "PENDING", "reason": reason}))


def letters(context: Context) -> list[str]:
    with context.db.begin() as db:
        query = t.outgoing_mail.select().where(t.outgoing_mail.c.kind == "decision")
        raws = [row["raw"] for row in db.execute(query).mappings()]
    parts = [message_from_bytes(raw, policy=policy.default).get_body(("plain",)) for raw in raws]
    return [str(part.get_content()) for part in parts if part is not None]


def test_a_held_job_is_asked_about_once(context: Context) -> None:
    queue(context, JobState.HELD, "JobHeldAdmin")
    for _ in range(3):
        ask_scheduler(context)
    (text,) = letters(context)
    assert text.startswith("Crab, 2023-12-07: 1 job will not start without help")
    assert "It is held by an administrator" in " ".join(text.split())
    assert "ASTRAN-CANCEL A1" in text


@pytest.mark.parametrize(
    ("sight", "wish"), [(JobState.PENDING, ""), (JobState.RUNNING, ""), (JobState.HELD, "hold")]
)
def test_what_goes_on_or_was_wished_for_is_not_asked_about(
    context: Context, sight: JobState, wish: str
) -> None:
    queue(context, sight, "Priority", wish)
    ask_scheduler(context)
    assert letters(context) == []


def test_the_overview_says_why_in_words(context: Context) -> None:
    queue(context, JobState.HELD, "JobHeldAdmin")
    with context.db.begin() as db:
        said = summarise_analysis(context, db, analyses.get_analysis(db, 1))
    assert said["words"].startswith("It is held by an administrator")
