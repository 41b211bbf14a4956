"""Idle minutes are recognised at little cost, and only they are."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from services.dovecot import Dovecot

from astran.base.files import try_lock
from astran.cli.launcher import main
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.service.heartbeat import lock_path
from astran.service.idle import nothing_to_do

pytestmark = pytest.mark.services

NOW = datetime(2023, 12, 8, 12, tzinfo=UTC)
USER = "astran@astran.test"
MAIL = b"Subject: hello\r\nMessage-ID: <idle.%d@x>\r\n\r\nx\r\n"


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a tick does not wait")


@pytest.fixture
def settings(tmp_path: Path, dovecot: Dovecot) -> dict[str, Any]:
    """A site whose only live part is the mailbox."""
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text(dovecot.users[USER])
    imap = {
        "host": "localhost",
        "port": dovecot.imaps_port,
        "user": USER,
        "ca_file": str(dovecot.ca_file),
        "password": {"file": str(password)},
    }
    smtp = {"host": "localhost", "port": 9, "security": "none"}
    mail = {"address": USER, "imap": imap, "smtp": smtp}
    work = str(tmp_path / "work")
    return {"site": "Test", "workdir": work, "scheduler": {"kind": "local"}, "mail": mail}


def idle(settings: dict[str, Any]) -> bool:
    return nothing_to_do(build_settings(SiteConfig, settings, "site"), FixedClock())


@pytest.fixture
def ticked(settings: dict[str, Any], tmp_path: Path, dovecot: Dovecot) -> Path:
    """The site configuration, after ticks that took in every mail of the session's mailbox."""
    path = tmp_path / "site.yml"
    path.write_text(json.dumps(settings))  # JSON is YAML
    dovecot.deliver(MAIL % 0, USER)
    for _ in range(5):
        assert main(["--site", str(path)]) == 0
        if idle(settings):
            return path
    raise AssertionError("the mailbox does not come to rest")


def test_an_idle_minute_leaves_its_heartbeat(settings: dict[str, Any], ticked: Path) -> None:
    heartbeat = ticked.parent / "work" / "heartbeat.json"
    heartbeat.unlink()
    assert idle(settings)
    assert json.loads(heartbeat.read_text()) == {
        "at": NOW.isoformat(),
        "faults": [],
        "scheduler_silent_since": None,
        "mail_unsent_since": None,
    }


def test_a_site_without_a_mailbox(settings: dict[str, Any], tmp_path: Path) -> None:
    del settings["mail"]
    path = tmp_path / "site.yml"
    path.write_text(json.dumps(settings))
    assert not idle(settings), "there is no database yet"
    assert main(["--site", str(path)]) == 0
    assert idle(settings)


def test_an_idle_minute_loads_little(settings: dict[str, Any], ticked: Path) -> None:
    code = (
        "import json, sys\nfrom astran.cli.launcher import main\n"
        "assert main(sys.argv[1:]) == 0\nprint(json.dumps(sorted(sys.modules)))"
    )
    argv = [sys.executable, "-c", code, "--site", str(ticked)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    heavy = {"numpy", "astropy", "gammapy", "matplotlib", "lstchain", "tables"}
    assert loaded & (heavy | {"sqlalchemy", "alembic", "jinja2", "rich"}) == set()


def test_a_new_mail_is_work(settings: dict[str, Any], ticked: Path, dovecot: Dovecot) -> None:
    dovecot.deliver(MAIL % 1, USER)
    assert not idle(settings)
    assert main(["--site", str(ticked)]) == 0
    assert idle(settings)


def test_mails_numbered_anew_are_work(settings: dict[str, Any], ticked: Path) -> None:
    with sqlite3.connect(ticked.parent / "work" / "astran.sqlite") as connection:
        connection.execute("update mailbox_cursor set uidvalidity = uidvalidity + 1")
    connection.close()
    assert not idle(settings)


def test_another_tick_under_way_is_not_disturbed(settings: dict[str, Any], ticked: Path) -> None:
    with try_lock(lock_path(build_settings(SiteConfig, settings, "site"))) as free:
        assert free
        assert not idle(settings)


def test_the_first_tick_is_a_real_one(settings: dict[str, Any]) -> None:
    assert not idle(settings)


@pytest.mark.parametrize(
    "trouble",
    [
        {"port": 9},
        {"password": {"env": "ASTRAN_NO_SUCH_VARIABLE"}},
        {"password": {"command": ["/nowhere/pass"]}},
        {"password": None},
    ],
)
def test_a_mailbox_in_trouble_is_left_to_the_real_tick(
    settings: dict[str, Any], ticked: Path, trouble: dict[str, Any]
) -> None:
    settings["mail"]["imap"] |= trouble
    assert not idle(settings)
