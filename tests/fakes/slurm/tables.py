"""What squeue and sacct print, in the forms of Slurm 22.05 and 24.11."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fakes.slurm.state import Element, Job, State

COMPACT = {
    "PENDING": "PD", "RUNNING": "R", "COMPLETED": "CD", "FAILED": "F", "CANCELLED": "CA",
    "TIMEOUT": "TO", "OUT_OF_MEMORY": "OOM", "NODE_FAIL": "NF", "PREEMPTED": "PR",
    "COMPLETING": "CG", "SUSPENDED": "S", "BOOT_FAIL": "BF", "DEADLINE": "DL",
}  # fmt: skip
_LETTERS = {
    "i": "jobarrayid", "F": "arrayjobid", "A": "jobid", "K": "arraytaskid", "j": "name",
    "t": "statecompact", "T": "state", "r": "reason", "R": "reasonlist", "V": "submittime",
    "N": "nodelist", "M": "timeused", "S": "starttime", "e": "endtime", "k": "comment",
    "u": "username", "P": "partition", "a": "account", "q": "qos", "l": "timelimit",
}  # fmt: skip
BITSTR_LEN = 64
_SIGNALS_OF_LIMIT = {"TIMEOUT": 15, "CANCELLED": 15, "PREEMPTED": 15}


@dataclass(frozen=True)
class View:
    """Whose eyes: time zone and environment of the command."""

    zone: ZoneInfo | None
    bitstr_len: int = BITSTR_LEN

    def time(self, moment: float | None, unknown: str) -> str:
        if moment is None:
            return unknown
        when = datetime.fromtimestamp(int(moment), UTC)
        return when.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")


def index_set(indices: Sequence[int], throttle: int = 0, limit: int = 0) -> str:
    """`[1,4,6-9%2]`; cut as Slurm cuts it where it gets longer than `limit`."""
    parts: list[tuple[int, int]] = []
    for index in sorted(indices):
        if parts and parts[-1][1] == index - 1:
            parts[-1] = (parts[-1][0], index)
        else:
            parts.append((index, index))
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
    if limit and len(text) > limit:
        text = text[:limit].rpartition(",")[0] + ",..."
    return f"[{text}{f'%{throttle}' if throttle else ''}]"


def wait_status(element: Element) -> int:
    """What squeue calls exit_code: a status as of wait(2)."""
    if not element.ended:
        return 0
    return element.code << 8 | (element.signal or _SIGNALS_OF_LIMIT.get(element.state, 0))


def used(element: Element, now: float) -> float:
    if element.start is None:
        return 0.0
    return max(0.0, (element.end if element.end is not None else now) - element.start)


def clock_time(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}-{hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def queue_row(
    state: State, job: Job, element: Element, view: View, indices: Sequence[int] = ()
) -> dict[str, str]:
    """A row of squeue, by field name in small letters; of several elements, if so given."""
    whole, own = str(job.id), str(element.raw or job.id)
    index = "N/A" if element.index is None else str(element.index)
    name = index
    if len(indices) > 1:
        name = index_set(indices, job.throttle, view.bitstr_len)
        index = name.replace("[", "").replace("]", "")
    now = state.time()
    return {
        "jobarrayid": whole if element.index is None else f"{whole}_{name}",
        "arrayjobid": whole,
        "jobid": own,
        "arraytaskid": index,
        "name": job.name,
        "username": job.user,
        "comment": job.comment or "(null)",
        "state": element.state,
        "statecompact": COMPACT.get(element.state, element.state[:2]),
        "exit_code": str(wait_status(element)),
        "reason": element.reason,
        "reasonlist": element.node if element.alive else f"({element.reason})",
        "submittime": view.time(job.submit, "N/A"),
        "starttime": view.time(element.start, "N/A"),
        "endtime": view.time(element.end, "N/A"),
        "nodelist": element.node,
        "timeused": clock_time(used(element, now)),
        "timelimit": clock_time(job.minutes * 60),
        "partition": job.partition,
        "account": job.account or "(null)",
        "qos": job.qos or "normal",
        "cluster": state.cluster,
    }


def queue_format(spec: str) -> list[tuple[str, int, str]]:
    """(field, width, what follows) from `--Format=Name:20,State:|`."""
    found = []
    for item in spec.split(","):
        name, _, form = item.partition(":")
        match = re.fullmatch(r"\.?(\d*)(.*)", form)
        assert match is not None
        width = int(match[1]) if match[1] else (0 if match[2] else 20)
        found.append((name.strip().lower(), width, match[2]))
    return found


def queue_letters(spec: str) -> list[tuple[str, int, str]]:
    """The same from `-o '%i|%.8T|%r'`."""
    found = []
    for match in re.finditer(r"%(\.?)(\d*)([a-zA-Z])([^%]*)", spec):
        found.append((_LETTERS[match[3]], int(match[2] or 0), match[4]))
    return found


def write_queue(
    rows: Sequence[dict[str, str]], columns: Sequence[tuple[str, int, str]]
) -> Iterator[str]:
    for row in rows:
        cells = (
            (f"{row[name]:<{width}.{width}}" if width else row[name]) + tail
            for name, width, tail in columns
        )
        yield "".join(cells)


ACCOUNT_FIELDS = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"


def account_rows(state: State, job: Job, view: View) -> list[dict[str, str]]:
    """What accounting knows of a job: elements that began, the waiting rest in one row."""
    rows = []
    waiting = [e for e in job.elements if e.waiting and e.recorded]
    # a rest that was cancelled as a whole stays one row
    for rest in (waiting, _cancelled_rest(job)):
        if rest and rest[0].index is not None:
            indices = [e.index for e in rest if e.index is not None]
            name = f"{job.id}_{index_set(indices, job.throttle, view.bitstr_len)}"
            rows.append(_account_row(state, job, rest[0], view, name))
        elif rest:
            rows.append(_account_row(state, job, rest[0], view, str(job.id)))
    rest_ids = {id(e) for e in (*waiting, *_cancelled_rest(job))}
    for element in job.elements:
        if id(element) in rest_ids or not element.recorded:
            continue
        name = str(job.id) if element.index is None else f"{job.id}_{element.index}"
        for past in element.past:
            rows.append(_account_row(state, job, Element(**past), view, name))
        rows.append(_account_row(state, job, element, view, name))
        if element.start is not None:
            step = _account_row(state, job, element, view, f"{name}.batch")
            rows.append({**step, "jobname": "batch", "maxrss": "1024K" if element.ended else ""})
    return rows


def _cancelled_rest(job: Job) -> list[Element]:
    return [e for e in job.elements if e.state == "CANCELLED" and e.start is None and e.recorded]


def _account_row(state: State, job: Job, element: Element, view: View, name: str) -> dict[str, str]:
    word = element.state
    if word == "CANCELLED":
        word = "CANCELLED by 0"
    values: dict[str, Any] = {
        "jobid": name,
        "jobidraw": str(element.raw or job.id),
        "jobname": job.name,
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "cluster": state.cluster,
        "alloccpus": str(job.cpus),
        "state": word,
        "exitcode": f"{element.code}:{element.signal}",
        "derivedexitcode": "0:0",
        "submit": view.time(job.submit, "Unknown"),
        "start": view.time(element.start, "Unknown"),
        "end": view.time(element.end, "Unknown"),
        "elapsedraw": str(int(used(element, state.time()))),
        "reqmem": f"{job.memory_mb}M",
        "maxrss": "",
        "nodelist": element.node or "None assigned",
        "reason": element.reason,
        "comment": "",
    }
    return values


def write_accounts(
    rows: Sequence[dict[str, str]], fields: Sequence[str], *, parsable: int, header: bool
) -> Iterator[str]:
    names = [name.partition("%")[0] for name in fields]
    if header:
        yield "|".join(names) + ("|" if parsable == 1 else "")
    for row in rows:
        cells = [row[name.lower()] for name in names]
        if parsable:
            yield "|".join(cells) + ("|" if parsable == 1 else "")
        else:  # without it words are cut
            yield " ".join(f"{c[:9]}+" if len(c) > 10 else f"{c:>10}" for c in cells)
