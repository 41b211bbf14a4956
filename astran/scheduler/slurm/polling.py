"""What squeue and sacct together show of jobs: one snapshot.

squeue is believed about what lives, sacct about what has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from astran.base.scheduler import (
    JobRef,
    JobState,
    JobStatus,
    JobStatuses,
    Known,
    Missing,
    Unavailable,
)
from astran.scheduler.slurm import parsing, submit_script
from astran.scheduler.slurm.parsing import ElementRow

MARGIN = timedelta(minutes=5)
"""Slurm's clock may be so much behind ours."""
NOTED_LATE = timedelta(days=1)
"""A submission whose answer was lost may be found, and noted, so much later."""

MAX_SACCT_ELEMENTS = 20
"""Of more elements of a job sacct is asked about the whole job."""

Elements = Mapping[int | None, Known]
"""What is shown of each element of a job; None: of all that have no row of their own."""


@dataclass(frozen=True, slots=True)
class SacctQuery:
    """A job of which squeue does not show enough."""

    job: JobRef
    ended: tuple[int, ...]
    """Elements of which sacct may know how they ended; empty: squeue has forgotten some, or very
    many have ended, so that sacct must be asked about all."""


QuerySacct = Callable[[list[SacctQuery]], tuple[set[str], list[ElementRow]]]
"""Asks sacct about jobs; tokens of those that it was asked about, and its rows."""


class SlurmSnapshot:
    """See `astran.base.scheduler.Snapshot`. What has not changed is not even read.

    Parameters
    ----------
    queue : squeue's rows, unread, by the id of their array; or why there are none
    query_sacct : asks sacct, which is done only about jobs that squeue does not show as alive
    """

    def __init__(
        self, queue: Mapping[str, list[str]] | Unavailable, query_sacct: QuerySacct
    ) -> None:
        self._outage = queue if isinstance(queue, Unavailable) else None
        self._queue = {} if isinstance(queue, Unavailable) else queue
        self._query_sacct = query_sacct
        self._lines: dict[str, set[str]] = {}
        """Of each job what lives."""

    def signature(self, job: JobRef) -> str:
        """squeue's rows of what lives of a job."""
        # their order follows priorities, which change without end
        return "\n".join(sorted(self._living(job)))

    def changed(self, job: JobRef, signature: str) -> Sequence[int] | None:
        """By the rows that are new and those that are gone; None where nothing lives any more."""
        then = set(signature.split("\n"))
        now = self._living(job, then)
        if not now or not signature:
            return None
        if now == then:
            return ()
        try:
            new, old = _groups(job, now - then), _groups(job, then - now)
        except parsing.Unreadable:
            return None
        if new is None or old is None:
            return None
        nothing: set[int] = set()
        differing = (new.get(seen, nothing) ^ old.get(seen, nothing) for seen in {*new, *old})
        return sorted(nothing.union(*differing))

    def _living(self, job: JobRef, known: Collection[str] = ()) -> set[str]:
        """squeue's rows of what lives; of those that are known so already it need not be asked."""
        if job.job_id not in self._lines:
            lines = self._queue.get(job.job_id, ())
            self._lines[job.job_id] = {
                line for line in lines if line in known or parsing.is_live(line)
            }
        return self._lines[job.job_id]

    def statuses(self, jobs: Sequence[JobRef]) -> JobStatuses:
        """An answer for each wanted element, at the price of at most one sacct call.

        Of very many jobs sacct is asked about a part only; forgotten elements of the others have
        no answer this time.
        """
        controller, outage = self._shown(jobs), self._outage
        queries = [query for job in jobs if (query := _sacct_query(job, controller[job.token]))]
        asked, recorded = self._query_sacct(queries) if queries else (set(), [])
        accounts = by_parent(recorded)
        unclear = {query.job.token for query in queries}
        statuses: JobStatuses = {}
        for job in jobs:
            shown = controller[job.token]
            if job.token not in unclear:
                statuses |= {
                    (job.token, index): shown.get(index) or shown[None] for index in job.wanted
                }
                continue
            accounted = array_elements(job, accounts)
            for index in job.wanted:
                seen = _pick(shown, index)
                if seen is None and outage is None and job.token not in asked:
                    continue
                record = _pick(accounted, index)
                status = _combine(seen, record, outage)
                if (
                    record is None
                    and isinstance(status, Missing)
                    and (accounted or self._knows(job))
                ):
                    status = Missing(withdrawn=not submit_script.has_begun(job, index))
                statuses[job.token, index] = status
        return statuses

    def _shown(self, jobs: Sequence[JobRef]) -> dict[str, Elements]:
        try:
            return {job.token: _read(job, self._about(job)) for job in jobs}
        except parsing.Unreadable as error:
            self._outage, self._queue = Unavailable(f"squeue: {error}"), {}
            return {job.token: {} for job in jobs}

    def _knows(self, job: JobRef) -> bool:
        """Whether squeue shows any element of a job."""
        return bool(_read(job, self._queue.get(job.job_id, ())))

    def _about(self, job: JobRef) -> Iterable[str]:
        lines = self._queue.get(job.job_id, ())
        return lines if job.indices is None else parsing.rows_about(lines, job.indices)


def by_parent(rows: Iterable[ElementRow]) -> Mapping[str, list[ElementRow]]:
    """Rows by the id of their array."""
    groups: dict[str, list[ElementRow]] = defaultdict(list)
    for row in rows:
        groups[row.parent].append(row)
    return groups


def _groups(job: JobRef, lines: Iterable[str]) -> dict[Known, set[int]] | None:
    """The elements in each state; None where a row does not name them."""
    groups: dict[Known, set[int]] = {}
    for row in parsing.read_queue(lines):
        if not _owns(job, row):
            continue
        if row.indices is None:
            return None
        groups.setdefault(row.seen, set()).update(row.indices)
    return groups


def _owns(job: JobRef, row: ElementRow) -> bool:
    late = row.submitted is None or row.submitted >= job.submitted - NOTED_LATE
    return row.name == job.token and late


def array_elements(job: JobRef, rows: Mapping[str, Sequence[ElementRow]]) -> Elements:
    """What the job's own rows show; of several about one element (it was put back) the last."""
    found: dict[int | None, Known] = {}
    for row in sorted(rows.get(job.job_id, ()), key=lambda row: not row.shared):
        if _owns(job, row):
            found |= dict.fromkeys((None,) if row.indices is None else row.indices, row.seen)
    return found


def _read(job: JobRef, lines: Iterable[str]) -> Elements:
    return array_elements(job, {job.job_id: list(parsing.read_queue(lines))})


def first_arrays(rows: Iterable[ElementRow], since: Mapping[str, datetime]) -> dict[str, str]:
    """The first array of each token that was submitted no earlier than it can have been."""
    ids: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        begin = since.get(row.name)
        if begin is not None and (row.submitted is None or row.submitted >= begin - MARGIN):
            ids[row.name].add(int(row.parent))
    return {token: str(min(found)) for token, found in ids.items()}


def _pick(shown: Elements, index: int) -> Known | None:
    return shown.get(index) or shown.get(None)


def _sacct_query(job: JobRef, shown: Elements) -> SacctQuery | None:
    """What sacct is needed for; None where all wanted elements live."""
    ended = []
    for index in job.wanted:
        seen = _pick(shown, index)
        if seen is None:
            return SacctQuery(job, ())
        if seen.state.ended:
            ended.append(index)
    few = len(ended) <= MAX_SACCT_ELEMENTS
    return SacctQuery(job, tuple(ended) if few else ()) if ended else None


def _combine(
    controller: Known | None, accounting: Known | None, outage: Unavailable | None
) -> JobStatus:
    """What follows for one element; `outage`: squeue did not answer."""
    if controller is not None and not controller.state.ended:
        return controller
    if accounting is not None and accounting.state.ended:
        return accounting
    if controller is not None:
        return controller
    if accounting is not None and accounting.state is JobState.UNKNOWN:
        return accounting
    # sacct alone may show PENDING or RUNNING long after the end: nothing follows from that
    return outage or Missing()
