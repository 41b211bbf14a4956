"""What the end of an attempt means: a pure function of what the scheduler and the task say.

Success needs three voices: the scheduler (or, where it keeps no books, its silence), the task's own
exit record, and the products on disk. Anything unknown is never success.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from astran.base.jobs import JobState
from astran.base.records import ExitRecord, Outcome
from astran.base.room import no_room
from astran.base.tasks import Resources
from astran.config.site import ResourceLimits


class Cause(StrEnum):
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


class Step(StrEnum):
    """What follows."""

    WAIT = "wait"
    DONE = "done"
    FAIL = "fail"
    RETRY = "retry"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from the end of an attempt, and why."""

    step: Step
    cause: Cause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class End:
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

RETRIES: dict[Cause, int] = {
    Cause.MEMORY: 2,
    Cause.TIME: 2,
    Cause.NODE: 2,
    Cause.PREEMPTED: 5,
    Cause.LOST: 1,
    Cause.NO_RECORD: 1,
    Cause.PRODUCT: 1,
    Cause.TRANSIENT: 1,
    Cause.ROOM: 2,
}
"""How often an attempt is repeated for each cause; causes not named are final at once."""

_BY_SIGHT: dict[JobState, tuple[Cause, str]] = {
    JobState.OUT_OF_MEMORY: (Cause.MEMORY, "the task needed more memory than it had asked for"),
    JobState.TIMEOUT: (Cause.TIME, "the task did not end within its time limit"),
    JobState.NODE_FAIL: (Cause.NODE, "the computing node failed"),
    JobState.PREEMPTED: (Cause.PREEMPTED, "the task had to make room for another job"),
}


_PLAIN = ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
"""Words of a scheduler that say no more than the state that they stand for."""


def judge(end: End, now: datetime) -> Verdict:
    """The verdict on an ended attempt."""
    if end.sight is JobState.CANCELLED:
        return Verdict(Step.CANCELLED, Cause.CANCELLED, "the job was cancelled in the scheduler")
    if end.sight in _BY_SIGHT:
        cause, reason = _BY_SIGHT[end.sight]
        if end.word not in _PLAIN and end.said:  # a deadline, a node that did not boot
            return Verdict(Step.RETRY, cause, _clause(end.said))
        where = f" ({end.node})" if cause is Cause.NODE and end.node else ""
        return Verdict(Step.RETRY, cause, reason + where)
    if end.record is None:
        return _without_record(end, now)
    return _with_record(end, end.record, now)


def _without_record(end: End, now: datetime) -> Verdict:
    if now - end.ended < RECORD_LAG and end.sight in (None, JobState.COMPLETED, JobState.FAILED):
        return Verdict(Step.WAIT, Cause.NO_RECORD, "waiting for the task's exit record")
    if end.sight is JobState.FAILED:
        how = _clause(end.said) or f"the scheduler says {end.word}"
        return Verdict(Step.RETRY, Cause.NO_RECORD, f"{how}; it left no exit record")
    return Verdict(Step.RETRY, Cause.NO_RECORD, "the job ended, but left no exit record")


def _clause(sentence: str) -> str:
    """`It ended with exit code 3.` as `the task ended with exit code 3`."""
    return sentence.removesuffix(".").replace("It ", "the task ", 1)


def _with_record(end: End, record: ExitRecord, now: datetime) -> Verdict:
    if record.outcome is not Outcome.OK and (full := no_room((record.message, *record.telling))):
        return Verdict(Step.RETRY, Cause.ROOM, full)
    if record.outcome is Outcome.OK:
        if end.sight not in (None, JobState.COMPLETED):
            return Verdict(
                Step.RETRY,
                Cause.TRANSIENT,
                f"the task reported success, but the scheduler says {end.word}",
            )
        wrong = _products_differ(record)
        if not wrong:
            return Verdict(Step.DONE, Cause.OK)
        if now - end.ended < RECORD_LAG:
            return Verdict(Step.WAIT, Cause.PRODUCT, wrong)
        return Verdict(Step.RETRY, Cause.PRODUCT, wrong)
    if record.outcome is Outcome.CHECK_FAILED:
        return Verdict(Step.FAIL, Cause.CHECK, record.message)
    if record.outcome is Outcome.INPUT_MISSING:
        return Verdict(Step.FAIL, Cause.INPUT, record.message)
    if record.outcome is Outcome.STOPPED:
        return Verdict(Step.RETRY, Cause.TRANSIENT, record.message)
    if record.outcome is Outcome.TOOL_FAILED:
        reason = f"{record.message} ({end.meaning})" if end.meaning else record.message
        if end.transient_exit:
            return Verdict(Step.RETRY, Cause.TRANSIENT, reason)
        return Verdict(Step.FAIL, Cause.TOOL, reason)
    return Verdict(Step.RETRY, Cause.TRANSIENT, record.message)


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


def raised(resources: Resources, cause: Cause, limits: ResourceLimits) -> Resources | None:
    """What the next attempt asks for: twice the memory, or one and a half times the time.

    Never more than the site allows; None where the last attempt had that much already.
    """
    memory, time = resources.memory_mb, resources.time_min
    if cause is Cause.MEMORY:
        memory = limits.memory(memory * 2)
    elif cause is Cause.TIME:
        time = limits.time(-(-time * 3 // 2))
    else:
        return resources
    if memory <= resources.memory_mb and time <= resources.time_min:
        return None
    return Resources(resources.cpus, memory, time)
