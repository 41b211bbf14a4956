"""What the end of an attempt means: a pure function of what the scheduler and the task say.

Success needs three voices: the scheduler (or, where it keeps no books, its silence), the task's own
exit record, and the products on disk. Anything unknown is never success.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from astran.base.disk_space import disk_full_error
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.scheduler import JobState
from astran.base.tasks import Resources
from astran.config.site import ResourceLimits


class FailureCause(StrEnum):
    """Why an attempt ended as it did."""

    OK = "ok"
    TOOL = "tool"
    CHECK = "check"
    INPUT = "input"
    MEMORY = "memory"
    TIME = "time"
    NODE = "node"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    LOST = "lost"
    NO_RECORD = "no-record"
    PRODUCT = "product"
    TRANSIENT = "transient"
    ROOM = "room"
    """No room on the disk."""


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
    """All that is known about the end of an attempt.

    `sight` is None where the scheduler no longer knows the job (no accounting).
    """

    sight: JobState | None
    word: str
    exit_code: int | None
    node: str
    record: ExitRecord | None
    ended: datetime
    transient_exit: bool = False
    """The tool's return code stands for something that passes."""
    meaning: str = ""
    """What the tool's return code means, in words."""
    said: str = ""
    """What the scheduler says of the end, as a sentence."""


RECORD_LAG = timedelta(seconds=60)
"""How long a record or product may take to become visible on a network file system."""

RETRIES: dict[FailureCause, int] = {
    FailureCause.MEMORY: 2,
    FailureCause.TIME: 2,
    FailureCause.NODE: 2,
    FailureCause.PREEMPTED: 5,
    FailureCause.LOST: 1,
    FailureCause.NO_RECORD: 1,
    FailureCause.PRODUCT: 1,
    FailureCause.TRANSIENT: 1,
    FailureCause.ROOM: 2,
}
"""How often an attempt is repeated for each cause; causes not named are final at once."""

_BY_SIGHT: dict[JobState, tuple[FailureCause, str]] = {
    JobState.OUT_OF_MEMORY: (
        FailureCause.MEMORY,
        "the task needed more memory than it had asked for",
    ),
    JobState.TIMEOUT: (FailureCause.TIME, "the task did not end within its time limit"),
    JobState.NODE_FAIL: (FailureCause.NODE, "the computing node failed"),
    JobState.PREEMPTED: (FailureCause.PREEMPTED, "the task had to make room for another job"),
}


_PLAIN = ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
"""Words of a scheduler that say no more than the state that they stand for."""


def classify_end(end: AttemptEnd, now: datetime) -> AttemptVerdict:
    """The verdict on an ended attempt."""
    if end.sight is JobState.CANCELLED:
        return AttemptVerdict(
            NextStep.CANCELLED, FailureCause.CANCELLED, "the job was cancelled in the scheduler"
        )
    if end.sight in _BY_SIGHT:
        cause, reason = _BY_SIGHT[end.sight]
        if end.word not in _PLAIN and end.said:  # a deadline, a node that did not boot
            return AttemptVerdict(NextStep.RETRY, cause, _clause(end.said))
        where = f" ({end.node})" if cause is FailureCause.NODE and end.node else ""
        return AttemptVerdict(NextStep.RETRY, cause, reason + where)
    if end.record is None:
        return _without_record(end, now)
    return _with_record(end, end.record, now)


def _without_record(end: AttemptEnd, now: datetime) -> AttemptVerdict:
    if now - end.ended < RECORD_LAG and end.sight in (None, JobState.COMPLETED, JobState.FAILED):
        return AttemptVerdict(
            NextStep.WAIT, FailureCause.NO_RECORD, "waiting for the task's exit record"
        )
    if end.sight is JobState.FAILED:
        how = _clause(end.said) or f"the scheduler says {end.word}"
        return AttemptVerdict(
            NextStep.RETRY, FailureCause.NO_RECORD, f"{how}; it left no exit record"
        )
    return AttemptVerdict(
        NextStep.RETRY, FailureCause.NO_RECORD, "the job ended, but left no exit record"
    )


def _clause(sentence: str) -> str:
    """`It ended with exit code 3.` as `the task ended with exit code 3`."""
    return sentence.removesuffix(".").replace("It ", "the task ", 1)


def _with_record(end: AttemptEnd, record: ExitRecord, now: datetime) -> AttemptVerdict:
    if record.outcome is not TaskOutcome.OK and (
        full := disk_full_error((record.message, *record.telling))
    ):
        return AttemptVerdict(NextStep.RETRY, FailureCause.ROOM, full)
    if record.outcome is TaskOutcome.OK:
        if end.sight not in (None, JobState.COMPLETED):
            return AttemptVerdict(
                NextStep.RETRY,
                FailureCause.TRANSIENT,
                f"the task reported success, but the scheduler says {end.word}",
            )
        wrong = _products_differ(record)
        if not wrong:
            return AttemptVerdict(NextStep.DONE, FailureCause.OK)
        if now - end.ended < RECORD_LAG:
            return AttemptVerdict(NextStep.WAIT, FailureCause.PRODUCT, wrong)
        return AttemptVerdict(NextStep.RETRY, FailureCause.PRODUCT, wrong)
    if record.outcome is TaskOutcome.CHECK_FAILED:
        return AttemptVerdict(NextStep.FAIL, FailureCause.CHECK, record.message)
    if record.outcome is TaskOutcome.INPUT_MISSING:
        return AttemptVerdict(NextStep.FAIL, FailureCause.INPUT, record.message)
    if record.outcome is TaskOutcome.STOPPED:
        return AttemptVerdict(NextStep.RETRY, FailureCause.TRANSIENT, record.message)
    if record.outcome is TaskOutcome.TOOL_FAILED:
        reason = f"{record.message} ({end.meaning})" if end.meaning else record.message
        if end.transient_exit:
            return AttemptVerdict(NextStep.RETRY, FailureCause.TRANSIENT, reason)
        return AttemptVerdict(NextStep.FAIL, FailureCause.TOOL, reason)
    return AttemptVerdict(NextStep.RETRY, FailureCause.TRANSIENT, record.message)


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


def escalate_resources(
    resources: Resources, cause: FailureCause, limits: ResourceLimits
) -> Resources | None:
    """What the next attempt asks for: twice the memory, or one and a half times the time.

    Never more than the site allows; None where the last attempt had that much already.
    """
    memory, time = resources.memory_mb, resources.time_min
    if cause is FailureCause.MEMORY:
        memory = limits.memory(memory * 2)
    elif cause is FailureCause.TIME:
        time = limits.time(-(-time * 3 // 2))
    else:
        return resources
    if memory <= resources.memory_mb and time <= resources.time_min:
        return None
    return Resources(resources.cpus, memory, time)
