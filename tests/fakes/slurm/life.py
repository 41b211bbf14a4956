"""How played tasks live: they wait, run the true array script at their start and at their end, and
end as the plan of faults says.

At the start the script is run with FAKE_SLURM_PLAY=start, at the end with what the task shall do
(`ok`, `tool`, `stopped`); of a task that is struck down nothing is run any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fakes.slurm.faults import Faults
from fakes.slurm.state import Element, Job, State

PLAY = "FAKE_SLURM_PLAY"
ENDS: Mapping[str, tuple[str, int, int, str]] = {
    # fate: state, exit code, signal, what the task itself does at its end
    "ok": ("COMPLETED", 0, 0, "ok"),
    "tool": ("FAILED", 10, 0, "tool"),
    "silent": ("COMPLETED", 0, 0, ""),
    "crash": ("FAILED", 0, 11, ""),
    "oom": ("OUT_OF_MEMORY", 0, 125, ""),
    "oom-as-failed": ("FAILED", 0, 9, ""),
    "timeout": ("TIMEOUT", 0, 0, "stopped"),
    "timeout-hard": ("TIMEOUT", 0, 0, ""),
    "deadline": ("DEADLINE", 0, 0, ""),
    "node": ("NODE_FAIL", 0, 0, ""),
    "node-late": ("NODE_FAIL", 1, 0, "ok"),  # its processes went on: split brain
    "boot": ("BOOT_FAIL", 0, 0, ""),
    "preempted": ("PREEMPTED", 0, 0, "stopped"),
    "cancelled": ("CANCELLED", 0, 0, ""),
    "lying": ("COMPLETED", 0, 0, "lying"),  # a record, but no product
}
TRULY_DONE = "ok"
REQUEUED = "requeue"
"""A fate: put back into the queue, and run again with the next one."""
WITHDRAWN = "withdrawn"
"""A fate: cancelled from outside while it waits."""
_LAUNCH_S = 1.0


def task_of(job: Job, element: Element) -> str:
    """Name of the script that an element runs, from the manifest beside the array's script."""
    try:
        lines = Path(job.script).with_suffix(".tsv").read_text().splitlines()
    except OSError:
        return ""
    cells = lines[element.index or 0].split("\t")
    return Path(cells[1]).name


def advance(state: State, faults: Faults) -> None:
    """Play everything up to now, in the order in which it happens."""
    now = state.time()
    for job in state.jobs:
        for element in job.elements:
            if element.late is not None and element.late <= now and not job.foreign:
                element.late = None
                _run(job, element, ENDS[element.fate][3])
    while True:
        events = list(_events(state, now))
        if not events:
            break
        moment, _, _, job, element = min(events, key=lambda event: event[:3])
        if element.waiting:
            _start(state, faults, job, element, moment)
        else:
            _end(state, faults, job, element, moment)


def _events(state: State, now: float):  # type: ignore[no-untyped-def]
    for position, job in enumerate(state.jobs):
        if job.foreign or job.visible > now:
            continue
        running = sum(element.alive for element in job.elements)
        for number, element in enumerate(job.elements):
            if element.alive and element.due is not None and element.due <= now:
                yield element.due, position, number, job, element
            elif element.waiting and element.eligible <= now and element.reason != "JobHeldUser":
                if job.throttle and running >= job.throttle:
                    element.reason = "JobArrayTaskLimit"
                    continue
                if state.running() >= state.slots:
                    element.reason = "Resources"
                    continue
                yield max(element.eligible, job.visible), position, number, job, element


def _start(state: State, faults: Faults, job: Job, element: Element, moment: float) -> None:
    task = task_of(job, element)
    number = sum(entry["task"] == task for entry in state.truth)
    dice = faults.dice("work", task, number)
    nodes = [name for name in state.nodes if name not in (*state.down, *job.exclude)]
    if not nodes:
        element.reason, element.eligible = "Resources", moment + 60
        return
    element.fate = faults.fate(task, number)
    if element.fate == WITHDRAWN:
        state.truth.append(_entry(job, element, task, moment, fate=WITHDRAWN))
        _set(element, "CANCELLED", moment)
        element.recorded = False
        return
    if element.raw == 0:
        element.raw, state.next_id = state.next_id, state.next_id + 1
    element.state, element.reason, element.node = "RUNNING", "None", dice.choice(nodes)
    element.start, element.end, element.runs = moment, None, element.runs + 1
    element.due = moment + dice.uniform(*faults.work_s)
    state.truth.append(_entry(job, element, task, moment, fate=element.fate))
    code = _run(job, element, "start")
    if code != 0:  # the script itself declines
        state.truth[-1]["fate"] = "declined"
        end = moment + _LAUNCH_S
        _set(element, "FAILED", end, max(code, 0), max(-code, 0), "NonZeroExitCode")


def _entry(job: Job, element: Element, task: str, moment: float, fate: str) -> dict[str, object]:
    return {
        "task": task,
        "job": job.id,
        "name": job.name,
        "index": element.index,
        "fate": fate,
        "node": element.node,
        "start": moment,
        "end": None,
    }


def _end(state: State, faults: Faults, job: Job, element: Element, moment: float) -> None:
    _close(state, job, element, moment)
    if element.fate == REQUEUED:
        element.state, element.end = "REQUEUED", moment
        element.past.append({**asdict(element), "past": []})
        element.state, element.reason = "PENDING", "BeginTime"
        element.start = element.end = element.due = None
        element.node, element.eligible = "", moment + 120
        return
    word, code, signal, deed = ENDS[element.fate]
    reason = {"FAILED": "NonZeroExitCode", "TIMEOUT": "TimeLimit"}.get(word, "None")
    _set(element, word, moment, code, signal, reason)
    if deed:
        dice = faults.dice("lag", task_of(job, element), len(state.truth))
        lag = dice.uniform(0, faults.lag_s)
        if lag > 1.0:
            element.late = moment + lag
        else:
            _run(job, element, deed)


def _close(state: State, job: Job, element: Element, moment: float) -> None:
    for entry in reversed(state.truth):
        if (entry["name"], entry["job"], entry["index"]) == (job.name, job.id, element.index):
            entry["end"] = moment
            return


def strike(state: State, job: Job, element: Element, word: str) -> None:
    """End an element from outside, now: scancel, a node that is taken down."""
    if element.ended:
        return
    if element.alive:
        _close(state, job, element, state.time())
        for entry in reversed(state.truth):
            if (entry["name"], entry["index"]) == (job.name, element.index):
                entry["fate"] = word.lower()
                break
    _set(element, word, state.time())


def _set(
    element: Element, word: str, moment: float, code: int = 0, signal: int = 0, reason: str = "None"
) -> None:
    element.state, element.end, element.due = word, moment, None
    element.code, element.signal, element.reason = code, signal, reason


def _run(job: Job, element: Element, deed: str) -> int:
    """Run the array's script for one element; its return code."""
    if not deed:
        return 0
    if job.array == "condor" and deed != "start":
        return _run_task(job, element, deed)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "SLURM_ARRAY_JOB_ID": str(job.id),
        "SLURM_ARRAY_TASK_ID": str(element.index),
        "SLURM_JOB_ID": str(element.raw),
        "SLURM_RESTART_COUNT": str(max(0, element.runs - 1)),
        PLAY: deed,
    }
    log = job.output.replace("%a", str(element.index)).replace("%%", "%")
    with Path(log).open("ab") as sink:
        process = subprocess.Popen(
            ["/bin/bash", job.script, str(job.id), str(element.index)],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            env=environment, cwd=job.chdir, start_new_session=True,
        )  # fmt: skip
        code = process.wait()
    with suppress(ProcessLookupError):  # what a job leaves behind ends with it
        os.killpg(process.pid, signal.SIGKILL)
    return code


def _run_task(job: Job, element: Element, deed: str) -> int:
    """The end of a task that its array's script has begun: HTCondor lets that begin it once."""
    lines = Path(job.script).with_suffix(".tsv").read_text().splitlines()
    _, script, log, token = lines[element.index or 0].split("\t")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "ASTRAN_TOKEN": token, PLAY: deed}
    with Path(log).open("ab") as sink:
        done = subprocess.run(
            ["/bin/bash", script],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            env=environment, cwd=job.chdir,
        )  # fmt: skip
    return done.returncode
