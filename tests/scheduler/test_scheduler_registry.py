"""Which scheduler is taken, and that no other is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astran.base.clock import SystemClock
from astran.base.errors import ConfigError
from astran.config.model import build_settings
from astran.config.site import SchedulerSettings
from astran.scheduler.registry import explain_choice, make_scheduler


@pytest.mark.parametrize(
    ("kind", "commands", "name"),
    [
        ("auto", ["sbatch", "condor_submit"], "slurm"),
        ("auto", ["condor_submit"], "htcondor"),
        ("auto", [], "local"),
        ("local", ["sbatch"], "local"),
        ("slurm", [], "slurm"),
        ("htcondor", [], "htcondor"),
    ],
)
def test_kinds(
    kind: str, commands: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(commands, tmp_path, monkeypatch)
    settings = SchedulerSettings.model_validate({"kind": kind})
    assert make_scheduler(settings, tmp_path, SystemClock()).name == name


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (
            ["sbatch", "condor_submit"],
            ["takes Slurm", "sbatch is on PATH", "before HTCondor (kind: htcondor)"],
        ),
        (["condor_submit"], ["takes HTCondor", "condor_submit is on PATH"]),
        ([], ["takes the local pool", "neither sbatch nor condor_submit"]),
    ],
)
def test_why_a_kind_is_taken(
    commands: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(commands, tmp_path, monkeypatch)
    said = explain_choice()
    assert all(word in said for word in words), said


def put_on_path(names: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_only_the_scheduler_of_the_site_is_loaded(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "import astran.service.tick\n"
        "from astran.base.clock import SystemClock\n"
        "from astran.config.site import SchedulerSettings\n"
        "from astran.scheduler.registry import make_scheduler\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "make_scheduler(SchedulerSettings(kind='local'), folder, SystemClock())\n"
        "print(*[name for name in sys.modules if name.startswith('astran.scheduler.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name.split(".")[2] for name in done.stdout.split()}
    assert "local" in loaded and "htcondor" not in loaded, done.stderr


def test_a_kind_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'htcondor'"):
        build_settings(SchedulerSettings, {"kind": "htcondr"}, "The site configuration")
    with pytest.raises(ConfigError, match="one of auto, slurm, htcondor, local"):
        build_settings(SchedulerSettings, {"kind": "xyz"}, "The site configuration")
