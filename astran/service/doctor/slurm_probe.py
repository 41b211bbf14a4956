"""Examination of Slurm: does it answer, and would it take and start our tasks?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import ProcessError
from astran.base.findings import Finding, fail, failed_by, ok, warn
from astran.base.process import run_command
from astran.base.scheduler import Batch
from astran.base.tasks import Resources
from astran.config.site import StageResources
from astran.config.slurm import SlurmSettings
from astran.scheduler.slurm import submit_script


@dataclass(frozen=True, slots=True)
class Partition:
    """A line of sinfo."""

    name: str
    default: bool
    state: str
    limit: str
    """Time limit as Slurm writes it."""
    nodes: str


def probe_slurm(
    settings: SlurmSettings, resources: Mapping[str, StageResources]
) -> Iterator[Finding]:
    """Controller, accounting, partition, and a trial submission per stage that submits nothing."""
    try:
        version = run_command(["sbatch", "--version"], timeout=settings.timeout).stdout.strip()
        run_command(["squeue", "--noheader", "--me", "--format=%i"], timeout=settings.timeout)
    except ProcessError as error:
        yield fail(
            "slurm",
            f"Slurm does not answer: {error.message}",
            error.cure or "Check slurmctld, munge and SLURM_CONF, or set `kind: local`.",
        )
        return
    yield ok("slurm", f"{version}: squeue answers.")
    yield _accounting(settings)
    try:
        found = partitions(settings)
    except ProcessError as error:
        yield failed_by("slurm partition", error, "Check slurmctld.")
        return
    ours = _partition(found, settings.partition)
    if ours is None:
        yield _no_partition(settings.partition, found)
        return
    text = f"{ours.name} is {ours.state}, {ours.nodes} nodes, time limit {ours.limit}."
    if ours.state == "up":
        yield ok("slurm partition", text)
    else:
        yield warn("slurm partition", text, "Ask the administrators when it will be up again.")
    bad = [f for stage, r in resources.items() for f in _refused(settings, stage, r, ours)]
    yield from bad or [
        ok("slurm tasks", f"sbatch would take the tasks of all {len(resources)} stages.")
    ]
    for sender in settings.users:
        yield from _of_sender(settings, resources, found, sender)


def _of_sender(
    settings: SlurmSettings,
    resources: Mapping[str, StageResources],
    found: list[Partition],
    sender: str,
) -> Iterator[Finding]:
    """Whether sbatch would take the tasks of a sender that the settings treat differently."""
    wanted = settings.wishes_of(sender).partition
    partition = _partition(found, wanted)
    if partition is None:
        yield _no_partition(wanted, found, sender)
        return
    bad = [
        f for stage, r in resources.items() for f in _refused(settings, stage, r, partition, sender)
    ]
    yield from bad or [ok("slurm tasks", f"sbatch would take the tasks of {sender}.")]


def _partition(found: list[Partition], wanted: str) -> Partition | None:
    return next((p for p in found if (p.name == wanted if wanted else p.default)), None)


def _no_partition(wanted: str, found: list[Partition], sender: str = "") -> Finding:
    setting = "scheduler.slurm." + (f"users.{sender}.partition" if sender else "partition")
    return fail(
        "slurm partition",
        f"There is no partition {wanted!r}." if wanted else "Slurm has no default partition.",
        f"Set {setting} to one of: {', '.join(sorted(p.name for p in found))}.",
    )


def partitions(settings: SlurmSettings) -> list[Partition]:
    """All partitions that sinfo lists (ProcessError if it does not answer)."""
    argv = ["sinfo", "--noheader", "--format=%P|%a|%l|%D"]
    lines = run_command(argv, timeout=settings.timeout).stdout.split()
    found = []
    for line in lines:
        name, state, limit, nodes = line.split("|")
        found.append(Partition(name.removesuffix("*"), name.endswith("*"), state, limit, nodes))
    return found


def minutes(text: str) -> float | None:
    """Slurm's time limit (`days-hours:minutes:seconds`, shortened) in minutes; None: no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text)
    if not match:
        return None
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return 1440 * days + 60 * hours + mins + seconds / 60


def _accounting(settings: SlurmSettings) -> Finding:
    try:
        run_command(["sacct", "--noheader", "-X", "--format=JobID"], timeout=settings.timeout)
    except ProcessError as error:
        return warn(
            "slurm accounting",
            f"sacct does not answer: {error.message}",
            "Check slurmdbd. Without it ASTRAN relies on the tasks' own records, and can tell less "
            "about why a job failed.",
        )
    return ok("slurm accounting", "sacct answers.")


def _refused(
    settings: SlurmSettings,
    stage: str,
    wanted: StageResources,
    partition: Partition,
    sender: str = "",
) -> Iterator[Finding]:
    """What stands in the way of a task of this stage, of a sender in particular."""
    task = f"task of stage {stage}" + (f" of {sender}" if sender else "")
    asks = f"{wanted.cpus} cores, {wanted.memory_mb} MB, {wanted.time_min} min"
    limit = minutes(partition.limit)
    if limit is not None and wanted.time_min > limit:
        # sbatch may take such a job, and then lets it wait for ever
        yield fail(
            "slurm tasks",
            f"A {task} asks for {wanted.time_min} min; the time limit of "
            f"{partition.name} is {limit:g} min.",
            f"Lower scheduler.resources.{stage}.time_min, or choose another partition.",
        )
        return
    with tempfile.TemporaryDirectory(prefix="astran-doctor-") as folder:
        script = Path(folder, "trial.sh")
        script.write_text("#!/bin/bash\n")
        resources = Resources(wanted.cpus, wanted.memory_mb, wanted.time_min)
        one = (str(script),)
        batch = Batch(
            "astran-doctor", "doctor", one, one, ("trial",), resources, folder, requester=sender
        )
        sbatch, *words = submit_script.sbatch_command(batch, script, settings)
        try:
            run_command([sbatch, "--test-only", *words], timeout=settings.timeout)
        except ProcessError as error:
            yield fail(
                "slurm tasks",
                f"Slurm would refuse a {task} ({asks}): {error.message}",
                f"Check scheduler.slurm and scheduler.resources.{stage}.",
            )
