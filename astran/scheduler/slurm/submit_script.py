"""The files and the command line with which an array is submitted."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from astran.base.files import write_atomic
from astran.base.process import Runner, run_command
from astran.base.scheduler import Batch, JobRef, Priority
from astran.base.tasks import Resources, Task
from astran.config.slurm import SlurmSettings
from astran.scheduler.array_files import OWNER_GUARD, owner_link, script_path, write_manifest
from astran.scheduler.slurm.sbatch_answer import read_answer

TOKEN = "ASTRAN_TOKEN"
"""Variable by which a script knows its attempt."""

_SCRIPT = (
    """\
#!/bin/bash
# {label}
# Each array element runs its line of the manifest: index, script, log, token.
manifest={manifest}
owner={owner}
job="${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}"
"""
    + OWNER_GUARD
    + """\
while IFS=$'\\t' read -r index script log token; do
    if [ "$index" = "$SLURM_ARRAY_TASK_ID" ]; then
        export ASTRAN_TOKEN="$token"
        exec /bin/bash "$script" < /dev/null
    fi
done < "$manifest"
echo "Element $SLURM_ARRAY_TASK_ID is not in $manifest" >&2
exit 2
"""
)


def write_files(batch: Batch) -> Path:
    """Write array script, manifest and log links into the batch's folder; return the script.

    Slurm wants one pattern for the logs of all elements. The pattern leads to links, the links to
    the logs: so Slurm's own last lines (time limit, memory) stand in the element's log too.

    Raises
    ------
    OSError
    """
    folder = Path(batch.folder)
    manifest = write_manifest(batch)
    for index, log in enumerate(batch.logs):
        _link(_log(folder, batch.token, index), log)
    script = script_path(batch.token, folder)
    label = " ".join(batch.label.split())
    text = _SCRIPT.format(
        label=label,
        manifest=shlex.quote(str(manifest)),
        owner=shlex.quote(str(owner_link(batch.token, folder))),
    )
    write_atomic(script, text, mode=0o755)
    return script


def _link(link: Path, target: str) -> None:
    with suppress(FileExistsError):
        link.symlink_to(target)
        return
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def has_begun(job: JobRef, index: int) -> bool:
    """Whether Slurm has ever started an element: it then opens the element's log first of all."""
    return _log(Path(job.folder), job.token, index).exists()


def _log(folder: Path, token: str, index: int) -> Path:
    return folder / f"array_{token}_{index}.log"


def _memory_option(resources: Resources, settings: SlurmSettings) -> str:
    if settings.memory_per == "node":
        return f"--mem={resources.memory_mb}M"
    # rounded up: all cores together have no less than was asked for
    return f"--mem-per-cpu={math.ceil(resources.memory_mb / resources.cpus)}M"


def sbatch_command(batch: Batch, script: Path, settings: SlurmSettings) -> list[str]:
    """The argument list for sbatch."""
    array = f"0-{len(batch.scripts) - 1}" + (f"%{batch.throttle}" if batch.throttle else "")
    # a % in Slurm's file patterns begins a replacement, %% stands for itself
    folder = batch.folder.rstrip("/").replace("%", "%%")
    argv = [
        "sbatch",
        "--parsable",
        f"--job-name={batch.token}",
        f"--comment={' '.join(batch.label.split())}",
        f"--array={array}",
        "--no-requeue",
        # the secrets in ASTRAN's own environment must reach neither job nor accounting
        "--export=NONE",
        f"--chdir={batch.folder}",
        f"--output={folder}/array_{batch.token}_%a.log",
        *_limits(batch.resources, settings),
    ]
    placement = settings.placement_of(batch.requester).model_dump()
    placement |= {"exclude": ",".join(batch.exclude)}
    if batch.account:
        placement["account"] = batch.account
    argv += [f"--{name}={value}" for name, value in placement.items() if value]
    if batch.priority is Priority.CAMPAIGN and settings.campaign_nice:
        argv.append(f"--nice={settings.campaign_nice}")
    return [*argv, *settings.options, str(script)]


def _limits(resources: Resources, settings: SlurmSettings) -> list[str]:
    return [
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={resources.cpus}",
        _memory_option(resources, settings),
        f"--time={resources.time_min}",
    ]


def submit_by_hand(
    task: Task,
    token: str,
    after: Sequence[str],
    settings: SlurmSettings,
    runner: Runner = run_command,
) -> str:
    """Submit the script of one task as a job of its own, for the person who asks for it.

    Parameters
    ----------
    task : its script is written
    token : for its record
    after : ids of the jobs whose products it needs; without them it is cancelled by Slurm

    Returns
    -------
    The id of the job

    Raises
    ------
    SubmitRefused, SubmitUnknown : as `read_answer` has it
    ProcessError : sbatch is not there or does not answer
    """
    argv = [
        "sbatch",
        "--parsable",
        f"--job-name={task.key}",
        f"--export={TOKEN}={token}",
        "--no-requeue",
        f"--chdir={task.folder}",
        f"--output={task.log.replace('%', '%%')}",
        *_limits(task.resources, settings),
    ]
    if after:
        argv += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"]
    placement = settings.placement_of("").model_dump()
    argv += [f"--{name}={value}" for name, value in placement.items() if value]
    done = runner([*argv, *settings.options, task.script], timeout=settings.timeout, check=False)
    return read_answer(done)
