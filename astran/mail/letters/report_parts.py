"""The parts of a report letter: pictures, attachments, and their fit into the largest size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.message import EmailMessage
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from astran.base.failures import Made, Omissions, attempt_part
from astran.base.states import AnalysisState
from astran.base.text import one_line, quoted_line
from astran.config.site import MailSettings
from astran.mail.letters.content import Tone
from astran.mail.letters.mime import Attachment, InlineImage
from astran.report.model import Report, ReportPlot

_KINDS = {
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".log": "text/plain",
    ".ecsv": "text/plain",
    ".json": "application/json",
    ".yml": "application/yaml",
    ".yaml": "application/yaml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
EXCERPT_RUNS = 4
"""So many different failures are quoted; the others stand in the run table alone."""
EXCERPT_LINES = 8


_S = AnalysisState
TONES = {
    _S.DONE: Tone.GOOD,
    _S.WAITING: Tone.PART,
    _S.PARTIAL: Tone.PART,
    _S.FAILED: Tone.BAD,
    _S.EXPIRED: Tone.BAD,
}
"""Colour of a letter by the state of the analysis; else calm."""


@dataclass(frozen=True, slots=True)
class FittedPlots:
    """A plot in the letter: its picture, title and description."""

    cid: str
    name: str
    title: str
    alt: str


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What goes with a report letter, and what stays behind."""

    plots: tuple[FittedPlots, ...] = ()
    pictures: tuple[InlineImage, ...] = ()
    enclosures: tuple[Attachment, ...] = ()
    left_out: tuple[str, ...] = ()
    """Names of what did not fit, or could not be read, each with the reason."""


SECTIONS: dict[str, tuple[str, Callable[[Report], Any]]] = {
    "failures": ("What the logs tell", lambda report: describe_failures(report)),
    "missing": ("The list of what is missing", lambda report: describe_missing(report)),
    "record": ("The record of times and software", lambda report: describe_record(report)),
}
"""Parts of the letter's text by name, with the beginning of a sentence about each; each is made by
itself."""


def sections(report: Report) -> dict[str, Any]:
    """The parts of the letter's text; `remarks` tells of those that cannot be made."""
    omissions = Omissions()
    made: dict[str, Any] = {
        name: omissions.part(title, partial(make, report), [])
        for name, (title, make) in SECTIONS.items()
    }
    return {
        **made,
        "main": [fact for fact in report.number_rows if fact.main],
        "numbers": [fact for fact in report.number_rows if not fact.main],
        "remarks": [*report.remarks, *omissions.said],
    }


def fit_into_size(
    write: Callable[[ReportParts], EmailMessage], report: Report, mail: MailSettings
) -> EmailMessage:
    """The letter with as many plots and attachments as fit."""
    parts = _gather(report, mail)
    message = write(parts)
    for smaller in _ever_smaller(parts):
        if len(message.as_bytes()) <= mail.max_report_bytes:
            break
        message = write(smaller)
    return message


def describe_failures(report: Report) -> list[tuple[str, list[str]]]:
    """What the logs of failed runs tell: (`run 15866 at dl3`, lines); equal words stand once."""
    runs: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for run in report.bad:
        if run.log_excerpt:
            lines = tuple(quoted_line(line) for line in run.log_excerpt[-EXCERPT_LINES:])
            runs.setdefault((one_line(run.stage), lines), []).append(str(run.run))
    return [
        (f"{_runs(numbers)}{f' at {stage}' if stage else ''}", list(lines))
        for (stage, lines), numbers in list(runs.items())[:EXCERPT_RUNS]
    ]


def _runs(numbers: list[str]) -> str:
    return f"run{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def describe_missing(report: Report) -> list[str]:
    """Failed runs with their reasons, one line for each reason."""
    runs: dict[str, list[str]] = {}
    for run in report.bad:
        stage = f"failed at {run.stage}" if run.stage else "left out"
        runs.setdefault(f"{stage}: {run.reason or 'the cause is not known'}", []).append(
            str(run.run)
        )
    return [one_line(f"{_runs(numbers).capitalize()} {why}", 400) for why, numbers in runs.items()]


def describe_record(report: Report) -> list[tuple[str, str]]:
    """Times, software and place."""
    rows = [row.pair for row in report.time_rows]
    if report.versions:
        software = ", ".join(f"{name} {version}" for name, version in report.versions)
        rows.append(("Software", one_line(software, 400)))
    rows.append(("Requested by", one_line(report.requester)))
    if report.page:
        rows.append(("Page", one_line(report.page, 400)))
    if report.folder:
        rows.append(("Folder on disk", one_line(report.folder, 400)))
    return rows


def _gather(report: Report, mail: MailSettings) -> ReportParts:
    plots: list[FittedPlots] = []
    pictures: list[InlineImage] = []
    enclosures: list[Attachment] = []
    left_out: list[str] = []
    limit = mail.max_report_bytes
    for plot in report.plots:
        found = _or_why(partial(_picture, plot, len(plots) + 1, limit))
        if isinstance(found, str):
            left_out.append(f"{plot.path.name} ({found})")
        else:
            plots.append(found[0])
            pictures.append(found[1])
    for path in report.attachments:
        enclosure = _or_why(partial(_enclosure, path, limit))
        if isinstance(enclosure, str):
            left_out.append(f"{path.name} ({enclosure})")
        else:
            enclosures.append(enclosure)
    return ReportParts(tuple(plots), tuple(pictures), tuple(enclosures), tuple(left_out))


def _or_why(make: Callable[[], Made | str]) -> Made | str:
    """What `make` returns; where it fails, why."""
    reasons: list[str] = []
    made = attempt_part(make, reasons.append)
    return reasons[0] if made is None else made


def _picture(plot: ReportPlot, number: int, limit: int) -> tuple[FittedPlots, InlineImage] | str:
    """A plot for the letter, or why there is none."""
    data = _read(plot.path, limit)
    if isinstance(data, str):
        return data
    cid = f"plot{number}.{sha256(data).hexdigest()[:16]}@astran"
    title, alt = one_line(plot.title), one_line(plot.alt, 500)
    subtype = _KINDS.get(plot.path.suffix.lower(), "image/png").removeprefix("image/")
    return (
        FittedPlots(cid, plot.path.name, title, alt or title),
        InlineImage(cid, plot.path.name, data, subtype),
    )


def _enclosure(path: Path, limit: int) -> Attachment | str:
    """A file for the letter, or why there is none."""
    data = _read(path, limit)
    if isinstance(data, str):
        return data
    return Attachment(path.name, data, _KINDS.get(path.suffix.lower(), "application/octet-stream"))


def _ever_smaller(parts: ReportParts) -> Iterator[ReportParts]:
    """One thing less at a time: plots from the last to the second, attachments from the last to
    the first, then the first plot."""
    while len(parts.plots) > 1:
        parts = _without_last_plot(parts)
        yield parts
    while parts.enclosures:
        gone = parts.enclosures[-1].name
        parts = replace(
            parts,
            enclosures=parts.enclosures[:-1],
            left_out=(*parts.left_out, f"{gone} (too large for this mail)"),
        )
        yield parts
    if parts.plots:
        yield _without_last_plot(parts)


def _without_last_plot(parts: ReportParts) -> ReportParts:
    gone = parts.plots[-1].name
    return replace(
        parts,
        plots=parts.plots[:-1],
        pictures=parts.pictures[:-1],
        left_out=(*parts.left_out, f"{gone} (too large for this mail)"),
    )


def _read(path: Path, limit: int) -> bytes | str:
    """The content, or why there is none."""
    try:
        if path.stat().st_size > limit:
            return "too large for this mail"
        return path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
