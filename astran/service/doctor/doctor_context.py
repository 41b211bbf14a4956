"""What an examination of `astran doctor` is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from astran.base.clock import Clock
from astran.base.findings import Finding
from astran.config.site import SiteConfig


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """What is examined."""

    site: SiteConfig
    clock: Clock
    python: str
    """Interpreter in which ASTRAN is installed."""
    send_test: str = ""
    """Address to which a test mail is sent; empty: none."""


Examination = Callable[[DoctorContext], Iterator[Finding]]
