"""When a standing order is over, one letter says what came of each night."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from astran.base.states import AnalysisState
from astran.config.analysis import Target
from astran.config.site import MailSettings, Server, SiteConfig
from astran.database import analyses
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.orders import standing_orders
from astran.database.schema.tables import outgoing_mail
from astran.service.context import Context
from astran.service.intake import standing_orders as order_runs
from astran.telescopes.lst.settings import LstConfig

START = datetime(2023, 12, 7, 9, tzinfo=UTC)


class Hands:
    """A clock that a test moves."""

    time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a tick never waits")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    server = Server(host="localhost", port=993)
    mail = MailSettings(address="astran@lst1.example", imap=server, smtp=server)
    site = SiteConfig(site="LST-1", workdir=tmp_path, mail=mail)
    return Context(site, Database.open(site.database_url), Hands(), sys.executable)


def letters(context: Context) -> list[str]:
    columns = outgoing_mail.c
    with context.db.begin() as db:
        query = outgoing_mail.select().where(columns.kind == "order-summary")
        raws = [row["raw"] for row in db.execute(query).mappings()]
    parts = [message_from_bytes(raw, policy=policy.default).get_body(("plain",)) for raw in raws]
    return [str(part.get_content()) for part in parts if part is not None]


def test_the_summary_comes_once_and_tells_of_each_night(context: Context) -> None:
    config = LstConfig(target=Target(name="Crab", ra=83.6, dec=22.0), date="20231207")
    headline = "Crab, 2023-12-07: 24.3 sigma in 1.02 h, 3 of 3 runs"
    with context.db.begin() as db:
        origin = RequestOrigin(subject="ASTRAN-LAUNCH Crab", in_reply_to="<ask@institute.example>")
        order = standing_orders.create_order(
            db, START, origin, "Crab", config.plain(), ("20231207", "20231208"), "ann@x.example"
        )
        for night in ("20231207", "20231208"):
            plain = {**config.plain(), "date": night}
            made = standing_orders.start_night(
                db, START, order, night, f"Crab{night}", plain, context.site.workdir
            )
            assert made is not None
            if night == "20231207":
                moves = (AnalysisState.RUNNING, AnalysisState.REPORTING, AnalysisState.DONE)
                for state in moves:
                    fresh = analyses.get_analysis(db, made.id)
                    assert analyses.move_analysis(db, START, fresh, state, headline)
        order_runs.plan_standing_orders(context, db)
    assert isinstance(context.clock, Hands)
    context.clock.time = START + timedelta(hours=1)
    order_runs.run_standing_orders(context)
    assert letters(context) == []
    context.clock.time = START + timedelta(days=6)
    order_runs.run_standing_orders(context)
    order_runs.run_standing_orders(context)
    (text,) = letters(context)
    assert text.startswith("Crab, standing order until 2023-12-08: 1 of 2 nights with a result")
    assert "2023-12-07  A1       24.3 sigma in 1.02 h, 3 of 3 runs" in text
    assert "2023-12-08  A2       still received" in text
