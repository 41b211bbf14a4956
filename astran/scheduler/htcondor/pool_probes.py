"""Examination of HTCondor: is a pool there, would it take and start our tasks, do its machines see
the work folder?"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from astran.base.errors import AstranError, ProcessError
from astran.base.findings import Finding, fail, failed_by, ok, warn
from astran.base.process import Completed
from astran.base.scheduler import Batch, JobRef, JobState, Known, Snapshot
from astran.base.tasks import Resources
from astran.config.htcondor import HTCondorSettings

Run = Callable[[Sequence[str]], Completed]
"""Runs a command of HTCondor as the scheduler does; raises ProcessError."""
TRIAL_S: Final = 60
"""The test job must have ended after this."""
_LOOK_S: Final = 1.0
_SLOT = ("Machine", "TotalSlotCpus", "TotalSlotMemory", "FileSystemDomain", "PartitionableSlot",
         "DynamicSlot")  # fmt: skip


class TrialScheduler(Protocol):
    """What the test job needs of the scheduler."""

    def submit(self, batch: Batch) -> str: ...

    def poll(self, jobs: Sequence[JobRef]) -> Snapshot: ...

    def cancel(self, job: JobRef, indices: Sequence[int] | None = None) -> None: ...

    def analyse(self, job: JobRef, index: int) -> object: ...


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of the pool; of a partitionable one all that it has to share out."""

    machine: str
    cpus: int
    memory_mb: int
    file_system: str


def probe_pool(
    scheduler: TrialScheduler,
    resources: Mapping[str, Resources],
    settings: HTCondorSettings,
    workdir: Path,
    run: Run,
    sleep: Callable[[float], None],
) -> Iterator[Finding]:
    """Queue, user, slots against the stages' resources, file system, and a test job to its end."""
    name = ["-name", settings.schedd] if settings.schedd else []
    pool = ["-pool", settings.pool] if settings.pool else []
    try:
        version = run(["condor_version"]).stdout.splitlines()[:1]
        run(["condor_q", *pool, *name, "-constraint", "false"])
    except ProcessError as error:
        yield fail(
            "htcondor",
            f"HTCondor does not answer: {error.message}",
            error.cure or "Check condor_schedd and CONDOR_CONFIG, or set `kind: local`.",
        )
        return
    yield ok("htcondor", f"{' '.join(version).strip('$ ')}: condor_q answers.")
    if os.geteuid() == 0:
        yield fail(
            "htcondor user",
            "HTCondor takes no jobs of root.",
            "Run ASTRAN as an ordinary user that all machines of the pool know.",
        )
        return
    yield ok("htcondor user", f"Jobs are those of {getpass.getuser()}.")
    try:
        slots = read_slots(run(["condor_status", *pool, "-json", "-attributes", ",".join(_SLOT)]))
        domain = run(["condor_config_val", "FILESYSTEM_DOMAIN"]).stdout.strip()
    except (ProcessError, ValueError) as error:
        cure = "Check condor_collector and condor_startd."
        yield fail("htcondor slots", f"condor_status does not answer: {error}", cure)
        return
    yield from judge_slots(slots, resources)
    if not settings.file_transfer:
        yield from _judge_domain(slots, domain)
    yield from _try_job(scheduler, workdir, min(resources.values(), key=lambda r: r.memory_mb,
                                                default=Resources(1, 100, 5)), sleep)  # fmt: skip


def read_slots(done: Completed) -> list[Slot]:
    """The slots that `condor_status -json` lists, without those cut out of others (ValueError)."""
    data = json.loads(done.stdout or "[]")
    return [_read_slot(ad) for ad in data if not ad.get("DynamicSlot")]


def _read_slot(ad: Mapping[str, Any]) -> Slot:
    numbers = [ad.get(name) for name in ("TotalSlotCpus", "TotalSlotMemory")]
    cpus, memory_mb = (int(n) if isinstance(n, int | float) else 0 for n in numbers)
    return Slot(str(ad.get("Machine", "")), cpus, memory_mb, str(ad.get("FileSystemDomain", "")))


def judge_slots(slots: Sequence[Slot], resources: Mapping[str, Resources]) -> Iterator[Finding]:
    """Whether a slot is large enough for the tasks of each stage."""
    if not slots:
        yield fail("htcondor slots", "The pool has no machine.", "Ask its administrators.")
        return
    cpus, memory_mb = max(s.cpus for s in slots), max(s.memory_mb for s in slots)
    machines = len({slot.machine for slot in slots})
    text = f"{len(slots)} slots on {machines} machines, at most {cpus} cores and {memory_mb} MB."
    large = [
        f"{stage} ({wanted.cpus} cores, {wanted.memory_mb} MB)"
        for stage, wanted in resources.items()
        if not any(s.cpus >= wanted.cpus and s.memory_mb >= wanted.memory_mb for s in slots)
    ]
    if large:
        yield fail(
            "htcondor slots",
            f"{text} Tasks of these stages would wait for ever: {', '.join(large)}.",
            "Lower scheduler.resources for these stages.",
        )
    else:
        yield ok("htcondor slots", f"{text} The tasks of all {len(resources)} stages fit.")


def _judge_domain(slots: Sequence[Slot], domain: str) -> Iterator[Finding]:
    same = sum(slot.file_system == domain for slot in slots)
    if slots and not same:
        yield fail(
            "htcondor files",
            f"No machine is in the file system domain of this one ({domain}).",
            "If they share the work folder all the same, set scheduler.htcondor.file_transfer.",
        )


def _try_job(
    scheduler: TrialScheduler, workdir: Path, resources: Resources, sleep: Callable[[float], None]
) -> Iterator[Finding]:
    """Submit one small job that writes into the work folder, and follow it to its end."""
    token = f"astran-doctor-{secrets.token_hex(6)}"
    folder = workdir / ".doctor" / token
    part = "htcondor job"
    try:
        folder.mkdir(parents=True)
        script, seen = folder / "trial.sh", folder / "seen"
        script.write_text('printf %s "$ASTRAN_TOKEN" > "$(dirname "$0")/seen"\n')
        batch = Batch(
            token, "doctor", (str(script),), (str(folder / "trial.log"),), (f"{token}.0",),
            resources, str(folder),
        )  # fmt: skip
        submitted = datetime.now(UTC)
        job = JobRef(token, scheduler.submit(batch), submitted, 1, str(folder))
    except (AstranError, OSError) as error:
        yield failed_by(part, error, "Correct scheduler.htcondor.")
        return
    try:
        yield _follow(scheduler, job, seen, sleep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _follow(
    scheduler: TrialScheduler, job: JobRef, seen: Path, sleep: Callable[[float], None]
) -> Finding:
    part, status = "htcondor job", None
    for _ in range(int(TRIAL_S / _LOOK_S)):
        status = scheduler.poll([job]).statuses([job]).get((job.token, 0))
        if isinstance(status, Known) and status.state.ended:
            break
        sleep(_LOOK_S)
    else:
        why = scheduler.analyse(job, 0)
        scheduler.cancel(job)
        return warn(
            part,
            f"A test job has not ended within {TRIAL_S} s. "
            + (why if isinstance(why, str) and why else "The pool may be full."),
            "Look at it with `condor_q -better-analyze`.",
        )
    assert isinstance(status, Known)
    if status.state is not JobState.COMPLETED:
        said = status.reason or f"{status.raw_state}, return code {status.exit_code}"
        return fail(part, f"A test job failed on {status.node}: {said}", "Correct what it says.")
    if not seen.exists() or seen.read_text() != f"{job.token}.0":
        return fail(
            part,
            f"{status.node} does not see {seen.parent}, or not the same.",
            "Move `workdir` to a file system that all machines share under one path.",
        )
    return ok(part, f"A test job ran to its end on {status.node}, and its file is here.")
