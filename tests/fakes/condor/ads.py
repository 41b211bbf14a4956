"""Jobs of the fake cluster as ClassAds, and the few forms of constraints that ASTRAN writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakes.slurm.state import Element, Job

_OWN_HOLDS = {
    "TIMEOUT": 41, "DEADLINE": 41, "OUT_OF_MEMORY": 42, "PREEMPTED": 43, "NODE_FAIL": 44,
    "BOOT_FAIL": 44,
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What the policy of the jobs says."""

    removed_after_s: float = 600.0


VIEW = View()


def job_ad(job: Job, element: Element, now: float, *, played: bool) -> dict[str, Any]:
    """The attributes that condor_q and condor_history show of an element."""
    ad: dict[str, Any] = {
        "ClusterId": job.id,
        "ProcId": element.index,
        "AstranToken": job.name,
        "AstranIndex": element.index,
        "EnteredCurrentStatus": int(element.end or element.start or job.submit),
        "HasStarted": element.start is not None,
    }
    if element.node:
        name = "RemoteHost" if element.alive else "LastRemoteHost"
        ad[name] = f"slot1_1@{element.node}"
    if element.ended and element.start and element.end:
        ad["RemoteWallClockTime"] = round(element.end - element.start, 1)
    return {**ad, **_status(element, now, played=played)}


def _status(element: Element, now: float, *, played: bool) -> dict[str, Any]:
    if element.waiting and element.reason == "JobHeldUser":
        return {"JobStatus": 5, "HoldReasonCode": 1, "HoldReasonSubCode": 0,
                "HoldReason": "via condor_hold (by user me)"}  # fmt: skip
    if element.waiting:
        return {"JobStatus": 1}
    if element.alive:
        return {"JobStatus": 2}
    if code := _OWN_HOLDS.get(element.state):
        if now - (element.end or 0) > VIEW.removed_after_s:
            return {"JobStatus": 3, "LastHoldReasonCode": 3, "LastHoldReasonSubCode": code,
                    "RemoveReason": "PeriodicRemove evaluated to TRUE"}  # fmt: skip
        return {"JobStatus": 5, "HoldReasonCode": 3, "HoldReasonSubCode": code,
                "HoldReason": "ASTRAN ends this attempt"}  # fmt: skip
    if element.state == "CANCELLED":
        return {"JobStatus": 3, "RemoveReason": "via condor_rm (by user me)"}
    if element.signal:
        return {"JobStatus": 4, "ExitBySignal": True, "ExitSignal": element.signal}
    return {"JobStatus": 4, "ExitBySignal": False, "ExitCode": element.code}


def written(ads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each as -json prints it."""
    return [json.dumps(ad, indent=2, sort_keys=True) for ad in ads]


_REST = re.compile(r"(\w+) (==|>=|<=|=!=|=\?=) (\"[^\"]*\"|\w+)")


def matches(ad: Mapping[str, Any], constraint: str) -> bool:
    """Whether a job fulfils a constraint (only what ASTRAN writes; ValueError for all else)."""
    text = _REST.sub(lambda m: f" {_holds(ad, m[1], m[2], m[3])} ", constraint or "true == true")
    words = text.replace("&&", " and ").replace("||", " or ").replace("!(", " not (")
    if not set(words.split()) <= {"True", "False", "and", "or", "not", "(", ")"} and re.sub(
        r"True|False|and|or|not|[\s()]", "", words
    ):
        raise ValueError(f"not a constraint of ASTRAN: {constraint}")
    return bool(eval(words))


def _holds(ad: Mapping[str, Any], name: str, sign: str, value: str) -> bool:
    if name == "true":
        return True
    if value == "undefined":
        return (name in ad) == (sign == "=!=")
    wanted: Any = value.strip('"') if value.startswith('"') else int(value)
    found = ad.get(name)
    if found is None:
        return False
    return {"==": found == wanted, ">=": found >= wanted, "<=": found <= wanted}[sign]
