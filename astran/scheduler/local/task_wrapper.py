"""The wrapper of one task of the local pool: watches it, keeps its time limit, records its end.

    python -m astran.scheduler.local.task_wrapper FOLDER INDEX LOCK

(job folder, array index, descriptor of the element's lock)

It returns at once; the work is done by a child that belongs to nobody. When the task has ended, it
moves the pool on, so that the next task need not wait for anybody's tick.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from astran.base.clock import SystemClock
from astran.base.permissions import UMASK
from astran.base.scheduler import JobState
from astran.scheduler.local.job_files import (
    ElementEnd,
    ElementStart,
    JobFolder,
    JobSpec,
    iso,
    pool_lock,
    try_flock,
)
from astran.scheduler.local.pool import advance_pool
from astran.scheduler.local.processes import TOKEN_VARIABLE, kill_with_token

_CHECK_INTERVAL_S = 0.1
"""Time between two checks of the task."""
GRACE_S = 10.0
"""Time between asking a task to end and killing it."""


def main() -> None:
    os.umask(os.umask(UMASK) | UMASK)
    folder, index, lock = JobFolder(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    if os.fork():
        os._exit(0)
    guard = try_flock(folder.file(index, "guard"))
    if guard is None:
        return
    clock = SystemClock()
    started = clock.now()
    host = socket.gethostname()
    folder.write_start(index, ElementStart(os.getpid(), host, iso(started)))
    watch = TaskWatch(folder, index, lock)
    begin = time.monotonic()
    state, returncode, reason = watch.run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    folder.write_end(
        index,
        ElementEnd(
            state,
            iso(clock.now()),
            returncode=returncode if returncode is not None and returncode >= 0 else None,
            signal=-returncode if returncode is not None and returncode < 0 else None,
            elapsed_s=round(time.monotonic() - begin, 3),
            max_rss_mb=round(used.ru_maxrss / 1024, 1),
            cpu_s=round(used.ru_utime + used.ru_stime, 3),
            host=host,
            reason=reason,
        ),
    )
    os.close(guard)
    os.close(lock)
    pool = folder.path.parent.parent
    with suppress(OSError), pool_lock(pool):
        advance_pool(pool, clock.now())


class TaskWatch:
    """One task from its start to its end."""

    def __init__(self, folder: JobFolder, index: int, lock: int) -> None:
        self._folder = folder
        self._index = index
        self._lock = lock
        self._spec: JobSpec = folder.read_spec()
        self._asked_by_signal = False
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def run(self) -> tuple[JobState, int | None, str]:
        """State, return code (negative: the signal, as subprocess has it) and reason."""
        if self._cancelled():
            return JobState.CANCELLED, None, ""
        spec, index = self._spec, self._index
        path = Path(spec.logs[index])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as log:
                task = self._spawn(log)
                state, reason = self._watch(task, log)
        except OSError as error:
            return JobState.FAILED, None, f"it could not be started: {error}"
        code = task.returncode
        if state is None:
            state = JobState.COMPLETED if code == 0 else JobState.FAILED
        return state, code, reason

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        spec, index = self._spec, self._index
        return subprocess.Popen(
            ["/bin/bash", spec.scripts[index]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**spec.environment, TOKEN_VARIABLE: spec.tokens[index]},
            cwd=spec.folder,
            start_new_session=True,
            pass_fds=(self._lock,),
        )

    def _watch(self, task: subprocess.Popen[bytes], log: IO[bytes]) -> tuple[JobState | None, str]:
        end = time.monotonic() + self._spec.limit_s
        reasons_to_end: list[tuple[Callable[[], bool], JobState, str]] = [
            (self._cancelled, JobState.CANCELLED, "it was cancelled"),
            (lambda: time.monotonic() > end, JobState.TIMEOUT, "its time limit was reached"),
            (lambda: self._asked_by_signal, JobState.NODE_FAIL, "it was stopped from outside"),
        ]
        verdict: tuple[JobState | None, str] = (None, "")
        deadline = 0.0
        while not _has_ended(task):
            if verdict[0] is None:
                for holds, state, reason in reasons_to_end:
                    if holds():
                        verdict = (state, reason)
                        deadline = time.monotonic() + GRACE_S
                        log.write(f"\nASTRAN ends this task: {reason}.\n".encode())
                        log.flush()
                        os.killpg(task.pid, signal.SIGTERM)
                        break
            elif time.monotonic() > deadline:
                os.killpg(task.pid, signal.SIGKILL)
            time.sleep(_CHECK_INTERVAL_S)
        # not reaped yet, so its group's id cannot be anybody else's
        os.killpg(task.pid, signal.SIGKILL)
        task.wait()
        kill_with_token(self._spec.tokens[self._index])
        return verdict

    def _cancelled(self) -> bool:
        return self._folder.file(self._index, "cancel").exists()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_by_signal = True


def _has_ended(task: subprocess.Popen[bytes]) -> bool:
    """Has the task ended? It stays a zombie, so that its id remains taken."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, task.pid, options) is not None


if __name__ == "__main__":
    main()
