"""Classifies the end of an attempt: a pure function of what scheduler and task report.

Success needs three witnesses: the scheduler (which may no longer know the job where there is no
accounting), the exit record of the task, and the products on disk. Unknown is never success.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from astran.base.disk_space import disk_full_error
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.scheduler import JobState
from astran.service.jobs.retry_policy import RETRY_POLICY, FailureCause


class NextStep(StrEnum):
    """What follows."""

    WAIT = "wait"
    DONE = "done"
    FAIL = "fail"
    RETRY = "retry"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AttemptVerdict:
    """What follows from the end of an attempt, and why."""

    step: NextStep
    cause: FailureCause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """All that is known about the end of an attempt."""

    status: JobState | None
    """None where the scheduler no longer knows the job (no accounting)."""
    raw_state: str
    """State in the scheduler's own words."""
    node: str
    record: ExitRecord | None
    ended: datetime
    transient_exit: bool = False
    """The tool's return code stands for something that passes."""
    exit_meaning: str = ""
    """What the tool's return code means, in words."""
    explanation: str = ""
    """The scheduler's account of the end, as a sentence."""


RECORD_LAG = timedelta(seconds=60)
"""How long a record or product may take to become visible on a network file system."""

_BY_STATUS: dict[JobState, tuple[FailureCause, str]] = {
    JobState.OUT_OF_MEMORY: (
        FailureCause.MEMORY,
        "the task needed more memory than it had asked for",
    ),
    JobState.TIMEOUT: (FailureCause.TIME, "the task did not end within its time limit"),
    JobState.NODE_FAIL: (FailureCause.NODE, "the computing node failed"),
    JobState.PREEMPTED: (FailureCause.PREEMPTED, "the task had to make room for another job"),
}
_STANDARD_STATES = ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
"""Raw states that carry no more than the status that they stand for."""


def _failed(cause: FailureCause, reason: str) -> AttemptVerdict:
    step = NextStep.FAIL if RETRY_POLICY[cause].final else NextStep.RETRY
    return AttemptVerdict(step, cause, reason)


def classify_end(end: AttemptEnd, now: datetime) -> AttemptVerdict:
    """The verdict on an ended attempt."""
    if end.status is JobState.CANCELLED:
        return AttemptVerdict(
            NextStep.CANCELLED, FailureCause.CANCELLED, "the job was cancelled in the scheduler"
        )
    if end.status in _BY_STATUS:
        cause, reason = _BY_STATUS[end.status]
        if end.raw_state not in _STANDARD_STATES and end.explanation:
            # a deadline, a node that did not boot
            return _failed(cause, _clause(end.explanation))
        where = f" ({end.node})" if cause is FailureCause.NODE and end.node else ""
        return _failed(cause, reason + where)
    if end.record is None:
        return _classify_without_record(end, now)
    if end.record.outcome is TaskOutcome.OK:
        return _classify_reported_success(end, end.record, now)
    return _classify_reported_failure(end, end.record)


def _classify_without_record(end: AttemptEnd, now: datetime) -> AttemptVerdict:
    may_come = end.status in (None, JobState.COMPLETED, JobState.FAILED)
    if may_come and now - end.ended < RECORD_LAG:
        return AttemptVerdict(
            NextStep.WAIT, FailureCause.NO_RECORD, "waiting for the task's exit record"
        )
    if end.status is JobState.FAILED:
        how = _clause(end.explanation) or f"the scheduler says {end.raw_state}"
        return _failed(FailureCause.NO_RECORD, f"{how}; it left no exit record")
    return _failed(FailureCause.NO_RECORD, "the job ended, but left no exit record")


def _clause(sentence: str) -> str:
    """`It ended with exit code 3.` as `the task ended with exit code 3`."""
    return sentence.removesuffix(".").replace("It ", "the task ", 1)


def _classify_reported_success(
    end: AttemptEnd, record: ExitRecord, now: datetime
) -> AttemptVerdict:
    if end.status not in (None, JobState.COMPLETED):
        reason = f"the task reported success, but the scheduler says {end.raw_state}"
        return _failed(FailureCause.TRANSIENT, reason)
    difference = _products_differ(record)
    if not difference:
        return AttemptVerdict(NextStep.DONE, FailureCause.OK)
    if now - end.ended < RECORD_LAG:
        return AttemptVerdict(NextStep.WAIT, FailureCause.PRODUCT, difference)
    return _failed(FailureCause.PRODUCT, difference)


def _classify_reported_failure(end: AttemptEnd, record: ExitRecord) -> AttemptVerdict:
    if full := disk_full_error((record.message, *record.log_excerpt)):
        return _failed(FailureCause.DISK_FULL, full)
    if record.outcome is TaskOutcome.TOOL_FAILED:
        cause = FailureCause.TRANSIENT if end.transient_exit else FailureCause.TOOL
        meaning = f" ({end.exit_meaning})" if end.exit_meaning else ""
        return _failed(cause, record.message + meaning)
    return _failed(_BY_OUTCOME[record.outcome], record.message)


_BY_OUTCOME = {
    TaskOutcome.CHECK_FAILED: FailureCause.CHECK,
    TaskOutcome.INPUT_MISSING: FailureCause.INPUT,
    TaskOutcome.STOPPED: FailureCause.TRANSIENT,
    TaskOutcome.ERROR: FailureCause.TRANSIENT,
}


def _products_differ(record: ExitRecord) -> str:
    if not record.products:
        return "the exit record names no product"
    for product in record.products:
        path = Path(product.path)
        try:
            status = path.stat()
        except OSError:
            return f"{path.name} is not there"
        if path.is_file() and status.st_size != product.size:
            return f"{path.name} is not as the task left it"
    return ""
