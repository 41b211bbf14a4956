"""What tasks of a kind really needed: kinds of tasks, and the figures of the newest of a kind.

A kind is stage, software version and size of the input, in steps of a factor of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from astran.base.tasks import Plan, Task
from astran.database.schema import tables as t

_SEPARATOR = " | "
LARGEST = 40
"""Largest size step: 2^40 MB."""


@dataclass(frozen=True, slots=True)
class TaskKind:
    """Tasks that should need about the same."""

    stage: str
    version: str
    """Software that runs, and its version."""
    size: int
    """The input is smaller than 2^size MB, and not smaller than half of that; 0: unknown."""

    def __str__(self) -> str:
        return _SEPARATOR.join((self.stage, self.version, str(self.size)))


def task_kinds(plan: Plan) -> dict[str, TaskKind]:
    """The kind of each task of a plan by its key; looks up the sizes of the input files.

    The input of a task is all that it and the tasks before it read.
    """
    tasks = {task.key: task for task in plan.tasks}
    sizes: dict[str, float] = {}
    return {
        key: TaskKind(
            task.stage, " ".join(plan.software(task)).strip(), _step(_input_mb(task, tasks, sizes))
        )
        for key, task in tasks.items()
    }


def _input_mb(task: Task, tasks: Mapping[str, Task], known: dict[str, float]) -> float:
    if task.key not in known:
        own = sum(_size_mb(path) for path in task.inputs)
        before = (tasks[key] for key in (*task.needs, *task.after) if key in tasks)
        known[task.key] = own + sum(_input_mb(other, tasks, known) for other in before)
    return known[task.key]


def _size_mb(path: str) -> float:
    try:
        return Path(path).stat().st_size / 1024**2
    except OSError:
        return 0.0


def _step(megabytes: float) -> int:
    return min(int(megabytes).bit_length(), LARGEST)


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What one attempt asked for, what it used, and how it ended."""

    outcome: str
    asked_mb: float
    asked_min: float
    used_mb: float | None
    used_s: float | None


def newest_uses(db: Connection, kind: TaskKind, newest: int) -> list[ResourceUse]:
    """The attempts of the newest tasks of a kind that have ended."""
    some = (
        select(t.task.c.id)
        .where(t.task.c.kind == str(kind), t.task.c.attempts > 0)
        .order_by(t.task.c.id.desc())
        .limit(newest)
    )
    c = t.attempt.c
    query = select(c.outcome, c.requested, c.max_rss_mb, c.elapsed_s).where(
        c.task_id.in_(some.scalar_subquery()), c.outcome != ""
    )
    return [
        ResourceUse(outcome, asked["memory_mb"], asked["time_min"], used_mb, used_s)
        for outcome, asked, used_mb, used_s in db.execute(query)
    ]
