"""Reading the event log of a batch: the only witness once queue and history have forgotten a job.

Format: HTCondor manual 23, "Job Event Log Codes". Each event begins with `CODE (CLUSTER.PROC.SUB)`
and ends with a line `...`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from astran.base.scheduler import JobState, Known
from astran.scheduler.htcondor.job_states import ended, read_status

_HEAD = re.compile(r"(\d{3}) \((\d{1,12})\.(\d{1,12})\.(\d{1,12})\) ")
_RETURNED = re.compile(r"\(1\) Normal termination \(return value (-?\d{1,10})\)")
_KILLED = re.compile(r"\(0\) Abnormal termination \(signal (\d{1,4})\)")
_HELD_BY = re.compile(r"\s*Code (\d{1,9}) Subcode (\d{1,9})")
SUBMITTED, TERMINATED, ABORTED, HELD = 0, 5, 9, 12


@dataclass(frozen=True, slots=True)
class EventLog:
    """What an event log tells."""

    clusters: frozenset[str] = frozenset()
    """Ids of the clusters that were submitted with it."""
    ends: dict[tuple[str, int], Known] = field(default_factory=dict)
    """How jobs ended, by cluster and process; of a job that is not here nothing follows."""


def read_event_log(text: str) -> EventLog:
    """Read a log; an event that is not whole (yet) does not count."""
    clusters: set[str] = set()
    ends: dict[tuple[str, int], Known] = {}
    holds: dict[tuple[str, int], tuple[int, int]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.rstrip() != "...":
            lines.append(line)
            continue
        head = _HEAD.match(lines[0]) if lines else None
        if head is not None:
            code, cluster, process = int(head[1]), str(int(head[2])), int(head[3])
            if code == SUBMITTED:
                clusters.add(cluster)
            elif code == TERMINATED:
                ends[cluster, process] = _read_termination(lines[1:])
            elif code == HELD and (match := _HELD_BY.match(lines[-1])):
                holds[cluster, process] = int(match[1]), int(match[2])
            elif code == ABORTED:
                hold = holds.get((cluster, process), (None, None))
                ad = {"RemoveReason": lines[1] if len(lines) > 1 else "", "JobStatus": 3}
                ad |= {"LastHoldReasonCode": hold[0], "LastHoldReasonSubCode": hold[1]}
                ends[cluster, process] = read_status(ad)
        lines = []
    return EventLog(frozenset(clusters), ends)


def _read_termination(lines: list[str]) -> Known:
    for line in lines[:3]:
        if match := _RETURNED.search(line):
            return ended(False, int(match[1]))
        if match := _KILLED.search(line):
            return ended(True, int(match[1]))
    return Known(JobState.UNKNOWN, "terminated without a return code")
