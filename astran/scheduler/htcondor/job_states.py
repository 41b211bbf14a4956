"""HTCondor's states and hold codes, all of them, and what they mean to ASTRAN.

Sources: HTCondor manual 23, "Job ClassAd Attributes" (JobStatus, HoldReasonCode) and
`condor_holdcodes.h`. What is in no table is UNKNOWN: neither success nor failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from astran.base.scheduler import JobState, Known
from astran.scheduler.htcondor.submit_description import AGAIN_SIGNAL, OwnHold

Ad = Mapping[str, Any]
"""Attributes of a job, by name."""

STATUS_NAMES: Final[dict[int, str]] = {
    1: "IDLE",
    2: "RUNNING",
    3: "REMOVED",
    4: "COMPLETED",
    5: "HELD",
    6: "TRANSFERRING_OUTPUT",
    7: "SUSPENDED",
}
"""JobStatus."""

HOLD_REASONS: Final[dict[int, str]] = {
    0: "no reason is given",
    1: "somebody held it (condor_hold)",
    2: "a Globus job manager reported an error",
    3: "its own rules hold it (periodic_hold)",
    4: "its credential is damaged or has run out",
    5: "one of its own rules cannot be evaluated",
    6: "its program could not be started on the node",
    7: "its output file could not be opened",
    8: "its input file could not be opened",
    9: "its output stream could not be opened",
    10: "its input stream could not be opened",
    11: "a file transfer was not acknowledged",
    12: "its output could not be transferred",
    13: "its input could not be transferred",
    14: "its folder could not be entered on the node",
    15: "it was submitted on hold",
    16: "its input is still being spooled",
    17: "it and its shadow do not fit together",
    18: "a file transfer was not permitted",
    19: "a hook of the site that prepares jobs failed",
    20: "it missed the time at which it was to start",
    21: "the node held it",
    22: "its event log could not be opened",
    23: "the account of its owner could not be used",
    24: "there is no shadow for it",
    25: "its cron settings are not valid",
    26: "a rule of the site holds it (SYSTEM_PERIODIC_HOLD)",
    27: "a rule of the site cannot be evaluated",
    28: "its folder on the node could not be given to its user",
    29: "its folder on the node could not be given to its user",
    30: "its folder on the node could not be taken back from its user",
    31: "its folder on the node could not be taken back from its user",
    32: "its input files are too large",
    33: "its output files are too large",
    34: "it used more of the node than it had asked for",
    35: "the image of its container is not valid",
    36: "its checkpoint failed",
    37: "EC2: the user made an error",
    38: "EC2: an internal error",
    39: "EC2: the administrator must act",
    40: "EC2: the connection failed",
    41: "EC2: the server failed",
    42: "EC2: the instance may be lost",
    43: "its script before the job failed",
    44: "its script after the job failed",
    45: "the container runtime of the node failed its test",
    46: "its allowed duration was exceeded",
    47: "its allowed time of execution was exceeded",
    48: "a hook of the site that prepares the shadow failed",
}
"""HoldReasonCode."""
_JOB_POLICY, _OUT_OF_RESOURCES = 3, 34
_TOO_LONG = (46, 47)

_OWN_HOLDS: Final[dict[int, tuple[JobState, str]]] = {
    OwnHold.TIME: (JobState.TIMEOUT, "It was ended because it reached its time limit."),
    OwnHold.MEMORY: (
        JobState.OUT_OF_MEMORY,
        "It was ended because it needed more memory than it had asked for.",
    ),
    OwnHold.EVICTED: (JobState.PREEMPTED, "It was ended to make room for another job."),
    OwnHold.NODE: (JobState.NODE_FAIL, "It was lost with its node."),
}


def read_status(ad: Ad) -> Known:
    """What the attributes of a job say of it, in the queue or in the history."""
    status = ad.get("JobStatus")
    if status == 5:
        return _read_hold(ad, ad.get("HoldReasonCode"), ad.get("HoldReasonSubCode"))
    if status == 4:
        return _read_end(ad)
    if status == 3:
        return _read_removal(ad)
    state = {
        1: JobState.PENDING,
        2: JobState.RUNNING,
        6: JobState.RUNNING,
        7: JobState.HELD,
    }.get(status if isinstance(status, int) else -1, JobState.UNKNOWN)
    reason = ""
    if status == 7:
        reason = "It is suspended: it keeps its place but does not run."
    elif status == 2 and ad.get("JobDisconnectedDate") is not None:
        reason = "Its node does not answer."
    name = STATUS_NAMES.get(status, f"JobStatus {status}") if isinstance(status, int) else "none"
    return Known(state, name, reason=reason, node=node_of(ad))


def _read_end(ad: Ad) -> Known:
    by_signal, code, number = (ad.get(n) for n in ("ExitBySignal", "ExitCode", "ExitSignal"))
    seen = ended(by_signal is True, number if by_signal is True else code)
    return Known(
        seen.state, seen.raw_state, seen.exit_code, seen.signal, seen.reason, **_measured(ad)
    )


def ended(by_signal: bool, number: object) -> Known:
    """A job that ended by a signal or with a return code; another end is UNKNOWN."""
    if not isinstance(number, int) or isinstance(number, bool):
        return Known(JobState.UNKNOWN, "COMPLETED without a return code")
    if not by_signal:
        state = JobState.COMPLETED if number == 0 else JobState.FAILED
        return Known(state, "COMPLETED", exit_code=number)
    if number == AGAIN_SIGNAL:
        text = "It was lost: HTCondor started it a second time, or its node cannot write its files."
        return Known(JobState.NODE_FAIL, "COMPLETED", 0, number, reason=text)
    return Known(JobState.FAILED, "COMPLETED", exit_code=0, signal=number)


def _read_removal(ad: Ad) -> Known:
    """A job that was taken out of the queue; what held it before may say why."""
    held = _read_hold(ad, ad.get("LastHoldReasonCode"), ad.get("LastHoldReasonSubCode"))
    if held.state.ended:
        return held
    if "LeaveJobInQueue" in ad:  # asked of the queue: it is still being taken out
        return Known(JobState.RUNNING, "REMOVED", reason="It is being removed.", node=node_of(ad))
    why = one_line(ad.get("RemoveReason", ""))
    text = f"It was removed: {why}." if why else ""
    return Known(JobState.CANCELLED, "REMOVED", reason=text, **_measured(ad))


def _read_hold(ad: Ad, code: object, subcode: object) -> Known:
    name, text = f"HELD {code}/{subcode}", one_line(ad.get("HoldReason", ""))
    if code == _JOB_POLICY and isinstance(subcode, int) and subcode in _OWN_HOLDS:
        state, sentence = _OWN_HOLDS[subcode]
        return Known(state, name, reason=sentence, **_measured(ad))
    if code == _OUT_OF_RESOURCES and "memory" in text.lower():
        sentence = _OWN_HOLDS[OwnHold.MEMORY][1]
        return Known(JobState.OUT_OF_MEMORY, name, reason=sentence, **_measured(ad))
    if code in _TOO_LONG:
        return Known(
            JobState.TIMEOUT, name, reason=_OWN_HOLDS[OwnHold.TIME][1], **_measured(ad)
        )  # fmt: skip
    why = HOLD_REASONS.get(code) if isinstance(code, int) else None
    if why is None:
        return Known(JobState.UNKNOWN, f"{name} {text}".strip()[:100], node=node_of(ad))
    said = f" ({text.rstrip('.')})" if text else ""
    return Known(JobState.HELD, name, reason=f"It is held: {why}{said}.", node=node_of(ad))


def node_of(ad: Ad) -> str:
    """`slot1_3@host` as host."""
    name = ad.get("RemoteHost") or ad.get("LastRemoteHost") or ""
    return str(name).partition("@")[2] if "@" in str(name) else str(name)


def _measured(ad: Ad) -> dict[str, Any]:
    size_kb, elapsed_s = ad.get("ResidentSetSize_RAW"), ad.get("RemoteWallClockTime")
    return {
        "node": node_of(ad),
        "max_rss_mb": size_kb / 1024 if isinstance(size_kb, int | float) and size_kb else None,
        "elapsed_s": float(elapsed_s) if isinstance(elapsed_s, int | float) else None,
    }


def one_line(text: object) -> str:
    """A text of HTCondor in one line of moderate length."""
    return " ".join(str(text or "").split())[:300]
