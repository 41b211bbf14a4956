"""The scheduler port: what the service asks of Slurm, of a local pool, or of any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from astran.base.tasks import Resources


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
    """What a scheduler can say about an element, in ASTRAN's words."""

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
    STRANGE = "strange"
    """A word that the state map does not know: neither success nor failure; alerts."""

    @property
    def ended(self) -> bool:
        return self not in (self.PENDING, self.RUNNING, self.HELD, self.STRANGE)


@dataclass(frozen=True, slots=True)
class Known:
    """The scheduler knows the element."""

    state: JobState
    word: str
    """The scheduler's own word, for example OUT_OF_MEMORY."""
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    """Why it waits or failed, in the scheduler's words."""
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


Sight = Known | Missing | Unavailable


class Snapshot(Protocol):
    """One answer of a scheduler about several jobs."""

    def mark(self, job: JobRef) -> str:
        """What is shown of a job, to be held against a later look; empty where that is no use."""
        ...

    def changed(self, job: JobRef, mark: str) -> Sequence[int] | None:
        """Elements of which something else is shown than at the look with that mark; None: it may
        be any of them."""
        ...

    def sights(self, jobs: Sequence[JobRef]) -> dict[tuple[str, int], Sight]:
        """State of each wanted element of some of the jobs, by (token, array index).

        An element without answer was not asked about this time; nothing follows for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class FullSnapshot:
    """The look of a scheduler that answers for each element, whether or not anything changed."""

    ask: Callable[[Sequence[JobRef]], dict[tuple[str, int], Sight]]

    def mark(self, job: JobRef) -> str:
        """Always empty."""
        del job
        return ""

    def changed(self, job: JobRef, mark: str) -> Sequence[int] | None:
        """It may be any."""
        del job, mark
        return None

    def sights(self, jobs: Sequence[JobRef]) -> dict[tuple[str, int], Sight]:
        """See `Look`."""
        return self.ask(jobs)


class Scheduler(Protocol):
    """What every scheduler can do; the same contract tests run on all of them."""

    name: str

    @property
    def max_batch(self) -> int:
        """Most elements of one array."""
        ...

    def submit(self, batch: Batch) -> str:
        """Submit and return the job id. Raises SubmitRefused or SubmitUnknown.

        Submitting the same token twice must be avoided by the caller through `find`.
        """
        ...

    def find(self, token: str, since: datetime) -> str | Missing | Unavailable:
        """The job id of a token submitted after `since`, if the scheduler knows it."""
        ...

    def find_all(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """`find` for several tokens at once, at the price of one."""
        ...

    def forbid(self, token: str, folder: str) -> str | None:
        """See to it that a batch which nobody knows never runs, should it still turn up.

        Returns the job id instead where it has begun after all: the batch's folder tells, even if
        the scheduler has forgotten the job. Raises SchedulerUnavailable.
        """
        ...

    def look(self, jobs: Sequence[JobRef]) -> Snapshot:
        """Ask about all these jobs at once."""
        ...

    def observe(self, jobs: Sequence[JobRef]) -> dict[tuple[str, int], Sight]:
        """The sights of a look at all these jobs."""
        ...

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        """Ask for the end of a job or of some elements; seen to be true by a later `observe`."""
        ...

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """Keep waiting elements from starting; those that run go on. Seen to be true by a later
        `observe`: HELD. Raises SchedulerUnavailable."""
        ...

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """Take `hold` back. Raises SchedulerUnavailable."""
        ...
