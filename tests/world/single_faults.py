"""Each fault once: at every call of a reference night, refused, late and killed."""

from __future__ import annotations

import gc
import os
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from world.play import Played, play_schedule, work_folder
from world.schedule import Say, Schedule, Tick, Word
from world.world_faults import Fault, Strike

TICKS = 8
NIGHT = Schedule(
    seed=0,
    steps=(
        Say(0, Word.LAUNCH, 0),
        Tick(0, 20),
        Tick(0, 60),
        Say(1, Word.LAUNCH, 0),
        *(Tick(0, 90) for _ in range(TICKS - 2)),
    ),
    users=2,
    work_s=(20.0, 40.0),
)
"""Two users, who ask for the same night."""


def faults_of(port: str) -> tuple[Fault, ...]:
    """What may become of a call of this port.

    After a transaction nothing outward happens until the next call: to be killed after one is to be
    killed before the next, with or without some files.
    """
    common = (Fault.REFUSED, Fault.LATE, Fault.KILLED_BEFORE)
    further = {"database": (), "squeue": (Fault.HIDDEN, Fault.STRANGE), "sacct": (Fault.HIDDEN,)}
    return (*common, *further.get(port, (Fault.KILLED_AFTER,)))


def reference() -> Played:
    """The night without any fault."""
    return play_schedule(NIGHT)


def all_single_faults() -> Iterator[Schedule]:
    """The night with one fault, for each call of each port in each tick."""
    counts = reference().by_tick
    ticks = [number for number, step in enumerate(NIGHT.steps) if isinstance(step, Tick)]
    for position, calls in zip(ticks, counts, strict=False):
        for port in sorted(calls.keys() - {"any"}):
            for number in range(1, calls[port] + 1):
                for fault in faults_of(port):
                    yield _with(position, Strike(port, number, fault))


@dataclass
class Branches:
    """The night is played once, and at each call a child process goes on with one fault: what went
    before need not be played for each.

    Parameters
    ----------
    part, of : every `of`-th fault, from this one on
    """

    part: int
    of: int
    plays: int = 0
    found: list[str] = field(default_factory=list)
    """What broke a guarantee: the call, the fault and the breach."""
    _answer: int = -1
    """In a child: where it writes to."""

    def play(self) -> None:
        """The night, and all its branches."""
        self._numbers = count()
        try:
            said = "\n".join(play_schedule(NIGHT, self._at_call).breaches)
        except BaseException:
            if self._answer < 0:
                raise
            said = traceback.format_exc()
        if self._answer >= 0:
            os.write(self._answer, said.encode()[:4000])
            os._exit(0)
        self._note("without any fault", said)

    def _at_call(self, port: str, number: int) -> Fault | None:
        if self._answer >= 0:
            return None
        chosen = [fault for fault in faults_of(port) if next(self._numbers) % self.of == self.part]
        for fault in chosen:
            kept = work_folder().with_name("kept")
            _copy(work_folder(), kept)
            inlet, outlet = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(inlet)
                self._answer = outlet
                gc.disable()  # it would copy every page of the parent, and the child ends soon
                for lock in work_folder().glob(".lock*"):
                    lock.unlink()  # the parent holds it on
                return fault
            os.close(outlet)
            with os.fdopen(inlet, "rb") as answer:
                said = answer.read().decode()
            _, status = os.waitpid(child, 0)
            _copy(kept, work_folder())
            self.plays += 1
            self._note(f"{port} {number} {fault}", said or (f"status {status}" if status else ""))
        return None

    def _note(self, what: str, said: str) -> None:
        if said:
            self.found.append(f"{what}: {said}")


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def _with(position: int, strike: Strike) -> Schedule:
    steps = list(NIGHT.steps)
    step = steps[position]
    assert isinstance(step, Tick)
    steps[position] = replace(step, strikes=(strike,))
    return replace(NIGHT, steps=tuple(steps))
