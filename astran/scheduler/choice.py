"""The scheduler that a site wants."""

from __future__ import annotations

import shutil
from pathlib import Path

from astran.base.clock import Clock
from astran.base.scheduler import Scheduler
from astran.config.site import SchedulerKind, SchedulerSettings
from astran.scheduler.local.controller import LocalScheduler
from astran.scheduler.slurm.controller import SlurmScheduler


def make_scheduler(settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
    """The site's scheduler.

    Parameters
    ----------
    settings : kind `auto` means Slurm where sbatch is on PATH, else the local pool
    workdir : the site's work folder; the local pool keeps its state in `<workdir>/pool`
    clock : source of time
    """
    slurm = settings.kind is SchedulerKind.SLURM or (
        settings.kind is SchedulerKind.AUTO and shutil.which("sbatch") is not None
    )
    if slurm:
        return SlurmScheduler(settings.slurm)
    return LocalScheduler(workdir / "pool", settings.local, clock)
