"""Findings of an examination: one line per part, with a cure where something is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from astran.base.errors import AstranError, ConfigError


class Result(StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one part."""

    part: str
    result: Result
    message: str
    cure: str = ""

    def to_json(self) -> dict[str, str]:
        """`{part, result, message, cure}`."""
        return {key: str(value) for key, value in asdict(self).items()}


def ok(part: str, message: str) -> Finding:
    return Finding(part, Result.OK, message)


def warn(part: str, message: str, cure: str) -> Finding:
    return Finding(part, Result.WARN, message, cure)


def fail(part: str, message: str, cure: str) -> Finding:
    return Finding(part, Result.FAIL, message, cure)


def failed_by(part: str, error: AstranError | OSError, cure: str = "") -> Finding:
    """The finding that an error makes; `cure` is for errors that name none."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}."
        return fail(part, message, cure or "Check the rights of the user who runs ASTRAN.")
    problems = error.problems if isinstance(error, ConfigError) else ()
    message = "\n".join([error.message, *(f"- {problem}" for problem in problems)])
    return fail(part, message, error.cure or cure)
