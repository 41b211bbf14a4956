"""A scheduler with a folder to work in, and shorthands for tests: the same for every kind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from fakes.condor.pool import FakePool
from fakes.slurm.cluster import FakeCluster
from services.condor import CondorPool
from services.slurm import SlurmCluster

from astran.base.clock import SystemClock
from astran.base.scheduler import (
    Batch,
    JobRef,
    JobState,
    JobStatus,
    Known,
    Missing,
    Scheduler,
    Unavailable,
)
from astran.base.tasks import Resources
from astran.config.htcondor import HTCondorSettings
from astran.config.site import LocalSettings
from astran.config.slurm import SlurmSettings
from astran.scheduler.htcondor.condor_pool import HTCondorScheduler
from astran.scheduler.local.controller import LocalScheduler
from astran.scheduler.slurm.controller import SlurmScheduler

Statuses = dict[int, JobStatus]


@dataclass
class Bench:
    """One scheduler under test."""

    scheduler: Scheduler
    folder: Path
    patience: float
    cluster: SlurmCluster | FakeCluster | None = None
    pool: CondorPool | FakePool | None = None
    resources: Resources = field(default_factory=lambda: Resources(1, 100, 5))
    jobs: list[JobRef] = field(default_factory=list)

    def batch(
        self,
        *bodies: str,
        throttle: int = 0,
        resources: Resources | None = None,
        token: str = "",
        exclude: Sequence[str] = (),
    ) -> Batch:
        """A batch whose elements are bash scripts with these bodies."""
        token = token or f"astran-test_{uuid4().hex}"
        home = self.folder / token
        home.mkdir(parents=True)
        for index, body in enumerate(bodies):
            (home / f"script_{index}.sh").write_text(body + "\n")
        return Batch(
            token=token,
            label="a test",
            scripts=tuple(str(home / f"script_{i}.sh") for i in range(len(bodies))),
            logs=tuple(str(home / "logs" / f"element {i}.log") for i in range(len(bodies))),
            tokens=tuple(f"{token}.{i}" for i in range(len(bodies))),
            resources=resources or self.resources,
            folder=str(home / "batch"),
            throttle=throttle,
            exclude=tuple(exclude),
        )

    def submit(self, batch: Batch) -> JobRef:
        submitted = datetime.now(UTC)
        job_id = self.scheduler.submit(batch)
        job = JobRef(batch.token, job_id, submitted, len(batch.scripts), batch.folder)
        self.jobs.append(job)
        return job

    def close(self) -> None:
        """Leave nothing running behind, also after a test that failed."""
        alive = {
            token
            for (token, _), status in self.scheduler.poll(self.jobs).statuses(self.jobs).items()
            if isinstance(status, Known) and not status.state.ended
        }
        for job in self.jobs:
            if job.token in alive:
                self.scheduler.cancel(job)

    def find(self, token: str, since: datetime) -> str | Missing | Unavailable:
        return self.scheduler.find_jobs({token: since})[token]

    def look(self, job: JobRef) -> Statuses:
        statuses = self.scheduler.poll([job]).statuses([job])
        assert set(statuses) == {(job.token, index) for index in range(job.size)}
        return {index: status for (_, index), status in statuses.items()}

    def until(
        self, job: JobRef, what: str, condition: Callable[[Statuses], object], patience: float = 0
    ) -> Statuses:
        """Look again and again until the condition holds."""
        end = time.monotonic() + (patience or self.patience)
        while True:
            statuses = self.look(job)
            if condition(statuses):
                return statuses
            assert time.monotonic() < end, f"never {what}: {statuses}"
            time.sleep(0.2)

    def until_all(self, job: JobRef, *states: JobState, patience: float = 0) -> Statuses:
        wanted = ", ".join(states)
        return self.until(
            job, wanted, lambda s: all(state_of(x) in states for x in s.values()), patience
        )

    def ended(self, job: JobRef) -> Statuses:
        return self.until(
            job, "ended", lambda s: all(isinstance(x, Known) and x.state.ended for x in s.values())
        )


def state_of(status: JobStatus) -> JobState | None:
    return status.state if isinstance(status, Known) else None


def gone(status: JobStatus) -> bool:
    """Cancelled before its start: Slurm's accounting may never hear of such an element."""
    return isinstance(status, Missing) or state_of(status) is JobState.CANCELLED


def local_bench(
    folder: Path, *, cores: int = 2, memory_mb: int = 4000, minute_s: float = 60.0
) -> Bench:
    settings = LocalSettings(cores=cores, memory_mb=memory_mb)
    scheduler = LocalScheduler(folder / "pool", settings, SystemClock(), minute_s)
    return Bench(scheduler, folder, patience=30)


def slurm_bench(
    cluster: SlurmCluster | FakeCluster,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    **settings: object,
) -> Bench:
    scheduler = SlurmScheduler(
        SlurmSettings.model_validate(settings), {**os.environ, **cluster.env, **(environ or {})}
    )
    return Bench(scheduler, folder, patience=90, cluster=cluster)


def condor_bench(
    pool: CondorPool | FakePool, folder: Path, *, minute_s: float = 60.0, **settings: object
) -> Bench:
    scheduler = HTCondorScheduler(
        HTCondorSettings.model_validate(settings),
        folder,
        {**os.environ, **pool.env},
        minute_s=minute_s,
    )
    return Bench(scheduler, folder, patience=90, pool=pool)
