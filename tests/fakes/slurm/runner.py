"""slurmd: runs the elements of one job for true, watches them, and writes down how they end.

    python -m fakes.slurm.runner FOLDER JOB

One such process lives as long as its job; sbatch starts it, and it belongs to nobody.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fakes.slurm.state import Element, Job, State, locked, read

_LOOK_S = 0.05
_GRACE_S = 2.0
_HOLD = "JobHeldUser"
_LIMIT_WORDS = "slurmstepd-n1: error: *** JOB {id} ON n1 CANCELLED AT {at} DUE TO TIME LIMIT ***\n"


def launch(folder: Path, job: int, env: Mapping[str, str]) -> None:
    """Start the runner of a job, detached."""
    here = Path(__file__).resolve().parent.parent.parent
    subprocess.Popen(
        [sys.executable, "-S", "-E", "-m", "fakes.slurm.runner", str(folder), str(job)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={"PATH": env.get("PATH", os.defpath)}, cwd=here, start_new_session=True,
    )  # fmt: skip


def main() -> int:
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    tasks: dict[int, subprocess.Popen[bytes]] = {}
    asked: dict[int, float] = {}
    while True:
        if not folder.is_dir():
            return 0
        if _something_to_do(read(folder), number, tasks):
            with locked(folder) as state:
                job = state.job(number)
                if job is None or all(element.ended for element in job.elements):
                    return 0
                _reap(state, job, tasks)
                _stop(state, job, tasks, asked)
                _start(state, job, tasks)
        time.sleep(_LOOK_S)


def _something_to_do(state: State, number: int, tasks: dict[int, subprocess.Popen[bytes]]) -> bool:
    job = state.job(number)
    if job is None or all(element.ended for element in job.elements):
        return True
    now = state.time()
    ended = any(task.poll() is not None for task in tasks.values())
    unwell = any(e.alive and (e.fate or (e.due or now) <= now) for e in job.elements)
    return ended or unwell or any(e.waiting for e in job.elements)


def _start(state: State, job: Job, tasks: dict[int, subprocess.Popen[bytes]]) -> None:
    now = state.time()
    nodes = [name for name in state.nodes if name not in (*state.down, *job.exclude)]
    for position, element in enumerate(job.elements):
        if not element.waiting or element.reason == _HOLD or element.eligible > now or not nodes:
            continue
        if job.throttle and sum(e.alive for e in job.elements) >= job.throttle:
            element.reason = "JobArrayTaskLimit"
            continue
        if state.running() >= state.slots:
            element.reason = "Resources"
            continue
        if element.raw == 0:
            element.raw, state.next_id = state.next_id, state.next_id + 1
        element.node = nodes[position % len(nodes)]
        element.state, element.reason, element.fate = "RUNNING", "None", ""
        element.start, element.end, element.runs = now, None, element.runs + 1
        element.due = now + job.minutes * 60
        try:
            with _log(job, element).open("ab") as log:
                tasks[position] = subprocess.Popen(
                    ["/bin/bash", job.script, str(job.id), str(element.index)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=job.chdir,
                    env=_environment(state, job, element), start_new_session=True,
                )  # fmt: skip
        except OSError:
            _end(element, "FAILED", now, 0, 53)


def _environment(state: State, job: Job, element: Element) -> dict[str, str]:
    """--export=NONE: nothing of the submitter's."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(Path.home()),
        "SLURM_ARRAY_JOB_ID": str(job.id),
        "SLURM_ARRAY_TASK_ID": str(element.index),
        "SLURM_JOB_ID": str(element.raw),
        "SLURM_RESTART_COUNT": str(element.runs - 1),
        "SLURM_CLUSTER_NAME": state.cluster,
    }


def _log(job: Job, element: Element) -> Path:
    text = job.output.replace("%%", "\0").replace("%a", str(element.index))
    return Path(text.replace("%A", str(job.id)).replace("\0", "%"))


def _reap(state: State, job: Job, tasks: dict[int, subprocess.Popen[bytes]]) -> None:
    for position, task in list(tasks.items()):
        status = task.poll()
        if status is None:
            continue
        del tasks[position]
        _signal(task, signal.SIGKILL)
        element, now = job.elements[position], state.time()
        if element.fate == "REQUEUED":
            element.state, element.end = "REQUEUED", now
            element.past.append({**asdict(element), "past": []})
            element.state, element.reason, element.fate = "PENDING", "BeginTime", ""
            element.eligible, element.start, element.end = now + 1, None, None
        elif element.fate:
            _end(element, element.fate, now)
        elif status:
            _end(element, "FAILED", now, max(status, 0), max(-status, 0))
        else:
            _end(element, "COMPLETED", now)


def _stop(
    state: State,
    job: Job,
    tasks: dict[int, subprocess.Popen[bytes]],
    asked: dict[int, float],
) -> None:
    now = state.time()
    for position, task in tasks.items():
        element = job.elements[position]
        if not element.fate and element.due is not None and element.due <= now:
            element.fate = "TIMEOUT"
            with _log(job, element).open("a") as log:
                log.write(_LIMIT_WORDS.format(id=element.raw, at=time.strftime("%FT%T")))
        if element.fate and task.pid not in asked:
            asked[task.pid] = now
            _signal(task, signal.SIGTERM)
        elif element.fate and now - asked[task.pid] > _GRACE_S:
            _signal(task, signal.SIGKILL)


def _signal(task: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(task.pid, number)


def _end(element: Element, word: str, moment: float, code: int = 0, number: int = 0) -> None:
    element.state, element.end, element.code, element.signal = word, moment, code, number
    element.reason = {"FAILED": "NonZeroExitCode", "TIMEOUT": "TimeLimit"}.get(word, "None")
    element.due, element.fate = None, ""


if __name__ == "__main__":
    sys.exit(main())
