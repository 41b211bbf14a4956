"""The schedulers that there are, and the one that a site wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from astran.base.clock import Clock
from astran.base.errors import ConfigError
from astran.base.process import Runner, run_command
from astran.base.scheduler import Scheduler
from astran.base.tasks import Task
from astran.config.site import SchedulerSettings
from astran.scheduler.local.controller import LocalScheduler
from astran.scheduler.slurm import submit_script
from astran.scheduler.slurm.controller import SlurmScheduler


class SchedulerClass(Protocol):
    """How a registered scheduler is found and made."""

    def is_available(self) -> bool:
        """Whether this machine has it, so that `kind: auto` may take it."""
        ...

    def from_settings(self, settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
        """The scheduler of a site; it may keep its state in a folder of the work folder."""
        ...


SCHEDULERS: dict[str, SchedulerClass] = {"slurm": SlurmScheduler, "local": LocalScheduler}
"""By `kind`; `auto` takes the first that is available."""


def make_scheduler(settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
    """The scheduler that a site wants."""
    kind = available_kind() if settings.kind == "auto" else settings.kind
    return SCHEDULERS[kind].from_settings(settings, workdir, clock)


def available_kind() -> str:
    """What `kind: auto` means on this machine."""
    return next(kind for kind, scheduler in SCHEDULERS.items() if scheduler.is_available())


def submit_by_hand(
    settings: SchedulerSettings,
    task: Task,
    token: str,
    after: Sequence[str],
    runner: Runner = run_command,
) -> str:
    """Submit the script of one task as a job of its own; returns the id of the job.

    Parameters
    ----------
    token : of the attempt, for its record
    after : ids of the jobs whose products it needs

    Raises
    ------
    ConfigError : the site has no batch system
    SchedulerError, ProcessError : the job is refused, or nobody answers
    """
    kind = available_kind() if settings.kind == "auto" else settings.kind
    if kind != "slurm":
        raise ConfigError(
            "This site runs its tasks on this machine (scheduler.kind).",
            cure="Leave --submit out.",
        )
    return submit_script.submit_by_hand(task, token, after, settings.slurm, runner)
