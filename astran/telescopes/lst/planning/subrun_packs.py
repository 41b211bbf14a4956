"""Subrun-wise DL1: many subruns to a task, so that starting the tool and loading the forests stay a
small part of it; then DL2 of each run put together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from astran.base.night_data import FileRef, Models, RunFile
from astran.base.tasks import PastTask
from astran.config.site import PackingSettings, StageResources

_NUMBER = re.compile(r"\.Run\d+\.(\d{4})(?!\d)")
OVERHEAD = 0.1
"""Largest part of a task that may be start-up."""
LIMIT_USED = 0.7
"""A task is planned to need so much of its time limit at most."""
BYTES_PER_EVENT = 190.0
"""Of DL1 parameters as lstchain compresses them; where the number of events is not known."""


@dataclass(frozen=True, slots=True)
class SubrunFile:
    """One subrun."""

    run: int
    file: FileRef
    seconds: float
    """Expected time of computing, without start-up."""


Pack = tuple[SubrunFile, ...]


def subrun_number(name: str) -> str:
    """`0007` of dl1_LST-1.Run15861.0007.h5; the whole name where there is no such number."""
    match = _NUMBER.search(name)
    return match[1] if match else name


@dataclass(frozen=True, slots=True)
class Dl2Throughput:
    """How fast DL2 is made with some models."""

    start_s: float
    """Time until the first event: start of the tool, and loading of the forests [s]."""
    events_per_s: float
    tasks: int = 0
    """Number of tasks it was measured in; 0: reckoned."""


def estimate_duration(models: Models, packing: PackingSettings) -> Dl2Throughput:
    """The pace by the settings of the site."""
    forests_mb = sum(file.size for file in models.files) / 1e6
    return Dl2Throughput(
        packing.start_s + forests_mb / packing.forests_mb_per_s, packing.events_per_s
    )


def measure_throughput(done: Sequence[tuple[float, float]]) -> Dl2Throughput | None:
    """The pace of one task, from when each of its subruns was done.

    What the first one took, without the time for its events at the speed of the others, was
    start-up.

    Parameters
    ----------
    done : events of all subruns so far, and time since the task began [s], of each subrun

    Returns
    -------
    None where fewer than three subruns, or times that make no sense, tell nothing.
    """
    if len(done) < 3:
        return None
    (first, at_first), (last, at_last) = min(done), max(done)
    if last <= first or at_last <= at_first:
        return None
    speed = (last - first) / (at_last - at_first)
    start = at_first - first / speed
    return Dl2Throughput(start, speed, 1) if start > 0 else None


def measure_past_packs(packs: Iterable[PastTask]) -> dict[str, Dl2Throughput]:
    """The pace with each folder of models, from tasks that made DL2 of several subruns."""
    found: dict[str, list[Dl2Throughput]] = {}
    for task in packs:
        forests = [path for path in task.inputs if not path.endswith(".h5")]
        events = accumulate(float(one.facts.get("rows") or 0) for one in task.products)
        times = (one.made_after_s for one in task.products)
        pace = measure_throughput(list(zip(events, times, strict=True)))
        if forests and pace is not None:
            found.setdefault(forests[0].rpartition("/")[0], []).append(pace)
    return {models: typical_throughput(paces) for models, paces in found.items()}


def typical_throughput(paces: Sequence[Dl2Throughput]) -> Dl2Throughput:
    """The median of some measured ones."""
    return Dl2Throughput(
        median(pace.start_s for pace in paces),
        median(pace.events_per_s for pace in paces),
        len(paces),
    )


def pack_subruns(
    runs: Sequence[RunFile], pace: Dl2Throughput, resources: StageResources
) -> tuple[Pack, ...]:
    """Distribute the subruns of runs, in their order, over as many tasks as are worth it.

    A task is worth it if start-up is less than `OVERHEAD` of it. Runs with enough work for one are
    packed apart from others, so that each can be taken over by itself later; smaller ones go
    together with their neighbours. A night of less work than one such task is one task. The time
    limit comes first.
    """
    least = pace.start_s * (1 - OVERHEAD) / OVERHEAD
    room = max(1.0, resources.time_min * 60 * LIMIT_USED - pace.start_s)
    groups: list[list[SubrunFile]] = []
    for run in runs:
        parts = _parts(run, pace)
        if groups and _work(groups[-1]) < least:
            groups[-1] += parts
        elif parts:
            groups.append(parts)
    if len(groups) > 1 and _work(groups[-1]) < least:
        groups[-2:] = [groups[-2] + groups[-1]]
    return tuple(pack for parts in groups for pack in _split(parts, least, room))


def _split(parts: Sequence[SubrunFile], least: float, room: float) -> tuple[Pack, ...]:
    """As many packs as possible with at least so much work each, at most as fits into `room`."""
    needed = min(len(parts), math.ceil(_work(parts) / room))
    count = max(needed, min(len(parts), math.floor(_work(parts) / least)), 1)
    while True:
        found = _distribute(parts, count)
        if count <= max(needed, 1) or min(map(_work, found)) >= least:
            return found
        count -= 1


def describe_packs(found: Sequence[Pack], pace: Dl2Throughput) -> str:
    """What was packed, for people."""
    files, start = sum(map(len, found)), pace.start_s * len(found)
    share = start / (start + sum(map(_work, found)))
    tasks = "task" if len(found) == 1 else "tasks"
    known = f"measured in the last {pace.tasks} like them" if pace.tasks else "reckoned"
    return (
        f"DL1 of subruns: {files} files in {len(found)} {tasks}; {share:.0%} of the time is "
        f"start-up, {pace.start_s:.0f} s each ({known})."
    )


def _work(parts: Sequence[SubrunFile]) -> float:
    return sum(part.seconds for part in parts)


def _parts(run: RunFile, pace: Dl2Throughput) -> list[SubrunFile]:
    size = sum(file.size for file in run.parts)
    events = run.events or size / BYTES_PER_EVENT
    return [
        SubrunFile(run.run, file, events * (file.size / size if size else 0) / pace.events_per_s)
        for file in run.parts
    ]


def _distribute(parts: Sequence[SubrunFile], count: int) -> tuple[Pack, ...]:
    """Neighbours together, about the same work in each."""
    share = _work(parts) / count
    found: list[list[SubrunFile]] = [[]]
    done = 0.0
    for index, part in enumerate(parts):
        left = len(parts) - index
        full = done + part.seconds / 2 > share * len(found)
        if found[-1] and len(found) < count and (full or left <= count - len(found)):
            found.append([])
        found[-1].append(part)
        done += part.seconds
    return tuple(tuple(pack) for pack in found)
