"""Who may read what ASTRAN writes: the group reads products, nobody else reads anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UMASK = 0o027
"""Taken away from all that is made: others get nothing, the group may not write."""
PRIVATE = 0o600
"""Mode of files that hold mails."""


@contextmanager
def private_umask() -> Iterator[None]:
    """Make files and folders that others cannot read; an umask that is stricter stays."""
    before = os.umask(UMASK)
    os.umask(before | UMASK)
    try:
        yield
    finally:
        os.umask(before)


def current_umask(status: Path = Path("/proc/self/status")) -> int:
    """The umask of this process; read without changing it where the system tells."""
    try:
        for line in status.read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError, IndexError):
        pass
    before = os.umask(UMASK)
    os.umask(before)
    return before


def mode_of(path: Path) -> int | None:
    """Permission bits; None for what is not there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def excess_mode(path: Path, allowed: int) -> int:
    """The permission bits beyond `allowed`; 0 for what is not there."""
    return ((mode_of(path) or 0) & 0o777) & ~allowed


def restrict_mode(path: Path, allowed: int) -> bool:
    """Take away what goes beyond `allowed`, of files of this user; whether that was needed and
    could be done. Never adds a right."""
    extra = excess_mode(path, allowed)
    if not extra:
        return False
    try:
        found = path.stat()
        if found.st_uid != os.geteuid():
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~extra)
    except OSError:
        return False
    return True
