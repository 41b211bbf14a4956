"""The page of one analysis, with the files that go with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from astran.base.failures import Omissions
from astran.base.states import TaskState
from astran.base.text import one_line
from astran.report.model import Report, ReportPlot
from astran.report.pages.entry import entry_tone, page_name
from astran.report.pages.log_excerpt import LogLine, log_excerpt, read_log_tail
from astran.report.pages.page_data import PageData, TaskSheet
from astran.report.pages.publish import Publisher
from astran.report.pages.templates import render_page
from astran.report.tables import Fact

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""No SVG: opened by itself, it could run scripts."""
_MOST_TASKS, _MOST_FAILED = 300, 50
"""Of so many tasks a page tells in detail, and shows the logs of so many that failed."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, slots=True)
class PlotImage:
    """A plot as the page shows it."""

    href: str
    title: str
    alt: str
    vector: str
    """The same as PDF; empty where there is none."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as the page shows it."""

    task: TaskSheet
    log: str
    """Its log; empty where there is none."""
    lines: tuple[LogLine, ...]
    """For a failed task: its log around the lines that name the error."""

    @property
    def tone(self) -> str:
        """How its state is coloured."""
        if not self.task.ok:
            return "bad"
        return "good" if self.task.state in (TaskState.DONE, TaskState.REUSED) else "calm"


def write_analysis(publisher: Publisher, site: str, sheet: PageData) -> list[str]:
    """Write everything about one analysis; returns the files."""
    report = sheet.report
    folder = f"analyses/{report.request_id}"
    page = f"{folder}/index.html"
    files = _Files(publisher, folder)
    omissions = Omissions()
    config_text = omissions.part("The configuration", report.config.to_yaml, "")
    config = omissions.part(
        "The file of the configuration",
        lambda: files.text(f"config_{report.config.label}.yml", config_text),
        "",
    )
    # the order is that of results.json: the most telling plot first
    pictures = [
        picture
        for plot in report.plots
        if (
            picture := omissions.part(
                f"The plot {one_line(plot.title)}", partial(_picture, files, plot), None
            )
        )
    ]
    shown = _chosen(sheet.tasks)
    tasks = [
        omissions.part(
            f"The log of {one_line(task.key)}", partial(_task, files, task), TaskView(task, "", ())
        )
        for task in shown
    ]
    downloads = [
        name
        for path in sheet.files
        if (
            name := omissions.part(f"The file {one_line(path.name)}", partial(files.copy, path), "")
        )
    ]
    values = {
        "site": site,
        "report": report,
        "headline": report.headline,
        "answer": report.answer,
        "flux": report.verdict.flux if report.verdict else "",
        "target_page": page_name(report.config.target.name),
        "tone": entry_tone(report.state),
        "remaining": sheet.remaining,
        "main": [fact for fact in report.number_rows if fact.main],
        "numbers": [fact for fact in report.number_rows if not fact.main],
        "missing": [
            one_line(f"Run {run.run}: {run.reason or 'the cause is not known'}", 300)
            for run in report.bad
        ],
        "pictures": pictures,
        "config": config,
        "config_text": config_text,
        "record": _record(report),
        "failed": [view for view in tasks if not view.task.ok],
        "tasks": tasks,
        "more_tasks": len(sheet.tasks) - len(shown),
        "history": [(f"{at:%Y-%m-%d %H:%M:%S}", text) for at, text in sheet.history],
        "downloads": downloads,
        "remarks": [*report.remarks, *omissions.said],
    }
    publisher.write(page, render_page("analysis", page, values))
    return [*files.written, page]


def _chosen(tasks: Sequence[TaskSheet]) -> list[TaskSheet]:
    """As many tasks as a page bears, in the order of the plan; those that failed come first in the
    choice."""
    if len(tasks) <= _MOST_TASKS:
        return list(tasks)
    failed = [task.key for task in tasks if not task.ok][:_MOST_FAILED]
    others = [task.key for task in tasks if task.ok][: _MOST_TASKS - len(failed)]
    chosen = {*failed, *others}
    return [task for task in tasks if task.key in chosen]


def _record(report: Report) -> list[Fact]:
    versions = [Fact(name, version) for name, version in report.versions]
    place = [Fact("Folder at the site", report.folder)] if report.folder else []
    return [*report.time_rows, *versions, *place]


class _Files:
    """The files in the folder of one analysis."""

    def __init__(self, publisher: Publisher, folder: str) -> None:
        self._publisher = publisher
        self._folder = folder
        self.written: list[str] = []

    def text(self, name: str, content: str) -> str:
        path = f"{self._folder}/{self._free(name)}"
        self._publisher.write(path, content)
        self.written.append(path)
        return path.removeprefix(f"{self._folder}/")

    def copy(self, source: Path) -> str:
        """Its name in the folder; empty where there is no such file."""
        path = f"{self._folder}/{self._free(source.name)}"
        if not self._publisher.copy(source, path):
            return ""
        self.written.append(path)
        return path.removeprefix(f"{self._folder}/")

    def _free(self, name: str) -> str:
        """A plain file name that is not taken: names come from strangers."""
        head, _, base = name.rpartition("/")
        path = Path(base)
        if not _PLAIN.fullmatch(base) or base == "index.html":
            suffix = path.suffix if _PLAIN.fullmatch(path.suffix.lstrip(".")) else ""
            path = Path(f"file{suffix}")
        number, free = 1, path.name
        prefix = f"{head}/" if head else ""
        while f"{self._folder}/{prefix}{free}" in self.written:
            number += 1
            free = f"{path.stem}-{number}{path.suffix}"
        return f"{prefix}{free}"


def _picture(files: _Files, plot: ReportPlot) -> PlotImage | None:
    if plot.path.suffix.lower() not in _PICTURES:
        return None
    href = files.copy(plot.path)
    vector = files.copy(plot.path.with_suffix(".pdf")) if href else ""
    return PlotImage(href, plot.title, plot.alt, vector) if href else None


def _task(files: _Files, task: TaskSheet) -> TaskView:
    lines = read_log_tail(task.log) if task.log is not None else ()
    log = files.text(f"logs/{task.key}.txt", "\n".join(lines) + "\n") if lines else ""
    shown = log_excerpt(lines, task.log_excerpt) if not task.ok else ()
    return TaskView(task, log, shown)
