"""A scheduler that takes everything and never begins anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from astran.base.findings import Finding, ok
from astran.base.scheduler import (
    Batch,
    FullSnapshot,
    JobRef,
    JobState,
    JobStatuses,
    Known,
    Missing,
    Snapshot,
    Unavailable,
)
from astran.base.tasks import Resources


class IdleScheduler:
    """For tests of what happens before a job begins."""

    name = "idle"
    display_name = "the idle scheduler"
    absence_is_proof = False
    poll_every_tick = False
    runs_elsewhere = False
    max_batch = 1000
    unconfirmed_age = timedelta(seconds=90)

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def submit(self, batch: Batch) -> str:
        self.batches.append(batch)
        return str(len(self.batches))

    def find(self, token: str, since: datetime) -> str | Missing | Unavailable:
        for number, batch in enumerate(self.batches, 1):
            if batch.token == token:
                return str(number)
        return Missing()

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        return {token: self.find(token, begin) for token, begin in since.items()}

    def forbid(self, token: str, folder: str) -> str | None:
        del token, folder
        return None

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot:
        del jobs
        return FullSnapshot(self.statuses_of)

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        waits = Known(JobState.PENDING, "PENDING")
        return {(job.token, index): waits for job in jobs for index in job.wanted}

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        del job, indices

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        del job, indices

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        del job, indices

    def probe(self, resources: Mapping[str, Resources]) -> Iterator[Finding]:
        yield ok(self.name, f"It would take the tasks of {len(resources)} stages.")
