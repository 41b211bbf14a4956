"""Subrun-wise DL1: many subruns to a task, so that starting the tool and loading the forests stay a
small part of it; then DL2 of each run put together."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from astran.base.nightdata import FileRef, Models, RunFile
from astran.config.site import PackingSettings, StageResources

_NUMBER = re.compile(r"\.Run\d+\.(\d{4})(?!\d)")
OVERHEAD = 0.1
"""Largest part of a task that may be start-up."""
LIMIT_USED = 0.7
"""A task is planned to need so much of its time limit at most."""
BYTES_PER_EVENT = 190.0
"""Of DL1 parameters as lstchain compresses them; where the number of events is not known."""


@dataclass(frozen=True, slots=True)
class Part:
    """One subrun."""

    run: int
    file: FileRef
    seconds: float
    """Expected time of computing, without start-up."""


Pack = tuple[Part, ...]


def number(name: str) -> str:
    """`0007` of dl1_LST-1.Run15861.0007.h5; the whole name where there is no such number."""
    match = _NUMBER.search(name)
    return match[1] if match else name


def startup_s(models: Models, packing: PackingSettings) -> float:
    """Time until the first event: start of the tool, and loading of the forests [s]."""
    forests_mb = sum(file.size for file in models.files) / 1e6
    return packing.start_s + forests_mb / packing.forests_mb_per_s


def packs(
    runs: Sequence[RunFile], models: Models, packing: PackingSettings, resources: StageResources
) -> tuple[Pack, ...]:
    """Distribute the subruns of all runs, in their order, over as many tasks as are worth it.

    With start-up s and work W, n tasks have the overhead n s / (n s + W). The largest n that keeps
    it below `OVERHEAD` is taken, unless a task would come too near to its time limit. A night of
    less work than one such task is one task.
    """
    parts = [part for run in runs for part in _parts(run, packing)]
    if not parts:
        return ()
    start, work = startup_s(models, packing), sum(part.seconds for part in parts)
    worth = math.floor(work * OVERHEAD / (1 - OVERHEAD) / start)
    room = max(1.0, resources.time_min * 60 * LIMIT_USED - start)
    count = max(1, worth, math.ceil(work / room))
    return _distribute(parts, min(count, len(parts)))


def _parts(run: RunFile, packing: PackingSettings) -> list[Part]:
    size = sum(file.size for file in run.parts)
    events = run.events or size / BYTES_PER_EVENT
    return [
        Part(run.run, file, events * (file.size / size if size else 0) / packing.events_per_s)
        for file in run.parts
    ]


def _distribute(parts: Sequence[Part], count: int) -> tuple[Pack, ...]:
    """Neighbours together, about the same work in each."""
    share = sum(part.seconds for part in parts) / count
    found: list[list[Part]] = [[]]
    done = 0.0
    for index, part in enumerate(parts):
        left = len(parts) - index
        full = done + part.seconds / 2 > share * len(found)
        if found[-1] and len(found) < count and (full or left <= count - len(found)):
            found.append([])
        found[-1].append(part)
        done += part.seconds
    return tuple(tuple(pack) for pack in found)
