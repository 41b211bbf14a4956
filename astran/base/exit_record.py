"""The exit record: a task's own word about how it ended.

Written by the runner inside the job, by an atomic rename, so it is whole or absent. The service
believes in success only if this record says so too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from astran.base.files import write_json

SCHEMA = 1


class TaskOutcome(StrEnum):
    """How the attempt ended, as seen from inside the job."""

    OK = "ok"
    TOOL_FAILED = "tool-failed"
    """The tool ended with a non-zero return code or by a signal."""
    CHECK_FAILED = "check-failed"
    """The tool reported success, but a product is missing or does not pass its check."""
    INPUT_MISSING = "input-missing"
    STOPPED = "stopped"
    """The job was asked to stop (time limit, cancellation)."""
    ERROR = "error"
    """The runner itself could not do its work."""


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One product, as it was when the task ended."""

    path: str
    size: int
    mtime_ns: int
    sha256: str
    check: str
    facts: dict[str, Any] = field(default_factory=dict)
    """What the check found: rows, livetime, GTI and so on."""
    stored: str = ""
    """Its place in the store of the site; empty: it is not kept there."""


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """See the module's text. Times are ISO 8601 in UTC."""

    token: str
    """Attempt for which this record was written; a record of another attempt does not count."""
    key: str
    outcome: TaskOutcome
    returncode: int | None
    message: str
    started: str
    ended: str
    host: str
    argv: tuple[str, ...] = ()
    products: tuple[ProductRecord, ...] = ()
    log_excerpt: tuple[str, ...] = ()
    """The lines of the log that show why it failed; `telling` in older records."""
    max_rss_mb: float | None = None
    cpu_s: float | None = None
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> ExitRecord | None:
        """The record, or None where there is none yet. A damaged record raises ValueError."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        try:
            data = json.loads(text)
            excerpt = data.pop("telling", ()) or data.pop("log_excerpt", ())
            products = tuple(ProductRecord(**p) for p in data.pop("products"))
            return cls(
                **{
                    **data,
                    "outcome": TaskOutcome(data["outcome"]),
                    "argv": tuple(data["argv"]),
                    "log_excerpt": tuple(excerpt),
                    "products": products,
                }
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no exit record: {error}") from error
