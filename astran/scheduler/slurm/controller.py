"""Slurm behind the scheduler port: sbatch, squeue, sacct, scancel.

The job name is the token. An answer about a job counts only where id, name and submit time agree,
because Slurm uses its ids again. squeue is believed about what lives, sacct about what has ended;
either may be out of reach for weeks without harm.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from astran.base.errors import (
    ProcessError,
    SchedulerUnavailable,
    SubmitRefused,
    SubmitUnknown,
    ToolMissing,
    ToolTimeout,
)
from astran.base.process import Completed, Runner, run_command
from astran.base.scheduler import Batch, JobRef, Missing, Sight, Snapshot, Unavailable
from astran.config.slurm import SlurmSettings
from astran.scheduler.batches import check_batch, check_token
from astran.scheduler.slurm import parsing, sbatch_answer, submit_script
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

T = TypeVar("T")


class SlurmScheduler:
    """See the module's text and `astran.base.scheduler.Scheduler`.

    Parameters
    ----------
    settings : partition, account, time limit of Slurm's commands and so on
    environ : environment of Slurm's commands; none: that of this process. Defaults for Slurm's
        options (SBATCH_*, SQUEUE_FORMAT, ...) and traces of an outer job are taken out of it.
    dice : decides which jobs sacct is asked about where there are too many for one call
    runner : runs a command; a simulation brings its own
    """

    name = "slurm"

    def __init__(
        self,
        settings: SlurmSettings,
        environ: Mapping[str, str] | None = None,
        dice: random.Random | None = None,
        runner: Runner = run_command,
    ) -> None:
        self._settings = settings
        self._given = environ
        self._runner = runner
        self._dice = dice or random.Random()

    @cached_property
    def max_batch(self) -> int:
        """Elements that an array may have; asked once. Slurm's own default if it does not say."""
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
        SubmitUnknown : no clear answer; `find` tells
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
        words = submit_script.sbatch_command(batch, script, self._settings)
        try:
            done = self._run(words, check=False)
        except ToolMissing as error:
            raise SubmitRefused(error.message, error.cure, transient=True) from error
        except ToolTimeout as error:
            raise SubmitUnknown(
                error.message,
                "The job is looked up by its name before anything is submitted again.",
            ) from error
        return sbatch_answer.read_answer(done)

    def find(self, token: str, since: datetime) -> str | Missing | Unavailable:
        """Id of the array with that name, submitted after `since` less five minutes.

        squeue knows a job from its first moment until some minutes after its end, sacct from some
        seconds after its submission: Missing needs squeue's word at least.
        """
        return self.find_all({token: since})[token]

    def find_all(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """`find` for several tokens, from one squeue call and at most one sacct call."""
        if not since:
            return {}
        tokens = [check_token(token) for token in since]
        known = self._squeue(tokens)
        found = {} if isinstance(known, Unavailable) else first_arrays(known, since)
        rest = [token for token in tokens if token not in found][:PARENTS_PER_CALL]
        if rest:
            begin = min(since[token] for token in rest) - MARGIN
            books = self._sacct([f"--name={','.join(rest)}"], begin)
            found |= {} if isinstance(books, Unavailable) else first_arrays(books, since)
        nothing = known if isinstance(known, Unavailable) else Missing()
        return {token: found.get(token, nothing) for token in tokens}

    def forbid(self, token: str, folder: str) -> str | None:
        """A job of that name that turns up late ends before it has done anything, and one that
        squeue kept to itself is cancelled: afterwards there is none, whatever squeue says.

        Raises
        ------
        SchedulerUnavailable : the batch's folder cannot be used, or Slurm not be reached
        """
        try:
            begun = submit_script.abandon_submission(check_token(token), folder)
        except OSError as error:
            raise SchedulerUnavailable(
                f"{folder} cannot be used: {error}", "It is tried again at the next tick."
            ) from error
        if begun is None:
            self._scancel(["--me", f"--name={token}"])
        return begun

    def look(self, jobs: Sequence[JobRef]) -> Snapshot:
        """One squeue call for all; see `SlurmLook`.

        sacct is asked about what squeue does not show as alive. Of more than a hundred such jobs
        it hears of a hundred: first of those that squeue has forgotten, and by lot.
        """
        found = self._queue([job.token for job in jobs]) if jobs else {}
        return SlurmSnapshot(found, self._records)

    def observe(self, jobs: Sequence[JobRef]) -> dict[tuple[str, int], Sight]:
        """An answer for each wanted element, from one squeue call and at most one sacct call."""
        return self.look(jobs).sights(jobs)

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
        # named: so the name is looked at before
        if self._holds(job, indices):
            self._scancel([f"{job.job_id}_[{parsing.write_set(list(indices))}]"])

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """scontrol hold; an id that now belongs to another job is left alone."""
        self._steer("hold", job, indices)

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """scontrol release; an id that now belongs to another job is left alone."""
        self._steer("release", job, indices)

    def _holds(self, job: JobRef, indices: Sequence[int]) -> bool:
        """Whether the id still is this job's. Raises SchedulerUnavailable."""
        known = self._squeue([job.token])
        if isinstance(known, Unavailable):
            raise SchedulerUnavailable(known.reason, "It is tried again at the next tick.")
        return bool(indices and array_elements(job, by_parent(known)))

    def _steer(self, verb: str, job: JobRef, indices: Sequence[int]) -> None:
        if not self._holds(job, indices):
            return
        elements = f"{job.job_id}_[{parsing.write_set(list(indices))}]"
        try:
            done = self._run(["scontrol", verb, elements], check=False)
        except ProcessError as error:
            raise SchedulerUnavailable(error.message, error.cure) from error
        # an element that has begun or ended meanwhile is no failure: the next look tells
        harmless = ("invalid job id", "already completing", "no longer pending", "already finished")
        if done.returncode and not any(text in done.stderr.lower() for text in harmless):
            raise SchedulerUnavailable(
                f"scontrol {verb} failed: {_last_words(done)}",
                "It is tried again at the next tick.",
            )

    def _scancel(self, words: Sequence[str]) -> None:
        try:
            done = self._run(["scancel", *words], check=False)
        except ProcessError as error:
            raise SchedulerUnavailable(error.message, error.cure) from error
        harmless = ("invalid job id", "already completing or completed")
        if done.returncode and not any(text in done.stderr.lower() for text in harmless):
            raise SchedulerUnavailable(
                f"scancel failed: {_last_words(done)}", "It is tried again at the next tick."
            )

    def _records(self, doubts: list[SacctQuery]) -> tuple[set[str], list[ElementRow]]:
        """Tokens of the jobs that sacct was asked about, and its rows.

        Where it does not answer squeue alone decides about all: that is no harm.
        """
        self._dice.shuffle(doubts)
        doubts.sort(key=lambda doubt: bool(doubt.ended))
        block = doubts[:PARENTS_PER_CALL]
        ids = dict.fromkeys(word for doubt in block for word in _ids(doubt))
        since = min(doubt.job.submitted for doubt in block) - NOTED_LATE
        answer = self._sacct([f"--jobs={','.join(ids)}"], since)
        if isinstance(answer, Unavailable):
            return {doubt.job.token for doubt in doubts}, []
        return {doubt.job.token for doubt in block}, answer

    def _queue(self, tokens: Sequence[str]) -> dict[str, list[str]] | Unavailable:
        """squeue's rows, unread, by the id of their array."""
        words = ["squeue", "--me", "--noheader", "--states=all"]
        # a filter by name never fails, a filter by id does where one id is unknown
        if len(tokens) <= PARENTS_PER_CALL:
            words.append(f"--name={','.join(tokens)}")
        words.append(f"--Format={parsing.SQUEUE_FORMAT}")
        return self._ask(words, parsing.split_queue)

    def _squeue(self, tokens: Sequence[str]) -> list[ElementRow] | Unavailable:
        found = self._queue(tokens)
        if isinstance(found, Unavailable):
            return found
        try:
            return [row for lines in found.values() for row in parsing.read_queue(lines)]
        except parsing.Unreadable as error:
            return Unavailable(f"squeue: {error}")

    def _sacct(self, choice: Sequence[str], since: datetime) -> list[ElementRow] | Unavailable:
        words = ["sacct", "--noheader", "--parsable2", "--duplicates", *choice]
        words += [f"--starttime={parsing.write_time(since)}"]
        words += [f"--format={parsing.SACCT_FORMAT}"]
        return self._ask(words, parsing.parse_sacct)

    def _ask(self, words: Sequence[str], parse: Callable[[str], T]) -> T | Unavailable:
        try:
            done = self._run(words, check=False, TZ="UTC", SLURM_BITSTR_LEN="0")
            if done.returncode:
                return Unavailable(f"{words[0]}: {_last_words(done)}")
            return parse(done.stdout)
        except (ProcessError, parsing.Unreadable) as error:
            return Unavailable(f"{words[0]}: {error}")

    def _run(self, words: Sequence[str], *, check: bool = True, **extra: str) -> Completed:
        given = os.environ if self._given is None else self._given
        env = {**_clean(given), "LC_ALL": "C", **extra}
        return self._runner(words, timeout=self._settings.timeout, check=check, env=env)


def _ids(doubt: SacctQuery) -> list[str]:
    """What sacct is to be asked about."""
    job = doubt.job.job_id
    return [f"{job}_{index}" for index in doubt.ended] or [job]


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    ours = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_")
    return {k: v for k, v in environ.items() if k == "SLURM_CONF" or not k.startswith(ours)}


def _last_words(done: Completed) -> str:
    said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
    return f"{said[-1][:300]} (return code {done.returncode})"
