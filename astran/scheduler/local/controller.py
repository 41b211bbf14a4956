"""The local pool behind the scheduler port: a queue of processes on this machine, no daemon.

Every poll moves the pool on (`LocalScheduler.advance`), and so does every task that ends. Any
process of it may be killed at any moment: an element never runs twice at the same time, and is
never lost.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import SchedulerUnavailable, SubmitRefused
from astran.base.files import write_json
from astran.base.findings import Finding, ok, warn
from astran.base.scheduler import (
    Batch,
    FullSnapshot,
    JobRef,
    JobState,
    JobStatus,
    JobStatuses,
    Known,
    Missing,
    Priority,
    Snapshot,
    Unavailable,
)
from astran.base.tasks import Resources
from astran.config.site import LocalSettings, SchedulerSettings
from astran.scheduler.batches import check_batch, check_token
from astran.scheduler.local.job_files import (
    Capacity,
    ElementEnd,
    JobFolder,
    JobSpec,
    iso,
    pool_lock,
    write_capacity,
)
from astran.scheduler.local.machine import usable_cores, usable_memory_mb
from astran.scheduler.local.pool import Job, Phase, advance_pool, read_phases

_PASSED_ON = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TMPDIR",
    "TZ",
    "USER",
)
"""All that tasks get of ASTRAN's environment: no secrets."""


class LocalScheduler:
    """See the module's text and `astran.base.scheduler.Scheduler`.

    Parameters
    ----------
    pool : folder for the pool's state, on a file system with working locks
    settings : cores and memory to share out; what is not set is taken from the machine
    clock : source of time
    minute_s : length of a minute of the time limits [s]; tests shorten it
    """

    name = "local"
    display_name = "the local pool"
    absence_is_proof = True
    poll_every_tick = True
    runs_elsewhere = False
    max_batch = 100_000
    unconfirmed_age = timedelta(0)

    def __init__(
        self, pool: Path, settings: LocalSettings, clock: Clock, minute_s: float = 60.0
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._minute_s = minute_s
        self.capacity = Capacity(
            settings.cores or usable_cores(), settings.memory_mb or usable_memory_mb()
        )

    @classmethod
    def from_settings(
        cls, settings: SchedulerSettings, workdir: Path, clock: Clock
    ) -> LocalScheduler:
        """The pool of a site."""
        return cls(workdir / "pool", settings.local, clock)

    def submit(self, batch: Batch) -> str:
        """Put the batch into the queue; its id is its token. A second time changes nothing.

        Raises
        ------
        SubmitRefused : nothing was submitted
        """
        check_batch(batch)
        try:
            self._write(batch)
        except OSError as error:
            raise SubmitRefused(
                f"The job cannot be written to {self._pool}: {error}",
                "Check free space and permissions of the work folder.",
                transient=True,
            ) from error
        # it is in the queue now: if this fails, the next poll or the next end starts it
        with suppress(SchedulerUnavailable):
            self.advance()
        return batch.token

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """The token itself, if such a batch was put into the queue."""
        return {token: self._find(token) for token in since}

    def _find(self, token: str) -> str | Missing | Unavailable:
        try:
            (self._job(check_token(token)).path / "job.json").stat()
        except FileNotFoundError:
            return Missing()
        except OSError as error:
            return Unavailable(f"the pool in {self._pool} cannot be read: {error}")
        return token

    def forbid(self, token: str, folder: str) -> str | None:
        """Take the batch's place, so that another process which is about to write it cannot.

        Raises
        ------
        SchedulerUnavailable : the pool cannot be written
        """
        place = self._job(check_token(token))
        try:
            place.path.mkdir(parents=True)
            place.done.touch()
        except FileExistsError:
            found = self._find(token)
            return found if isinstance(found, str) else None
        except OSError as error:
            raise SchedulerUnavailable(
                f"The pool in {self._pool} cannot be used: {error}",
                "Check free space and permissions of the work folder.",
            ) from error
        return None

    def advance(self) -> None:
        """Settle what vanished and start what fits; every poll does this too.

        Raises
        ------
        SchedulerUnavailable : the pool cannot be read or written, or is held by somebody else
        """
        try:
            with pool_lock(self._pool):
                self._advance()
        except (OSError, ValueError) as error:
            raise SchedulerUnavailable(
                f"The pool in {self._pool} cannot be used: {error}",
                "Check free space and permissions of the work folder.",
            ) from error

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot:
        """One that reads the state of each element, when it is wanted."""
        del jobs
        return FullSnapshot(self._read_statuses)

    def _read_statuses(self, jobs: Sequence[JobRef]) -> JobStatuses:
        statuses: JobStatuses = {}
        try:
            with pool_lock(self._pool):
                self._advance()
                for job in jobs:
                    statuses.update(self._statuses_of(job))
        except (OSError, ValueError) as error:
            nothing = Unavailable(f"the pool in {self._pool} cannot be used: {error}")
            for job in jobs:
                for index in job.wanted:
                    statuses.setdefault((job.token, index), nothing)
        return statuses

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        """Take elements out of the queue, and ask the wrappers of running ones to end them.

        Raises
        ------
        SchedulerUnavailable
        """
        folder = self._job(job.job_id)
        try:
            with pool_lock(self._pool):
                if not folder.path.is_dir():
                    return
                now = self._clock.now()
                seen = read_phases(folder, folder.read_spec(), now)
                for index in range(len(seen.phases)) if indices is None else indices:
                    if seen.phases[index] in (Phase.QUEUED, Phase.HELD):
                        end = ElementEnd(JobState.CANCELLED, iso(now), reason="it was cancelled")
                        folder.write_end(index, end)
                    elif seen.phases[index] is Phase.ALIVE:
                        folder.file(index, "cancel").touch()
                self._advance()
        except (OSError, ValueError) as error:
            raise SchedulerUnavailable(
                f"The pool in {self._pool} cannot be used: {error}",
                "It is tried again at the next tick.",
            ) from error

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """Queued elements stay in the queue. Raises SchedulerUnavailable."""
        self._set_hold(job, indices, held=True)

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """Take `hold` back. Raises SchedulerUnavailable."""
        self._set_hold(job, indices, held=False)

    def _set_hold(self, job: JobRef, indices: Sequence[int], *, held: bool) -> None:
        folder = self._job(job.job_id)
        try:
            with pool_lock(self._pool):
                for index in indices if folder.path.is_dir() else ():
                    file = folder.file(index, "hold")
                    if held:
                        file.touch()
                    else:
                        file.unlink(missing_ok=True)
                self._advance()
        except (OSError, ValueError) as error:
            raise SchedulerUnavailable(
                f"The pool in {self._pool} cannot be used: {error}",
                "It is tried again at the next tick.",
            ) from error

    def probe(self, resources: Mapping[str, Resources]) -> Iterator[Finding]:
        """What the machine has, and which stages ask for more."""
        cores, memory = self.capacity.cores, self.capacity.memory_mb
        text = f"{cores} cores and {memory} MB of this machine."
        large = [
            f"{stage} ({wanted.cpus} cores, {wanted.memory_mb} MB)"
            for stage, wanted in resources.items()
            if wanted.cpus > cores or wanted.memory_mb > memory
        ]
        if large:
            yield warn(
                "local pool",
                f"{text} Tasks of these stages ask for more: {', '.join(large)}.",
                "They run one at a time and may run out of memory: correct scheduler.resources if "
                "they need less.",
            )
        else:
            yield ok("local pool", text)

    def _job(self, token: str) -> JobFolder:
        return JobFolder(self._pool / "jobs" / token)

    def _advance(self) -> None:
        write_capacity(self._pool, self.capacity)
        advance_pool(self._pool, self._clock.now())

    def _write(self, batch: Batch) -> None:
        final = self._job(batch.token).path
        if (final / "job.json").exists():
            return
        part = final.with_name(f".{batch.token}.{os.getpid()}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        Path(batch.folder).mkdir(parents=True, exist_ok=True)
        write_json(part / "job.json", self._spec(batch))
        if batch.priority is not Priority.DAILY:
            (part / "priority").write_text(batch.priority)
        try:
            part.rename(final)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            if not (final / "job.json").exists():
                raise

    def _spec(self, batch: Batch) -> dict[str, object]:
        wanted = batch.resources
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        spec = JobSpec(
            token=batch.token,
            label=batch.label,
            scripts=batch.scripts,
            logs=batch.logs,
            tokens=batch.tokens,
            folder=batch.folder,
            cpus=wanted.cpus,
            memory_mb=wanted.memory_mb,
            limit_s=wanted.time_min * self._minute_s,
            throttle=batch.throttle,
            # numerical libraries would else take all cores of the machine for each task
            environment={**passed_on, "OMP_NUM_THREADS": str(wanted.cpus)},
            created=iso(self._clock.now()),
        )
        return {name: getattr(spec, name) for name in JobSpec.__dataclass_fields__}

    def _statuses_of(self, ref: JobRef) -> JobStatuses:
        folder = self._job(ref.job_id)
        if not folder.path.is_dir():
            return {(ref.token, index): Missing() for index in ref.wanted}
        job = read_phases(folder, folder.read_spec(), self._clock.now())
        return {
            (ref.token, index): (self._status(job, index) if index < len(job.phases) else Missing())
            for index in ref.wanted
        }

    def _status(self, job: Job, index: int) -> JobStatus:
        if job.phases[index] is Phase.HELD:
            return Known(JobState.HELD, "PENDING", reason="JobHeldUser")
        if job.phases[index] is Phase.QUEUED:
            full = job.spec.throttle and job.alive >= job.spec.throttle
            reason = "JobArrayTaskLimit" if full else "Resources"
            return Known(JobState.PENDING, "PENDING", reason=reason)
        end = job.folder.read_end(index)
        if end is None:
            start = job.folder.read_start(index)
            if start is None:
                return Known(JobState.RUNNING, "RUNNING")
            since = self._clock.now() - datetime.fromisoformat(start.started)
            elapsed = max(0.0, since.total_seconds())
            return Known(JobState.RUNNING, "RUNNING", node=start.host, elapsed_s=elapsed)
        return Known(
            end.state,
            end.state.name,
            exit_code=0 if end.signal is not None else end.returncode,
            signal=end.signal,
            reason=end.reason,
            node=end.host,
            max_rss_mb=end.max_rss_mb,
            elapsed_s=end.elapsed_s,
        )
