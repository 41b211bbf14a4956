"""HTCondor behind the scheduler port: condor_submit, condor_q, condor_history, condor_rm.

A job carries the token as an attribute of its own, and is asked about by that alone. Commands, not
the Python bindings: each has a time limit, and none can stop a tick.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

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
from astran.config.htcondor import HTCondorSettings
from astran.config.site import SchedulerSettings
from astran.scheduler.array_files import abandon_submission
from astran.scheduler.batches import check_batch, check_token
from astran.scheduler.htcondor import job_ads, pool_probes, submission_answers, submit_description
from astran.scheduler.htcondor.event_log import EventLog, read_event_log
from astran.scheduler.htcondor.job_ads import ElementAd
from astran.scheduler.htcondor.match_analysis import read_analysis
from astran.scheduler.htcondor.queue_snapshot import CondorSnapshot, HistoryQuery
from astran.scheduler.htcondor.submit_description import INDEX, TOKEN, OwnHold

DEFAULT_MAX_JOBS = 20_000
"""MAX_JOBS_PER_SUBMISSION of a pool that sets none."""
TOKENS_PER_CALL = 100
"""Of more jobs the queue is asked about all of ASTRAN's."""
ELEMENTS_PER_CALL = 20
"""Of more elements of a job the history is asked about the whole job."""
ELEMENTS_PER_ACT = 1000
"""A command line has a largest length."""
MARGIN = timedelta(hours=1)
"""HTCondor's clock may be so much behind ours."""
UNCONFIRMED_AGE = timedelta(seconds=90)
"""No launcher waits longer for the answer to a submission, if the time limit is short."""
MAX_LOG_BYTES = 50_000_000
"""Of a longer event log the end is read."""


class HTCondorScheduler:
    """See the module's text and `astran.base.scheduler.Scheduler`.

    Parameters
    ----------
    settings : pool, accounting group, time limit of HTCondor's commands and so on
    workdir : the work folder of the site; the examination tries whether nodes see it
    environ : environment of HTCondor's commands; none: that of this process
    runner : runs a command; a simulation brings its own
    minute_s : length of a minute of the time limits [s]; tests shorten it
    """

    name = "htcondor"
    display_name = "HTCondor"
    absence_is_proof = False
    poll_every_tick = False
    runs_elsewhere = True

    def __init__(
        self,
        settings: HTCondorSettings,
        workdir: Path,
        environ: Mapping[str, str] | None = None,
        runner: Runner = run_command,
        minute_s: float = 60.0,
    ) -> None:
        self._settings = settings
        self._workdir = workdir
        self._given = environ
        self._runner = runner
        self._minute_s = minute_s

    @classmethod
    def from_settings(
        cls, settings: SchedulerSettings, workdir: Path, clock: Clock
    ) -> HTCondorScheduler:
        """The pool of a site."""
        del clock
        return cls(settings.htcondor, workdir)

    @property
    def unconfirmed_age(self) -> timedelta:
        """condor_submit is given up after its time limit."""
        return max(UNCONFIRMED_AGE, timedelta(seconds=1.5 * self._settings.timeout))

    @cached_property
    def max_batch(self) -> int:
        """Elements that an array may have; asked once. HTCondor's own default if it is not shown.

        Late materialization would allow more, but what is not made yet can be neither seen nor
        held nor removed.
        """
        try:
            text = self._run(["condor_config_val", "MAX_JOBS_PER_SUBMISSION"]).stdout.strip()
        except ProcessError:
            return DEFAULT_MAX_JOBS
        return int(text) if text.isdigit() and int(text) else DEFAULT_MAX_JOBS

    def submit(self, batch: Batch) -> str:
        """Write the array's files into the batch's folder and submit it; returns the cluster's id.

        Raises
        ------
        SubmitRefused : nothing was submitted
        SubmitUnknown : no clear answer; look it up by `find_jobs`
        """
        check_batch(batch)
        self._check_others_left(batch.exclude)
        try:
            written = submit_description.write_files(batch, self._settings, self._minute_s)
        except OSError as error:
            raise SubmitRefused(
                f"The files of the job cannot be written: {error}",
                "Check free space and permissions of the work folder.",
                transient=True,
            ) from error
        try:
            done = self._run([*self._to_schedd("condor_submit"), "-terse", str(written)], False)
        except ToolMissing as error:
            raise SubmitRefused(error.message, error.cure, transient=True) from error
        except ToolTimeout as error:
            raise SubmitUnknown(
                error.message,
                "The job is looked up by its token before anything is submitted again.",
            ) from error
        return submission_answers.read_answer(done)

    def find_jobs(self, since: Mapping[str, datetime]) -> dict[str, str | Missing | Unavailable]:
        """Clusters with these tokens, from one condor_q call and at most one of condor_history.

        A job is in the queue from its first moment until it enters the history. Missing needs an
        answer of the queue at least; what began and ended unseen has left its mark (`forbid`).
        """
        if not since:
            return {}
        tokens = [check_token(token) for token in since]
        queue = self._queue(tokens)
        found = {} if isinstance(queue, Unavailable) else job_ads.first_clusters(queue)
        nothing: Missing | Unavailable = queue if isinstance(queue, Unavailable) else Missing()
        rest = [token for token in tokens if token not in found]
        if rest:
            # of each one job suffices, but they may lie behind many of another
            begin = min(since[token] for token in rest)
            records = self._history(_any_of(rest), 0, begin)
            found |= {} if isinstance(records, Unavailable) else job_ads.first_clusters(records)
        return {token: found.get(token, nothing) for token in tokens}

    def forbid(self, token: str, folder: str) -> str | None:
        """A job with that token that turns up late ends before it has done anything, and one that
        the queue kept to itself is removed.

        Raises
        ------
        SchedulerUnavailable : the batch's folder cannot be used, or HTCondor not be reached
        """
        # what the event log knows was submitted: it is followed again, and nothing is forbidden
        submitted = min(self._read_log(check_token(token), folder).clusters, key=int, default=None)
        if submitted is not None:
            return submitted
        try:
            begun = abandon_submission(token, folder)
        except OSError as error:
            raise SchedulerUnavailable(
                f"{folder} cannot be used: {error}", "It is tried again at the next tick."
            ) from error
        if begun is None:
            self._act("condor_rm", f'{TOKEN} == "{token}"')
        return begun

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot:
        """One condor_q call for all; see `CondorSnapshot`."""
        return CondorSnapshot(self._queue([job.token for job in jobs]) if jobs else [], self)

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None:
        """condor_rm. Raises SchedulerUnavailable."""
        self._act_on("condor_rm", job, indices)

    def hold(self, job: JobRef, indices: Sequence[int]) -> None:
        """condor_hold of what waits: it would end what runs. Raises SchedulerUnavailable."""
        self._act_on("condor_hold", job, indices, "JobStatus == 1")

    def release(self, job: JobRef, indices: Sequence[int]) -> None:
        """condor_release, but not of what ASTRAN's own rules have ended. Raises
        SchedulerUnavailable."""
        ours = f"HoldReasonSubCode >= {min(OwnHold)} && HoldReasonSubCode <= {max(OwnHold)}"
        free = f"JobStatus == 5 && !(HoldReasonCode == 3 && {ours})"
        self._act_on("condor_release", job, indices, free)

    def probe(self, resources: Mapping[str, Resources]) -> Iterator[Finding]:
        """Queue, rights, slots, file system, and a test job to its end."""
        return pool_probes.probe_pool(
            self, resources, self._settings, self._workdir, self._run, time.sleep
        )

    # what the snapshot asks

    def search_history(self, queries: Sequence[HistoryQuery]) -> list[ElementAd] | Unavailable:
        """One condor_history call for all."""
        begin = min(query.job.submitted for query in queries)
        few = all(len(query.absent) <= ELEMENTS_PER_CALL for query in queries)
        choice = " || ".join(
            f"({_choose(query.job, query.absent if few else None)})" for query in queries
        )
        most = sum(len(query.absent) if few else query.job.size for query in queries)
        if len(queries) > TOKENS_PER_CALL:
            choice, most = f"{TOKEN} =!= undefined", 0
        return self._history(choice, most, begin)

    def read_log(self, job: JobRef) -> EventLog:
        """The batch's event log, from the shared file system."""
        return self._read_log(job.token, job.folder)

    def analyse(self, job: JobRef, index: int) -> str | Unavailable:
        """`condor_q -better-analyze` of one element."""
        argv = [*self._to_schedd("condor_q"), "-better-analyze", f"{job.job_id}.{index}"]
        try:
            return read_analysis(self._run(argv).stdout)
        except ProcessError as error:
            return Unavailable(f"condor_q -better-analyze: {error}")

    # commands

    def _check_others_left(self, exclude: tuple[str, ...]) -> None:
        """SubmitRefused where the pool has no other nodes: such a job would wait for ever."""
        if not exclude:
            return
        pool = ["-pool", self._settings.pool] if self._settings.pool else []
        choice = submit_description.exclude_nodes(exclude)
        try:
            done = self._run(["condor_status", *pool, "-af", "Name", "-constraint", choice])
        except ProcessError:
            return  # unknown: most likely there are others
        if not done.stdout.strip():
            raise SubmitRefused("The pool has no nodes but those that are left out.")

    def _read_log(self, token: str, folder: str) -> EventLog:
        try:
            with submit_description.event_log(token, folder).open("rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                handle.seek(max(0, size - MAX_LOG_BYTES))
                return read_event_log(handle.read(MAX_LOG_BYTES).decode(errors="replace"))
        except OSError:
            return EventLog()

    def _queue(self, tokens: Sequence[str]) -> list[ElementAd] | Unavailable:
        many = len(tokens) > TOKENS_PER_CALL
        choice = f"{TOKEN} =!= undefined" if many else _any_of(tokens)
        argv = [*self._to_schedd("condor_q"), "-json", "-constraint", choice]
        return self._ask([*argv, "-attributes", ",".join(job_ads.QUEUE_ATTRIBUTES)])

    def _history(self, choice: str, most: int, since: datetime) -> list[ElementAd] | Unavailable:
        """What ended after a moment; `most`: where so many are found, the rest is not read."""
        argv = [*self._to_schedd("condor_history"), "-json", "-constraint", choice]
        argv += ["-attributes", ",".join(job_ads.ATTRIBUTES)]
        # the file is read from its end: without a bound all of it, which takes minutes
        argv += ["-since", f"EnteredCurrentStatus < {int((since - MARGIN).timestamp())}"]
        return self._ask([*argv, "-limit", str(most)] if most else argv)

    def _ask(self, argv: Sequence[str]) -> list[ElementAd] | Unavailable:
        try:
            done = self._run(argv, False)
            if done.returncode or "failed to" in done.stderr.lower():
                return Unavailable(f"{argv[0]}: {_last_line(done)}")
            return job_ads.read_ads(done.stdout)
        except (ProcessError, job_ads.UnreadableAnswer) as error:
            return Unavailable(f"{argv[0]}: {error}")

    def _act_on(
        self, command: str, job: JobRef, indices: Sequence[int] | None, also: str = ""
    ) -> None:
        blocks: list[Sequence[int] | None] = [None]
        if indices is not None:
            blocks = [
                indices[i : i + ELEMENTS_PER_ACT] for i in range(0, len(indices), ELEMENTS_PER_ACT)
            ]
        for block in blocks:
            choice = _choose(job, block)
            self._act(command, f"{choice} && {also}" if also else choice)

    def _act(self, command: str, choice: str) -> None:
        try:
            done = self._run([*self._to_schedd(command), "-constraint", choice], False)
        except ProcessError as error:
            raise SchedulerUnavailable(error.message, error.cure) from error
        # nothing of it is there any more, or it is as wanted: the next poll shows it
        if done.returncode and "all jobs matching constraint" not in done.stderr + done.stdout:
            raise SchedulerUnavailable(
                f"{command} failed: {_last_line(done)}", "It is tried again at the next tick."
            )

    def _to_schedd(self, command: str) -> list[str]:
        argv = [command]
        if self._settings.pool:
            argv += ["-pool", self._settings.pool]
        if self._settings.schedd:
            argv += ["-name", self._settings.schedd]
        return argv

    def _run(self, argv: Sequence[str], check: bool = True) -> Completed:
        given = os.environ if self._given is None else self._given
        env = {**given, "LC_ALL": "C"}
        return self._runner(argv, timeout=self._settings.timeout, check=check, env=env)


def _any_of(tokens: Iterable[str]) -> str:
    return " || ".join(f'{TOKEN} == "{token}"' for token in tokens)


def _choose(job: JobRef, indices: Sequence[int] | None) -> str:
    """A condition that holds for these elements of a job alone."""
    own = f'ClusterId == {int(job.job_id)} && {TOKEN} == "{check_token(job.token)}"'
    if indices is None:
        return own
    parts = []
    for part in job_ads.write_set(indices).split(","):
        first, _, last = part.partition("-")
        parts.append(f"({INDEX} >= {first} && {INDEX} <= {last or first})")
    return f"{own} && ({' || '.join(parts)})"


def _last_line(done: Completed) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return f"{lines[-1].strip()[:300]} (return code {done.returncode})"
