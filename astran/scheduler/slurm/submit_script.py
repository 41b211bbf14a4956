"""The files and the command line with which an array is submitted."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path

from astran.base.files import write_atomic
from astran.base.scheduler import Batch, JobRef
from astran.base.tasks import Resources
from astran.config.slurm import SlurmSettings

DECLINED = 17
"""Return code of a job that may not run its files."""
_GIVEN_UP = "given-up"
"""Owner of a batch that no job may run."""

_SCRIPT = """\
#!/bin/bash
# {label}
# Each array element runs its line of the manifest: index, script, log, token.
manifest={manifest}
owner={owner}
# Of all jobs with these files only the first that begins may run them, and none once ASTRAN has
# given them up. A link is made by one alone, on every file system.
job="${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}"
ln -s -n -- "$job" "$owner" 2> /dev/null
if [ "$(readlink -- "$owner")" != "$job" ]; then
    echo "ASTRAN: not run, because these tasks belong to: $(readlink -- "$owner")" >&2
    exit {declined}
fi
while IFS=$'\\t' read -r index script log token; do
    if [ "$index" = "$SLURM_ARRAY_TASK_ID" ]; then
        export ASTRAN_TOKEN="$token"
        exec /bin/bash "$script" < /dev/null
    fi
done < "$manifest"
echo "Element $SLURM_ARRAY_TASK_ID is not in $manifest" >&2
exit 2
"""


def write_files(batch: Batch) -> Path:
    """Write array script, manifest and log links into the batch's folder; return the script.

    Slurm wants one pattern for the logs of all elements. The pattern leads to links, the links to
    the logs: so Slurm's own last lines (time limit, memory) stand in the element's log too.

    Raises
    ------
    OSError
    """
    folder = Path(batch.folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / f"array_{batch.token}.tsv"
    lines = zip(batch.scripts, batch.logs, batch.tokens, strict=True)
    write_atomic(manifest, "".join("\t".join((str(i), *x)) + "\n" for i, x in enumerate(lines)))
    for index, log in enumerate(batch.logs):
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        _link(_log(folder, batch.token, index), Path(log))
    script = folder / f"array_{batch.token}.sh"
    label = " ".join(batch.label.split())
    text = _SCRIPT.format(
        label=label,
        manifest=shlex.quote(str(manifest)),
        owner=shlex.quote(str(_owner(batch.token, folder))),
        declined=DECLINED,
    )
    write_atomic(script, text, mode=0o755)
    return script


def _link(link: Path, target: Path) -> None:
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def abandon_submission(token: str, folder: str) -> str | None:
    """From now on no job may begin with a batch's files.

    Returns
    -------
    The id of the job that has begun before; None if none has. OSError where that is not known.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    link = _owner(token, Path(folder))
    try:
        link.symlink_to(_GIVEN_UP)
    except FileExistsError:
        owner = link.readlink().name
        return owner if owner.isdigit() else None
    return None


def has_begun(job: JobRef, index: int) -> bool:
    """Whether Slurm has ever started an element: it then opens the element's log first of all."""
    return _log(Path(job.folder), job.token, index).exists()


def _log(folder: Path, token: str, index: int) -> Path:
    return folder / f"array_{token}_{index}.log"


def _owner(token: str, folder: Path) -> Path:
    return folder / f"array_{token}.owner"


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
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={batch.resources.cpus}",
        _memory_option(batch.resources, settings),
        f"--time={batch.resources.time_min}",
    ]
    placement = settings.placement_of(batch.requester).model_dump()
    placement |= {"exclude": ",".join(batch.exclude)}
    if batch.account:
        placement["account"] = batch.account
    argv += [f"--{name}={value}" for name, value in placement.items() if value]
    return [*argv, *settings.options, str(script)]
