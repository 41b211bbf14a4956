"""What the local pool keeps on disk. There is no daemon: these files and locks are all its state.

    <pool>/lock                 held by whoever reads the pool or changes it
    <pool>/capacity.json        cores and memory to share out
    <pool>/jobs/<token>/        one folder for each batch; it appears whole, by a rename
        job.json                what to run (JobSpec)
        priority                Priority, where it is not daily
        <i>.lock                held by the wrapper of element i and by its task: one of them lives
        <i>.guard               held by the wrapper alone: the task is being watched
        <i>.start.json          element i was started (Start)
        <i>.cancel              somebody wants element i to end
        <i>.end.json            how it ended (End)
        wrappers.log            last lines of wrappers that could not do their work
        done                    every element has ended; the time of that

The kernel releases a lock with the last process that holds it, however that ends: a process id is
never taken as a sign of life, so neither a reboot nor an id used again can deceive.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astran.base.files import write_json
from astran.base.scheduler import JobState, Priority

LOCK_WAIT_S = 30.0


class PoolBusy(OSError):
    """The pool's lock did not become free in time."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What may be in use at once."""

    cores: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A batch as it was handed in. Times are ISO 8601 in UTC."""

    token: str
    label: str
    scripts: tuple[str, ...]
    logs: tuple[str, ...]
    tokens: tuple[str, ...]
    folder: str
    cpus: int
    memory_mb: int
    limit_s: float
    throttle: int
    environment: dict[str, str]
    created: str


@dataclass(frozen=True, slots=True)
class ElementStart:
    """Written by the wrapper before it starts the task. The ids are for people to read."""

    pid: int
    host: str
    started: str


@dataclass(frozen=True, slots=True)
class ElementEnd:
    """How an element ended."""

    state: JobState
    ended: str
    returncode: int | None = None
    signal: int | None = None
    elapsed_s: float | None = None
    max_rss_mb: float | None = None
    """Of the largest of its processes."""
    cpu_s: float | None = None
    """Processor time of all its processes that were waited for."""
    host: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The files of one batch."""

    path: Path

    def file(self, index: int, kind: str) -> Path:
        return self.path / f"{index}.{kind}"

    @property
    def done(self) -> Path:
        return self.path / "done"

    @property
    def priority(self) -> Priority:
        try:
            return Priority((self.path / "priority").read_text())
        except FileNotFoundError:
            return Priority.DAILY

    @property
    def ours(self) -> bool:
        """Does it belong to the user who runs this?"""
        return self.path.stat().st_uid == os.geteuid()

    def read_spec(self) -> JobSpec:
        """ValueError if the file is damaged."""
        data = _read(self.path / "job.json")
        if data is None:
            raise ValueError(f"{self.path} holds no job.json")
        try:
            spec = JobSpec(**data)
        except TypeError as error:
            raise ValueError(f"{self.path}/job.json: {error}") from error
        lists = {name: tuple(data[name]) for name in ("scripts", "logs", "tokens")}
        return JobSpec(**{**asdict(spec), **lists})

    def read_start(self, index: int) -> ElementStart | None:
        data = _read(self.file(index, "start.json"))
        return None if data is None else ElementStart(**data)

    def write_start(self, index: int, start: ElementStart) -> None:
        write_json(self.file(index, "start.json"), asdict(start))

    def read_end(self, index: int) -> ElementEnd | None:
        """None where there is none yet; a damaged record is no success."""
        try:
            data = _read(self.file(index, "end.json"))
            return (
                None if data is None else ElementEnd(**{**data, "state": JobState(data["state"])})
            )
        except (ValueError, TypeError, KeyError) as error:
            return ElementEnd(JobState.NODE_FAIL, "", reason=f"its end record is damaged: {error}")

    def write_end(self, index: int, end: ElementEnd) -> None:
        write_json(self.file(index, "end.json"), asdict(end))


def read_capacity(pool: Path) -> Capacity | None:
    data = _read(pool / "capacity.json")
    return None if data is None else Capacity(**data)


def write_capacity(pool: Path, capacity: Capacity) -> None:
    if read_capacity(pool) != capacity:
        write_json(pool / "capacity.json", asdict(capacity))


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def try_flock(path: Path) -> int | None:
    """Descriptor that holds an exclusive lock on the file (made if absent); None if it is taken.

    The lock lives as long as any process has the descriptor or a copy of it open.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:  # another user's; reading is enough to lock
        fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextmanager
def pool_lock(pool: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Be the only one who reads or changes the pool.

    Raises
    ------
    PoolBusy : somebody else held it all the time
    OSError
    """
    pool.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + wait_s
    while (fd := try_flock(pool / "lock")) is None:
        if time.monotonic() > end:
            raise PoolBusy(f"{pool / 'lock'} was not free within {wait_s:g} s")
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(fd)


def _read(path: Path) -> Any:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
