"""What happened to an analysis, as plain data: mails, pages and terminals are made from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from astran.base.failures import Omissions
from astran.base.states import AnalysisState
from astran.base.text import one_line
from astran.config.analysis import AnalysisConfig
from astran.report import formatting, tables
from astran.report.outcomes import RunOutcome, StageLine
from astran.report.tables import Fact, NightsPart, Table
from astran.report.verdict import Verdict, make_verdict
from astran.results.document import Results

_S = AnalysisState
TABLES = ("number_rows", "night_tables", "run_table", "stage_table", "time_rows")
"""Parts of a report that are made from its data, each by itself."""


@dataclass(frozen=True, slots=True)
class ReportPlot:
    """An image for the mail."""

    path: Path
    title: str
    alt: str
    """What the image shows, in words, for readers who do not see it."""


# no slots: the tables are made once, when first asked for
@dataclass(frozen=True)
class Report:
    """An analysis and its outcome."""

    request_id: str
    """What the requester calls it, for example A12."""
    state: AnalysisState
    config: AnalysisConfig
    site: str
    requester: str
    runs: tuple[RunOutcome, ...] = ()
    stages: tuple[StageLine, ...] = ()
    received: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    versions: tuple[tuple[str, str], ...] = ()
    """Software: (name, version)."""
    notes: tuple[str, ...] = ()
    """Choices made on the way, in words."""
    warnings: tuple[str, ...] = ()
    results: Results | None = None
    plots: tuple[ReportPlot, ...] = ()
    attachments: tuple[Path, ...] = ()
    simulated: bool = False
    folder: str = ""
    """Where everything lies on the site's disk."""
    page: str = ""
    """Address of its page, where the pages are served."""
    errors: tuple[str, ...] = ()
    """What stopped the analysis as a whole, the main reason first."""
    nights: NightsPart = field(default_factory=NightsPart)
    """Of a request for several nights."""

    @property
    def place(self) -> str:
        """Where to find what is not in the mail: its page, else its folder."""
        return self.page or self.folder

    @property
    def subject(self) -> str:
        """`Crab, 2023-12-07`."""
        if self.nights.title:
            return one_line(self.nights.title, 160)
        return f"{one_line(self.config.target.name, 60)}, {self.config.night.iso}"

    @property
    def good(self) -> tuple[RunOutcome, ...]:
        return tuple(run for run in self.runs if run.ok)

    @property
    def bad(self) -> tuple[RunOutcome, ...]:
        return tuple(run for run in self.runs if not run.ok)

    @property
    def main_reason(self) -> str:
        """Why it failed: what stopped the whole, else the most common reason of the runs."""
        if self.errors:
            return one_line(self.errors[0])
        reasons = Counter(run.reason for run in self.bad if run.reason)
        return one_line(reasons.most_common(1)[0][0]) if reasons else "the cause is not known"

    @property
    def tally(self) -> str:
        """`3 of 3 runs`; empty where no run is known."""
        return f"{len(self.good)} of {len(self.runs)} runs" if self.runs else ""

    @property
    def headline(self) -> str:
        """The answer in one line: `Crab, 2023-12-07: 24.3 sigma in 1.02 h, 3 of 3 runs`."""
        return f"{self.subject}: {', '.join(filter(None, (self._answer, self.tally)))}{self._why}"

    @property
    def _answer(self) -> str:
        if self.state not in (_S.DONE, _S.PARTIAL, _S.REPORTING):
            return self.state.value
        stacked = self.results.stacked if self.results else None
        if stacked is None or formatting.finite_number(stacked.significance) is None:
            return "significance not available"
        found = formatting.format_significance(stacked.significance)
        return f"{found} in {formatting.format_livetime(stacked.livetime_h)}"

    @property
    def _why(self) -> str:
        return f": {self.main_reason}" if self.state in (_S.FAILED, _S.EXPIRED) else ""

    @cached_property
    def verdict(self) -> Verdict | None:
        """What was found, in one sentence; None where there are no results, or no end."""
        results = self.results
        if results is None or self.state not in (_S.DONE, _S.PARTIAL, _S.REPORTING):
            return None
        return self._omissions.part(
            "The verdict",
            lambda: make_verdict(results, self.config.target.name, self.config.night.iso),
            None,
        )

    @property
    def answer(self) -> str:
        """The verdict as a sentence; where there is none, the headline."""
        return self.verdict.sentence if self.verdict else self.headline

    @property
    def short_answer(self) -> str:
        """For the subject of a mail: `27.7 sigma Crab 2023-12-07, 2 of 3 runs`."""
        where = f"{one_line(self.config.target.name, 60)} {self.config.night.iso}"
        if self.nights.title:
            where = one_line(self.nights.title.replace(",", ""), 120)
        if self.verdict is None:
            return f"{self.state.value}: {where}"
        runs = f", {self.tally}" if self.state is _S.PARTIAL else ""
        return f"{self.verdict.significance} {where}{runs}"

    @cached_property
    def number_rows(self) -> tuple[Fact, ...]:
        """The main numbers; empty where there are no results."""
        results = self.results
        if results is None:
            return ()
        return self._omissions.part(
            "The list of numbers", lambda: tables.number_rows(results, self.config), ()
        )

    @cached_property
    def night_tables(self) -> tuple[Table, Table]:
        """Every night of several: all columns, and those that a mail has room for."""
        empty = Table(("Night",), ())
        results = self.results
        if results is None:
            return empty, empty
        return self._omissions.part(
            "The table of nights",
            lambda: tables.night_tables(results),
            (empty, empty),
        )

    @cached_property
    def run_table(self) -> Table:
        """Every run: its numbers, or why it has none."""
        return self._omissions.part(
            "The table of runs", lambda: tables.run_table(self.runs), Table(("Run",), ())
        )

    @cached_property
    def stage_table(self) -> Table:
        """Stages with tasks, attempts, time and memory."""
        return self._omissions.part(
            "The table of stages", lambda: tables.stage_table(self.stages), Table(("Stage",), ())
        )

    @cached_property
    def time_rows(self) -> tuple[Fact, ...]:
        """When it was received, started and ended."""
        return self._omissions.part(
            "The list of times",
            lambda: tables.time_rows(self.received, self.started, self.ended),
            (),
        )

    @cached_property
    def _omissions(self) -> Omissions:
        return Omissions()

    @property
    def remarks(self) -> tuple[str, ...]:
        """All warnings, and what could not be put into the report."""
        for name in ("verdict", *TABLES):
            getattr(self, name)  # is made once, and tells here if it cannot be made
        return (*self.warnings, *self._omissions.said)
