"""A scheduler that takes everything and never begins anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from astran.base.scheduler import (
    Batch,
    FullSnapshot,
    JobRef,
    JobState,
    Known,
    Missing,
    Sight,
    Snapshot,
    Unavailable,
)


class IdleScheduler:
    """For tests of what happens before a job begins."""

    name = "idle"
    max_batch = 1000

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

    def find_all(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        return {token: self.find(token, begin) for token, begin in since.items()}

    def forbid(self, token: str, folder: str) -> str | None:
        del token, folder
        return None

    def look(self, jobs: Sequence[JobRef]) -> Snapshot:
        del jobs
        return FullSnapshot(self.observe)

    def observe(self, jobs: Sequence[JobRef]) -> dict[tuple[str, int], Sight]:
        waits = Known(JobState.PENDING, "PENDING")
        return {(job.token, index): waits for job in jobs for index in job.wanted}

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        del job, indices

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        del job, indices

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        del job, indices
