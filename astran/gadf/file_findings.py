"""What is wrong or odd with a file: a code, a sentence and a severity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Of a finding."""

    NOTE = "note"
    """The file can be used, but a person should know."""
    ERROR = "error"
    """The file must not be used."""


class FindingCode(StrEnum):
    """What a finding is about."""

    UNREADABLE = "unreadable"
    CHECKSUM = "checksum"
    TABLES = "tables"
    """EVENTS or GTI is missing, or there several times."""
    COLUMNS = "columns"
    UNIT = "unit"
    NO_EVENTS = "no-events"
    VALUES = "values"
    """Not finite, or impossible."""
    REPEATED = "repeated"
    RUN_NUMBER = "run-number"
    POINTING = "pointing"
    FRAME = "frame"
    """The coordinates are not ICRS."""
    REFERENCE_TIME = "reference-time"
    GOOD_TIME = "good-time"
    OUTSIDE = "outside-good-time"
    LIVETIME = "livetime"
    GAPS = "gaps"
    SOURCE_DEPENDENT = "source-dependent"
    IRFS = "irfs"
    """Missing or damaged; they may be in another file."""
    THETA_CUT = "theta-cut"
    EVENT_CUTS = "event-cuts"
    """The events were not cut as the gammas of the IRFs were."""
    IRF_POINTING = "irf-pointing"


@dataclass(frozen=True, slots=True)
class FileFinding:
    """One thing that is wrong or odd."""

    code: FindingCode
    text: str
    """A sentence whose subject is the file."""
    severity: Severity


class FindingLog(list[FileFinding]):
    """Collects findings while a file is read."""

    @property
    def errors(self) -> list[FileFinding]:
        return [one for one in self if one.severity is Severity.ERROR]

    @property
    def notes(self) -> list[FileFinding]:
        return [one for one in self if one.severity is Severity.NOTE]

    def note(self, code: FindingCode, text: str) -> None:
        self.append(FileFinding(code, text, Severity.NOTE))

    def error(self, code: FindingCode, text: str) -> None:
        self.append(FileFinding(code, text, Severity.ERROR))


def format_share(number: int, total: int) -> str:
    """`12 of 4,000 (0.3 %)`."""
    percent = 100 * number / total if total else 0.0
    shown = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
    return f"{number:,} of {total:,} ({shown} %)"
