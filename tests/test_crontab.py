"""The example crontab: cron would take it, and its command is one that ASTRAN installs."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path

from astran.cli.main import COMMANDS

CRONTAB = Path(__file__).parent.parent / "crontab.example"
FIELD = re.compile(r"(\*|\d+(-\d+)?)(/\d+)?(,(\*|\d+(-\d+)?)(/\d+)?)*")
VARIABLE = re.compile(r"([A-Z_]+)=(.*)")


def parsed() -> tuple[dict[str, str], list[tuple[list[str], str]]]:
    """Variables, and jobs as (five time fields, command), as crontab(5) tells lines apart."""
    variables, jobs = {}, []
    for line in CRONTAB.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if match := VARIABLE.fullmatch(line):
            variables[match[1]] = match[2]
        else:
            *times, command = line.split(None, 5)
            jobs.append((times, command))
    return variables, jobs


def test_one_job_every_minute() -> None:
    _, [(times, command), _] = parsed()
    assert times == ["*"] * 5
    assert all(FIELD.fullmatch(field) for field in times)
    # an unescaped % would end the command (crontab(5))
    assert "%" not in command


def test_a_second_job_watches_the_first() -> None:
    _, [_, (times, command)] = parsed()
    assert all(FIELD.fullmatch(field) for field in times)
    assert "%" not in command
    assert "watch-launcher" in command.split() and "watch-launcher" in COMMANDS
    # what it prints goes to the log: cron mails errors alone
    assert command.endswith('>> "$ASTRAN_LOG"')


def test_the_command_is_installed_by_astran() -> None:
    _, [(_, command), _] = parsed()
    scripts = {point.name for point in distribution("astran").entry_points}
    assert "astran-launcher" in command.split()
    assert "astran-launcher" in scripts


def test_variables_that_it_uses_are_set() -> None:
    variables, jobs = parsed()
    command = " ".join(command for _, command in jobs)
    assert {"ASTRAN_SITE", "MAILTO", "PATH"} <= set(variables)
    used = set(re.findall(r"\$([A-Z_]+)", command)) - {"HOME"}
    assert used <= set(variables)
    # cron does not expand variables in these lines
    assert not any("$" in value for value in variables.values())


def test_the_command_works_as_cron_runs_it(tmp_path: Path) -> None:
    """With /bin/sh and nothing but the variables of the crontab."""
    variables, [(_, command), _] = parsed()
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    launcher = bin_dir / "astran-launcher"
    launcher.write_text('#!/bin/sh\necho "tick of $ASTRAN_SITE"\n')
    launcher.chmod(0o755)
    log = tmp_path / "astran.log"
    env = {
        **variables,
        "HOME": str(tmp_path),
        "ASTRAN_LOG": str(log),
        "PATH": f"{bin_dir}:/usr/bin:/bin",
    }
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", command], env=env, check=True, timeout=30)
    assert log.read_text() == f"tick of {variables['ASTRAN_SITE']}\n" * 2
