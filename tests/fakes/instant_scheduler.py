"""A scheduler whose tasks end well as soon as they are submitted, with small stand-in products."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fakes.idle_scheduler import IdleScheduler

from astran.base.clock import Clock
from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.scheduler import Batch, JobRef, JobState, JobStatuses, Known
from astran.base.tasks import Output, ProductKind, Task
from astran.production.job.products import Examined, commit_product, product_checksum


class InstantScheduler(IdleScheduler):
    """For tests of what is planned and told, not of what is computed."""

    name = "instant"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.done: list[Task] = []

    def submit(self, batch: Batch) -> str:
        for script, token in zip(batch.scripts, batch.tokens, strict=True):
            task = Task.from_json(json.loads(Path(f"{script}.json").read_text()))
            self._do(task, token)
            self.done.append(task)
        return super().submit(batch)

    def statuses_of(self, jobs: Sequence[JobRef]) -> JobStatuses:
        ended = Known(JobState.COMPLETED, "COMPLETED", exit_code=0)
        return {(job.token, index): ended for job in jobs for index in job.wanted}

    def _do(self, task: Task, token: str) -> None:
        now = self._clock.now().isoformat(timespec="seconds")
        ExitRecord(
            token=token,
            key=task.key,
            outcome=TaskOutcome.OK,
            returncode=0,
            message="done",
            started=now,
            ended=now,
            host="here",
            argv=task.argv,
            products=tuple(_product(output, task) for output in task.outputs),
        ).write(Path(task.record))


def _product(output: Output, task: Task) -> ProductRecord:
    """A stand-in, left as the runner leaves products."""
    work = Path(task.folder, ".work", output.name)
    if output.check is ProductKind.RESULTS:
        work.mkdir(parents=True, exist_ok=True)
        (work / "results.json").write_text(json.dumps({"runs": [], "simulated": True}))
    else:
        work.parent.mkdir(parents=True, exist_ok=True)
        work.write_text(f"{output.name} {task.fingerprint}")
    digest, files = product_checksum(work)
    found = Examined(work, output, digest, {"files": files} if files else {})
    return commit_product([found], task.store, task.fingerprint)[0]
