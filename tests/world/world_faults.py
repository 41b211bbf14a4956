"""What goes wrong at a call that leaves the process, and the death of a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from world.play import World

T = TypeVar("T")


class Fault(StrEnum):
    """What becomes of one call."""

    REFUSED = "refused"
    """Nothing is done, and the caller gets an error."""
    LATE = "late"
    """It is done, and the caller gets an error: no answer came."""
    SLOW = "slow"
    """It is done after a long while."""
    KILLED_BEFORE = "killed-before"
    KILLED_AFTER = "killed-after"
    OTHERS_BEFORE = "others-before"
    """All other launchers make a tick before it is done."""
    OTHERS_AFTER = "others-after"
    HIDDEN = "hidden"
    """Of squeue and sacct: an answer, without a word about any job."""
    STRANGE = "strange"
    """Of squeue: a state that nobody knows."""
    STALE = "stale"
    """Of squeue: what has just ended still runs."""


LIES = (Fault.HIDDEN, Fault.STRANGE, Fault.STALE)
INTERLEAVED = (Fault.OTHERS_BEFORE, Fault.OTHERS_AFTER)
FAULTS = tuple(fault for fault in Fault if fault not in LIES)
"""Of any port."""

ANY = "any"
"""A strike at the n-th call of any port."""


@dataclass(frozen=True)
class Strike:
    """A fault at the n-th call (from 1) of a port in one process."""

    port: str
    number: int
    fault: Fault


class Killed(BaseException):
    """In place of a kill -9: no `except Exception` stops it."""


SLOW_S = 240.0


@dataclass
class Process:
    """One process of ASTRAN, from its start to its end or death."""

    name: str
    strikes: tuple[Strike, ...] = ()
    calls: dict[str, int] = field(default_factory=dict)
    dead: bool = False
    inside: bool = False
    """A transaction is open."""
    struck: int = 0
    """Faults that have happened."""
    branch: Callable[[str, int], Fault | None] | None = None
    """Asked at each call, with its port and number, for one more fault."""

    def die(self) -> NoReturn:
        self.dead = True
        raise Killed(self.name)

    def next_fault(self, port: str) -> Fault | None:
        """Count a call; what becomes of it."""
        found = None
        for name in (port, ANY):
            number = self.calls[name] = self.calls.get(name, 0) + 1
            for strike in self.strikes:
                if strike.port == name and strike.number == number:
                    found = strike.fault
        if self.branch is not None:
            found = self.branch(port, self.calls[port]) or found
        return found


def call(
    world: World, port: str, act: Callable[[], T], refuse: Callable[[], T], what: str = ""
) -> T:
    """Let the present process make one call of a port.

    Parameters
    ----------
    act : what the world does at it
    refuse : raises, or returns, what the caller gets where it fails
    what : for the trace
    """
    process = world.process
    if process.dead:
        raise Killed(process.name)
    fault = process.next_fault(port)
    world.note(f"{process.name} {port} {what}{f' !{fault}' if fault else ''}")
    if process.inside:
        world.breaches.append(f"G15 {port} was called within a transaction")
    if fault is not None:
        process.struck += fault not in INTERLEAVED
    world.fault = fault
    match fault:
        case Fault.REFUSED:
            return refuse()
        case Fault.LATE:
            act()
            return refuse()
        case Fault.SLOW:
            world.clock.sleep(SLOW_S)
        case Fault.KILLED_BEFORE:
            process.die()
        case Fault.KILLED_AFTER:
            act()
            process.die()
        case Fault.OTHERS_BEFORE:
            world.tick_others()
        case Fault.OTHERS_AFTER:
            result = act()
            world.tick_others()
            return result
        case _:
            pass
    return act()
