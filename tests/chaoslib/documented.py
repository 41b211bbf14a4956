"""The retry rules as docs/architecture.md states them: what the engine is held against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
SITE_DEFAULT = 3
"""`scheduler.attempts` where a site says nothing."""
ATTEMPTS_IN_ALL = 12
_ROW = re.compile(r"\| `([a-z-]+)` \| [^|]+ \| `?([\w.]+)`? \| (\d+) \| ([^|]+) \|")


@dataclass(frozen=True)
class DocumentedRule:
    """One row of the table under "Recovery"."""

    attempts: int | None
    """None: as `scheduler.attempts` says."""
    pause_min: int
    next_attempt: str


def documented_rules() -> dict[str, DocumentedRule]:
    """The table, by cause."""
    section = DOCUMENT.read_text().split("## Recovery", 1)[1].split("\n## ", 1)[0]
    return {
        cause: DocumentedRule(
            None if attempts == "scheduler.attempts" else int(attempts), int(pause), text
        )
        for cause, attempts, pause, text in _ROW.findall(section)
    }


def documented_attempts() -> dict[str, int]:
    """How many attempts may end by each cause, on a site that says nothing."""
    return {cause: rule.attempts or SITE_DEFAULT for cause, rule in documented_rules().items()}
