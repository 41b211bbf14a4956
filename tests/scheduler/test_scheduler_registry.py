"""Which scheduler is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from scheduler.fake_slurm import FakeSlurm

from astran.base.clock import SystemClock
from astran.config.site import SchedulerSettings
from astran.scheduler.registry import make_scheduler


@pytest.mark.parametrize(
    ("kind", "sbatch", "name"),
    [
        ("auto", True, "slurm"),
        ("auto", False, "local"),
        ("local", True, "local"),
        ("slurm", False, "slurm"),
    ],
)
def test_kinds(
    kind: str, sbatch: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sbatch:
        FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    settings = SchedulerSettings.model_validate({"kind": kind})
    assert make_scheduler(settings, tmp_path, SystemClock()).name == name
