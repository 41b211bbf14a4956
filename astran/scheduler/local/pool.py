"""Moving the local pool on: settle what vanished, start what fits, forget what is old.

Every function here is called with the pool's lock held.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path

import astran
from astran.base.scheduler import JobState, Priority
from astran.scheduler.local.job_files import (
    Capacity,
    ElementEnd,
    JobFolder,
    JobSpec,
    iso,
    read_capacity,
    try_flock,
)
from astran.scheduler.local.processes import kill_with_token

KEEP = timedelta(days=14)
"""Folders of finished batches are kept so long."""
_START_S = 60.0
"""Longest time for a wrapper to come up."""
_KILL_S = 3.0
"""Time for killed processes to be gone."""


_TURN = {
    Priority.ALERT: timedelta(hours=-12),
    Priority.DAILY: timedelta(0),
    Priority.CAMPAIGN: timedelta(hours=12),
}
"""By how much the turn of a batch is moved: nobody is overtaken for ever."""


class Phase(Enum):
    """Where an element stands."""

    QUEUED = auto()
    HELD = auto()
    """In the queue, and not to be started."""
    ALIVE = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Job:
    """A batch with the phase of each element."""

    folder: JobFolder
    spec: JobSpec
    phases: tuple[Phase, ...]

    @property
    def alive(self) -> int:
        return self.phases.count(Phase.ALIVE)


def advance_pool(pool: Path, now: datetime) -> None:
    """Start queued elements, the most urgent and oldest first, while cores and memory last.

    An element that asks for more than there is in all runs alone. The first that does not fit
    holds back all behind it: so a large task is not overtaken for ever.
    """
    capacity = read_capacity(pool)
    if capacity is None:
        return
    jobs = list(unfinished(pool, now))
    cores, memory = capacity.cores, capacity.memory_mb
    for job in jobs:
        cores -= job.alive * _share(job.spec, capacity)[0]
        memory -= job.alive * _share(job.spec, capacity)[1]
    for job in jobs:
        if not job.folder.ours:
            continue  # another user's task must not run under our name
        need_cores, need_memory = _share(job.spec, capacity)
        running = job.alive
        for index, phase in enumerate(job.phases):
            if phase is not Phase.QUEUED:
                continue
            if job.spec.throttle and running >= job.spec.throttle:
                break
            if need_cores > cores or need_memory > memory:
                return
            if _start(job.folder, index, now):
                running += 1
                cores -= need_cores
                memory -= need_memory


def unfinished(pool: Path, now: datetime) -> Iterator[Job]:
    """Batches that still have something to do, oldest first: campaigns count as younger than they
    are, alerts as older. Old folders are removed on the way.
    """
    found: list[tuple[datetime, str, JobFolder, JobSpec]] = []
    home = pool / "jobs"
    if not home.is_dir():
        return
    for path in home.iterdir():
        folder = JobFolder(path)
        if path.name.startswith("."):
            _forget_if_old(path, path, now)
        elif folder.done.exists():
            _forget_if_old(path, folder.done, now)
        else:
            try:
                spec = folder.read_spec()
            except ValueError:
                # out of the way: it must not stop all others, and will be reported missing
                path.rename(home / f".damaged.{path.name}")
                continue
            turn = datetime.fromisoformat(spec.created) + _TURN[folder.priority]
            found.append((turn, spec.token, folder, spec))
    for _, _, folder, spec in sorted(found, key=lambda item: item[:2]):
        job = read_phases(folder, spec, now)
        if any(phase is not Phase.ENDED for phase in job.phases):
            yield job
        elif folder.ours:
            folder.done.touch()


def read_phases(folder: JobFolder, spec: JobSpec, now: datetime) -> Job:
    """The phase of each element; ends whose process vanished are written down on the way."""
    names = {path.name for path in folder.path.iterdir()}
    phases = []
    for index, token in enumerate(spec.tokens):
        if f"{index}.end.json" in names:
            phases.append(Phase.ENDED)
        elif f"{index}.lock" not in names:
            phases.append(Phase.HELD if f"{index}.hold" in names else Phase.QUEUED)
        else:
            phases.append(_probe(folder, index, token, now))
    return Job(folder, spec, tuple(phases))


def _probe(folder: JobFolder, index: int, token: str, now: datetime) -> Phase:
    lock = try_flock(folder.file(index, "lock"))
    started = folder.file(index, "start.json")
    if lock is None and started.exists() and _unwatched(folder, index):
        # nobody keeps its time limit or will record its end: it cannot be let run on
        lock = _end_orphans(folder, index, token)
    if lock is None:
        return Phase.ALIVE
    try:
        if folder.file(index, "end.json").exists():
            return Phase.ENDED
        if not started.exists():
            return Phase.QUEUED
        if folder.ours:
            kill_with_token(token)  # children that let go of the lock
            reason = "its process vanished"
            folder.write_end(index, ElementEnd(JobState.NODE_FAIL, iso(now), reason=reason))
        return Phase.ENDED
    finally:
        os.close(lock)


def _unwatched(folder: JobFolder, index: int) -> bool:
    guard = try_flock(folder.file(index, "guard"))
    if guard is None:
        return False
    os.close(guard)
    return True


def _end_orphans(folder: JobFolder, index: int, token: str) -> int | None:
    """Kill a task whose wrapper is gone; the element's lock once that has taken effect."""
    end = time.monotonic() + _KILL_S
    while True:
        kill_with_token(token)
        lock = try_flock(folder.file(index, "lock"))
        if lock is not None or time.monotonic() > end:
            return lock
        time.sleep(0.05)


def _share(spec: JobSpec, capacity: Capacity) -> tuple[int, int]:
    return min(spec.cpus, capacity.cores), min(spec.memory_mb, capacity.memory_mb)


def _start(folder: JobFolder, index: int, now: datetime) -> bool:
    """Start the wrapper of an element, detached; it takes over the element's lock from us."""
    lock = try_flock(folder.file(index, "lock"))
    if lock is None:
        return True
    package = Path(astran.__file__).resolve().parent.parent
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(package),
    }
    argv = [
        sys.executable,
        "-m",
        "astran.scheduler.local.task_wrapper",
        str(folder.path),
        str(index),
    ]
    log = folder.path / "wrappers.log"
    try:
        with log.open("ab") as output:
            first = subprocess.Popen(
                [*argv, str(lock)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd="/",
                start_new_session=True,
                pass_fds=(lock,),
            )
        # the process that we started ends at once, its child is the wrapper
        code = first.wait(_START_S)
    except subprocess.TimeoutExpired:
        first.kill()
        first.wait()
        code = -1
    finally:
        os.close(lock)
    if code == 0:
        return True
    reason = f"its wrapper could not start: {_last_line(log)}"
    folder.write_end(index, ElementEnd(JobState.NODE_FAIL, iso(now), reason=reason))
    return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message"


def _forget_if_old(path: Path, mark: Path, now: datetime) -> None:
    age = now.timestamp() - mark.stat().st_mtime
    if age > KEEP.total_seconds() and JobFolder(path).ours:
        shutil.rmtree(path, ignore_errors=True)
