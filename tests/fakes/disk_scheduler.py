"""A scheduler whose jobs outlive the process: what becomes of each task is decided by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fakes.instant_scheduler import InstantScheduler

from astran.base.clock import Clock
from astran.base.errors import SubmitUnknown
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.scheduler import (
    Batch,
    JobRef,
    JobState,
    JobStatus,
    JobStatuses,
    Known,
    Missing,
    Unavailable,
)
from astran.base.tasks import Task
from astran.production.job.products import measure_product


class Fate(StrEnum):
    """What becomes of a task."""

    END = "end"
    """Ends well at the next look."""
    WAIT = "wait"
    RUN = "run"
    """Begins, and does not end."""
    QUIET = "quiet"
    """Has ended for the scheduler; its exit record is not there yet."""
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Its submission succeeds, but the answer is lost."""


@dataclass
class Element:
    """A task in the hands of the scheduler."""

    script: str
    token: str
    state: str = JobState.PENDING
    times_run: int = 0

    @property
    def task(self) -> Task:
        return Task.from_json(json.loads(Path(f"{self.script}.json").read_text()))


class DiskScheduler(InstantScheduler):
    """Its jobs lie in `folder`; a second one on the same folder goes on with them."""

    name = "slurm"
    max_batch = 2

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(clock)
        self.folder = folder
        self.fates: dict[str, Fate] = {}
        """By pattern of <folder of the analysis>/<key>; the last one that fits counts."""
        folder.mkdir(parents=True, exist_ok=True)

    def submit(self, batch: Batch) -> str:
        pairs = zip(batch.scripts, batch.tokens, strict=True)
        elements = [Element(script, token) for script, token in pairs]
        job_id = str(1001 + len(list(self.folder.glob("*.json"))))
        self._write(batch.token, job_id, elements)
        if any(self._fate(element) is Fate.UNKNOWN for element in elements):
            raise SubmitUnknown("sbatch did not answer")
        return job_id

    def find(self, token: str, since: datetime) -> str | Missing | Unavailable:
        del since
        path = self.folder / f"{token}.json"
        return str(json.loads(path.read_text())["job_id"]) if path.is_file() else Missing()

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        return {token: self.find(token, begin) for token, begin in since.items()}

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        seen: JobStatuses = {}
        for job in jobs:
            job_id, elements = self._read(job.token)
            for index in job.wanted:
                seen[job.token, index] = self._look_at(elements[index])
            self._write(job.token, job_id, elements)
        return seen

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        self._set(job, indices, JobState.CANCELLED)

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        self._set(job, indices, JobState.HELD)

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        self._set(job, indices, JobState.PENDING)

    def elements(self) -> list[Element]:
        """Every task that it was ever given."""
        tokens = [path.stem for path in sorted(self.folder.glob("*.json"))]
        return [element for token in tokens for element in self._read(token)[1]]

    def _look_at(self, element: Element) -> JobStatus:
        state = JobState(element.state)
        if not state.ended and state is not JobState.HELD:
            element.state = state = self._play(element)
        code = 0 if state is JobState.COMPLETED else 1 if state is JobState.FAILED else None
        node = "" if state in (JobState.PENDING, JobState.HELD) else "cp01"
        return Known(state, state.upper(), exit_code=code, node=node)

    def _play(self, element: Element) -> JobState:
        match self._fate(element):
            case Fate.END:
                element.times_run += 1
                self._end_well(element)
                return JobState.COMPLETED
            case Fate.FAIL:
                element.times_run += 1
                self._fail(element)
                return JobState.FAILED
            case Fate.QUIET:
                return JobState.COMPLETED
            case Fate.RUN:
                return JobState.RUNNING
            case _:
                return JobState.PENDING

    def finish_quiet(self) -> None:
        """The exit records that were late become visible."""
        for element in self.elements():
            if element.state == JobState.COMPLETED and not Path(element.task.record).exists():
                self._end_well(element)

    def _end_well(self, element: Element) -> None:
        task = element.task
        self._do(task, element.token)
        self.done.append(task)
        record = ExitRecord.read(Path(task.record))
        assert record is not None
        whole_ns = int(self._clock.now().timestamp()) * 10**9
        for product in record.products:
            _set_time(Path(product.path), whole_ns)
        products = tuple(
            replace(p, mtime_ns=measure_product(Path(p.path))[1]) for p in record.products
        )
        replace(record, products=products).write(Path(task.record))

    def _fail(self, element: Element) -> None:
        task, now = element.task, self._clock.now().isoformat(timespec="seconds")
        ExitRecord(
            token=element.token,
            key=task.key,
            outcome=TaskOutcome.TOOL_FAILED,
            returncode=1,
            message="the tool ended with return code 1",
            started=now,
            ended=now,
            host="cp01",
            argv=task.argv,
            log_excerpt=("ValueError: the stand-in failed, as it was told to",),
        ).write(Path(task.record))

    def _fate(self, element: Element) -> Fate:
        task = element.task
        name, found = f"{Path(task.folder).name}/{task.key}", Fate.END
        for pattern, fate in self.fates.items():
            found = fate if fnmatch(name, pattern) else found
        return found

    def _set(self, job: JobRef, indices: Sequence[int] | None, state: JobState) -> None:
        job_id, elements = self._read(job.token)
        for index in range(job.size) if indices is None else indices:
            if not JobState(elements[index].state).ended:
                elements[index].state = state
        self._write(job.token, job_id, elements)

    def _read(self, token: str) -> tuple[str, list[Element]]:
        data: dict[str, Any] = json.loads((self.folder / f"{token}.json").read_text())
        return data["job_id"], [Element(**one) for one in data["elements"]]

    def _write(self, token: str, job_id: str, elements: Sequence[Element]) -> None:
        data = {"job_id": job_id, "elements": [vars(one) for one in elements]}
        (self.folder / f"{token}.json").write_text(json.dumps(data, indent=1))


def _set_time(path: Path, time_ns: int) -> None:
    for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
        os.utime(one, ns=(time_ns, time_ns))
