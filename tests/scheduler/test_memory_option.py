"""Some clusters refuse --mem and demand --mem-per-cpu (sbatch(1): the two exclude each other)."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.scheduler import Batch
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings
from astran.scheduler.slurm.submit_script import sbatch_command


@pytest.mark.parametrize(
    ("settings", "cpus", "option"),
    [
        ({}, 3, "--mem=10000M"),
        ({"memory_per": "cpu"}, 1, "--mem-per-cpu=10000M"),
        ({"memory_per": "cpu"}, 3, "--mem-per-cpu=3334M"),
    ],
)
def test_memory_is_asked_for_as_the_cluster_demands(
    settings: dict[str, str], cpus: int, option: str
) -> None:
    batch = Batch("t", "A1", ("s",), ("l",), ("t.0",), Resources(cpus, 10000, 60), "/f")
    words = sbatch_command(batch, Path("s.sh"), SlurmSettings.model_validate(settings))
    assert [word for word in words if word.startswith("--mem")] == [option]
