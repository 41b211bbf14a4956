"""scancel, scontrol and sinfo."""

from __future__ import annotations

import re

from fakes.slurm import life
from fakes.slurm.call import DOWN, SOCKET, Answer, Call, Parser, Usage, array_indices
from fakes.slurm.state import Element, Job, State


def scancel(call: Call, words: list[str]) -> Answer:
    state = call.state
    parser = Parser(prog="scancel", add_help=False, allow_abbrev=False)
    parser.add_argument("--me", action="store_true")
    parser.add_argument("--full", action="store_true")
    for names in (("-n", "--name"), ("-t", "--state"), ("-u", "--user")):
        parser.add_argument(*names, default="")
    parser.add_argument("ids", nargs="*")
    given = parser.parse_args(words)
    if call.away("slurmctld"):
        return Answer(stderr=f"scancel: error: {DOWN}\n", code=8)
    if call.strikes("fails"):
        return call.fails(SOCKET)
    if call.strikes("lost"):
        return Answer()
    targets = [_target(state, text) for text in given.ids] or [(None, None)]
    for number, wanted in targets:
        for job in state.jobs:
            if (number is not None and job.id != number) or job.visible > state.time():
                continue
            if job.foreign or (given.name and job.name != given.name):
                continue
            chosen = [e for e in job.elements if wanted is None or e.index in wanted]
            for element in chosen:
                if given.state and element.state != given.state:
                    continue
                _cancel(state, job, element, alone=wanted is not None)
    return Answer()


def _target(state: State, text: str) -> tuple[int | None, list[int] | None]:
    match = re.fullmatch(r"(\d+)(?:_\[?([\d,%-]+)\]?)?", text)
    if match is None:
        raise Usage(f"Invalid job id {text}")
    return int(match[1]), array_indices(match[2]) if match[2] else None


def _cancel(state: State, job: Job, element: Element, *, alone: bool) -> None:
    if element.waiting:
        element.recorded = not alone
        life.strike(state, job, element, "CANCELLED")
    elif state.played:
        life.strike(state, job, element, "CANCELLED")
    elif element.alive:
        element.fate = "CANCELLED"  # whoever runs it ends it


def scontrol(call: Call, words: list[str]) -> Answer:
    state = call.state
    if words[:1] == ["--version"]:
        return Answer(f"slurm {state.version}.8\n")
    if words[:1] == ["ping"]:
        up = "DOWN" if call.away("slurmctld") else "UP"
        return Answer(f"Slurmctld(primary) at fake is {up}\n", code=int(up == "DOWN"))
    if call.away("slurmctld"):
        return Answer(stderr=f"{DOWN}\n", code=1)
    if words[:2] == ["show", "config"]:
        return Answer(
            f"Configuration data as of now\nClusterName             = {state.cluster}\n"
            f"MaxArraySize            = {state.max_array}\n"
            f"MinJobAge               = {int(state.min_job_age)} sec\n"
            f"SLURM_VERSION           = {state.version}.8\n"
        )
    if words[:1] in (["hold"], ["release"], ["requeue"]):
        return _change(call, words[0], _target(state, words[1]))
    if words[:1] == ["update"]:
        values = dict(word.lower().split("=", 1) for word in words[1:])
        if "node" in values:
            return _node(call, values["node"], values.get("state", ""))
        if "endtime" in values:
            seconds = float(values["endtime"].removeprefix("now+") or 0)
            number, wanted = _target(state, values["jobid"])
            for element in _chosen(state, number, wanted):
                element.due = state.time() + seconds
        return Answer()
    raise Usage(f"invalid keyword: {' '.join(words)}")


def _chosen(state: State, number: int | None, wanted: list[int] | None) -> list[Element]:
    job = state.job(number or 0)
    elements = job.elements if job else []
    return [e for e in elements if wanted is None or e.index in wanted]


def _change(call: Call, verb: str, target: tuple[int | None, list[int] | None]) -> Answer:
    for element in _chosen(call.state, *target):
        if verb == "requeue" and element.alive:
            element.fate = "REQUEUED"
        elif element.waiting:
            element.reason = "JobHeldUser" if verb == "hold" else "Priority"
    return Answer()


def _node(call: Call, name: str, word: str) -> Answer:
    state = call.state
    if word != "down":
        state.down = [node for node in state.down if node != name]
        return Answer()
    state.down.append(name)
    for job in state.jobs:
        for element in job.elements:
            if element.alive and element.node == name:
                if state.played:
                    life.strike(state, job, element, "NODE_FAIL")
                else:
                    element.fate = "NODE_FAIL"
    return Answer()


def sinfo(call: Call, words: list[str]) -> Answer:
    if call.away("slurmctld"):
        return Answer(stderr=f"slurm_load_partitions: {DOWN}\n", code=1)
    if "-N" in words:
        return Answer("".join("idle\n" for _ in call.state.nodes))
    return Answer(f"short*|up|1-00:00:00|{len(call.state.nodes)}\n")
