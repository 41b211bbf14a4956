"""What the fake cluster knows: jobs and their elements, in one file under a lock.

The standard library is all that the fake needs: its commands start in some 20 ms.
All times are seconds since 1970 on the cluster's own clock.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAITING, ALIVE = ("PENDING",), ("RUNNING", "COMPLETING", "SUSPENDED")


@dataclass
class Element:
    """One task of an array; a job without array has one with index None."""

    index: int | None
    raw: int = 0
    """Id of its own, given at its start; until then that of the array."""
    state: str = "PENDING"
    reason: str = "None"
    code: int = 0
    signal: int = 0
    node: str = ""
    eligible: float = 0.0
    start: float | None = None
    end: float | None = None
    recorded: bool = True
    """Accounting will have heard of it."""
    runs: int = 0
    """How often it was started."""
    past: list[dict[str, Any]] = field(default_factory=list)
    """Earlier runs of an element that was put back into the queue."""
    due: float | None = None
    """Played: moment of its end. Run: end of its time limit."""
    fate: str = ""
    """Played: what will become of it. Run: the state that it is to be ended with."""
    late: float | None = None
    """Played: moment at which what it left becomes visible."""

    @property
    def waiting(self) -> bool:
        return self.state in WAITING

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def ended(self) -> bool:
        return not self.waiting and not self.alive


@dataclass
class Job:
    """A job as sbatch took it."""

    id: int
    name: str
    user: str
    submit: float
    script: str
    chdir: str
    output: str
    comment: str = ""
    array: str = ""
    throttle: int = 0
    minutes: float = 60
    cpus: int = 1
    memory_mb: int = 100
    partition: str = "short"
    account: str = ""
    qos: str = ""
    exclude: list[str] = field(default_factory=list)
    requeue: bool = False
    dependency: str = ""
    visible: float = 0.0
    """Accepted late: nobody hears of it before."""
    foreign: bool = False
    """Somebody else's: told of, never run."""
    elements: list[Element] = field(default_factory=list)


@dataclass
class State:
    """The whole cluster."""

    version: str = "22.05"
    played: bool = False
    """Tasks are played on a clock that a test moves; else they are run, on this machine's."""
    now: float = 0.0
    """The played clock."""
    skew: float = 0.0
    """The cluster's clock is so far ahead."""
    cluster: str = "fake"
    federated: bool = False
    next_id: int = 1
    nodes: list[str] = field(default_factory=lambda: ["n1", "n2"])
    down: list[str] = field(default_factory=list)
    slots: int = 16
    """Tasks that run at once."""
    max_array: int = 1001
    max_submit: int = 0
    """Most elements in the queue of one user; 0: no limit."""
    min_job_age: float = 300.0
    accounting: bool = True
    stopped: list[str] = field(default_factory=list)
    """Daemons that a test stopped: slurmctld, slurmdbd."""
    calls: dict[str, int] = field(default_factory=dict)
    """How often each command was called."""
    doubled: list[str] = field(default_factory=list)
    """Tasks that were submitted while an earlier submission of theirs was alive."""
    truth: list[dict[str, Any]] = field(default_factory=list)
    """Played: every run of every task, with its true end."""
    jobs: list[Job] = field(default_factory=list)

    def time(self) -> float:
        """The cluster's clock."""
        return (self.now if self.played else time.time()) + self.skew

    def job(self, number: int) -> Job | None:
        """The newest job with that id: ids are used again."""
        return next((job for job in reversed(self.jobs) if job.id == number), None)

    def running(self) -> int:
        return sum(element.alive for job in self.jobs for element in job.elements)


def read(folder: Path) -> State:
    """The state as it is, without lock: a file is whole or absent."""
    data = json.loads((folder / "state.json").read_text())
    for job in data["jobs"]:
        job["elements"] = [Element(**element) for element in job["elements"]]
    data["jobs"] = [Job(**job) for job in data["jobs"]]
    return State(**data)


def write(folder: Path, state: State) -> None:
    part = folder / f".state.{os.getpid()}"
    jobs = [{**vars(job), "elements": [*map(vars, job.elements)]} for job in state.jobs]
    part.write_text(json.dumps({**vars(state), "jobs": jobs}))
    part.replace(folder / "state.json")


@contextmanager
def locked(folder: Path) -> Iterator[State]:
    """The state, for change; written back at the end of the block."""
    with (folder / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        state = read(folder)
        yield state
        write(folder, state)
