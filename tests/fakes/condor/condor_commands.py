"""HTCondor's commands on the fake cluster: they print what HTCondor 23.9 prints, misfortunes
included. Waiting, running and ending are those of `fakes.slurm`; what differs is what is shown of
them: holds in the queue in place of states in the accounts, a history, an event log.

Faults go by the names that those of Slurm's commands have: condor_submit is struck by what strikes
sbatch, condor_q by what strikes squeue, condor_history by sacct's, condor_rm by scancel's; the
schedd is away when slurmctld is, the history cannot be read when slurmdbd is away.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.condor import event_logs
from fakes.condor.ads import VIEW, job_ad, matches, written
from fakes.slurm import life
from fakes.slurm.call import BANNER, USER, Answer, Call
from fakes.slurm.faults import Faults
from fakes.slurm.runner import launch
from fakes.slurm.state import Element, Job, locked

AWAY = "ERROR: Failed to connect to local queue manager"
NO_QUEUE = "-- Failed to fetch ads from: <127.0.0.1:9618> : fake"
BROKEN = "ERROR: Failed to commit job submission into the queue.\nSECMAN:2007:Read failure"
_AS_SLURM = {
    "condor_submit": "sbatch", "condor_q": "squeue", "condor_history": "sacct",
    "condor_rm": "scancel", "condor_hold": "scancel", "condor_release": "scancel",
}  # fmt: skip


def condor_submit(call: Call, words: list[str]) -> Answer:
    if call.away("slurmctld"):
        return Answer(stderr=f"\n{AWAY}\n", code=1)
    given = _description(Path(words[-1]))
    if "quota" in given.get("accounting_group", "") or call.strikes("quota"):
        return Answer(stderr="\nERROR: Number of submitted jobs would exceed MAX_JOBS_PER_OWNER\n",
                      code=1)  # fmt: skip
    if call.strikes("hangs-lost"):
        return Answer(hangs=True)
    if call.strikes("timeout-lost"):
        return Answer(stderr=f"{BROKEN}\n", code=1)
    hangs, breaks = call.strikes("hangs-taken"), call.strikes("timeout-taken")
    late = call.dice.uniform(0, call.faults.taken_late_s) if hangs or breaks else 0.0
    job = _take(call, given, late)
    if not call.state.played:
        launch(call.folder, job.id, call.env)
    if hangs:
        return Answer(hangs=True)
    if breaks:
        return Answer(stderr=f"{BROKEN}\n", code=1)
    if call.strikes("garbage-taken"):
        return Answer(call.dice.choice(("", "12a\n", f"{BANNER}\n", "WARNING: lost\n")))
    said = f"{job.id}.0 - {job.id}.{len(job.elements) - 1}\n"
    if call.strikes("noisy"):
        return Answer(f"{BANNER}\n\n{said}", f"WARNING: {BANNER}\n")
    return Answer(said)


def _description(path: Path) -> dict[str, str]:
    given = {}
    for line in path.read_text().splitlines():
        name, is_value, value = line.partition(" = ")
        if is_value:
            given[name.lower()] = value.strip().replace("$(DOLLAR)", "$")
        elif line.startswith("queue "):
            given["queue"] = line.split()[1]
    return given


def _take(call: Call, given: Mapping[str, str], late: float) -> Job:
    state, now = call.state, call.state.time()
    number, state.next_id = state.next_id, state.next_id + 1
    dice = call.faults.dice("queue", number)
    limit = re.search(r"JobCurrentStartDate > (\d+(?:\.\d+)?)", given["periodic_hold"])
    share = re.search(r":(\d+)$", given.get("concurrency_limits", ""))
    excluded = re.findall(r'regexp\("\(\^\|@\)(.+?)\$"', given["requirements"])
    job = Job(
        id=number,
        name=given["my.astrantoken"].strip('"'),
        user=USER,
        submit=now + late,
        script=given["executable"],
        chdir=given["initialdir"],
        output="/dev/null",
        array="condor",
        throttle=round(2308032 / int(share[1])) if share else 0,
        # looked at now and then only
        minutes=(float(limit[1]) + 1) / 60 if limit else 60,
        cpus=int(given["request_cpus"]),
        memory_mb=int(given["request_memory"].rstrip("M")),
        exclude=[text.replace("[.]", ".") for text in excluded],
        visible=now + late,
        elements=[Element(index) for index in range(int(given["queue"]))],
    )
    for element in job.elements:
        element.eligible = job.visible + dice.uniform(*call.faults.wait_s)
        if job.memory_mb > event_logs.MACHINE_MB:
            element.eligible = float("inf")
    event_logs.note_doubles(state, job)
    state.jobs.append(job)
    event_logs.write_event(job, f"000 ({number}.000.000) 2026-11-30 12:00:00 Job submitted")
    return job


def condor_q(call: Call, words: list[str]) -> Answer:
    if call.away("slurmctld"):
        return Answer(stderr=f"\n{NO_QUEUE}\n", code=1)
    if call.strikes("hangs"):
        return Answer(hangs=True)
    if call.strikes("fails"):
        return Answer(stderr=f"\n{NO_QUEUE}\n", code=1)
    if "-better-analyze" in words:
        return Answer(_analysis(call, words[-1]))
    now, rows = call.state.time(), []
    for job, element in _visible(call):
        if (
            call.strikes("stale")
            and element.ended
            and element.start
            and now - (element.end or 0) < 60
        ):
            element = replace(element, state="RUNNING", end=None)
        ad = job_ad(job, element, now, played=call.state.played)
        if ad["JobStatus"] in (3, 4) or not matches(ad, _constraint(words)):
            continue
        rows.append({**ad, "ServerTime": int(now), "LeaveJobInQueue": False})
    if rows and call.strikes("strange"):
        call.dice.choice(rows)["JobStatus"] = 9
    return _table(call, rows, empty="")


def condor_history(call: Call, words: list[str]) -> Answer:
    """Reads a file: it answers whether or not the schedd does."""
    if call.away("slurmdbd") or not call.state.accounting:
        return Answer(stderr="Error: cannot open the history file\n", code=1)
    if call.strikes("hangs"):
        return Answer(hangs=True)
    if call.strikes("fails"):
        return Answer(stderr="Error: cannot open the history file\n", code=1)
    now, rows = call.state.time(), []
    late = 60 if call.strikes("lags") else 0
    for job, element in _visible(call):
        ad = job_ad(job, element, now, played=call.state.played)
        if ad["JobStatus"] not in (3, 4) or now - (element.end or 0) < late:
            continue
        if matches(ad, _constraint(words)):
            rows.append(ad)
    return _table(call, rows, empty="[\n]\n")


def _table(call: Call, rows: list[dict[str, Any]], empty: str) -> Answer:
    texts = written(rows)
    said = call.table([text.replace("\n", "\0") for text in texts])
    text = said.stdout
    banner = f"{BANNER}\n\n"
    noisy = text.startswith(banner)
    lines = text.removeprefix(banner).split("\n")
    lines = [line.replace("\0", "\n") for line in lines if line]
    if not lines:
        body = empty
    else:
        whole = text.endswith("\n")
        body = "[\n" + "\n,\n".join(lines) + ("\n]\n" if whole else "")
    return replace(said, stdout=(banner if noisy else "") + body)


def _visible(call: Call) -> list[tuple[Job, Element]]:
    now = call.state.time()
    return [
        (job, element)
        for job in call.state.jobs
        if job.visible <= now and not job.foreign
        for element in job.elements
    ]


def _constraint(words: Sequence[str]) -> str:
    return words[words.index("-constraint") + 1] if "-constraint" in words else ""


def _analysis(call: Call, name: str) -> str:
    job = call.state.job(int(name.partition(".")[0]))
    machines = len(call.state.nodes)
    large = job is not None and job.memory_mb > event_logs.MACHINE_MB
    refused = machines if large or (job and not set(call.state.nodes) - set(job.exclude)) else 0
    return (
        f"[7]           {machines - refused}  TARGET.Memory >= RequestMemory\n\n"
        f"{name}:  Run analysis summary ignoring user priority.  Of {machines} machines,\n"
        f"      {refused} are rejected by your job's requirements\n"
        "      0 reject your job because of their own requirements\n"
    )


def _act(call: Call, words: list[str], act: Callable[[Call, Job, Element], None]) -> Answer:
    verb = call.env["FAKE_VERB"]
    if call.away("slurmctld"):
        return Answer(stderr=f"{AWAY}\n", code=1)
    if call.strikes("fails"):
        return Answer(stderr="ERROR: SECMAN:2007:Read failure\n", code=1)
    if call.strikes("lost"):
        return Answer(f"Jobs matching constraint {_constraint(words)} have been marked\n")
    now, found = call.state.time(), False
    for job, element in _visible(call):
        ad = job_ad(job, element, now, played=call.state.played)
        if ad["JobStatus"] in (3, 4) or not matches(ad, _constraint(words)):
            continue
        found = True
        act(call, job, element)
    if not found:
        text = f"Couldn't find/{verb} all jobs matching constraint {_constraint(words)}\n"
        return Answer(stderr=text, code=1)
    return Answer("Jobs matching constraint have been marked\n")


def _remove(call: Call, job: Job, element: Element) -> None:
    if element.alive and not call.state.played:
        element.fate = "CANCELLED"  # whoever runs it ends it
    elif element.ended:
        element.end = (element.end or 0) - 2 * VIEW.removed_after_s  # held: out of the queue
    else:
        life.strike(call.state, job, element, "CANCELLED")


def _hold(call: Call, job: Job, element: Element) -> None:
    if element.waiting:
        element.reason = "JobHeldUser"


def _release(call: Call, job: Job, element: Element) -> None:
    if element.waiting:
        element.reason = "None"


def condor_status(call: Call, words: list[str]) -> Answer:
    left_out = re.findall(r'regexp\("\(\^\|@\)(.+?)\$"', _constraint(words))
    nodes = [node for node in call.state.nodes if node not in left_out]
    return Answer("".join(f"slot1@{node}\n" for node in nodes))


def condor_config_val(call: Call, words: list[str]) -> Answer:
    values = {"MAX_JOBS_PER_SUBMISSION": "20000", "FILESYSTEM_DOMAIN": "fake.test"}
    return Answer(f"{values[words[-1]]}\n")


COMMANDS: dict[str, Callable[[Call, list[str]], Answer]] = {
    "condor_submit": condor_submit,
    "condor_q": condor_q,
    "condor_history": condor_history,
    "condor_rm": lambda call, words: _act(call, words, _remove),
    "condor_hold": lambda call, words: _act(call, words, _hold),
    "condor_release": lambda call, words: _act(call, words, _release),
    "condor_config_val": condor_config_val,
    "condor_status": condor_status,
}


def answer(folder: Path, command: str, words: Sequence[str], env: Mapping[str, str]) -> Answer:
    """Carry out a command on the pool that lives in a folder."""
    with locked(folder) as state:
        faults = Faults.read(folder)
        number = state.calls[command] = state.calls.get(command, 0) + 1
        if state.played:
            life.advance(state, faults)
        event_logs.note_ends(state)
        known = _AS_SLURM.get(command, command)
        env = {**env, "FAKE_VERB": command.removeprefix("condor_").replace("rm", "remove")}
        call = Call(folder, state, faults, known, number, env)
        said = COMMANDS[command](call, list(words))
        event_logs.note_ends(state)
        return said


def main(folder: str, command: str, words: Sequence[str]) -> int:
    """What the executables run."""
    said = answer(Path(folder), command, words, os.environ)
    if said.hangs:
        time.sleep(3600)
    sys.stdout.write(said.stdout)
    sys.stderr.write(said.stderr)
    return said.code
