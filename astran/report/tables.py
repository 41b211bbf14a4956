"""The tables of a report as data: the same cells go into text, HTML and terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from astran.base.text import duration, one_line
from astran.config.analysis import AnalysisConfig
from astran.report.formatting import (
    ABSENT,
    finite_number,
    format_count,
    format_fixed,
    format_livetime,
    format_measured,
    format_significance,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what is known of it."""

    label: str
    value: str
    main: bool = False
    """One of the numbers that people look for first."""

    @property
    def pair(self) -> tuple[str, str]:
        return self.label, self.value


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of a table; a line with a `remark` says that instead of cells after the first."""

    cells: tuple[str, ...]
    ok: bool = True
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns (right-aligned but for the first) and rows."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def get_part(data: dict[str, Any] | None, key: str) -> dict[str, Any]:
    """A mapping inside a mapping; empty where it is absent, null or something else."""
    found = (data or {}).get(key)
    return found if isinstance(found, dict) else {}


def number_rows(results: dict[str, Any], config: AnalysisConfig) -> tuple[Fact, ...]:
    """The main numbers of results.json."""
    all_runs, sky = get_part(results, "stacked"), get_part(results, "map")
    target = config.target
    rows = [
        Fact("Significance (Li&Ma)", format_significance(all_runs.get("significance")), main=True),
        Fact("Excess", _excess(all_runs), main=True),
        Fact("Livetime", format_livetime(all_runs.get("livetime_h")), main=True),
        Fact("N_on", format_count(all_runs.get("n_on"))),
        Fact("N_off", _off(all_runs)),
        Fact("alpha", format_fixed(all_runs.get("alpha"), 4)),
        Fact("Excess rate", _rate(all_runs)),
    ]
    if finite_number(all_runs.get("background_per_min")) is not None:
        rows.append(
            Fact(
                "Background rate",
                format_measured(
                    all_runs["background_per_min"], all_runs.get("background_error"), "per min"
                ),
            )
        )
    if sky:
        rows.append(Fact("Sky-map peak", _peak(sky)))
        rows.append(
            Fact(
                "Sky map off the source",
                f"mean {format_fixed(sky.get('off_mean'), 2)}, "
                f"sigma {format_fixed(sky.get('off_sigma'), 2)}"
                " (0 and 1 without sources)",
            )
        )
    rows.append(Fact("Cuts", config.describe_cuts(_theta(all_runs))))
    optional = (
        ("Flux", _flux(results)),
        ("Spectrum", _spectrum(results)),
        ("Rate from run to run", _constancy(results)),
        ("Energy", _energies(all_runs)),
        ("Zenith distance", _zenith(results)),
    )
    rows += [Fact(label, value) for label, value in optional if value]
    rows.append(Fact("Position (ICRS)", f"RA {target.ra:.4f} deg, Dec {target.dec:+.4f} deg"))
    return tuple(rows)


def _excess(numbers: dict[str, Any]) -> str:
    return format_measured(numbers.get("excess"), numbers.get("excess_error"))


def _off(numbers: dict[str, Any]) -> str:
    regions = finite_number(numbers.get("off_regions"))
    off = format_count(numbers.get("n_off"))
    if regions is None or off == ABSENT:
        return off
    return f"{off} in {regions:.3g} OFF region{'' if regions == 1 else 's'}"


def _rate(numbers: dict[str, Any]) -> str:
    return format_measured(numbers.get("rate_per_min"), numbers.get("rate_error"), "per min")


def _peak(sky: dict[str, Any]) -> str:
    place = ""
    if finite_number(sky.get("peak_offset_deg")) is not None:
        place = f", {format_fixed(sky['peak_offset_deg'], 3)} deg from the source"
    return format_significance(sky.get("peak_significance")) + place


def _theta(numbers: dict[str, Any]) -> str:
    """The directional cut that was made; empty where it is not known."""
    made = get_part(numbers, "theta_cut")
    least, most = finite_number(made.get("min_deg")), finite_number(made.get("max_deg"))
    fixed_cut = finite_number(numbers.get("theta_cut_deg"))
    if fixed_cut is None and least is not None and most is not None:
        return f"theta < {least:.3g} to {most:.3g} deg by energy"
    return "" if fixed_cut is None else f"theta < {fixed_cut:.3g} deg"


def _energies(numbers: dict[str, Any]) -> str:
    least, most = (
        finite_number(numbers.get("energy_min_tev")),
        finite_number(numbers.get("energy_max_tev")),
    )
    bounds = [f"> {least:.3g} TeV"] if least else []
    bounds += [f"< {most:.3g} TeV"] if most else []
    return f"reconstructed, {' and '.join(bounds)}" if bounds else ""


def _flux(results: dict[str, Any]) -> str:
    """In Crab units, of the energies that the spectrum covers."""
    spectrum = get_part(results, "spectrum")
    crab = get_part(spectrum, "crab")
    low, high = (
        finite_number(spectrum.get("energy_min_tev")),
        finite_number(spectrum.get("energy_max_tev")),
    )
    if finite_number(crab.get("value")) is None or low is None or high is None:
        return ""
    span = f"from {low:.3g} to {high:.3g} TeV"
    limit = finite_number(crab.get("upper_limit"))
    if crab.get("is_limit") is True:
        if limit is None or limit <= 0:
            return f"no upper limit, {span}"
        return f"below {limit:.2g} Crab (95 %), {span}"
    return f"{format_measured(crab['value'], crab.get('error'), 'Crab')}, {span}"


def _spectrum(results: dict[str, Any]) -> str:
    spectrum = get_part(results, "spectrum")
    values, errors = get_part(spectrum, "parameters"), get_part(spectrum, "errors")
    name = spectrum.get("model")
    if not isinstance(name, str) or finite_number(values.get("amplitude")) is None:
        return ""
    power = math.floor(math.log10(abs(values["amplitude"]) or 1.0))
    unit = 10.0**power
    error = finite_number(errors.get("amplitude"))
    flux = format_measured(values["amplitude"] / unit, None if error is None else error / unit)
    said = [f"{name}, ({flux})e{power} cm-2 s-1 TeV-1 at 1 TeV"]
    said += [
        f"{key} {format_measured(values[key], errors.get(key))}"
        for key in ("index", "alpha", "beta")
        if finite_number(values.get(key)) is not None
    ]
    return ", ".join(said)


def _zenith(results: dict[str, Any]) -> str:
    runs = results.get("runs")
    entries = [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
    angles = [z for run in entries if (z := finite_number(run.get("zenith_deg"))) is not None]
    if not angles:
        return ""
    low, high = f"{min(angles):.0f}", f"{max(angles):.0f}"
    return f"{low} deg" if low == high else f"{low} to {high} deg"


def _constancy(results: dict[str, Any]) -> str:
    rate = get_part(results, "rate")
    chi2, ndf = finite_number(rate.get("chi2")), finite_number(rate.get("ndf"))
    return f"chi2/ndf = {chi2:.1f}/{ndf:.0f} for a constant" if chi2 is not None and ndf else ""


RunCells = tuple[int, bool, str, str, dict[str, Any] | None]
"""Run, whether it is in the result, stage, reason, numbers."""


def run_table(runs: Iterable[RunCells]) -> Table:
    """One row per run, in the order of run numbers; without columns of numbers where no run has
    any."""
    ordered = sorted(runs, key=lambda cells: cells[0])
    rows = [
        _run_row(str(run), numbers or {})
        if ok
        else TableRow((str(run),), ok=False, remark=_remark(stage, reason))
        for run, ok, stage, reason, numbers in ordered
    ]
    if all(row.remark for row in rows):
        bare = [TableRow((*row.cells, row.remark), row.ok) for row in rows]
        return Table(("Run", "Outcome"), tuple(bare))
    return Table(("Run", "Livetime", "N_on", "N_off", "Excess", "Li&Ma"), tuple(rows))


def _run_row(name: str, numbers: dict[str, Any]) -> TableRow:
    if not numbers:
        return TableRow((name,), remark="done, numbers not available")
    hours = finite_number(numbers.get("livetime_h"))
    cells = (
        format_fixed(None if hours is None else hours * 60, 1, "min"),
        format_count(numbers.get("n_on")),
        format_count(numbers.get("n_off")),
        _excess(numbers),
        format_fixed(numbers.get("significance"), 1),
    )
    return TableRow((name, *("–" if cell == ABSENT else cell for cell in cells)))


def _remark(stage: str, reason: str) -> str:
    place = f"failed at {stage}" if stage else "left out"
    return one_line(f"{place}: {reason}" if reason else f"{place}: the cause is not known", 300)


StageCells = tuple[str, int, int, int, int, int, float | None, float | None]
"""Stage, tasks, done, reused, failed, attempts, wall time [s], largest memory [MB]."""


def stage_table(stages: Iterable[StageCells]) -> Table:
    """One row per stage, in the order given."""
    rows = []
    for stage, total, done, reused, failed, attempts, wall_s, rss in stages:
        time = "–" if wall_s is None else duration(wall_s)
        memory = "–" if rss is None else _memory(rss)
        tasks = _tasks(total, {"done": done, "reused": reused, "failed": failed})
        rows.append(
            TableRow((one_line(stage, 30), tasks, str(attempts), time, memory), ok=failed == 0)
        )
    return Table(("Stage", "Tasks", "Attempts", "Time", "Memory"), tuple(rows))


def _tasks(total: int, ended: dict[str, int]) -> str:
    """`3 done`, `2 done, 1 failed`, `1 done, 2 not run`."""
    counts = {**ended, "not run": total - sum(ended.values())}
    return ", ".join(f"{n} {word}" for word, n in counts.items() if n > 0) or "none"


def _memory(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def time_rows(
    received: datetime | None, started: datetime | None, ended: datetime | None
) -> tuple[Fact, ...]:
    """The times that are known."""
    rows = [
        Fact(label, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
        for label, moment in (("Received", received), ("Started", started), ("Ended", ended))
        if moment is not None
    ]
    if received is not None and ended is not None:
        rows.append(Fact("From mail to result", duration((ended - received).total_seconds())))
    return tuple(rows)
