"""How an array's elements find their work, and how one array alone may run it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from astran.base.files import write_atomic
from astran.base.scheduler import Batch

DECLINED: Final = 17
"""Return code of a job that may not run its files."""
_GIVEN_UP = "given-up"
"""Owner of a batch that no job may run."""

OWNER_GUARD: Final = f"""\
# Of all jobs with these files only the first that begins may run them, and none once ASTRAN has
# given them up. A link is made by one alone, on every file system.
ln -s -n -- "$job" "$owner" 2> /dev/null
if [ "$(readlink -- "$owner")" != "$job" ]; then
    echo "ASTRAN: not run, because these tasks belong to: $(readlink -- "$owner")" >&2
    exit {DECLINED}
fi
"""
"""Shell lines of an array script; `job` is the id of the array, `owner` the link."""


def manifest_path(token: str, folder: Path) -> Path:
    """The table of an array's elements: index, script, log and token."""
    return folder / f"array_{token}.tsv"


def owner_link(token: str, folder: Path) -> Path:
    """The link that names the array which may run the files of a batch."""
    return folder / f"array_{token}.owner"


def script_path(token: str, folder: Path) -> Path:
    """The script that all elements of an array run."""
    return folder / f"array_{token}.sh"


def write_manifest(batch: Batch) -> Path:
    """Make the folders of batch and logs and write the table of its elements (OSError)."""
    folder = Path(batch.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for logs in {Path(log).parent for log in batch.logs}:
        logs.mkdir(parents=True, exist_ok=True)
    manifest = manifest_path(batch.token, folder)
    lines = zip(batch.scripts, batch.logs, batch.tokens, strict=True)
    write_atomic(manifest, "".join("\t".join((str(i), *x)) + "\n" for i, x in enumerate(lines)))
    return manifest


def abandon_submission(token: str, folder: str) -> str | None:
    """From now on no job may begin with a batch's files.

    Returns
    -------
    The id of the job that has begun before; None if none has. OSError where that is not known.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    link = owner_link(token, Path(folder))
    try:
        link.symlink_to(_GIVEN_UP)
    except FileExistsError:
        owner = link.readlink().name
        return owner if owner.isdigit() else None
    return None
