"""The tables of a report as data: the same cells go into text, HTML and terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
from astran.report.outcomes import RunOutcome, StageLine
from astran.results.document import (
    CountNumbers,
    FieldSourceNumbers,
    MapNumbers,
    NightNumbers,
    RateConstancy,
    Results,
    RunNumbers,
    StackedNumbers,
)
from astran.results.spectral_parts import Spectrum, SpectrumNumbers


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


@dataclass(frozen=True, slots=True)
class NightsPart:
    """What a report on several nights tells beside its results; empty for a single night."""

    title: str = ""
    """`Crab, 2023-12-07 to 2023-12-13`."""
    table: Table | None = None
    """Each night: its numbers, or why it has none."""
    answers: tuple[str, ...] = ()
    """Of several targets, what the stack of each shows."""


def number_rows(results: Results, config: AnalysisConfig) -> tuple[Fact, ...]:
    """The main numbers of results.json."""
    stacked, sky, target = results.stacked, results.map, config.target
    rows = [
        Fact("Significance (Li&Ma)", format_significance(stacked.significance), main=True),
        Fact("Excess", _excess(stacked), main=True),
        Fact("Livetime", format_livetime(stacked.livetime_h), main=True),
        Fact("N_on", format_count(stacked.n_on)),
        Fact("N_off", _off(stacked)),
        Fact("alpha", format_fixed(stacked.alpha, 4)),
        Fact("Excess rate", format_measured(stacked.rate_per_min, stacked.rate_error, "per min")),
    ]
    if finite_number(stacked.background_per_min) is not None:
        background = format_measured(
            stacked.background_per_min, stacked.background_error, "per min"
        )
        rows.append(Fact("Background rate", background))
    if sky:
        rows.append(Fact("Sky-map peak", _peak(sky)))
        rows += [Fact("Source in the field", _field_source(one)) for one in sky.sources]
        rows.append(
            Fact(
                "Sky map off the source",
                f"mean {format_fixed(sky.off_mean, 2)}, sigma {format_fixed(sky.off_sigma, 2)}"
                " (0 and 1 without sources)",
            )
        )
    rows.append(Fact("Cuts", config.describe_cuts(_theta(stacked))))
    optional = (
        ("Flux", _flux(results.spectrum)),
        ("Spectrum", _spectrum(results.spectrum)),
        ("Spectrum begins at", _thresholds(results.spectrum)),
        ("Rate from run to run", _constancy(results.rate)),
        ("Energy", _energies(stacked)),
        ("Zenith distance", _zenith(results.runs)),
    )
    rows += [Fact(label, value) for label, value in optional if value]
    rows.append(Fact("Position (ICRS)", f"RA {target.ra:.4f} deg, Dec {target.dec:+.4f} deg"))
    return tuple(rows)


def _excess(numbers: CountNumbers) -> str:
    return format_measured(numbers.excess, numbers.excess_error)


def _off(stacked: StackedNumbers) -> str:
    regions = finite_number(stacked.off_regions)
    off = format_count(stacked.n_off)
    if regions is None or off == ABSENT:
        return off
    return f"{off} in {regions:.3g} OFF region{'' if regions == 1 else 's'}"


def _peak(sky: MapNumbers) -> str:
    place = ""
    if sky.peak_offset_deg is not None:
        place = f", {format_fixed(sky.peak_offset_deg, 3)} deg from the source"
    trials = ""
    if sky.peak_trials is not None and sky.peak_after_trials is not None:
        after = format_significance(sky.peak_after_trials)
        trials = f"; {after} after {_trials(sky.peak_trials)} trials, if the place was not known"
    return format_significance(sky.peak_significance) + place + trials


def _trials(number: float) -> str:
    """Two digits of it mean something."""
    return f"{float(f'{number:.2g}'):.0f}"


def _field_source(source: FieldSourceNumbers) -> str:
    nearest = source.counterparts[0] if source.counterparts else None
    known = f"{nearest.name} at {nearest.distance_deg:.2f} deg" if nearest else "none in catalogue"
    return (
        f"{source.name}{'' if source.detected else ' (possible)'}: "
        f"{format_significance(source.significance_after_trials)} after {_trials(source.trials)} "
        f"trials, {source.offset_deg:.2f} deg from the target at RA {source.ra_deg:.3f}, Dec "
        f"{source.dec_deg:+.3f} deg; counterpart: {known}"
    )


def _theta(stacked: StackedNumbers) -> str:
    """The directional cut that was made; empty where it is not known."""
    fixed_cut = stacked.theta_cut_deg
    least, most = stacked.theta_cut.min_deg, stacked.theta_cut.max_deg
    if fixed_cut is None and least is not None and most is not None:
        return f"theta < {least:.3g} to {most:.3g} deg by energy"
    return "" if fixed_cut is None else f"theta < {fixed_cut:.3g} deg"


def _energies(stacked: StackedNumbers) -> str:
    least, most = stacked.energy_min_tev, stacked.energy_max_tev
    bounds = [f"> {least:.3g} TeV"] if least else []
    bounds += [f"< {most:.3g} TeV"] if most else []
    return f"reconstructed, {' and '.join(bounds)}" if bounds else ""


def energy_span(found: SpectrumNumbers) -> str:
    """The energies that a spectrum covers; empty where they are not known."""
    low, high = finite_number(found.energy_min_tev), finite_number(found.energy_max_tev)
    return f"{low:.3g} to {high:.3g} TeV" if low is not None and high is not None else ""


def _flux(spectrum: Spectrum) -> str:
    """In Crab units, above the threshold of the integral flux."""
    found = spectrum.numbers
    if found is None or found.crab is None:
        return ""
    crab, least = found.crab, found.crab.energy_min_tev
    span = f"above {least:.3g} TeV" if least is not None else f"from {energy_span(found)}"
    if finite_number(crab.value) is None or span == "from ":
        return ""
    if not crab.is_limit:
        return f"{format_measured(crab.value, crab.error, 'Crab')}, {span}"
    if crab.upper_limit is None or crab.upper_limit <= 0:
        return f"no upper limit, {span}"
    usual = f", {crab.expected_limit:.2g} expected without a source" if crab.expected_limit else ""
    return f"below {crab.upper_limit:.2g} Crab ({100 * found.limit_confidence:g} %{usual}), {span}"


def _thresholds(spectrum: Spectrum) -> str:
    """Energy thresholds of the runs, with where they come from."""
    found = spectrum.numbers.thresholds if spectrum.numbers else ()
    parts: dict[str, list[float]] = {}
    for one in found:
        parts.setdefault(one.origin, []).append(one.energy_min_tev)
    said = []
    for origin, values in parts.items():
        least, most = f"{min(values):.3g}", f"{max(values):.3g}"
        span = least if least == most else f"{least} to {most}"
        said.append(f"{span} TeV ({origin})")
    return "; ".join(said[:2])


def _spectrum(spectrum: Spectrum) -> str:
    found = spectrum.numbers
    amplitude = finite_number(found.parameters.get("amplitude")) if found else None
    if found is None or spectrum.model is None or amplitude is None:
        return ""
    power = math.floor(math.log10(abs(amplitude) or 1.0))
    unit = 10.0**power
    error = finite_number(found.errors.get("amplitude"))
    flux = format_measured(amplitude / unit, None if error is None else error / unit)
    said = [f"{spectrum.model}, ({flux})e{power} cm-2 s-1 TeV-1 at 1 TeV"]
    said += [
        f"{key} {format_measured(found.parameters[key], found.errors.get(key))}"
        for key in ("index", "alpha", "beta")
        if finite_number(found.parameters.get(key)) is not None
    ]
    said += [f"{key} {value:g} (fixed)" for key, value in found.fixed_parameters.items()]
    best = next((model for model in found.models if model.name == spectrum.model), None)
    if best and best.cutoff_energy_tev is not None:
        said.append(
            f"cut-off {format_measured(best.cutoff_energy_tev, best.cutoff_energy_error_tev)} TeV"
        )
    if found.ebl:
        said.append(
            f"of the source at redshift {found.ebl.redshift:g}, EBL of {found.ebl.citation}"
        )
    if finite_number(found.significance) is not None:
        said.append(
            f"sqrt(TS) {found.significance:.1f}: it weighs events by energy, Li&Ma counts all alike"
        )
    return ", ".join(said)


def _zenith(runs: Iterable[RunNumbers]) -> str:
    angles = [run.zenith_deg for run in runs if run.zenith_deg is not None]
    if not angles:
        return ""
    low, high = f"{min(angles):.0f}", f"{max(angles):.0f}"
    return f"{low} deg" if low == high else f"{low} to {high} deg"


def _constancy(rate: RateConstancy | None) -> str:
    if rate is None or finite_number(rate.chi2) is None or not finite_number(rate.ndf):
        return ""
    return f"chi2/ndf = {rate.chi2:.1f}/{rate.ndf:.0f} for a constant"


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column of the table of runs."""

    name: str
    unit: str
    value: Callable[[RunNumbers], str]

    def cell(self, numbers: RunNumbers) -> str:
        """The value with its unit; a dash where it is not known."""
        value = self.value(numbers)
        return "–" if value == ABSENT else f"{value} {self.unit}".rstrip()


RUN_COLUMNS = (
    RunColumn("Li&Ma", "", lambda run: format_fixed(run.significance, 1)),
    RunColumn("Excess", "", _excess),
    RunColumn("Livetime", "min", lambda run: format_fixed(run.livetime_h * 60, 1)),
    RunColumn("N_on", "", lambda run: format_count(run.n_on)),
    RunColumn("N_off", "", lambda run: format_count(run.n_off)),
)
"""The numbers of a run in mails, pages and terminals."""


def run_table(runs: Iterable[RunOutcome]) -> Table:
    """One row per run, in the order of run numbers; without columns of numbers where no run has
    any."""
    rows = [_run_row(run) for run in sorted(runs, key=lambda run: run.run)]
    if all(row.remark for row in rows):
        bare = [TableRow((*row.cells, row.remark), row.ok) for row in rows]
        return Table(("Run", "Outcome"), tuple(bare))
    return Table(("Run", *(column.name for column in RUN_COLUMNS)), tuple(rows))


@dataclass(frozen=True, slots=True)
class NightColumn:
    """A column of the table of nights."""

    name: str
    value: Callable[[NightNumbers], str]
    main: bool = True
    """Whether it is in mails, too, which have less room."""


NIGHT_COLUMNS = (
    NightColumn("Runs", lambda night: format_count(night.n_runs), main=False),
    NightColumn("Livetime", lambda night: f"{format_fixed(night.livetime_h, 2)} h"),
    NightColumn("N_on", lambda night: format_count(night.n_on), main=False),
    NightColumn("N_off", lambda night: format_count(night.n_off), main=False),
    NightColumn("alpha", lambda night: format_fixed(night.alpha, 3), main=False),
    NightColumn("Excess", _excess, main=False),
    NightColumn("Li&Ma", lambda night: format_fixed(night.significance, 1)),
    NightColumn("Flux [cm-2 s-1]", lambda night: _night_flux(night)),
)


def night_tables(results: Results) -> tuple[Table, Table]:
    """One row per night, with all columns and with the main ones; empty where there is one night
    only."""
    nights = results.by_night or ()
    shown = nights if len(nights) > 1 else ()
    main = [column for column in NIGHT_COLUMNS if column.main]
    return _night_table(shown, NIGHT_COLUMNS), _night_table(shown, main)


def _night_table(nights: Iterable[NightNumbers], columns: Sequence[NightColumn]) -> Table:
    rows = [
        TableRow((_night_name(night.night), *(column.value(night) for column in columns)))
        for night in nights
    ]
    return Table(("Night", *(column.name for column in columns)), tuple(rows))


def _night_name(night: str) -> str:
    return f"{night[:4]}-{night[4:6]}-{night[6:]}"


def _night_flux(night: NightNumbers) -> str:
    """The flux with its error, or the upper limit of a weak one."""
    flux, error = finite_number(night.flux), finite_number(night.flux_error)
    if flux is None or error is None:
        return "–"
    if night.is_limit:
        return "no limit" if night.flux_limit is None else f"< {night.flux_limit:.2g}"
    power = math.floor(math.log10(abs(flux) or 1.0))
    return f"({format_measured(flux / 10.0**power, error / 10.0**power)})e{power}"


def _run_row(run: RunOutcome) -> TableRow:
    name, numbers = str(run.run), run.numbers
    if not run.ok:
        return TableRow((name,), ok=False, remark=_remark(run.stage, run.reason))
    if numbers is None:
        return TableRow((name,), remark="done, numbers not available")
    return TableRow((name, *(column.cell(numbers) for column in RUN_COLUMNS)))


def _remark(stage: str, reason: str) -> str:
    place = f"failed at {stage}" if stage else "left out"
    return one_line(f"{place}: {reason}" if reason else f"{place}: the cause is not known", 300)


def stage_table(stages: Iterable[StageLine]) -> Table:
    """One row per stage, in the order given."""
    return Table(("Stage", "Tasks", "Attempts", "Time", "Memory"), tuple(map(_stage_row, stages)))


def _stage_row(line: StageLine) -> TableRow:
    time = "–" if line.wall_s is None else duration(line.wall_s)
    memory = "–" if line.max_rss_mb is None else _memory(line.max_rss_mb)
    ended = {"done": line.done, "reused": line.reused, "failed": line.failed}
    cells = one_line(line.stage, 30), _tasks(line.total, ended), str(line.attempts), time, memory
    return TableRow(cells, ok=line.failed == 0)


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
