"""Finding the processes of a task by the token in their environment.

A token belongs to one attempt only, so this cannot hit a stranger, as a stored process id could.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
TOKEN_VARIABLE = "ASTRAN_TOKEN"


def with_token(token: str) -> Iterator[int]:
    """Ids of living processes that carry the token; none on a system without /proc."""
    wanted = f"{TOKEN_VARIABLE}={token}".encode()
    if not _PROC.is_dir():
        return
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:  # it has just ended, or is another user's
            continue
        if wanted in environ.split(b"\0"):
            yield int(entry.name)


def kill_with_token(token: str) -> int:
    """Kill every process that carries the token; returns how many."""
    count = 0
    for pid in with_token(token):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            count += 1
    return count
