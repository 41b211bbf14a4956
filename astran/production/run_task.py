"""The runner: what a job script executes, on the node where the task runs.

    python -m astran.production.run_task TASK.json

It checks the inputs, runs the tool in a private work folder beside the products, passes stop
signals on, checks each product, moves the good ones to their final names and leaves an exit record.
The return code says how it ended (see RETURN_CODES), the record says it in full.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from astran.base.clock import Clock, SystemClock
from astran.base.errors import AstranError, ProductError, ToolMissing
from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.logging_setup import LogForm, configure_logging
from astran.base.permissions import private_umask
from astran.base.process import ProcessAttendant
from astran.base.tasks import Task
from astran.production.job.fits_header import write_header_cards
from astran.production.job.logs import extract_log_excerpt, find_advice, find_remarks
from astran.production.job.products import commit_product, examine_product
from astran.telescopes.registry import find_chain

_log = logging.getLogger(__name__)

TOKEN = "ASTRAN_TOKEN"
RETURN_CODES = {
    TaskOutcome.OK: 0,
    TaskOutcome.TOOL_FAILED: 10,
    TaskOutcome.CHECK_FAILED: 11,
    TaskOutcome.INPUT_MISSING: 12,
    TaskOutcome.STOPPED: 13,
    TaskOutcome.ERROR: 14,
}
EXCERPT_LINES = 12
"""Lines of the log kept in the record of a failure."""


@dataclass(frozen=True, slots=True)
class _Failure(Exception):
    outcome: TaskOutcome
    message: str
    returncode: int | None = None


def run_task(task: Task, token: str, clock: Clock) -> TaskOutcome:
    """Run a task in this process' main thread and write its exit record.

    Parameters
    ----------
    token : of the attempt; empty: run by hand, which never is an attempt of the service. Its
        record gets another name.

    Returns
    -------
    The outcome that the record holds. Running a finished attempt again changes nothing.
    """
    path = Path(task.record) if token else Path(f"{task.record}.by-hand")
    if token and _finished(path, token):
        _log.info("%s is already done.", task.key)
        return TaskOutcome.OK
    return _Run(task, token, path, clock).go()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the job scripts."""
    words = sys.argv[1:] if argv is None else list(argv)
    if len(words) != 1:
        print("usage: python -m astran.production.run_task TASK.json", file=sys.stderr)
        return 2
    configure_logging(form=LogForm.JOB)
    with private_umask():
        task = Task.from_json(json.loads(Path(words[0]).read_text()))
        return RETURN_CODES[run_task(task, os.environ.get(TOKEN, ""), SystemClock())]


def _finished(path: Path, token: str) -> bool:
    """Whether this very attempt has succeeded and its products are still there."""
    try:
        record = ExitRecord.read(path)
    except ValueError:
        return False
    return (
        record is not None
        and record.token == token
        and record.outcome is TaskOutcome.OK
        and all(Path(product.path).exists() for product in record.products)
    )


class _Run:
    """One attempt."""

    def __init__(self, task: Task, token: str, record: Path, clock: Clock) -> None:
        self.task = task
        self.token = token
        self.record = record
        self.clock = clock
        self.started = clock.now()
        self.returncode: int | None = None
        self.products: tuple[ProductRecord, ...] = ()
        owner = sha256(task.record.encode()).hexdigest()[:8]  # IRF folders are shared by analyses
        self.prefix = f".work-{task.key}-{owner}-"
        attempt = sha256((token or "by-hand").encode()).hexdigest()[:8]
        self.work = Path(task.outputs[0].path).parent / (self.prefix + attempt)

    def go(self) -> TaskOutcome:
        _log.info("%s on %s, %s", self.task.key, platform.node(), _iso(self.started))
        with ProcessAttendant() as attendant:
            try:
                self._attempt(attendant)
                outcome, message = TaskOutcome.OK, "done"
            except _Failure as failure:
                outcome, message = failure.outcome, failure.message
                self.returncode = failure.returncode
            except ProductError as error:
                outcome, message = TaskOutcome.CHECK_FAILED, str(error)
            except AstranError as error:
                outcome, message = TaskOutcome.ERROR, str(error)
            except OSError as error:
                outcome, message = TaskOutcome.ERROR, f"{error.strerror}: {error.filename}"
            if outcome is not TaskOutcome.OK and attendant.stopped_by is not None:
                name = signal.Signals(attendant.stopped_by).name
                outcome = TaskOutcome.STOPPED
                message = f"The job was asked to stop ({name}): time limit or cancellation."
            shutil.rmtree(self.work, ignore_errors=True)
            level = logging.INFO if outcome is TaskOutcome.OK else logging.ERROR
            _log.log(level, "%s: %s: %s", self.task.key, outcome.value, message)
            self._write(outcome, message)
        return outcome

    def _attempt(self, attendant: ProcessAttendant) -> None:
        self._inputs()
        self._prepare()
        self._tool(attendant)
        if attendant.stopped_by is None:
            self._stamp()
            chain = find_chain(self.task.telescope)
            found = [
                examine_product(self.work / one.name, one, chain, self.task)
                for one in self.task.outputs
            ]
            for warning in find_remarks(Path(self.task.log)):
                found[0].facts.setdefault("warnings", []).append(warning)
        if attendant.stopped_by is not None:
            raise _Failure(TaskOutcome.STOPPED, "", self.returncode)
        # by hand nobody would ever look for them in the store
        store = self.task.store if self.token else ""
        self.products = commit_product(found, store, self.task.fingerprint)

    def _inputs(self) -> None:
        missing = [path for path in self.task.inputs if not Path(path).is_file()]
        gone = [target for _, target in self.task.links if not Path(target).exists()]
        # a task that comes after others works with the products of those that succeeded
        if not self.task.after or len(gone) == len(self.task.links):
            missing += gone
        if missing:
            listed = ", ".join(missing[:3]) + (" and others" if len(missing) > 3 else "")
            raise _Failure(TaskOutcome.INPUT_MISSING, f"Input not found: {listed}")
        for guard in self.task.guards:
            find_chain(self.task.telescope).check_input(guard)

    def _prepare(self) -> None:
        parent = self.work.parent
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob(f"{self.prefix}*"):
            shutil.rmtree(old, ignore_errors=True)
        self.work.mkdir()
        for name, target in self.task.links:
            if Path(target).exists():
                link = self.work / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target)

    def _tool(self, attendant: ProcessAttendant) -> None:
        argv = [word.replace("{work}", str(self.work)) for word in self.task.argv]
        _log.info("%s", " ".join(argv))
        try:
            ended = attendant.run(argv, cwd=self.work)
        except ToolMissing as error:
            raise _Failure(TaskOutcome.TOOL_FAILED, str(error)) from error
        self.returncode = ended.returncode
        if ended.returncode == 0:
            return
        tool = Path(argv[0]).name
        message = f"{tool} ended with return code {ended.returncode}"
        if ended.returncode < 0:
            message = f"{tool} was ended by {_signal_name(-ended.returncode)}"
        if ended.returncode == -signal.SIGKILL:
            message += ", most likely because the memory was used up"
        sentences = [
            f"{message}.",
            *find_advice(extract_log_excerpt(Path(self.task.log), EXCERPT_LINES)),
        ]
        raise _Failure(TaskOutcome.TOOL_FAILED, " ".join(sentences), ended.returncode)

    def _stamp(self) -> None:
        """Have FITS products say where they come from."""
        for output in self.task.outputs:
            product = self.work / output.name
            if self.task.header and product.is_file():
                write_header_cards(
                    product, find_chain(self.task.telescope).fill_header(self.task, product)
                )

    def _write(self, outcome: TaskOutcome, message: str) -> None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        good = outcome is TaskOutcome.OK
        ExitRecord(
            token=self.token,
            key=self.task.key,
            outcome=outcome,
            returncode=self.returncode,
            message=message,
            started=_iso(self.started),
            ended=_iso(self.clock.now()),
            host=platform.node(),
            argv=self.task.argv,
            products=self.products,
            log_excerpt=() if good else extract_log_excerpt(Path(self.task.log), EXCERPT_LINES),
            max_rss_mb=round(used.ru_maxrss / 1024, 1),
            cpu_s=round(used.ru_utime + used.ru_stime, 2),
        ).write(self.record)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


if __name__ == "__main__":
    sys.exit(main())
