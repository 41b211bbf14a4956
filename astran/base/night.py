"""The night of an observation: the date of its evening, as the telescopes' folders are named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Night:
    """A night, named by the date on which it began."""

    evening: date

    @classmethod
    def parse(cls, text: str) -> Night:
        """Read `20231207` (ValueError otherwise)."""
        match = _COMPACT.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a night of the form YYYYMMDD")
        return cls(date(*(int(part) for part in match.groups())))

    @classmethod
    def of(cls, moment: datetime) -> Night:
        """The night to which a UTC time belongs: nights change at noon UTC."""
        return cls((moment.astimezone(UTC) - timedelta(hours=12)).date())

    def __str__(self) -> str:
        return self.evening.strftime("%Y%m%d")

    @property
    def iso(self) -> str:
        """`2023-12-07`, for people."""
        return self.evening.isoformat()
