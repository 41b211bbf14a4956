"""What an audit tells of a product. The names of the fields are those of the JSON: keep them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from astran.gadf.file_findings import FindingLog


class State(StrEnum):
    """Of a product."""

    OK = "ok"
    SUSPICIOUS = "suspicious"
    """It can be used, but somebody should look at it first: see the warnings."""
    BROKEN = "broken"
    """It must not be used: see the problems."""
    MISSING = "missing"


@dataclass(slots=True)
class AuditFindings:
    """Collects what is wrong while a product is looked at."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, findings: FindingLog) -> None:
        """Take over what was found in a file."""
        self.problems += [error.text for error in findings.errors]
        self.warnings += [note.text for note in findings.notes]

    @property
    def state(self) -> State:
        if self.problems:
            return State.BROKEN
        return State.SUSPICIOUS if self.warnings else State.OK


@dataclass(slots=True, kw_only=True)
class Audit:
    """Of one product of one run. None: not known."""

    run: int | None = None
    source: str = ""
    path: str = ""
    """Where it is, or would be expected."""
    state: State = State.MISSING
    problems: list[str] = field(default_factory=list)
    """Why it is broken or missing, as sentences."""
    warnings: list[str] = field(default_factory=list)
    """Why it is suspicious."""
    size_bytes: int | None = None
    modified: str | None = None
    """ISO 8601 in UTC."""
    linked_to: str | None = None
    """The file itself, where `path` is a link."""

    def settle(self, findings: AuditFindings) -> None:
        """Take over what was found; a figure that is not finite is none, and has no JSON."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, float) and not math.isfinite(value):
                setattr(self, one.name, None)
        self.state = findings.state
        self.problems, self.warnings = findings.problems, findings.warnings


@dataclass(slots=True, kw_only=True)
class Dl2Audit(Audit):
    """Of a DL2 file."""

    rows: int | None = None
    dl1: list[str] = field(default_factory=list)
    """The DL1 files that it was made from, where they are known."""
    dl1_rows: int | None = None
    expected_rows: int | None = None
    """Of `dl1_rows` those that lstchain keeps: finite parameters within its filters."""
    missing_tables: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    non_finite: dict[str, int] = field(default_factory=dict)
    """Number of values that are not finite, of the columns that have any."""
    duplicate_events: int | None = None
    events_by_type: dict[str, int] = field(default_factory=dict)
    """shower, pedestal, flatfield, unknown, or the number of the type."""
    start: str | None = None
    """First event, ISO 8601 in UTC."""
    stop: str | None = None
    ontime_s: float | None = None
    """Without gaps above 10 ms between showers, as lstchain reckons."""
    livetime_s: float | None = None
    """As lstchain will reckon it for DL3."""
    deadc: float | None = None
    """livetime_s / ontime_s."""
    shower_rate_hz: float | None = None
    zenith_deg: float | None = None
    azimuth_deg: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    engine: str | None = None
    """stock, or fast."""


@dataclass(slots=True, kw_only=True)
class Gti:
    """Good time intervals of a DL3 file."""

    number: int
    sum_s: float | None
    """None: some begin or end at no finite time."""
    ordered: bool
    """Each begins before it ends, and after the one before has ended."""
    events_outside: int | None = None


@dataclass(slots=True, kw_only=True)
class Dl3Audit(Audit):
    """Of a DL3 file, of any telescope."""

    telescope: str = ""
    events: int | None = None
    hdus: list[str] = field(default_factory=list)
    missing_hdus: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    non_finite: dict[str, int] = field(default_factory=dict)
    duplicate_events: int | None = None
    energy_min_tev: float | None = None
    energy_max_tev: float | None = None
    gti: Gti | None = None
    start: str | None = None
    stop: str | None = None
    ontime_s: float | None = None
    livetime_s: float | None = None
    deadc: float | None = None
    ra_deg: float | None = None
    """Pointing, ICRS."""
    dec_deg: float | None = None
    zenith_deg: float | None = None
    azimuth_deg: float | None = None
    offset_deg: float | None = None
    """Of the pointing from the source."""
    irfs: list[str] = field(default_factory=list)
    """aeff, edisp, psf, bkg, rad_max: those there are."""
    point_like: bool | None = None
    cuts: dict[str, float] = field(default_factory=dict)
    irf_zenith_deg: float | None = None
    checksums: str | None = None
    """ok, bad, or none: the file carries none."""
    versions: dict[str, str] = field(default_factory=dict)


def describe_file(audit: Audit, path: Path, findings: AuditFindings) -> bool:
    """Fill in size, time and link; False: there is no file, or it is empty."""
    audit.path = str(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        gone = path.is_symlink()
        target = f"It is a link to {path.readlink()}, which is gone." if gone else "There is none."
        findings.problems.append(target)
        audit.settle(findings)
        audit.state = State.MISSING
        return False
    except OSError as error:
        findings.problems.append(f"It cannot be read: {error.strerror}.")
        audit.settle(findings)
        return False
    audit.size_bytes = status.st_size
    audit.modified = iso(status.st_mtime)
    if path.is_symlink():
        audit.linked_to = str(path.resolve())
    if status.st_size == 0:
        findings.problems.append("The file is empty.")
        audit.settle(findings)
        return False
    return True


def iso(unix_s: float) -> str | None:
    """A moment as text [unix s]; None: no calendar has it."""
    try:
        return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return None
