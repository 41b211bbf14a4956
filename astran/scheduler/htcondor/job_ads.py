"""Reading what condor_q and condor_history print with -json. Pure functions on text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from astran.base.scheduler import Known
from astran.scheduler.htcondor.job_states import Ad, node_of, read_status
from astran.scheduler.htcondor.submit_description import INDEX, TOKEN

ATTRIBUTES = (
    *("ClusterId", "ProcId", TOKEN, INDEX, "JobStatus", "ExitBySignal", "ExitCode", "ExitSignal"),
    *("HoldReason", "HoldReasonCode", "HoldReasonSubCode", "LastHoldReasonCode"),
    *("LastHoldReasonSubCode", "RemoveReason", "RemoteHost", "LastRemoteHost"),
    *("JobDisconnectedDate", "EnteredCurrentStatus", "ResidentSetSize_RAW", "RemoteWallClockTime"),
)
QUEUE_ATTRIBUTES = (*ATTRIBUTES, "LeaveJobInQueue", "ServerTime")
IDLE_S = 600
"""An element that has waited for so long is looked at more closely, and again each time that it has
waited twice as long."""


class UnreadableAnswer(ValueError):
    """The answer is not one that this module can read."""


@dataclass(frozen=True, slots=True)
class ElementAd:
    """A job as queue or history show it."""

    cluster: str
    token: str
    index: int
    ad: Ad

    @property
    def seen(self) -> Known:
        """What the attributes mean."""
        return read_status(self.ad)

    @property
    def long_idle(self) -> int:
        """0: it does not wait, or not for long; else it grows with each doubling of the wait."""
        now, since = self.ad.get("ServerTime"), self.ad.get("EnteredCurrentStatus")
        if self.ad.get("JobStatus") != 1 or not isinstance(now, int) or not isinstance(since, int):
            return 0
        return max(0, (now - since) // IDLE_S).bit_length()

    @property
    def shown(self) -> str:
        """What is shown of it: does not change by the mere passing of time, but for long waits."""
        names = ("JobStatus", "HoldReasonCode", "HoldReasonSubCode", "HoldReason")
        parts = [str(self.ad.get(name, "")) for name in names]
        away = "away" if self.ad.get("JobDisconnectedDate") is not None else ""
        return " ".join([*parts, node_of(self.ad), away, str(self.long_idle)]).replace("\n", " ")


def read_ads(text: str) -> list[ElementAd]:
    """The jobs of ASTRAN in an answer; condor_q prints nothing at all where nothing matches.

    Raises
    ------
    UnreadableAnswer : the answer is not a whole list of jobs
    """
    begin = text.find("[")
    if begin < 0:
        if text.strip():
            raise UnreadableAnswer(f"not a list of jobs: {text.strip()[:200]}")
        return []
    try:
        data, end = json.JSONDecoder(strict=False).raw_decode(text, begin)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(f"not a whole list of jobs: {error}") from error
    del end
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise UnreadableAnswer(f"not a list of jobs: {text[begin:][:200]}")
    return [found for one in data if (found := _read_ad(one)) is not None]


def _read_ad(ad: Ad) -> ElementAd | None:
    """None: a job of somebody else. UnreadableAnswer where one of ours lacks what all have."""
    if TOKEN not in ad:
        return None
    cluster, token, index = ad.get("ClusterId"), ad[TOKEN], ad.get(INDEX)
    if not isinstance(cluster, int) or not isinstance(index, int) or "JobStatus" not in ad:
        raise UnreadableAnswer(f"a job without id, index or state: {str(dict(ad))[:200]}")
    return ElementAd(str(cluster), str(token), index, ad)


def by_token(found: Iterable[ElementAd]) -> dict[str, list[ElementAd]]:
    """The jobs of each batch."""
    groups: dict[str, list[ElementAd]] = {}
    for one in found:
        groups.setdefault(one.token, []).append(one)
    return groups


def first_clusters(found: Iterable[ElementAd]) -> dict[str, str]:
    """The first cluster of each token."""
    return {
        token: str(min(int(one.cluster) for one in group))
        for token, group in by_token(found).items()
    }


def write_set(indices: Collection[int]) -> str:
    """`0-3,7` for {0, 1, 2, 3, 7}."""
    parts: list[str] = []
    ordered = sorted(indices)
    begin = 0
    for position, index in enumerate(ordered):
        if position + 1 == len(ordered) or ordered[position + 1] != index + 1:
            first = ordered[begin]
            parts.append(str(index) if first == index else f"{first}-{index}")
            begin = position + 1
    return ",".join(parts)


def read_set(text: str) -> set[int]:
    """What `write_set` wrote (ValueError for anything else)."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
