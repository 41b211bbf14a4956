"""sbatch controller and local pool behind one protocol.

`make` picks the one that the site wants. Nothing is imported until it is asked: the wrapper of a
local task starts in this package too, and must start fast.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astran.base.clock import Clock
    from astran.base.scheduler import Scheduler
    from astran.config.site import SchedulerSettings


def make(settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
    """The site's scheduler.

    Parameters
    ----------
    settings : kind `auto` means Slurm where sbatch is on PATH, else the local pool
    workdir : the site's work folder; the local pool keeps its state in `<workdir>/pool`
    clock : source of time
    """
    from astran.config.site import SchedulerKind

    slurm = settings.kind is SchedulerKind.SLURM or (
        settings.kind is SchedulerKind.AUTO and shutil.which("sbatch") is not None
    )
    if slurm:
        from astran.scheduler.slurm.controller import SlurmScheduler

        return SlurmScheduler(settings.slurm)
    from astran.scheduler.local.controller import LocalScheduler

    return LocalScheduler(workdir / "pool", settings.local, clock)
