"""Slurm's names of the state of a job, all of them, and what they mean to ASTRAN.

Source: `slurm.h` (job_states and the JOB_STATE_* flags), squeue(1) and sacct(1) up to Slurm 25.05.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from astran.base.scheduler import JobState

STATES: Final[dict[str, JobState]] = {
    # base states
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "SUSPENDED": JobState.HELD,
    "COMPLETED": JobState.COMPLETED,
    "CANCELLED": JobState.CANCELLED,
    "FAILED": JobState.FAILED,
    "TIMEOUT": JobState.TIMEOUT,
    "NODE_FAIL": JobState.NODE_FAIL,
    "PREEMPTED": JobState.PREEMPTED,
    "BOOT_FAIL": JobState.NODE_FAIL,
    "DEADLINE": JobState.TIMEOUT,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    # flags that squeue shows in place of the base state
    "COMPLETING": JobState.RUNNING,
    "CONFIGURING": JobState.RUNNING,
    "EXPEDITING": JobState.PENDING,
    "LAUNCH_FAILED": JobState.NODE_FAIL,
    "POWER_UP_NODE": JobState.RUNNING,
    "RECONFIG_FAIL": JobState.NODE_FAIL,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.HELD,
    "RESIZING": JobState.RUNNING,
    "RESV_DEL_HOLD": JobState.HELD,
    "REVOKED": JobState.PREEMPTED,
    "SIGNALING": JobState.RUNNING,
    "SPECIAL_EXIT": JobState.HELD,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.HELD,
    "UPDATE_DB": JobState.RUNNING,
}

STUCK: Final[frozenset[str]] = frozenset(
    {
        "AccountNotAllowed",
        "BadConstraints",
        "BurstBufferOperation",
        "Constraints",
        "DeadLine",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "JobHeldAdmin",
        "JobHeldUser",
        "JobHoldMaxRequeue",
        "JobLaunchFailure",
        "MaxMemPerLimit",
        "PartitionConfig",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "QOSNotAllowed",
        "ReservationDeleted",
        "ReservationInvalid",
    }
)
"""Reasons with which a pending job will not start by itself: somebody must change something."""

_TOO_MUCH: Final = re.compile(r"(QOS|Assoc)Max\w+Per(Job|Node)(Limit)?|QOSMin\w+")
"""Reasons of a job that by itself asks for more, or less, than it may."""


def bare_reason(reason: str) -> str:
    """The key word of a reason: Slurm may add a text, as in `(ReqNodeNotAvail, May be ...)`."""
    return reason.strip().strip("()").split(",")[0].split(":")[0].strip()


@lru_cache(maxsize=1024)  # many elements, few different states
def read_state(raw_state: str, reason: str = "") -> JobState:
    """State for what squeue or sacct print.

    `CANCELLED by 1234` and names that sacct cut short (`OUT_OF_ME+`) are understood; a name that
    is not in the map is UNKNOWN, which is neither success nor failure.
    """
    plain = raw_state.strip().upper()
    if plain.startswith("CANCELLED BY "):
        plain = "CANCELLED"
    state = STATES.get(plain)
    if state is None and plain.endswith("+") and len(plain) > 1:
        meant = {found for name, found in STATES.items() if name.startswith(plain[:-1])}
        state = meant.pop() if len(meant) == 1 else None
    if state is None:
        return JobState.UNKNOWN
    return JobState.HELD if state is JobState.PENDING and is_stuck(reason) else state


def is_stuck(reason: str) -> bool:
    """Whether a pending job with this reason never starts by itself."""
    key = bare_reason(reason)
    return (
        key in STUCK
        or _TOO_MUCH.fullmatch(key) is not None
        or "held" in reason.lower()  # "launch failed requeued held"
    )
