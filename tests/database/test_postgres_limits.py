"""A PostgreSQL that is silent, slow or shared: nothing waits for ever or is counted twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.idle_scheduler import IdleScheduler
from services.postgres import Postgres
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from astran.base.clock import SystemClock
from astran.base.files import try_lock
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database import analyses
from astran.database.connection import HEAD, Database, is_outage
from astran.database.idle_query import summarise_idle
from astran.service.context import Context
from astran.service.heartbeat import hand_lock_path, lock_path
from astran.service.tick import run_tick

pytestmark = pytest.mark.services


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.url(postgres.new_database())


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def setting(db: Database, name: str) -> str:
    with db.begin() as connection:
        return str(connection.execute(text(f"show {name}")).scalar())


def test_statements_and_locks_are_limited(url: str) -> None:
    db = Database.open(url)
    assert setting(db, "statement_timeout") == "2min"
    assert setting(db, "lock_timeout") == "1min"
    assert setting(db, "idle_in_transaction_session_timeout") == "10min"
    db.close()


def test_a_statement_that_takes_too_long_is_an_outage(url: str) -> None:
    db = Database.open(url)
    with pytest.raises(OperationalError) as caught, db.begin() as connection:
        connection.execute(text("set local statement_timeout = '100ms'"))
        connection.execute(text("select pg_sleep(30)"))
    assert is_outage(caught.value)
    db.close()


def test_a_line_that_swallows_everything_is_given_up(silent: int) -> None:
    """What the URL sets counts, else ten seconds."""
    nowhere = f"postgresql://astran@127.0.0.1:{silent}/astran?connect_timeout=2"
    with pytest.raises(OperationalError):
        Database(nowhere).version()


def test_the_idle_tick_gives_it_up_too(silent: int) -> None:
    from datetime import UTC, datetime

    nowhere = f"postgresql://astran@127.0.0.1:{silent}/astran?connect_timeout=2"
    assert summarise_idle(nowhere, HEAD, None, datetime.now(UTC)) is None


def test_two_upgrades_at_once_do_no_harm(url: str) -> None:
    """The second waits, and finds nothing to be done."""
    first, second = Database(url), Database(url)
    failures: list[BaseException] = []

    def upgrade(db: Database) -> None:
        try:
            db.upgrade()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=upgrade, args=(db,)) for db in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert first.version() == second.version() == HEAD
    first.close()
    second.close()


def test_counting_and_launching_is_one_act(url: str) -> None:
    """While one counts for a quota, another waits until the first one's analysis is there."""
    Database.open(url).close()
    first, second = Database(url), Database(url)
    counted, order = threading.Event(), []

    def count_late() -> None:
        counted.wait()
        with second.begin() as db:
            analyses.lock_launches(db)
            order.append("second")

    thread = threading.Thread(target=count_late)
    thread.start()
    with first.begin() as db:
        analyses.lock_launches(db)
        counted.set()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_hand_runs_are_not_held_up_by_each_other(url: str, tmp_path: Path) -> None:
    """On a database server each moves its own analysis on, whoever else is at work."""
    server = {"site": "Test", "workdir": str(tmp_path), "database": url}
    site = build_settings(SiteConfig, server, "the site")
    db = Database.open(url)
    context = Context(site, db, SystemClock(), "python", IdleScheduler)
    with try_lock(lock_path(site)) as free, try_lock(hand_lock_path(site, 1)) as first:
        assert free
        assert first
        assert run_tick(context).busy, "a launcher"
        assert "another tick" in run_tick(context).reason
        assert run_tick(context, mail=False, only=1).busy, "the same analysis"
        assert not run_tick(context, mail=False, only=2).busy
    db.close()
