"""How runs and stages of an analysis ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astran.results.document import RunNumbers


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How one run ended."""

    run: int
    ok: bool
    """Its events are in the result."""
    stage: str = ""
    """Where it ended: for a failed run the stage that failed."""
    reason: str = ""
    """Why it failed, in words."""
    log_excerpt: tuple[str, ...] = ()
    """The lines of its log that tell why."""
    log: Path | None = None
    numbers: RunNumbers | None = None
    """Its entry in the `runs` of results.json."""


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage of production in figures."""

    stage: str
    total: int
    done: int = 0
    reused: int = 0
    failed: int = 0
    attempts: int = 0
    """Attempts made, of all tasks together."""
    wall_s: float | None = None
    """From the start of the first task to the end of the last one [s]."""
    max_rss_mb: float | None = None
    """Largest memory of any task [MB]."""
