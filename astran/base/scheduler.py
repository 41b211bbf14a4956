"""The scheduler port: what the service asks of Slurm, of a local pool, or of any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from astran.base.findings import Finding
from astran.base.tasks import Resources


class Priority(StrEnum):
    """How urgent an analysis is, the most urgent first."""

    ALERT = "alert"
    DAILY = "daily"
    CAMPAIGN = "campaign"
    """Many nights, that may take weeks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A job array to submit: element i of the array runs `scripts[i]`, i from 0."""

    token: str
    """Unique job name, made and stored before the submission; the job is found again by it."""
    label: str
    """For people: analysis and stage."""
    scripts: tuple[str, ...]
    logs: tuple[str, ...]
    """Log file of each element, in the order of `scripts`."""
    tokens: tuple[str, ...]
    """Attempt token of each element, exported to its script as ASTRAN_TOKEN."""
    resources: Resources
    folder: str
    """Where the scheduler may keep its own files for this batch."""
    throttle: int = 0
    """At most so many elements at once; 0: no limit."""
    exclude: tuple[str, ...] = ()
    """Nodes not to be used."""
    requester: str = ""
    """Mail address of whoever asked for it; a site may treat senders differently."""
    account: str = ""
    """Account to be charged; empty: the site's own."""
    priority: Priority = Priority.DAILY
    """A scheduler that can tells urgent batches from others by it."""


@dataclass(frozen=True, slots=True)
class JobRef:
    """A submitted batch to be observed or cancelled."""

    token: str
    job_id: str
    submitted: datetime
    size: int
    """Number of array elements."""
    folder: str
    indices: tuple[int, ...] | None = None
    """Elements that are asked about; None: all."""

    @property
    def wanted(self) -> Sequence[int]:
        """Indices of the elements that are asked about."""
        return range(self.size) if self.indices is None else self.indices


class JobState(StrEnum):
    """State of an element, whatever the scheduler calls it."""

    PENDING = "pending"
    RUNNING = "running"
    HELD = "held"
    """Will not start by itself (held, suspended, dependency never satisfied)."""
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    NODE_FAIL = "node-fail"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    UNKNOWN = "strange"
    """A state that ASTRAN does not know: neither success nor failure; the operator is alerted."""

    @property
    def ended(self) -> bool:
        return self not in (self.PENDING, self.RUNNING, self.HELD, self.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Known:
    """The scheduler knows the element."""

    state: JobState
    raw_state: str
    """The state as the scheduler names it, for example OUT_OF_MEMORY."""
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    """Why it waits or failed: a reason code of Slurm, or a text of the scheduler; what begins with
    `It ` is a whole sentence."""
    node: str = ""
    max_rss_mb: float | None = None
    elapsed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """The scheduler answered, and does not know the element."""

    withdrawn: bool = False
    """It knows others of the same array, and this one never began: somebody has most likely taken
    it out of the queue, of which no scheduler keeps a record."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The scheduler did not answer; nothing follows for the element."""

    reason: str


JobStatus = Known | Missing | Unavailable
JobStatuses = dict[tuple[str, int], JobStatus]
"""Status of elements by (token, array index)."""


class Snapshot(Protocol):
    """One answer of a scheduler about several jobs."""

    def signature(self, job: JobRef) -> str:
        """What is shown of a job, to be compared with a later snapshot; empty where that is no
        use."""
        ...

    def changed(self, job: JobRef, signature: str) -> Sequence[int] | None:
        """Elements that are shown differently than in the snapshot of that signature; None: it
        may be any of them."""
        ...

    def statuses(self, jobs: Sequence[JobRef]) -> JobStatuses:
        """Status of each wanted element of some of the jobs.

        An element without answer was not asked about this time; nothing follows for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class FullSnapshot:
    """Of a scheduler that answers for each element, whether or not anything changed."""

    query: Callable[[Sequence[JobRef]], JobStatuses]

    def signature(self, job: JobRef) -> str:
        """Always empty."""
        del job
        return ""

    def changed(self, job: JobRef, signature: str) -> Sequence[int] | None:
        """It may be any."""
        del job, signature
        return None

    def statuses(self, jobs: Sequence[JobRef]) -> JobStatuses:
        """See `Snapshot`."""
        return self.query(jobs)


class Scheduler(Protocol):
    """What every scheduler can do; the same contract tests run on all of them."""

    name: str
    """The `kind` of the site configuration; stored with each submission."""
    display_name: str
    """In messages."""
    absence_is_proof: bool
    """A job that it does not know was never submitted: no later answer can differ."""
    poll_every_tick: bool
    """Polling costs nothing, and moves the jobs on: no pause between two polls."""
    runs_elsewhere: bool
    """Tasks run on other machines, which must see the work folder under the same path."""

    @property
    def max_batch(self) -> int:
        """Most elements of one array."""
        ...

    @property
    def unconfirmed_age(self) -> timedelta:
        """Of a submission of this age without answer no process still waits for the answer."""
        ...

    def submit(self, batch: Batch) -> str:
        """Submit and return the job id. Raises SubmitRefused or SubmitUnknown.

        Submitting the same token twice must be avoided by the caller through `find_jobs`.
        """
        ...

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """The job id of each token that the scheduler knows, submitted after the given time."""
        ...

    def forbid(self, token: str, folder: str) -> str | None:
        """See to it that a batch which nobody knows never runs, should it still turn up.

        Returns the job id instead where it has begun after all: the batch's folder shows it, even
        if the scheduler has forgotten the job. Raises SchedulerUnavailable.
        """
        ...

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot:
        """Ask about all these jobs at once."""
        ...

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        """Ask for the end of a job or of some elements; a later `poll` confirms it."""
        ...

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """Keep waiting elements from starting; those that run go on. A later `poll` confirms it:
        HELD. Raises SchedulerUnavailable."""
        ...

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """Take `hold` back. Raises SchedulerUnavailable."""
        ...

    def probe(self, resources: Mapping[str, Resources]) -> Iterator[Finding]:
        """Whether it answers, and would take and start the tasks of each stage: for
        `astran doctor`. The first finding is whether it answers."""
        ...
