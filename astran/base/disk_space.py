"""Room on disks: how much there is, and errors that say there is none."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|database or disk is full|errno\s*=\s*(?:28|122)\b"
)
_QUOTA = re.compile(r"Disk quota exceeded|errno\s*=\s*122\b")
CURE = "Make room (`astran clean --dry-run` lists what can go), then it goes on."


def free_bytes(folder: Path) -> int:
    """Free space where the folder is, or will be."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def disk_full_error(lines: Iterable[str]) -> str:
    """What lines of a log say about a full disk, in plain words; empty if nothing."""
    text = "\n".join(lines)
    if _QUOTA.search(text):
        return "the disk quota of the account is used up"
    return "the disk is full" if _FULL.search(text) else ""


def is_disk_full(error: BaseException) -> str:
    """The same of an error in this process."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        name = f" ({error.filename})" if error.filename else ""
        quota = error.errno == errno.EDQUOT
        return ("the disk quota of the account is used up" if quota else "the disk is full") + name
    return disk_full_error([str(error)]) if type(error).__module__.startswith("sql") else ""


def format_bytes(size: float) -> str:
    """`3.2 GB`."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
