"""One line about an analysis, for lists and light curves; kept between two builds of the site."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any

from astran.base.states import AnalysisState
from astran.base.text import one_line
from astran.config.analysis import slug
from astran.report.formatting import finite_number
from astran.report.model import Report
from astran.report.tables import energy_span

_S = AnalysisState
_TONES = {_S.DONE: "good", _S.PARTIAL: "part", _S.FAILED: "bad", _S.EXPIRED: "bad"}


@dataclass(frozen=True, slots=True)
class PageEntry:
    """What lists and light curves show of an analysis. Plain data."""

    id: int
    target: str
    target_page: str
    """Name of the target's page, without suffix."""
    night: str
    """`2023-12-07`."""
    state: str
    tone: str
    live: bool
    headline: str
    reason: str
    runs_good: int
    runs: int
    received: str
    """`2023-12-08 09:12`, UTC; empty where it is not known."""
    simulated: bool
    significance: float | None = None
    livetime_h: float | None = None
    rate: float | None = None
    """Excess per minute."""
    rate_error: float | None = None
    crab: float | None = None
    """Flux in Crab units."""
    crab_error: float | None = None
    span: str = ""
    """Energies of that flux: `0.1 to 10 TeV`."""

    @property
    def name(self) -> str:
        return f"A{self.id}"

    @property
    def href(self) -> str:
        """Its page, from the top of the site."""
        return f"analyses/{self.name}/index.html"

    def to_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in _FIELDS}


_FIELDS = fields(PageEntry)


def entry_tone(state: AnalysisState) -> str:
    """`good`, `part`, `bad` or `calm`: how a state is coloured."""
    return _TONES.get(state, "calm")


def page_name(target: str) -> str:
    """A file name for a target: different for different names, on any file system.

    Names that differ in case only share one.
    """
    plain = target.strip().casefold()
    base = slug(plain).lower().replace("+", "p")[:40].strip("-") or "target"
    if base == plain:
        return base
    return f"{base}-{hashlib.sha256(plain.encode(errors='replace')).hexdigest()[:6]}"


def make_entry(analysis_id: int, report: Report) -> PageEntry:
    """The line about an analysis."""
    stacked = report.results and report.results.stacked
    spectrum = report.results and report.results.spectrum.numbers
    crab = spectrum and spectrum.crab
    flux = finite_number(crab.value) if crab and not crab.is_limit else None
    return PageEntry(
        id=analysis_id,
        target=one_line(report.config.target.name, 60) or "without a name",
        target_page=page_name(report.config.target.name),
        night=report.config.night.iso,
        state=report.state.value,
        tone=entry_tone(report.state),
        live=not report.state.final,
        headline=report.headline,
        reason=report.main_reason if entry_tone(report.state) == "bad" else "",
        runs_good=len(report.good),
        runs=len(report.runs),
        received=f"{report.received:%Y-%m-%d %H:%M}" if report.received else "",
        simulated=report.simulated,
        significance=finite_number(stacked and stacked.significance),
        livetime_h=finite_number(stacked and stacked.livetime_h),
        rate=finite_number(stacked and stacked.rate_per_min),
        rate_error=finite_number(stacked and stacked.rate_error),
        crab=flux,
        crab_error=finite_number(crab.error) if crab and flux is not None else None,
        span=energy_span(spectrum) if spectrum and flux is not None else "",
    )
