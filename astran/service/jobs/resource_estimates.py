"""Asks for what the last tasks of a kind really needed, with head-room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from astran.base.tasks import Plan, Resources
from astran.config.site import SchedulerSettings
from astran.database.history.resource_usage import (
    LARGEST,
    ResourceUse,
    TaskKind,
    newest_uses,
    task_kinds,
)
from astran.service.jobs.retry_policy import FailureCause

MAX_ATTEMPTS_USED = 100
"""So many tasks of a kind are looked at."""
QUANTILE = 0.95
"""What this fraction of them got along with; a rare giant is cured by its own second attempt."""
MEMORY_HEADROOM, TIME_HEADROOM = 1.3, 1.5
"""Factors on what was used. Of a few tasks less is known: half as much more for a single one."""
EXCEEDED_FACTOR = 1.25
"""An attempt that ran out of memory or time needed at least so many times what it had."""
MIN_MB, MIN_MIN = 500, 10
STEP_MB, STEP_MIN = 100, 5
"""Figures are rounded up to these, so that tasks share one array."""
SIZE_STEPS_TO_BORROW = 3
"""A size of which nothing is known asks for what one up to so many steps larger needed."""


@dataclass(frozen=True, slots=True)
class ResourceEstimate:
    """What tasks of a kind should ask for, and what it is based on."""

    memory_mb: int
    time_min: int
    tasks: int
    most_mb: float
    most_min: float


def estimate_resources(uses: Sequence[ResourceUse]) -> ResourceEstimate | None:
    """The estimate from some attempts; None where none of them allows one."""
    good = [use for use in uses if use.outcome == FailureCause.OK and use.used_s is not None]
    memory = [use.used_mb for use in good if use.used_mb]
    minutes = [use.used_s / 60 for use in good if use.used_s is not None]
    memory += [use.asked_mb * EXCEEDED_FACTOR for use in uses if use.outcome == FailureCause.MEMORY]
    minutes += [use.asked_min * EXCEEDED_FACTOR for use in uses if use.outcome == FailureCause.TIME]
    if not memory or not minutes:
        return None
    return ResourceEstimate(
        _rounded_need(memory, MEMORY_HEADROOM, MIN_MB, STEP_MB),
        _rounded_need(minutes, TIME_HEADROOM, MIN_MIN, STEP_MIN),
        len(good),
        max(memory),
        max(minutes),
    )


def _rounded_need(values: Sequence[float], headroom: float, least: float, step: int) -> int:
    ordered = sorted(values)
    needed = ordered[math.ceil(QUANTILE * len(ordered)) - 1]
    wanted = max(least, needed * headroom * (1 + 0.5 / math.sqrt(len(ordered))))
    return math.ceil(wanted / step) * step


def apply_estimates(db: Connection, settings: SchedulerSettings, plan: Plan) -> Plan:
    """The plan with what its tasks should ask for, and with a note on it for each stage.

    The tasks of a stage of which something is known ask for the same, so that they stay one array.
    """
    if not settings.learn:
        return plan
    kind_of = task_kinds(plan)
    known = {kind: _estimate(db, kind) for kind in set(kind_of.values())}
    by_task = {key: known[kind] for key, kind in kind_of.items()}
    asks: dict[str, Resources] = {}
    notes: list[str] = []
    for stage in dict.fromkeys(task.stage for task in plan.tasks):
        found = [(task, by_task[task.key]) for task in plan.tasks if task.stage == stage]
        estimates = list(dict.fromkeys(estimate for _, estimate in found if estimate is not None))
        if not estimates:
            continue
        memory = settings.limits.memory(max(estimate.memory_mb for estimate in estimates))
        time = settings.limits.time(max(estimate.time_min for estimate in estimates))
        for task, estimate in found:
            if estimate is not None:
                asks[task.key] = Resources(task.resources.cpus, memory, time)
        notes.append(_note(stage, memory, time, estimates))
    tasks = tuple(replace(t, resources=asks.get(t.key, t.resources)) for t in plan.tasks)
    return replace(plan, tasks=tasks, notes=(*plan.notes, *notes))


def _estimate(db: Connection, kind: TaskKind) -> ResourceEstimate | None:
    """The estimate for a kind, or for the next larger size with known tasks."""
    for size in range(kind.size, min(kind.size + SIZE_STEPS_TO_BORROW, LARGEST) + 1):
        estimate = estimate_resources(newest_uses(db, replace(kind, size=size), MAX_ATTEMPTS_USED))
        if estimate is not None:
            return estimate
    return None


def _note(stage: str, memory_mb: int, time_min: int, estimates: Sequence[ResourceEstimate]) -> str:
    number = sum(estimate.tasks for estimate in estimates)
    last = f"the last {number} like them" if number > 1 else "the last one like them"
    most_mb = max(estimate.most_mb for estimate in estimates)
    most_min = max(estimate.most_min for estimate in estimates)
    return (
        f"Each {stage.upper()} task asks for {memory_mb} MB and {time_min} min: {last} needed up "
        f"to {most_mb:.0f} MB and {max(most_min, 0.1):.1f} min."
    )
