"""What queue, history and event log together show of jobs: one snapshot.

The queue is believed about what lives, history and event log about what has ended. The history
answers also while the schedd is down: what it does not hold proves nothing then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from astran.base.scheduler import (
    JobRef,
    JobState,
    JobStatus,
    JobStatuses,
    Known,
    Missing,
    Unavailable,
)
from astran.scheduler.htcondor.event_log import EventLog
from astran.scheduler.htcondor.job_ads import ElementAd, by_token, read_set, write_set

MAX_ANALYSES = 3
"""So many jobs that wait for long are analysed in one poll: each takes seconds in a large pool."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A job of which some elements are not in the queue."""

    job: JobRef
    absent: tuple[int, ...]


class Witnesses(Protocol):
    """What is asked about jobs that the queue does not settle."""

    def search_history(self, queries: Sequence[HistoryQuery]) -> list[ElementAd] | Unavailable:
        """The jobs that the history knows of."""
        ...

    def read_log(self, job: JobRef) -> EventLog:
        """The batch's event log; an empty one where it cannot be read."""
        ...

    def analyse(self, job: JobRef, index: int) -> str | Unavailable:
        """Why no machine can ever run it; empty where one can."""
        ...


class CondorSnapshot:
    """See `astran.base.scheduler.Snapshot`. What has not changed is asked of nobody else."""

    def __init__(self, queue: Sequence[ElementAd] | Unavailable, witnesses: Witnesses) -> None:
        self._outage = queue if isinstance(queue, Unavailable) else None
        self._queue = by_token(() if isinstance(queue, Unavailable) else queue)
        self._witnesses = witnesses

    def _elements(self, job: JobRef) -> dict[int, ElementAd]:
        return {
            one.index: one for one in self._queue.get(job.token, ()) if one.cluster == job.job_id
        }

    def signature(self, job: JobRef) -> str:
        """What is shown of the elements in the queue: a line for each state."""
        groups: dict[str, list[int]] = {}
        for index, one in self._elements(job).items():
            groups.setdefault(one.shown, []).append(index)
        return "\n".join(sorted(f"{write_set(group)}\t{shown}" for shown, group in groups.items()))

    def changed(self, job: JobRef, signature: str) -> Sequence[int] | None:
        """Elements that are shown differently; None where none is in the queue any more."""
        now = self.signature(job)
        if not now or not signature:
            return None
        if now == signature:
            return ()
        try:
            before, after = _by_element(signature), _by_element(now)
        except ValueError:
            return None
        return sorted(
            index for index in {*before, *after} if before.get(index) != after.get(index)
        )  # fmt: skip

    def statuses(self, jobs: Sequence[JobRef]) -> JobStatuses:
        """An answer for each wanted element, at the price of at most one condor_history call, and
        an analysis of few that wait for long."""
        statuses: JobStatuses = {}
        queries = []
        for job in jobs:
            shown = self._elements(job)
            seen = {index: shown[index].seen for index in job.wanted if index in shown}
            statuses |= {(job.token, index): known for index, known in seen.items()}
            absent = tuple(index for index in job.wanted if index not in shown)
            if absent:
                queries.append(HistoryQuery(job, absent))
        if queries:
            statuses |= self._absent(queries)
        self._analyse(jobs, statuses)
        return statuses

    def _absent(self, queries: Sequence[HistoryQuery]) -> JobStatuses:
        found = self._witnesses.search_history(queries)
        silent = found if isinstance(found, Unavailable) else None
        records = {
            (one.token, one.cluster, one.index): one.seen
            for one in (() if isinstance(found, Unavailable) else found)
        }
        statuses: JobStatuses = {}
        for query in queries:
            job, log = query.job, None
            for index in query.absent:
                status: JobStatus | None = records.get((job.token, job.job_id, index))
                if status is None:
                    log = log or self._witnesses.read_log(job)
                    status = log.ends.get((job.job_id, index))
                # some pools keep no history, or let nobody read it: a log that HTCondor has written
                # to is a witness as good, and without an end in it the job did not end in order
                outage = self._outage or (None if job.job_id in _clusters(log) else silent)
                statuses[job.token, index] = status or outage or Missing()
        return statuses

    def _analyse(self, jobs: Sequence[JobRef], statuses: JobStatuses) -> None:
        """Elements that wait for long are held where no machine can ever run them. Those for which
        nobody could be asked this time get no answer."""
        asked = 0
        for job in jobs:
            shown = self._elements(job)
            idle = [i for i in job.wanted if i in shown and shown[i].long_idle]
            if not idle:
                continue
            asked += 1
            said = self._witnesses.analyse(job, idle[0]) if asked <= MAX_ANALYSES else None
            for index in idle:
                if said is None:
                    del statuses[job.token, index]
                elif isinstance(said, str) and said:
                    statuses[job.token, index] = Known(JobState.HELD, "IDLE", reason=said)


def _clusters(log: EventLog | None) -> frozenset[str]:
    """Clusters of an event log; none where it was not read."""
    return log.clusters if log else frozenset()


def _by_element(signature: str) -> Mapping[int, str]:
    found: dict[int, str] = {}
    for line in signature.split("\n"):
        indices, _, shown = line.partition("\t")
        found |= dict.fromkeys(read_set(indices), shown)
    return found
