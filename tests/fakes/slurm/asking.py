"""squeue and sacct: what the controller knows, and what the accounting database knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fakes.slurm import tables
from fakes.slurm.call import (
    DISABLED,
    DOWN,
    NO_DATABASE,
    SOCKET,
    USER,
    Answer,
    Call,
    Parser,
    words_of,
)
from fakes.slurm.state import Element, Job
from fakes.slurm.tables import View


def squeue(call: Call, words: list[str]) -> Answer:
    state = call.state
    parser = Parser(prog="squeue", add_help=False, allow_abbrev=False)
    parser.add_argument("--me", action="store_true")
    parser.add_argument("-h", "--noheader", action="store_true")
    parser.add_argument("-r", "--array", action="store_true")
    for names in (("-t", "--states"), ("-n", "--name"), ("-j", "--jobs"), ("-u", "--user"),
                  ("-p", "--partition")):  # fmt: skip
        parser.add_argument(*names, default="")
    parser.add_argument("-o", "--format", default="%i|%P|%j|%u|%t|%M|%R")
    parser.add_argument("-O", "--Format", default="")
    given = parser.parse_args(words)
    if call.away("slurmctld"):
        return Answer(stderr=f"slurm_load_jobs error: {DOWN}\n", code=1)
    if call.strikes("hangs"):
        return Answer(hangs=True)
    if call.strikes("fails"):
        return Answer(stderr=f"slurm_load_jobs error: {SOCKET}\n", code=1)
    names, ids = words_of(given.name), words_of(given.jobs)
    states = [tables.COMPACT.get(word, word) for word in words_of(given.states.upper())]
    rows = []
    for job in _known(call):
        if (names and job.name not in names) or (ids and str(job.id) not in ids):
            continue
        if (given.me and job.user != USER) or (given.user and job.user != given.user):
            continue
        shown = _as_seen(call, job)
        for element, indices in _each(shown) if given.array else _grouped(shown):
            row = tables.queue_row(state, job, element, call.view, indices)
            every = states in (["ALL"], ["all"])
            if every or (row["statecompact"] in states if states else not element.ended):
                rows.append(row)
    if ids and len(ids) == 1 and not any(str(job.id) in ids for job in _known(call)):
        return Answer(stderr="slurm_load_jobs error: Invalid job id specified\n", code=1)
    if call.strikes("strange") and rows:
        call.dice.choice(rows)["state"] = "VAPORISED"
    columns = (
        tables.queue_format(given.Format) if given.Format else tables.queue_letters(given.format)
    )
    return call.table(list(tables.write_queue(rows, columns)))


def _each(shown: list[Element]) -> list[tuple[Element, list[int]]]:
    return [(element, []) for element in shown]


def _grouped(shown: list[Element]) -> list[tuple[Element, list[int]]]:
    """What waits and never began is one row for each reason; everything else has its own."""
    rows, groups = [], {}
    for element in shown:
        together = element.waiting and not element.past and element.index is not None
        if not together or element.reason not in groups:
            rows.append((element, indices := []))
            if together:
                groups[element.reason] = indices
        if together and element.index is not None:
            groups[element.reason].append(element.index)
    return rows


def _known(call: Call) -> list[Job]:
    """Jobs that the controller still knows."""
    now, age = call.state.time(), call.state.min_job_age
    return [
        job
        for job in call.state.jobs
        if job.visible <= now and any(not e.ended or (e.end or 0) + age > now for e in job.elements)
    ]


def _as_seen(call: Call, job: Job) -> list[Element]:
    now, age = call.state.time(), call.state.min_job_age
    shown = [
        e
        for e in job.elements
        # what was cancelled by itself before its start is forgotten at once
        if not e.ended or (e.recorded and (e.end or 0) + age > now)
    ]
    if call.strikes("stale"):
        shown = [
            replace(e, state="RUNNING", end=None, code=0, signal=0, reason="None")
            if e.ended and e.start is not None and now - (e.end or 0) < 60
            else e
            for e in shown
        ]
    return shown


def sacct(call: Call, words: list[str]) -> Answer:
    state = call.state
    parser = Parser(prog="sacct", add_help=False, allow_abbrev=False)
    for names in (("-n", "--noheader"), ("-P", "--parsable2"), ("-p", "--parsable"),
                  ("-X", "--allocations"), ("-D", "--duplicates")):  # fmt: skip
        parser.add_argument(*names, action="store_true")
    for names in (("-j", "--jobs"), ("--name",), ("-S", "--starttime"), ("-E", "--endtime"),
                  ("-u", "--user"), ("-M", "--clusters")):  # fmt: skip
        parser.add_argument(*names, default="")
    parser.add_argument("-o", "--format", default=tables.ACCOUNT_FIELDS)
    given = parser.parse_args(words)
    if not state.accounting:
        return Answer(stderr=f"{DISABLED}\n", code=1)
    if call.away("slurmdbd"):
        return call.fails(NO_DATABASE)
    if call.strikes("hangs"):
        return Answer(hangs=True)
    if call.strikes("fails"):
        return call.fails(NO_DATABASE)
    now = state.time()
    ids, names = words_of(given.jobs), words_of(given.name)
    since = _moment(given.starttime, call.view) if given.starttime else now - now % 86400
    rows = []
    parents = {text.partition("_")[0] for text in ids}
    for job in state.jobs:
        if job.visible > now - (20 if call.strikes("lags") else 0):
            continue
        if (ids and str(job.id) not in parents) or (names and job.name not in names):
            continue
        if all(e.ended and (e.end or 0) < since for e in job.elements):
            continue
        found = tables.account_rows(state, _as_recorded(call, job), call.view)
        if ids and str(job.id) not in ids:  # only elements of it are asked about
            found = [row for row in found if row["jobid"].partition(".")[0] in ids]
        if not given.duplicates:
            found = [row for row in found if row["state"] != "REQUEUED"]
        if given.allocations:
            found = [row for row in found if "." not in row["jobid"]]
        rows += found
    if call.strikes("stranger") and ids:
        stranger = Job(int(ids[0].partition("_")[0]), "somebody-s", "else", 1.5e9, "", "", "")
        stranger.elements = [Element(0, state="FAILED", code=1, start=1.5e9, end=1.5e9 + 60)]
        rows = tables.account_rows(state, stranger, call.view) + rows
    lines = list(
        tables.write_accounts(
            rows, given.format.split(","),
            parsable=2 if given.parsable2 else int(given.parsable), header=not given.noheader,
        )
    )  # fmt: skip
    return call.table(lines)


def _as_recorded(call: Call, job: Job) -> Job:
    """The job as the database has it, which may be behind or wrong."""
    now = call.state.time()
    lag = 60 if call.strikes("lags") else 0
    runaway = call.strikes("runaway")
    return replace(
        job,
        elements=[
            replace(e, state="RUNNING", end=None, code=0, signal=0)
            if e.start is not None and e.ended and (runaway or now - (e.end or 0) < lag)
            else e
            for e in job.elements
        ],
    )


def _moment(text: str, view: View) -> float:
    zone = view.zone or datetime.now(UTC).astimezone().tzinfo
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone).timestamp()
