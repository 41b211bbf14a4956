"""Reading what squeue, sacct and scontrol print. Pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from astran.base.scheduler import Known
from astran.scheduler.slurm.job_states import read_state

SQUEUE_FORMAT = (
    "ArrayJobID:|,ArrayTaskID:|,Name:|,State:|,exit_code:|,"
    "SubmitTime:|,NodeList:|,StartTime:|,EndTime:|,Reason:|"
)
"""No column changes by the mere passing of time: the same answer means that nothing has changed."""
SACCT_FORMAT = "JobID,JobName,State,ExitCode,Submit,ElapsedRaw,MaxRSS,NodeList,Reason"
_QUEUE_COLUMNS = 10
_SACCT_COLUMNS = 9


class Unreadable(ValueError):
    """The answer is not one that this module can read."""


@dataclass(frozen=True, slots=True)
class ElementRow:
    """One row of squeue or sacct: an array element, or several that are in the same state."""

    parent: str
    """Id of the array."""
    indices: Sequence[int] | None
    """Indices in the array; None: all elements that have no row of their own."""
    name: str
    submitted: datetime | None
    seen: Known
    shared: bool = False
    """One row for several elements: a row of the element alone is newer."""


def split_queue(text: str) -> dict[str, list[str]]:
    """The rows of `squeue --noheader --states=all --Format=SQUEUE_FORMAT`, unread, by the id of
    their array.

    Raises
    ------
    Unreadable : a row of the table does not have its form
    """
    groups: dict[str, list[str]] = {}
    lines = text.splitlines()
    if text.count("|") != _QUEUE_COLUMNS * len(lines):
        lines = [line for line in lines if _is_row(line)]
    for line in lines:
        groups.setdefault(line.partition("|")[0], []).append(line)
    return groups


def _is_row(line: str) -> bool:
    """Whether this is a row; without any bar it is somebody else's: a banner, a warning."""
    bars = line.count("|")
    if bars not in (0, _QUEUE_COLUMNS):
        raise Unreadable(f"not a row of squeue: {line[:200]}")
    return bool(bars)


def read_queue(lines: Iterable[str]) -> Iterator[ElementRow]:
    """Read rows that `split_queue` has found, one by one; squeue must have run in UTC.

    Raises
    ------
    Unreadable : a row of the table does not have its form
    """
    for line in lines:
        parent, element, name, raw_state, status, submitted, node, start, end, reason, _ = (
            line.split("|")
        )
        ending = _ending(status.strip())
        if not parent.strip().isdigit() or ending is None:
            raise Unreadable(f"not a row of squeue: {line[:200]}")
        seen = _status(raw_state.strip(), reason.strip(), node.strip())
        if seen.state.ended:
            code, signal = ending
            elapsed = _between(start.strip(), end.strip())
            seen = replace(seen, exit_code=code, signal=signal, elapsed_s=elapsed)
        element = element.strip()
        when, shared = read_time(submitted.strip()), not element.isdigit()
        yield ElementRow(parent.strip(), _indices(element), name.strip(), when, seen, shared)


def is_live(line: str) -> bool:
    """Whether an unread row of squeue is about something that has not ended."""
    cells = line.split("|", 4)
    return len(cells) < 5 or _alive(cells[3])


@lru_cache(maxsize=256)
def _alive(raw_state: str) -> bool:
    return not read_state(raw_state).ended


def rows_about(lines: Iterable[str], indices: Collection[int]) -> Iterator[str]:
    """Rows of squeue that may be about these elements, unread."""
    wanted = {str(index) for index in indices}
    for line in lines:
        element = line.partition("|")[2].partition("|")[0].strip()
        if element in wanted or not element.isdigit():
            yield line


@lru_cache(maxsize=4096)  # many elements, few different answers
def _status(raw_state: str, reason: str, node: str) -> Known:
    return Known(read_state(raw_state, reason), raw_state, reason=_reason(reason), node=node)


def _reason(text: str) -> str:
    return "" if text == "None" else text


def _indices(text: str) -> Sequence[int] | None:
    """Of squeue's ArrayTaskID: one number, a set of them, or nothing."""
    if text.isdigit():
        return (int(text),)
    if text in ("N/A", "") or "..." in text:
        return None  # of a list that was cut short the rest is not known
    return read_set(text)


def _between(start: str, end: str) -> float | None:
    begun, ended = read_time(start), read_time(end)
    return (ended - begun).total_seconds() if begun and ended else None


def parse_sacct(text: str) -> list[ElementRow]:
    """Rows of `sacct --noheader --parsable2 --duplicates --format=SACCT_FORMAT` run in UTC.

    Steps only add their memory to the row before them.

    Raises
    ------
    Unreadable : a row of the table does not have its form
    """
    rows: list[ElementRow] = []
    for job, name, raw_state, code, submitted, elapsed, rss, node, reason in _cells(text):
        if "." in job:
            if rows:
                rows[-1] = _with_memory(rows[-1], read_size_mb(rss))
            continue
        parent, _, element = job.partition("_")
        if not parent.isdigit() or not re.fullmatch(r"\d+:\d+", code):
            raise Unreadable(f"not a row of sacct: {job}|{name}|{raw_state}|{code}")
        exit_code, signal = (int(part) for part in code.split(":"))
        state = read_state(raw_state)
        seen = Known(
            state,
            raw_state,
            exit_code=exit_code if state.ended else None,
            signal=(signal or None) if state.ended else None,
            reason=_reason(reason),
            node="" if node == "None assigned" else node,
            max_rss_mb=read_size_mb(rss),
            elapsed_s=float(elapsed) if elapsed.isdigit() else None,
        )
        indices = read_set(element) if element else None
        shared = not element.isdigit()
        rows.append(ElementRow(parent, indices, name, read_time(submitted), seen, shared))
    return rows


def read_set(text: str) -> list[int]:
    """Indices of `7`, `[1,4,6-9%2]` or `[1-9:4]`, with or without brackets; of a list that was cut,
    those that are whole.

    Raises
    ------
    Unreadable
    """
    whole = not text.startswith("[") or text.endswith("]")
    parts = text.strip("[]").split("%")[0].split(",")
    if not whole:
        parts = parts[:-1]  # the last number may have lost digits
    indices: list[int] = []
    for part in parts:
        if part == "...":
            break
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not match:
            raise Unreadable(f"not a set of array indices: {text}")
        start = int(match[1])
        indices += range(start, int(match[2] or start) + 1, int(match[3] or 1))
    return indices


def write_set(indices: list[int]) -> str:
    """The shortest text for a set of indices: `1-3,7`."""
    parts: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if parts and parts[-1][1] == index - 1:
            parts[-1] = (parts[-1][0], index)
        else:
            parts.append((index, index))
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


@lru_cache(maxsize=4096)  # the elements of an array share their time of submission
def read_time(text: str) -> datetime | None:
    """A time that Slurm printed in UTC; None for Unknown, N/A and the like."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def write_time(moment: datetime) -> str:
    """A time for Slurm's options, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read_size_mb(text: str) -> float | None:
    """Memory such as `4376K`, `1.5G` or plain bytes, in MB of 1024^2 bytes; None: not given."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text.strip())
    if not match:
        return None
    power = {"": -2, "K": -1, "M": 0, "G": 1, "T": 2}[match[2]]
    return float(match[1]) * 1024.0**power


def read_limit(config: str) -> int | None:
    """Largest number of elements of an array, from `scontrol show config`; None if not given.

    MaxArraySize bounds the index, which starts at 0; max_array_tasks bounds the number.
    """
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
    if not found:
        return None
    size = int(found[1])
    tasks = re.search(r"^SchedulerParameters\s*=.*\bmax_array_tasks=(\d+)", config, re.MULTILINE)
    return min(size, int(tasks[1])) if tasks else size


def _cells(text: str) -> Iterator[list[str]]:
    """Cells of each row; lines without a bar are somebody else's (banners, warnings)."""
    for line in text.splitlines():
        if "|" not in line:
            continue
        cells = line.split("|")
        if len(cells) != _SACCT_COLUMNS:
            raise Unreadable(f"not a row of the table: {line[:200]}")
        yield [cell.strip() for cell in cells]


def _with_memory(row: ElementRow, memory_mb: float | None) -> ElementRow:
    known = row.seen.max_rss_mb
    if memory_mb is None or (known is not None and known >= memory_mb):
        return row
    return replace(row, seen=replace(row.seen, max_rss_mb=memory_mb))


@lru_cache(maxsize=1024)
def _ending(text: str) -> tuple[int, int | None] | None:
    """Exit code and signal, or None for what is neither form that squeue has for them.

    Up to Slurm 22 it prints the status as wait(2) gives it (1792), later `code:signal` (7:0).
    """
    if re.fullmatch(r"\d+", text, re.ASCII):
        status = int(text)
        return status >> 8 & 0xFF, (status & 0x7F) or None
    match = re.fullmatch(r"(\d+):(\d+)", text, re.ASCII)
    return (int(match[1]), int(match[2]) or None) if match else None
