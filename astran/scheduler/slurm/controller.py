"""Slurm behind the scheduler port: sbatch, squeue, sacct, scancel.

The job name is the token. An answer about a job counts only where id, name and submit time agree,
because Slurm uses its ids again. squeue is believed about what lives, sacct about what has ended;
either may be out of reach for weeks without harm.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from astran.base.clock import Clock
from astran.base.errors import (
    ProcessError,
    SchedulerUnavailable,
    SubmitRefused,
    SubmitUnknown,
    ToolMissing,
    ToolTimeout,
)
from astran.base.findings import Finding
from astran.base.process import Completed, Runner, run_command
from astran.base.scheduler import Batch, JobRef, Missing, Snapshot, Unavailable
from astran.base.tasks import Resources
from astran.config.site import SchedulerSettings
from astran.config.slurm import SlurmSettings
from astran.scheduler.array_files import abandon_submission
from astran.scheduler.batches import check_batch, check_token
from astran.scheduler.slurm import parsing, probes, sbatch_answer, submit_script
from astran.scheduler.slurm.parsing import ElementRow
from astran.scheduler.slurm.polling import (
    MARGIN,
    NOTED_LATE,
    SacctQuery,
    SlurmSnapshot,
    array_elements,
    by_parent,
    first_arrays,
)

PARENTS_PER_CALL = 100
"""More ids in one sacct call load the accounting database too much."""
DEFAULT_MAX_ARRAY = 1001
"""MaxArraySize of a cluster that sets none."""
UNCONFIRMED_AGE = timedelta(seconds=90)
"""No launcher waits longer for the answer to a submission, if the time limit is short."""

T = TypeVar("T")


class SlurmScheduler:
    """See the module's text and `astran.base.scheduler.Scheduler`.

    Parameters
    ----------
    settings : partition, account, time limit of Slurm's commands and so on
    environ : environment of Slurm's commands; none: that of this process. Defaults for Slurm's
        options (SBATCH_*, SQUEUE_FORMAT, ...) and traces of an outer job are taken out of it.
    rng : decides which jobs sacct is asked about where there are too many for one call
    runner : runs a command; a simulation brings its own
    """

    name = "slurm"
    display_name = "Slurm"
    absence_is_proof = False
    poll_every_tick = False
    runs_elsewhere = True

    def __init__(
        self,
        settings: SlurmSettings,
        environ: Mapping[str, str] | None = None,
        rng: random.Random | None = None,
        runner: Runner = run_command,
    ) -> None:
        self._settings = settings
        self._given = environ
        self._runner = runner
        self._rng = rng or random.Random()

    @classmethod
    def from_settings(
        cls, settings: SchedulerSettings, workdir: Path, clock: Clock
    ) -> SlurmScheduler:
        """The cluster of a site."""
        del workdir, clock
        return cls(settings.slurm)

    @property
    def unconfirmed_age(self) -> timedelta:
        """sbatch is given up after its time limit."""
        return max(UNCONFIRMED_AGE, timedelta(seconds=1.5 * self._settings.timeout))

    @cached_property
    def max_batch(self) -> int:
        """Elements that an array may have; asked once. Slurm's own default if it is not shown."""
        try:
            config = self._run(["scontrol", "show", "config"]).stdout
        except ProcessError:
            return DEFAULT_MAX_ARRAY
        return parsing.read_limit(config) or DEFAULT_MAX_ARRAY

    def submit(self, batch: Batch) -> str:
        """Write the array's files into the batch's folder and submit it; returns the array's id.

        Raises
        ------
        SubmitRefused : nothing was submitted
        SubmitUnknown : no clear answer; look it up by `find_jobs`
        """
        check_batch(batch)
        try:
            script = submit_script.write_files(batch)
        except OSError as error:
            raise SubmitRefused(
                f"The files of the job cannot be written: {error}",
                "Check free space and permissions of the work folder.",
                transient=True,
            ) from error
        argv = submit_script.sbatch_command(batch, script, self._settings)
        try:
            done = self._run(argv, check=False)
        except ToolMissing as error:
            raise SubmitRefused(error.message, error.cure, transient=True) from error
        except ToolTimeout as error:
            raise SubmitUnknown(
                error.message,
                "The job is looked up by its name before anything is submitted again.",
            ) from error
        return sbatch_answer.read_answer(done)

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """Ids of the arrays with these names, submitted after `since` less five minutes, from one
        squeue call and at most one sacct call.

        squeue knows a job from its first moment until some minutes after its end, sacct from some
        seconds after its submission: Missing needs an answer of squeue at least.
        """
        if not since:
            return {}
        tokens = [check_token(token) for token in since]
        known = self._squeue(tokens)
        found = {} if isinstance(known, Unavailable) else first_arrays(known, since)
        rest = [token for token in tokens if token not in found][:PARENTS_PER_CALL]
        if rest:
            begin = min(since[token] for token in rest) - MARGIN
            records = self._sacct([f"--name={','.join(rest)}"], begin)
            found |= {} if isinstance(records, Unavailable) else first_arrays(records, since)
        nothing = known if isinstance(known, Unavailable) else Missing()
        return {token: found.get(token, nothing) for token in tokens}

    def forbid(self, token: str, folder: str) -> str | None:
        """A job of that name that turns up late ends before it has done anything, and one that
        squeue kept to itself is cancelled: afterwards there is none, whatever squeue shows.

        Raises
        ------
        SchedulerUnavailable : the batch's folder cannot be used, or Slurm not be reached
        """
        try:
            begun = abandon_submission(check_token(token), folder)
        except OSError as error:
            raise SchedulerUnavailable(
                f"{folder} cannot be used: {error}", "It is tried again at the next tick."
            ) from error
        if begun is None:
            self._scancel(["--me", f"--name={token}"])
        return begun

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot:
        """One squeue call for all; see `SlurmSnapshot`.

        sacct is asked about what squeue does not show as alive. Of more than a hundred such jobs
        it is asked about a hundred: first of those that squeue has forgotten, and by chance.
        """
        found = self._queue([job.token for job in jobs]) if jobs else {}
        return SlurmSnapshot(found, self._query_sacct)

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        """scancel; an id that now belongs to another job is left alone.

        Raises
        ------
        SchedulerUnavailable : Slurm could not be reached
        """
        if indices is None:
            self._scancel(["--me", f"--name={job.token}", job.job_id])
            return
        # with a filter, scancel takes a waiting array as a whole and ends elements that were not
        # named: so the name is checked before
        if self._is_ours(job, indices):
            self._scancel([f"{job.job_id}_[{parsing.write_set(list(indices))}]"])

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """scontrol hold; an id that now belongs to another job is left alone."""
        self._control("hold", job, indices)

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """scontrol release; an id that now belongs to another job is left alone."""
        self._control("release", job, indices)

    def probe(self, resources: Mapping[str, Resources]) -> Iterator[Finding]:
        """Controller, accounting, partitions, and a trial submission per stage."""
        return probes.probe_slurm(self._settings, resources, self._run)

    def _is_ours(self, job: JobRef, indices: Sequence[int]) -> bool:
        """Whether the id still is this job's. Raises SchedulerUnavailable."""
        known = self._squeue([job.token])
        if isinstance(known, Unavailable):
            raise SchedulerUnavailable(known.reason, "It is tried again at the next tick.")
        return bool(indices and array_elements(job, by_parent(known)))

    def _control(self, verb: str, job: JobRef, indices: Sequence[int]) -> None:
        if not self._is_ours(job, indices):
            return
        elements = f"{job.job_id}_[{parsing.write_set(list(indices))}]"
        try:
            done = self._run(["scontrol", verb, elements], check=False)
        except ProcessError as error:
            raise SchedulerUnavailable(error.message, error.cure) from error
        # an element that has begun or ended meanwhile is no failure: the next poll shows it
        harmless = ("invalid job id", "already completing", "no longer pending", "already finished")
        if done.returncode and not any(text in done.stderr.lower() for text in harmless):
            raise SchedulerUnavailable(
                f"scontrol {verb} failed: {_last_line(done)}",
                "It is tried again at the next tick.",
            )

    def _scancel(self, argv: Sequence[str]) -> None:
        try:
            done = self._run(["scancel", *argv], check=False)
        except ProcessError as error:
            raise SchedulerUnavailable(error.message, error.cure) from error
        harmless = ("invalid job id", "already completing or completed")
        if done.returncode and not any(text in done.stderr.lower() for text in harmless):
            raise SchedulerUnavailable(
                f"scancel failed: {_last_line(done)}", "It is tried again at the next tick."
            )

    def _query_sacct(self, queries: list[SacctQuery]) -> tuple[set[str], list[ElementRow]]:
        """Tokens of the jobs that sacct was asked about, and its rows.

        Where it does not answer squeue alone decides about all: that is no harm.
        """
        self._rng.shuffle(queries)
        queries.sort(key=lambda query: bool(query.ended))
        block = queries[:PARENTS_PER_CALL]
        ids = dict.fromkeys(id_ for query in block for id_ in _ids(query))
        since = min(query.job.submitted for query in block) - NOTED_LATE
        answer = self._sacct([f"--jobs={','.join(ids)}"], since)
        if isinstance(answer, Unavailable):
            return {query.job.token for query in queries}, []
        return {query.job.token for query in block}, answer

    def _queue(self, tokens: Sequence[str]) -> dict[str, list[str]] | Unavailable:
        """squeue's rows, unread, by the id of their array."""
        argv = ["squeue", "--me", "--noheader", "--states=all"]
        # a filter by name never fails, a filter by id does where one id is unknown
        if len(tokens) <= PARENTS_PER_CALL:
            argv.append(f"--name={','.join(tokens)}")
        argv.append(f"--Format={parsing.SQUEUE_FORMAT}")
        return self._ask(argv, parsing.split_queue)

    def _squeue(self, tokens: Sequence[str]) -> list[ElementRow] | Unavailable:
        found = self._queue(tokens)
        if isinstance(found, Unavailable):
            return found
        try:
            return [row for lines in found.values() for row in parsing.read_queue(lines)]
        except parsing.Unreadable as error:
            return Unavailable(f"squeue: {error}")

    def _sacct(self, choice: Sequence[str], since: datetime) -> list[ElementRow] | Unavailable:
        argv = ["sacct", "--noheader", "--parsable2", "--duplicates", *choice]
        argv += [f"--starttime={parsing.write_time(since)}"]
        argv += [f"--format={parsing.SACCT_FORMAT}"]
        return self._ask(argv, parsing.parse_sacct)

    def _ask(self, argv: Sequence[str], parse: Callable[[str], T]) -> T | Unavailable:
        try:
            done = self._run(argv, check=False, TZ="UTC", SLURM_BITSTR_LEN="0")
            if done.returncode:
                return Unavailable(f"{argv[0]}: {_last_line(done)}")
            return parse(done.stdout)
        except (ProcessError, parsing.Unreadable) as error:
            return Unavailable(f"{argv[0]}: {error}")

    def _run(self, argv: Sequence[str], *, check: bool = True, **extra: str) -> Completed:
        given = os.environ if self._given is None else self._given
        env = {**_clean(given), "LC_ALL": "C", **extra}
        return self._runner(argv, timeout=self._settings.timeout, check=check, env=env)


def _ids(query: SacctQuery) -> list[str]:
    """What sacct is to be asked about."""
    job = query.job.job_id
    return [f"{job}_{index}" for index in query.ended] or [job]


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    ours = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_")
    return {k: v for k, v in environ.items() if k == "SLURM_CONF" or not k.startswith(ours)}


def _last_line(done: Completed) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return f"{lines[-1][:300]} (return code {done.returncode})"
