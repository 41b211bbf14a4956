"""Every word of Slurm has its meaning; a word without one is neither success nor failure."""

from __future__ import annotations

import pytest

from astran.base.scheduler import JobState
from astran.scheduler.slurm.job_states import STATES, STUCK, read_state

# JOB STATE CODES of squeue(1) and sacct(1), and the names in slurm.h
DOCUMENTED = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "COMPLETING",
    "CONFIGURING",
    "DEADLINE",
    "EXPEDITING",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "POWER_UP_NODE",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "RESV_DEL_HOLD",
    "REVOKED",
    "RUNNING",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
    "TIMEOUT",
    "UPDATE_DB",
]


def test_the_map_is_complete() -> None:
    assert set(STATES) == set(DOCUMENTED)
    assert JobState.UNKNOWN not in STATES.values()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETED", JobState.COMPLETED),
        ("CANCELLED", JobState.CANCELLED),
        ("CANCELLED by 0", JobState.CANCELLED),
        ("CANCELLED by 12345", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("OUT_OF_ME+", JobState.OUT_OF_MEMORY),
        ("BOOT_FAIL", JobState.NODE_FAIL),
        ("DEADLINE", JobState.TIMEOUT),
        ("REVOKED", JobState.PREEMPTED),
        ("COMPLETING", JobState.RUNNING),
        ("SUSPENDED", JobState.HELD),
    ],
)
def test_words(word: str, state: JobState) -> None:
    assert read_state(word) is state


@pytest.mark.parametrize("word", ["", "+", "RE+", "VAPORISED", "completed twice", "CANCELLEDBY"])
def test_unknown_words_are_strange(word: str) -> None:
    state = read_state(word)
    assert state is JobState.UNKNOWN
    assert not state.ended


def test_jobs_that_never_start_by_themselves_are_held() -> None:
    for reason in STUCK:
        assert read_state("PENDING", reason) is JobState.HELD
    assert read_state("PENDING", "(launch failed requeued held)") is JobState.HELD
    assert read_state("PENDING", "PartitionTimeLimit, more") is JobState.HELD
    for reason in ("Resources", "Priority", "BeginTime", "ReqNodeNotAvail, May be reserved", ""):
        assert read_state("PENDING", reason) is JobState.PENDING
    assert read_state("RUNNING", "JobHeldUser") is JobState.RUNNING
