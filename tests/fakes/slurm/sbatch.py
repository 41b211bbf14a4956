"""sbatch: taking a job, refusing it, or leaving the caller in doubt."""

from __future__ import annotations

import argparse
from pathlib import Path

from fakes.slurm import life
from fakes.slurm.call import BANNER, DOWN, SOCKET, USER, Answer, Call, Parser, Usage, array_indices
from fakes.slurm.faults import Faults
from fakes.slurm.state import Element, Job, State


def sbatch(call: Call, words: list[str]) -> Answer:
    state, faults = call.state, call.faults
    parser = Parser(prog="sbatch", add_help=False, allow_abbrev=False)
    for name in ("--job-name", "--comment", "--array", "--export", "--chdir", "--output", "--nodes",
                 "--ntasks", "--cpus-per-task", "--mem", "--mem-per-cpu", "--time",
                 "--partition", "--account", "--qos", "--constraint",
                 "--exclude", "--reservation", "--nice", "--gres",
                 "--dependency", "--begin"):  # fmt: skip
        parser.add_argument(name, default="")
    for name in ("--parsable", "--no-requeue", "--hold", "--version", "--test-only"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("script", nargs="*")
    given, unknown = parser.parse_known_args(words)
    if unknown:
        raise Usage(f"unrecognized option '{unknown[0]}'")
    if given.version:
        return Answer(f"slurm {state.version}.8\n")
    if call.away("slurmctld"):
        return call.fails(f"Batch job submission failed: {DOWN}")
    if refusal := _refusal(state, given, call):
        return call.fails(f"Batch job submission failed: {refusal}")
    if given.test_only:
        return Answer(stderr="sbatch: Job 1 to start at 2026-01-01T00:00:00 using 1 processors\n")
    if call.strikes("hangs-lost"):
        return Answer(hangs=True)
    if call.strikes("timeout-lost"):
        return call.fails(f"Batch job submission failed: {SOCKET}")
    hangs, times_out = call.strikes("hangs-taken"), call.strikes("timeout-taken")
    late = call.dice.uniform(0, faults.taken_late_s) if hangs or times_out else 0.0
    job = _take(state, faults, given, late)
    if not state.played:
        from fakes.slurm.runner import launch

        launch(call.folder, job.id, call.env)
    if hangs:
        return Answer(hangs=True)
    if times_out:
        return call.fails(f"Batch job submission failed: {SOCKET}")
    if call.strikes("garbage-taken"):
        said = call.dice.choice(("", "sbatch: error: plugin: lost\n", "12a\n", f"{BANNER}\n"))
        return Answer(stderr=said) if said.startswith("sbatch: ") else Answer(said)
    said = str(job.id) if given.parsable else f"Submitted batch job {job.id}"
    if given.parsable and (state.federated or call.strikes("cluster")):
        said += f";{state.cluster}"
    if call.strikes("noisy"):
        hint = "sbatch: lua: account set to default\n"
        return Answer(f"{BANNER}\n\n{said}\nHave a nice day 24\n", hint)
    return Answer(f"{said}\n")


def _refusal(state: State, given: argparse.Namespace, call: Call) -> str:
    indices = array_indices(given.array)
    if indices and max(indices) >= state.max_array:
        return "Invalid job array specification"
    if given.partition not in ("", "short"):
        return "Invalid partition name specified"
    if given.account == "nobody":
        return "Invalid account or account/partition combination specified"
    if given.constraint not in ("", "big"):
        return "Invalid feature specification"
    if given.exclude and set(state.nodes) <= set(given.exclude.split(",")):
        return "Requested node configuration is not available"
    if given.reservation not in ("", "night"):
        return "Requested reservation is invalid"
    live = sum(not e.ended for job in state.jobs for e in job.elements if not job.foreign)
    full = state.max_submit and live + len(indices or [0]) > state.max_submit
    if full or call.strikes("quota"):
        return (
            "AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)"
        )
    return ""


def _take(state: State, faults: Faults, given: argparse.Namespace, late: float) -> Job:
    now = state.time()
    number, state.next_id = state.next_id, state.next_id + 1
    dice = faults.dice("queue", number)
    script = given.script[0] if given.script else ""
    job = Job(
        id=number,
        name=given.job_name or Path(script).name,
        user=USER,
        submit=now + late,
        script=str(Path(script).absolute()),
        chdir=given.chdir or str(Path.cwd()),
        output=given.output or "slurm-%A_%a.out",
        comment=given.comment,
        array=given.array,
        throttle=int(given.array.partition("%")[2] or 0),
        minutes=float(given.time or 60),
        cpus=int(given.cpus_per_task or 1),
        memory_mb=int(given.mem.rstrip("M") or 100),
        partition=given.partition or "short",
        account=given.account,
        qos=given.qos,
        exclude=given.exclude.split(",") if given.exclude else [],
        requeue=not given.no_requeue,
        visible=now + late,
        elements=[Element(index) for index in array_indices(given.array)] or [Element(None)],
    )
    for element in job.elements:
        element.eligible = job.visible + dice.uniform(*faults.wait_s)
        element.reason = "JobHeldUser" if given.hold else "Priority"
    _note_doubles(state, job)
    state.jobs.append(job)
    return job


def _note_doubles(state: State, job: Job) -> None:
    """Was a task submitted while an earlier submission of it lives?"""
    mine = {life.task_of(job, element) for element in job.elements} - {""}
    for other in state.jobs:
        for element in other.elements:
            if not element.ended and not other.foreign and life.task_of(other, element) in mine:
                state.doubled.append(f"{life.task_of(other, element)} in {other.id} and {job.id}")
