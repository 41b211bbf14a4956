"""The scheduler that a site wants. It is loaded when it is first asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from astran.base.clock import Clock
from astran.base.errors import ConfigError
from astran.base.process import Runner, run_command
from astran.base.scheduler import Scheduler
from astran.base.tasks import Task
from astran.config.scheduler_kinds import AUTO, KINDS
from astran.config.site import SchedulerSettings
from astran.scheduler.slurm import submit_script


class SchedulerClass(Protocol):
    """How a scheduler is made."""

    def from_settings(self, settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
        """The scheduler of a site; it may keep its state in a folder of the work folder."""
        ...


def make_scheduler(settings: SchedulerSettings, workdir: Path, clock: Clock) -> Scheduler:
    """The scheduler that a site wants."""
    kind = available_kind() if settings.kind == AUTO else settings.kind
    module, _, name = KINDS[kind].factory.partition(":")
    found = cast(SchedulerClass, getattr(import_module(module), name))
    return found.from_settings(settings, workdir, clock)


def available_kinds() -> list[str]:
    """The kinds that this machine can use, best first; the last one is always there."""
    return [
        kind for kind, one in KINDS.items() if not one.command or shutil.which(one.command)
    ]  # fmt: skip


def available_kind() -> str:
    """What `kind: auto` means on this machine."""
    return available_kinds()[0]


def explain_choice() -> str:
    """Which one `kind: auto` takes on this machine and why, in a sentence."""
    kinds = available_kinds()
    taken = KINDS[kinds[0]]
    if not taken.command:
        wanted = " nor ".join(one.command for one in KINDS.values() if one.command)
        return f"auto takes {taken.display_name}: neither {wanted} is on PATH."
    others = [f"{KINDS[kind].display_name} (kind: {kind})" for kind in kinds[1:-1]]
    rest = f", before {' and '.join(others)}, which is here too" if others else ""
    return f"auto takes {taken.display_name}, because {taken.command} is on PATH{rest}."


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
    ConfigError : the site does not use Slurm
    SchedulerError, ProcessError : the job is refused, or nobody answers
    """
    kind = available_kind() if settings.kind == AUTO else settings.kind
    if kind != "slurm":
        raise ConfigError(
            f"Jobs by hand go to Slurm; this site uses {KINDS[kind].display_name}.",
            cure="Leave --submit out.",
        )
    return submit_script.submit_by_hand(task, token, after, settings.slurm, runner)
