"""No tick for ever: a wall limit, a note of the tick that is under way, and of one that died."""

from __future__ import annotations

import faulthandler
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from astran.base.files import write_atomic
from astran.config.site import SiteConfig

WALL_LIMIT = timedelta(minutes=30)
"""A tick that takes longer hangs: its process is ended, which is safe at any line."""
ENOUGH = timedelta(minutes=5)
"""After so long a tick leaves the analyses that it has not reached to the next one."""


@dataclass(frozen=True, slots=True)
class TickNote:
    """A tick that has begun, and not ended yet."""

    began: str
    """ISO 8601, UTC."""
    pid: int
    host: str

    @property
    def time(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.began)

    def describe(self) -> str:
        """Which tick, in words."""
        return f"the tick of {self.began[:19]} UTC (process {self.pid} on {self.host})"


def _path(site: SiteConfig) -> Path:
    return site.workdir / "tick.json"


def read_note(site: SiteConfig) -> TickNote | None:
    """The tick that has not ended: under way where its lock is held, else dead."""
    try:
        return TickNote(**json.loads(_path(site).read_text()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def note_tick(site: SiteConfig, now: datetime) -> Iterator[TickNote | None]:
    """Note that a tick is under way; yields the one before, where that did not end."""
    before = read_note(site)
    note = TickNote(now.isoformat(timespec="seconds"), os.getpid(), socket.gethostname())
    with suppress(OSError):  # a full disk keeps nothing from being done
        write_atomic(_path(site), json.dumps(asdict(note)), durable=False)
    yield before
    # not where the tick raised: then it did not end either
    with suppress(OSError):
        _path(site).unlink(missing_ok=True)


@contextmanager
def limit_wall_time(limit: timedelta = WALL_LIMIT) -> Iterator[None]:
    """End the whole process, with a traceback of where it hangs, after `limit`.

    By a thread of the interpreter itself: it needs neither signals nor the work within to listen.
    """
    try:
        faulthandler.dump_traceback_later(limit.total_seconds(), exit=True)
    except (OSError, ValueError, AttributeError):
        # no standard error to write to, as in some test runners: without limit
        yield
        return
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
