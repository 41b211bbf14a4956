"""What a scheduler shows of a job, in sentences for people: for mails and the terminal.

Sources: squeue(1), JOB REASON CODES and JOB STATE CODES; the local pool's own reasons. Those of
HTCondor are sentences already.
"""

from __future__ import annotations

from typing import Final

from astran.base.scheduler import JobState, Known
from astran.scheduler.slurm.job_states import STUCK, bare_reason

REASONS: Final[dict[str, str]] = {
    "None": "It waits for its turn.",
    "Priority": "Jobs with a higher priority are before it in the queue.",
    "Resources": "It waits for free cores and memory.",
    "JobArrayTaskLimit": "As many tasks of this array run at once as were allowed.",
    "BeginTime": "Its earliest start time has not come yet.",
    "Dependency": "It waits for another job to end.",
    "DependencyNeverSatisfied": "It depends on a job that failed, so it can never start.",
    "Licenses": "It waits for a free software licence.",
    "Reservation": "It waits for its reservation to begin.",
    "ReservationDeleted": "The reservation that it asked for was deleted.",
    "Cleaning": "It was put back into the queue and is still being cleaned up.",
    "Prolog": "The node is being prepared for it.",
    "JobHeldUser": "It is held by its owner; `scontrol release` lets it go on.",
    "JobHeldAdmin": "It is held by an administrator of the cluster, who alone can release it.",
    "JobLaunchFailure": "It could not be launched on its node, or was killed there.",
    "BadConstraints": "No node can fulfil what it asks for.",
    "DeadLine": "It cannot end before its deadline.",
    "SystemFailure": "Slurm itself, a node or the file system failed.",
    "NodeDown": "A node that it needs is down.",
    "ReqNodeNotAvail": "A node that it needs is reserved, in maintenance or down.",
    "FrontEndDown": "No front-end node is available to run it.",
    "SchedDefer": "The scheduler looks at new jobs a little later.",
    "InactiveLimit": "It was inactive for too long.",
    "TimeLimit": "It reached its time limit.",
    "NonZeroExitCode": "Its program ended with an error.",
    "RaisedSignal": "Its program was ended by a signal.",
    "OutOfMemory": "It needed more memory than it had asked for.",
    "NodeFail": "Its node failed.",
    "PartitionDown": "The partition takes no jobs to run at the moment.",
    "PartitionInactive": "The partition is inactive: no job of it starts.",
    "PartitionConfig": "It asks for more than the partition has.",
    "PartitionNodeLimit": "It asks for more nodes than the partition allows.",
    "PartitionTimeLimit": "It asks for more time than the partition allows.",
    "AccountNotAllowed": "The account may not use this partition.",
    "InvalidAccount": "The account is not valid (scheduler.slurm.account).",
    "InvalidQOS": "The quality of service is not valid (scheduler.slurm.qos).",
    "QOSNotAllowed": "The quality of service may not be used here (scheduler.slurm.qos).",
    "QOSJobLimit": "The limit of running jobs of its quality of service is reached.",
    "QOSResourceLimit": "The limit of resources of its quality of service is reached.",
    "QOSTimeLimit": "The limit of time of its quality of service is reached.",
    "QOSUsageThreshold": "The usage of its quality of service is too high at the moment.",
    "AssociationJobLimit": "The account's limit of running jobs is reached.",
    "AssociationResourceLimit": "The account's limit of resources is reached.",
    "AssociationTimeLimit": "The account's limit of time is reached.",
    "AccountingPolicy": "A rule of the cluster's accounting holds it back.",
    "BurstBufferOperation": "Its files could not be brought to or from the fast storage.",
    "BurstBufferResources": "It waits for space on the fast storage.",
    "BurstBufferStageIn": "Its files are being brought to the fast storage.",
    "Constraints": "No node can fulfil what it asks for.",
    "FedJobLock": "The clusters of the federation settle which of them runs it.",
    "JobHoldMaxRequeue": "It was put back into the queue too often and is held there.",
    "PowerNotAvail": "There is not enough electrical power for it at the moment.",
    "PowerReserved": "The electrical power that it needs is kept for other jobs.",
    "ReservationInvalid": "The reservation that it asked for is not valid.",
    "Nodes required for job are DOWN": "The nodes that it needs are down, drained or kept for jobs "
    "with a higher priority.",
    "MaxMemPerLimit": "It asks for more memory per core or node than is allowed.",
}
"""A sentence for each reason that Slurm gives for a waiting or failed job."""

_LIMITS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "AssocGrp",
        "RunMinutes",
        "The running jobs of the account take all the computing time that it has left.",
    ),
    (
        "QOSGrp",
        "RunMinutes",
        "The running jobs of the quality of service take all the computing time that it has left.",
    ),
    (
        "AssocGrp",
        "Minutes",
        "The account's computing time is used up: none of its jobs starts until it gets more.",
    ),
    (
        "QOSGrp",
        "Minutes",
        "The computing time of the quality of service is used up: none of its jobs starts until it "
        "gets more.",
    ),
    ("Max", "PerAccount", "This account has as much in use as the quality of service allows."),
    ("QOSMax", "PerNode", "It asks for more on one node than its quality of service allows."),
    ("AssocMax", "PerNode", "It asks for more on one node than its account allows."),
    ("QOSMax", "PerJob", "It asks for more than its quality of service allows one job."),
    ("AssocMax", "PerJob", "It asks for more than its account allows one job."),
    ("QOSMax", "PerUser", "This user has as much in use as the quality of service allows."),
    ("QOSMax", "PerAccount", "This account has as much in use as the quality of service allows."),
    ("QOSGrp", "", "The quality of service has as much in use as all its users together may."),
    ("QOSMin", "", "It asks for less than its quality of service demands."),
    ("QOSMax", "", "A limit of its quality of service is reached."),
    ("AssocGrp", "", "The account has as much in use as all its users together may."),
    ("AssocMax", "", "A limit of its account is reached."),
)
"""Families of reasons (begin, part, sentence); the first that fits counts."""

_STATES: Final[dict[JobState, str]] = {
    JobState.PENDING: "It waits in the queue.",
    JobState.RUNNING: "It is running.",
    JobState.HELD: "It is held and will not start or go on by itself.",
    JobState.COMPLETED: "It ended without error.",
    JobState.FAILED: "It ended with an error.",
    JobState.TIMEOUT: "It was ended because it reached its time limit.",
    JobState.OUT_OF_MEMORY: "It was ended because it needed more memory than it had asked for.",
    JobState.NODE_FAIL: "It was lost because its node failed.",
    JobState.PREEMPTED: "It was ended to make room for a job with a higher priority.",
    JobState.CANCELLED: "It was cancelled.",
    JobState.UNKNOWN: "It is in a state that ASTRAN does not know.",
}

_RAW_STATES: Final[dict[str, str]] = {
    "BOOT_FAIL": "It was lost because its node did not boot.",
    "LAUNCH_FAILED": "It was lost because it could not be launched on its node.",
    "RECONFIG_FAIL": "It was lost because its node could not be set up for it.",
    "DEADLINE": "It was ended because it reached its deadline.",
    "REVOKED": "It was withdrawn because another cluster of the federation took it.",
    "SUSPENDED": "It is suspended: it keeps its place but does not run.",
    "STOPPED": "It was stopped by a signal and does not run.",
    "COMPLETING": "It has ended and is being cleaned up.",
    "CONFIGURING": "Its node is being made ready.",
    "POWER_UP_NODE": "Its node is being switched on.",
    "REQUEUED": "It was put back into the queue.",
    "REQUEUE_HOLD": "It was put back into the queue and is held there.",
    "RESV_DEL_HOLD": "It is held because its reservation was deleted.",
    "SPECIAL_EXIT": "It ended with a special code and is held in the queue.",
    "STAGE_OUT": "It has ended and its files are being copied.",
}
"""States of Slurm that tell more than the state that they stand for."""

_SIGNALS: Final[dict[int, str]] = {
    6: "its program aborted",
    7: "bus error: its program read memory or a file that was not there",
    8: "arithmetic error in its program",
    9: "it was killed, often because the memory was used up",
    11: "its program crashed (segmentation fault)",
    15: "it was asked to end",
    24: "its processor time was used up",
    25: "a file became too large",
}

_CODES: Final[dict[int, str]] = {
    126: "a program could not be executed",
    127: "a program was not found",
    137: "a program was killed, often because the memory was used up",
    139: "a program crashed (segmentation fault)",
}

_LAUNCH_SIGNAL: Final = 53
"""Slurm's code for a job whose log or work folder could not be opened."""


def explain_reason(seen: Known) -> str:
    """One plain sentence on what the scheduler shows of an element."""
    if seen.reason.startswith("It "):
        return seen.reason
    if seen.state in (JobState.PENDING, JobState.HELD):
        return (
            _reason(seen.reason) or _RAW_STATES.get(seen.raw_state.upper()) or _STATES[seen.state]
        )
    if seen.state is JobState.UNKNOWN:
        return f"It is in the state {seen.raw_state!r}, which ASTRAN does not know."
    if seen.state is JobState.FAILED:
        return _failure(seen)
    sentence = _RAW_STATES.get(seen.raw_state.upper(), _STATES[seen.state])
    if seen.state is JobState.NODE_FAIL:
        if seen.node:
            sentence = f"{sentence.removesuffix('.')} ({seen.node})."
        elif seen.reason:
            sentence = f"It was lost: {seen.reason}."
    return sentence


def _failure(seen: Known) -> str:
    if (key := bare_reason(seen.reason)) in STUCK and key != "JobLaunchFailure":
        return REASONS.get(key) or _reason(key)
    if seen.signal == _LAUNCH_SIGNAL:
        return "It could not start: its log or its work folder could not be opened on the node."
    if seen.signal:
        meaning = _SIGNALS.get(seen.signal)
        sentence = f"It was ended by signal {seen.signal}"
    elif seen.exit_code:
        meaning = _CODES.get(seen.exit_code)
        sentence = f"It ended with exit code {seen.exit_code}"
    else:
        meaning = seen.reason if " " in seen.reason else None
        sentence = _STATES[JobState.FAILED].removesuffix(".")
    return f"{sentence}: {meaning}." if meaning else f"{sentence}."


def _reason(reason: str) -> str:
    if not reason:
        return ""
    key = bare_reason(reason)
    if key in REASONS:
        return REASONS[key]
    for begin, part, sentence in _LIMITS:
        if key.startswith(begin) and part in key:
            return sentence
    if "held" in reason.lower():
        return "It could not be launched, was put back into the queue and is held there."
    return f"It waits: {reason}."
