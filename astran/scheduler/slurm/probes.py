"""Examination of Slurm: does it answer, and would it take and start our tasks?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astran.base.errors import ProcessError
from astran.base.findings import Finding, fail, failed_by, ok, warn
from astran.base.process import Completed
from astran.base.scheduler import Batch
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings
from astran.scheduler.slurm import submit_script

Run = Callable[[Sequence[str]], Completed]
"""Runs a command of Slurm as the scheduler does; raises ProcessError."""


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
    settings: SlurmSettings, resources: Mapping[str, Resources], run: Run
) -> Iterator[Finding]:
    """Controller, accounting, partition, and a trial submission per stage that submits nothing."""
    try:
        version = run(["sbatch", "--version"]).stdout.strip()
        run(["squeue", "--noheader", "--me", "--format=%i"])
    except ProcessError as error:
        yield fail(
            "slurm",
            f"Slurm does not answer: {error.message}",
            error.cure or "Check slurmctld, munge and SLURM_CONF, or set `kind: local`.",
        )
        return
    yield ok("slurm", f"{version}: squeue answers.")
    yield _accounting(run)
    try:
        found = partitions(run)
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
    trials = _Trials(settings, resources, run)
    yield from trials.findings(ours)
    for sender in settings.users:
        wanted = settings.placement_of(sender).partition
        partition = _partition(found, wanted)
        if partition is None:
            yield _no_partition(wanted, found, sender)
        else:
            yield from trials.findings(partition, sender)


def _partition(found: list[Partition], wanted: str) -> Partition | None:
    return next((p for p in found if (p.name == wanted if wanted else p.default)), None)


def _no_partition(wanted: str, found: list[Partition], sender: str = "") -> Finding:
    setting = "scheduler.slurm." + (f"users.{sender}.partition" if sender else "partition")
    return fail(
        "slurm partition",
        f"There is no partition {wanted!r}." if wanted else "Slurm has no default partition.",
        f"Set {setting} to one of: {', '.join(sorted(p.name for p in found))}.",
    )


def partitions(run: Run) -> list[Partition]:
    """All partitions that sinfo lists (ProcessError if it does not answer)."""
    lines = run(["sinfo", "--noheader", "--format=%P|%a|%l|%D"]).stdout.split()
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


def _accounting(run: Run) -> Finding:
    try:
        run(["sacct", "--noheader", "-X", "--format=JobID"])
    except ProcessError as error:
        return warn(
            "slurm accounting",
            f"sacct does not answer: {error.message}",
            "Check slurmdbd. Without it ASTRAN relies on the tasks' own records, and knows less "
            "about why a job failed.",
        )
    return ok("slurm accounting", "sacct answers.")


@dataclass(frozen=True, slots=True)
class _Trials:
    """Submissions on trial, of which Slurm keeps none."""

    settings: SlurmSettings
    resources: Mapping[str, Resources]
    """By stage."""
    run: Run

    def findings(self, partition: Partition, sender: str = "") -> Iterator[Finding]:
        """Whether sbatch would take a task of each stage, of a sender in particular."""
        bad = [f for stage in self.resources for f in self._refused(stage, partition, sender)]
        whose = sender or f"all {len(self.resources)} stages"
        yield from bad or [ok("slurm tasks", f"sbatch would take the tasks of {whose}.")]

    def _refused(self, stage: str, partition: Partition, sender: str) -> Iterator[Finding]:
        """What stands in the way of a task of this stage."""
        wanted = self.resources[stage]
        task = f"task of stage {stage}" + (f" of {sender}" if sender else "")
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
        try:
            self._submit(wanted, sender)
        except ProcessError as error:
            asks = f"{wanted.cpus} cores, {wanted.memory_mb} MB, {wanted.time_min} min"
            yield fail(
                "slurm tasks",
                f"Slurm would refuse a {task} ({asks}): {error.message}",
                f"Check scheduler.slurm and scheduler.resources.{stage}.",
            )

    def _submit(self, wanted: Resources, sender: str) -> None:
        with tempfile.TemporaryDirectory(prefix="astran-doctor-") as folder:
            script = Path(folder, "trial.sh")
            script.write_text("#!/bin/bash\n")
            one = (str(script),)
            batch = Batch(
                "astran-doctor", "doctor", one, one, ("trial",), wanted, folder, requester=sender
            )
            sbatch, *options = submit_script.sbatch_command(batch, script, self.settings)
            self.run([sbatch, "--test-only", *options])
