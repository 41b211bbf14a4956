"""What should have become of everything, from what the fake cluster truly did.

Written apart from ASTRAN's own rules: from the injected faults it follows which causes an attempt
may be given, and from the causes how each task, and the analysis, must end.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from chaoslib.case import Case
from chaoslib.documented import ATTEMPTS_IN_ALL, documented_attempts
from chaoslib.house import House, product_of

from astran.base.tasks import Task

ATTEMPTS = documented_attempts()
"""By cause: how many attempts may end by it, whatever else went wrong."""
CAUSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # fate: the cause it calls for, and what else it may be taken for where squeue had forgotten
    # the job and accounting was silent
    "ok": ("ok", ()),
    "tool": ("tool", ()),
    "oom": ("memory", ("lost",)),
    "oom-as-failed": ("no-record", ("lost",)),
    "crash": ("no-record", ("lost",)),
    "silent": ("no-record", ("lost",)),
    "timeout": ("time", ("transient",)),
    "timeout-hard": ("time", ("lost",)),
    "deadline": ("time", ("lost",)),
    "node": ("node", ("lost",)),
    "node_fail": ("node", ("lost",)),
    "node-late": ("node", ("ok",)),
    "boot": ("node", ("lost",)),
    "preempted": ("preempted", ("transient",)),
    "requeue": ("node", ("lost",)),
    "lying": ("product", ()),
    "cancelled": ("cancelled", ("lost",)),
    "withdrawn": ("cancelled", ("lost",)),
}
DID_ITS_WORK = {"ok", "node-late"}
SAID_SO = {"timeout", "preempted"}
"""Ends of which the task itself leaves word that it was stopped."""


@dataclass
class Findings:
    """What is wrong; all empty where all is well."""

    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    false_success: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong_end: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(vars(self).values())


@dataclass(frozen=True)
class Attempt:
    """One attempt as ASTRAN has it in its store."""

    task: str
    token: str
    outcome: str
    reason: str


def examine(house: House, case: Case, *, ended: bool, failed: bool) -> Findings:
    """Hold what ASTRAN says against what happened."""
    found = Findings()
    states, reasons, attempts, analysis = _store(house.database)
    cluster = house.cluster.state
    found.duplicates += cluster.doubled
    found.duplicates += _overlaps(cluster.truth)
    if not ended:
        live = [f"{key} is {state}" for key, state in states.items()]
        found.stuck.append(f"the analysis is {analysis}: {', '.join(live)}")
        return found
    if failed:
        found.wrong_end.append("a tick failed by itself")
    fates = _fates(cluster.truth, again=case.scheduler == "htcondor")
    for task in house.tasks:
        own = [a for a in attempts if a.task == task.key and a.outcome != "void"]
        _task(found, case, task, states, own, fates)
    alive = [e.index for job in cluster.jobs for e in job.elements if not e.ended]
    if alive:
        found.wrong_end.append(f"{len(alive)} elements are left in the queue")
    expected = _analysis(case, states, house.tasks)
    if analysis not in expected:
        found.wrong_end.append(f"the analysis is {analysis}, not {' or '.join(expected)}")
    del reasons
    return found


def _store(path: Path) -> tuple[dict[str, str], dict[str, str], list[Attempt], str]:
    db = sqlite3.connect(path)
    try:
        rows = db.execute("select key, state, reason from task order by id").fetchall()
        tries = db.execute(
            "select task.key, attempt.token, attempt.outcome, attempt.reason from attempt "
            "join task on task.id = attempt.task_id order by attempt.id"
        ).fetchall()
        (analysis,) = db.execute("select state from analysis").fetchone()
    finally:
        db.close()
    attempts = [Attempt(*row) for row in tries]
    return {r[0]: r[1] for r in rows}, {r[0]: r[2] for r in rows}, attempts, analysis


def _overlaps(truth: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs of one task that were at work at the same time."""
    by_task = defaultdict(list)
    for entry in truth:
        if entry["fate"] not in ("declined", "withdrawn"):
            by_task[entry["task"]].append(entry)
    found = []
    for task, entries in by_task.items():
        entries.sort(key=lambda entry: entry["start"])
        for first, second in pairwise(entries):
            if first["end"] is None or second["start"] < first["end"]:
                found.append(f"{task} ran twice at once, in {first['job']} and {second['job']}")
    return found


def _fates(truth: Sequence[Mapping[str, Any]], *, again: bool) -> dict[str, str]:
    """The last fate of each attempt, by its token.

    `again`: what is put back into the queue does not run a second time, it declines. Where that is
    all that is known of it, the fake pool died between the first start and its own records.
    """
    ignored = ("declined",) if again else ("declined", "requeue")
    declined = {
        f"{entry['name']}.{entry['index']}": "node"
        for entry in truth
        if again and entry["fate"] == "declined"
    }
    return declined | {
        f"{entry['name']}.{entry['index']}": entry["fate"]
        for entry in truth
        if entry["fate"] not in ignored
    }


def _task(
    found: Findings,
    case: Case,
    task: Task,
    states: Mapping[str, str],
    attempts: Sequence[Attempt],
    fates: Mapping[str, str],
) -> None:
    state, key = states[task.key], task.key
    for attempt in attempts:
        fate = fates.get(attempt.token)
        if fate is None:
            stopped = state in ("cancelled", "failed") and attempt is attempts[-1]
            if not stopped and attempt.outcome != "lost":
                found.lost.append(f"{key}: {attempt.token} never ran, but {attempt.outcome}")
            continue
        cause, blind_causes = CAUSES[fate]
        # of a lone element that was withdrawn nothing at all is known any more
        allowed = {cause, *(blind_causes if case.blind or fate == "withdrawn" else ())}
        if fate in DID_ITS_WORK or fate in SAID_SO:
            allowed |= {*blind_causes}  # the task's own record tells it at once
        if case.cancel:
            allowed |= {"cancelled", ""}
        if attempt.outcome == "ok" and fate not in DID_ITS_WORK:
            found.false_success.append(f"{key}: {attempt.token} is ok, but {fate}")
        elif fate == "ok" and attempt.outcome not in allowed:
            found.lost.append(f"{key}: {attempt.token} was ok, but {attempt.outcome}")
        elif attempt.outcome not in allowed:
            found.wrong_end.append(
                f"{key}: {attempt.token} was {fate}, but {attempt.outcome}: {attempt.reason}"
            )
    if state == "done":
        _product(found, task, attempts)
    expected = _end(task, states, attempts, cancelled=bool(case.cancel))
    if state not in expected:
        causes = [a.outcome for a in attempts]
        kind = found.lost if state not in ("done", "failed", "cancelled") else found.wrong_end
        kind.append(f"{key} is {state} after {causes}, not {' or '.join(sorted(expected))}")


def _product(found: Findings, task: Task, attempts: Sequence[Attempt]) -> None:
    try:
        token = product_of(task).read_text()
        record = json.loads(Path(task.record).read_text())["token"]
    except OSError as error:
        found.false_success.append(f"{task.key} is done, but {error}")
        return
    if not attempts or not token == record == attempts[-1].token:
        found.false_success.append(f"{task.key}: the product is of {token}, the record {record}")


def _end(
    task: Task, states: Mapping[str, str], attempts: Sequence[Attempt], *, cancelled: bool
) -> set[str]:
    """How the task must have ended."""
    allowed = {"cancelled"} if cancelled else set()
    if any(states[need] in ("failed", "cancelled") for need in task.needs):
        return allowed | {"failed"}
    if task.after and not any(states[key] == "done" for key in task.after):
        return allowed | {"failed"}
    causes = [attempt.outcome for attempt in attempts]
    if not causes:
        return allowed
    last = causes[-1]
    if last == "ok":
        return {"done"}
    if last == "cancelled":
        return {"cancelled"}
    if causes.count(last) >= ATTEMPTS[last] or len(causes) >= ATTEMPTS_IN_ALL:
        return allowed | {"failed"}
    return allowed  # another attempt should have followed


def _analysis(case: Case, states: Mapping[str, str], tasks: Sequence[Task]) -> set[str]:
    cancelled = {"cancelled"} if case.cancel else set()
    if states["highlevel"] != "done":
        return cancelled | {"failed"}
    by_run = all(states[task.key] == "done" for task in tasks if task.run is not None)
    return cancelled | {"done" if by_run else "partial"}
