"""What HTCondor notes of a job's life beside the queue: the event log."""

from __future__ import annotations

import re
from pathlib import Path

from fakes.condor.ads import VIEW, job_ad
from fakes.slurm import life
from fakes.slurm.state import Element, Job, State

MACHINE_MB = 64_000


def log_of(job: Job) -> Path:
    return Path(job.script).with_suffix(".events")


def write_event(job: Job, text: str) -> None:
    try:
        with log_of(job).open("a") as handle:
            handle.write(f"{text}\n...\n")
    except OSError:
        return


def note_ends(state: State) -> None:
    """Write what has ended, once, into the event logs."""
    now = state.time()
    for job in state.jobs:
        ended = [element for element in job.elements if element.ended and job.array == "condor"]
        if not ended:
            continue
        try:
            known = log_of(job).read_text()
        except OSError:
            continue
        noted = {match[1] for match in re.finditer(r"^0(?:05|09) \(\d+\.(\d+)\.", known, re.M)}
        for element in ended:
            if f"{element.index:03d}" not in noted:
                _note_end(state, job, element, now)


def _note_end(state: State, job: Job, element: Element, now: float) -> None:
    ad = job_ad(job, element, now, played=state.played)
    name = f"({job.id}.{element.index:03d}.000) 2026-11-30 12:00:00"
    if ad["JobStatus"] == 4:
        way = (
            f"\t(0) Abnormal termination (signal {ad['ExitSignal']})"
            if ad["ExitBySignal"]
            else f"\t(1) Normal termination (return value {ad['ExitCode']})"
        )
        write_event(job, f"005 {name} Job terminated.\n{way}")
    elif ad["JobStatus"] == 3:
        if "LastHoldReasonCode" in ad:
            code = ad["LastHoldReasonSubCode"]
            write_event(job, f"012 {name} Job was held.\n\tASTRAN\n\tCode 3 Subcode {code}")
        write_event(job, f"009 {name} Job was aborted.\n\t{ad['RemoveReason']}")
    assert VIEW.removed_after_s


def note_doubles(state: State, job: Job) -> None:
    """Was a task submitted while an earlier submission of it lives?"""
    mine = {life.task_of(job, element) for element in job.elements} - {""}
    for other in state.jobs:
        for element in other.elements:
            if not element.ended and not other.foreign and life.task_of(other, element) in mine:
                state.doubled.append(f"{life.task_of(other, element)} in {other.id} and {job.id}")
