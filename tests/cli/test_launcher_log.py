"""What stands in the launcher's log: faults with their tracebacks, and nothing secret."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from astran.base.permissions import PRIVATE
from astran.cli import launcher
from astran.config.analysis import AnalysisConfig, Target
from astran.database import analyses
from astran.database.analyses import Analysis, RequestOrigin
from astran.database.connection import Database
from astran.service import tick
from astran.service.context import Context

PASSWORD = "kestrel-and-heron"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """With an analysis that was just requested."""
    path = tmp_path / "site.yml"
    path.write_text(f"site: Test\nworkdir: {tmp_path}\nscheduler: {{kind: local}}\n")
    db = Database.open(f"sqlite:///{tmp_path / 'astran.sqlite'}")
    now = datetime(2023, 12, 8, 9, tzinfo=UTC)
    config = AnalysisConfig(target=Target(name="Crab", ra=83.6, dec=22.0), date="20231207")
    with db.begin() as connection:
        analyses.create_analysis(
            connection, now, RequestOrigin(), config.label, config.plain(), tmp_path, ""
        )
    db.close()
    return path


@pytest.fixture
def _fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: Context, analysis: Analysis, working: set[int]) -> None:
        raise KeyError("no such column")

    monkeypatch.setattr(tick, "advance_analysis", fail)


@pytest.mark.usefixtures("_fault")
def test_a_fault_stands_in_the_log_with_its_traceback(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launcher.main(["--site", str(site)]) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    datetime.strptime(first[:19], "%Y-%m-%d %H:%M:%S")
    assert first[19:] == " ERROR   A1: fault: 'no such column'"
    assert rest[0] == "Traceback (most recent call last):"
    assert any('raise KeyError("no such column")' in line for line in rest)
    assert rest[-1] == "KeyError: 'no such column'"


@pytest.mark.usefixtures("_fault")
def test_the_same_as_json(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(["--site", str(site), "--log-json", "--verbose"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (fault,) = [line for line in lines if line["level"] == "ERROR"]
    assert (fault["analysis"], fault["logger"]) == ("A1", "astran.service.operator.faults")
    assert fault["traceback"].endswith("KeyError: 'no such column'")


def test_the_environment_chooses_the_level(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick.planning, "plan_or_wait", lambda context, analysis: None)
    for level, expected in (("DEBUG", "A1: Crab20231207 is received"), ("WARNING", "")):
        monkeypatch.setenv("ASTRAN_LOG_LEVEL", level)
        assert launcher.main(["--site", str(site)]) == 0
        shown = capsys.readouterr().out
        assert expected in shown and bool(expected) is bool(shown)


@pytest.mark.parametrize("words", [[], ["--log-json"], ["--verbose"]])
def test_no_password_of_the_mailbox(
    words: list[str], site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(PRIVATE)
    server = f"{{host: 127.0.0.1, port: 9, security: none, password: {{file: {secret}}}}}"
    with site.open("a") as text:
        text.write(f"mail: {{address: a@a.test, imap: {server}, smtp: {server}}}\n")
    assert launcher.main(["--site", str(site), *words]) == 1
    shown = capsys.readouterr()
    assert "the mailbox cannot be read" in shown.out
    assert PASSWORD not in shown.out + shown.err


def test_no_password_of_the_database(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAN_LOG_LEVEL", "DEBUG")
    with site.open("a") as text:
        text.write(f"database: postgresql+psycopg://astran:{PASSWORD}@127.0.0.1:9/astran\n")
    assert launcher.main(["--site", str(site)]) != 0
    shown = capsys.readouterr()
    assert shown.out + shown.err
    assert PASSWORD not in shown.out + shown.err


def test_an_idle_minute_sets_no_log_up(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(f"site: Test\nworkdir: {tmp_path}\nscheduler: {{kind: local}}\n")
    assert launcher.main(["--site", str(site)]) == 0  # makes the database
    code = (
        "import sys; from astran.cli.launcher import main; code = main(sys.argv[1:]);"
        "sys.exit(code or 'astran.base.logging_setup' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, "--site", str(site)]).returncode == 0
