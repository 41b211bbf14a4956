"""Which scheduler is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from scheduler.fake_slurm import FakeSlurm

from astran.base.clock import SystemClock
from astran.config.site import SchedulerKind, SchedulerSettings
from astran.scheduler.choice import make_scheduler


@pytest.mark.parametrize(
    ("kind", "sbatch", "name"),
    [
        (SchedulerKind.AUTO, True, "slurm"),
        (SchedulerKind.AUTO, False, "local"),
        (SchedulerKind.LOCAL, True, "local"),
        (SchedulerKind.SLURM, False, "slurm"),
    ],
)
def test_kinds(
    kind: SchedulerKind, sbatch: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sbatch:
        FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert make_scheduler(SchedulerSettings(kind=kind), tmp_path, SystemClock()).name == name
