"""What the pages are made from: everything about one analysis, and how the service is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from astran.report.model import Report


@dataclass(frozen=True, slots=True)
class ProductLine:
    """A file that a task left behind."""

    name: str
    sha256: str
    size: int
    """[bytes]"""


@dataclass(frozen=True, slots=True)
class TaskSheet:
    """One task: what was run, how it went, what it left."""

    key: str
    state: str
    ok: bool
    """It has not failed (it may not have ended)."""
    command: str = ""
    """The exact command line."""
    reason: str = ""
    node: str = ""
    fingerprint: str = ""
    log: Path | None = None
    log_excerpt: tuple[str, ...] = ()
    """The lines of its log that tell why it failed."""
    products: tuple[ProductLine, ...] = ()


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything that the page of an analysis shows."""

    id: int
    report: Report
    tasks: tuple[TaskSheet, ...] = ()
    history: tuple[tuple[datetime, str], ...] = ()
    """What happened when."""
    files: tuple[Path, ...] = ()
    """Files to be offered besides the plots: results.json, the table of runs."""
    remaining: str = ""
    """For one under way: how long it will still take, in words."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is."""

    facts: tuple[tuple[str, str], ...]
    """Queue and mail in figures: (name, value)."""
    troubles: tuple[str, ...]
    """What is wrong, in words; empty: all is well."""
    typical: tuple[tuple[str, float], ...]
    """By stage: the usual time of a task [s]."""
    last_tick: datetime | None = None
    """When the service did its last step; None: never."""


@dataclass(frozen=True, slots=True)
class PageSignature:
    """An analysis, and a mark that changes whenever anything about it does."""

    id: int
    mark: str
