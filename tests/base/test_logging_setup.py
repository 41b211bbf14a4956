"""The set-up of the log: level, form, what is cut out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import datetime

import pytest

from astran.base.logging_setup import LogForm, configure_logging, log_analysis

LOG = logging.getLogger("astran.test")


def log_each_level() -> None:
    LOG.debug("of little use")
    LOG.info("a step")
    LOG.warning("odd")
    LOG.error("bad")


@pytest.mark.parametrize(
    ("default", "environment", "verbose", "lines"),
    [
        ("INFO", "", False, 3),
        ("INFO", "DEBUG", False, 4),
        ("INFO", "error", False, 1),
        ("WARNING", "", False, 2),
        ("WARNING", "", True, 3),
        ("WARNING", "INFO", False, 3),
        ("INFO", "ERROR", True, 4),
    ],
)
def test_level(
    default: str,
    environment: str,
    verbose: bool,
    lines: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASTRAN_LOG_LEVEL", environment)
    configure_logging(default, form=LogForm.PLAIN, verbose=verbose)
    log_each_level()
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_an_unknown_level_is_named_and_ignored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAN_LOG_LEVEL", "loud")
    configure_logging(form=LogForm.PLAIN)
    log_each_level()
    first, *rest = capsys.readouterr().out.splitlines()
    assert "LOUD" in first and "DEBUG, INFO, WARNING, ERROR" in first
    assert rest == ["a step", "odd", "bad"]


def test_of_other_packages_only_warnings_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAN_LOG_LEVEL", "DEBUG")
    configure_logging(form=LogForm.PLAIN)
    logging.getLogger("sqlalchemy.engine").info("parameters of a statement")
    logging.getLogger("sqlalchemy.engine").warning("a warning")
    assert capsys.readouterr().out == "a warning\n"


def test_a_line_names_time_level_and_analysis(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    with log_analysis("A12"):
        LOG.info("%d tasks planned", 3)
    LOG.warning("no room")
    first, second = capsys.readouterr().out.splitlines()
    datetime.strptime(first[:19], "%Y-%m-%d %H:%M:%S")
    assert first[19:] == " INFO    A12: 3 tasks planned"
    assert second[19:] == " WARNING no room"


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json=True)
    with log_analysis("A12"):
        LOG.info('two\nlines, a quote " and \x1b[31m')
    try:
        raise KeyError("no such thing")
    except KeyError:
        LOG.exception("fault")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "INFO",
        "logger": "astran.test",
        "analysis": "A12",
        "message": 'two\nlines, a quote " and \x1b[31m',
    }
    assert second["analysis"] is None
    assert second["traceback"].endswith("KeyError: 'no such thing'")


@pytest.mark.parametrize("as_json", [False, True])
def test_passwords_in_urls_are_cut(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json=as_json)
    url = "postgresql+psycopg://astran:kestrel@db.example/astran"
    try:
        raise ValueError(f"cannot parse {url}")
    except ValueError:
        LOG.exception("no database at %s", url)
    shown = capsys.readouterr().out
    assert "kestrel" not in shown
    assert shown.count("postgresql+psycopg://astran:***@db.example/astran") == 2


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form=LogForm.PLAIN)
    LOG.info("subject \x1b[2J\x07 of a mail")
    assert capsys.readouterr().out == "subject  of a mail\n"


def test_a_second_set_up_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(form=LogForm.PLAIN)
    configure_logging(form=LogForm.JOB, stream="stderr")
    LOG.info("once")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "ASTRAN: once\n")


def test_the_log_needs_no_package_of_its_own() -> None:
    """Jobs in other environments use it, and every idle minute."""
    code = "import sys, astran.base.logging_setup; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - sys.stdlib_module_names <= {"__main__", "astran", "sitecustomize"}
