"""The spectral energy distribution and the light curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from matplotlib.ticker import FuncFormatter

from astran.highlevel.arrays import Floats
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.highlevel.spectral.shapes import CRAB, CRAB_HESS, ERG_PER_TEV
from astran.results.document import Results
from astran.results.spectral_parts import (
    CrabFlux,
    LightCurve,
    ModelFit,
    SpectralPoint,
    SpectrumNumbers,
    TimedFlux,
)

MODEL_NAMES = {
    "power-law": "power law",
    "log-parabola": "log-parabola",
    "exponential-cutoff": "power law with cut-off",
}
_SYMBOLS = {"index": "Γ", "alpha": "α", "beta": "β (ln)"}
LONGEST_SPAN_H = 20.0
"""A longer light curve is drawn by run number, as its nights would be thin lines."""
MOST_NIGHTS_BY_NUMBER = 12
"""More nights are drawn against the date, without their runs."""


def draw_spectrum(results: Results, found: SpectrumNumbers) -> Drawn:
    """Flux points, the best model with its error band, and Crab references."""
    points, name = found.flux_points, results.spectrum.model
    lines = _spectrum_lines(name, found)
    figure, axes, below = style.with_panel(results, "spectrum", lines, axes_in=4.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    energy = np.array(found.curve.energy_tev)
    to_erg = energy**2 * ERG_PER_TEV
    model = np.array(found.curve.dnde) * to_erg
    band = np.array(found.curve.dnde_error) * to_erg
    wide = np.geomspace(points[0].energy_min_tev / 1.3, points[-1].energy_max_tev * 1.3, 200)
    references = []
    for reference, line in ((CRAB, "--"), (CRAB_HESS, ":")):
        inside = wide[(wide >= reference.energy_min) & (wide <= reference.energy_max)]
        if inside.size > 1:
            expected = reference.shape(inside) * inside**2 * ERG_PER_TEV
            references.append(expected[inside <= points[-1].energy_max_tev])
            axes.plot(
                inside,
                expected,
                color=style.GREY,
                linestyle=line,
                linewidth=1.6,
                label=f"{reference.name}",
            )
    if name:
        axes.fill_between(
            energy, np.clip(model - band, 1e-20, None), model + band, color=style.SKY, alpha=0.4
        )
        label = MODEL_NAMES[name] + (", absorbed" if found.ebl else "")
        axes.plot(energy, model, color=style.BLUE, linewidth=2, label=label)
    _points(axes, points, found.limit_confidence)
    values = np.concatenate([_shown(_drawable(points, limit=kind)) for kind in (True, False)])
    values = values[values > 0]
    if values.size:
        high = max(values.max(), *(np.max(each, initial=0.0) for each in references), 0.0)
        low = min(values.min(), *(_lowest(each, values) for each in references), high)
        # above the highest there is room for the legend
        axes.set_ylim(low / 2, high * (high / low) ** 0.45)
    axes.set_xlim(wide[0], wide[-1])
    axes.set_xlabel("energy [TeV]")
    axes.set_ylabel(r"$E^2\,dN/dE$  [erg cm$^{-2}$ s$^{-1}$]")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.legend(loc="upper right", ncols=2, frameon=False)
    axes.set_title(WHY_OTHER, fontsize=10.5, color=style.GREY, loc="left")
    style.panel(below, lines)
    return figure, _spectrum_alt(results, found)


WHY_OTHER = "√TS weighs events by energy; Li & Ma counts all events alike"
"""Two significances stand in one report."""
DEEPEST_REFERENCE = 10.0
"""So far below the points a reference is followed; where it falls off it says no more."""


def _lowest(reference: Floats, values: Floats) -> float:
    shown = reference[reference > values.min() / DEEPEST_REFERENCE]
    return float(np.min(shown, initial=np.inf))


def _shown(points: Sequence[SpectralPoint]) -> Floats:
    return style.numbers([p.e2dnde_limit_erg if p.is_limit else p.e2dnde_erg for p in points])


def _drawable(points: Sequence[SpectralPoint], *, limit: bool) -> list[SpectralPoint]:
    """Points that have a value, or upper limits; a limit that is none (or not above zero) has
    nothing to show."""
    some = [p for p in points if p.is_limit is limit]
    least = 0.0 if limit else -np.inf
    return [p for p, value in zip(some, _shown(some), strict=True) if value > least]


def _points(axes: Any, points: Sequence[SpectralPoint], confidence: float) -> None:
    for limit in (False, True):
        some = _drawable(points, limit=limit)
        if not some:
            continue
        energy = np.array([p.energy_tev for p in some])
        wide = np.array(
            [
                [p.energy_tev - p.energy_min_tev for p in some],
                [p.energy_max_tev - p.energy_tev for p in some],
            ]
        )
        value = _shown(some)
        to_erg = energy**2 * ERG_PER_TEV
        low = style.lengths([p.dnde_error_low for p in some]) * to_erg
        high = style.lengths([p.dnde_error_high for p in some]) * to_erg
        axes.errorbar(
            energy,
            value,
            xerr=wide,
            # of few events the fit may tell no error, or one beyond the value
            yerr=value * 0.35 if limit else (style.lengths(np.minimum(low, 0.99 * value)), high),
            uplims=limit,
            fmt="none" if limit else "o",
            color=style.BLUE if not limit else None,
            ecolor=style.VERMILION if limit else style.BLUE,
            markersize=6,
            elinewidth=1.6,
            capsize=3 if limit else 0,
            label=f"upper limit {100 * confidence:g} %" if limit else "flux points",
            zorder=4,
        )


def _spectrum_lines(name: str | None, found: SpectrumNumbers) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    if name:
        amplitude, error = found.parameters["amplitude"], found.errors["amplitude"]
        power = int(np.floor(np.log10(amplitude)))
        scaled = style.with_error(amplitude / 10**power, error / 10**power)
        # its unit would not fit here, the exponent must
        lines.append((rf"$\phi_0$ / $10^{{{power}}}$", scaled))
        for key, value in found.parameters.items():
            if key in _SYMBOLS:
                lines.append((_SYMBOLS[key], style.with_error(value, found.errors[key])))
        for key, value in found.fixed_parameters.items():
            lines.append((f"{_SYMBOLS[key]}, fixed", f"{value:g}"))
        best = next(model for model in found.models if model.name == name)
        if name == "exponential-cutoff":
            lines.append((r"$E_\mathrm{cut}$ / TeV", _cutoff_text(best)))
        if found.ebl:
            lines.append(("EBL, z", f"{found.ebl.redshift:g}"))
        fit = f"{best.statistic:.0f}/{best.degrees_of_freedom}"
        lines.append(("stat/dof", fit))
    elif found.assumed_index is not None:
        lines.append(("Γ, assumed", f"{found.assumed_index:g}"))
    lines += [
        ("from", style.energy(found.energy_min_tev)),
        ("to", style.energy(found.energy_max_tev)),
        ("√TS", f"{found.significance:.1f}"),
        ("OFF regions", f"{found.off_regions}"),
    ]
    if found.crab:
        lines.append(("Crab units", _crab_text(found.crab)))
    return [*lines, ("MAGIC 2015", "JHEAp 5, 30"), ("H.E.S.S. 2006", "A&A 457, 899")]


def _cutoff_text(best: ModelFit) -> str:
    energy, error = best.cutoff_energy_tev, best.cutoff_energy_error_tev
    # an error as large as that says that no cut-off was seen
    if energy is None or error is None or error > energy:
        return "none seen"
    return style.with_error(energy, error)


def _crab_text(crab: CrabFlux) -> str:
    if not crab.is_limit:
        return style.with_error(crab.value, crab.error)
    return "no limit" if crab.upper_limit is None else f"< {crab.upper_limit:.2g}"


def _spectrum_alt(results: Results, found: SpectrumNumbers) -> str:
    name = results.spectrum.model
    said = [f"Spectral energy distribution of {results.target.name} from"]
    low, high = style.energy(found.energy_min_tev), style.energy(found.energy_max_tev)
    said.append(f"{low} to {high}")
    drawn, limits = (len(_drawable(found.flux_points, limit=k)) for k in (False, True))
    said.append(f"with {drawn} flux points and {limits} upper limits,")
    if name:
        known = {**found.fixed_parameters, **found.parameters}
        symbol = "alpha" if name == "log-parabola" else "index"
        said.append(f"and a {MODEL_NAMES[name]} with {symbol} {known[symbol]:.2f}")
        said.append("at the source, absorbed on the way;" if found.ebl else ";")
    said.append("the Crab Nebula's spectra of MAGIC (2015) and H.E.S.S. (2006) for comparison.")
    return " ".join(said)


def draw_light_curve(results: Results, curve: LightCurve) -> Drawn:
    """Flux in time: fine bins where there are some, runs and nights."""
    figure = style.new_figure(results, style.heading(results, "light curve"))
    axes = figure.subplots()
    fine, runs, nights = curve.fine, curve.runs, curve.nights
    power = int(np.floor(np.log10(max(abs(p.flux) for p in runs) or 1e-12)))
    unit = 10.0**power
    first, last = _time(runs[0].start), _time(runs[-1].stop)
    by_time = (last - first).total_seconds() / 3600 < LONGEST_SPAN_H
    by_date = len(nights) > MOST_NIGHTS_BY_NUMBER
    tops, lows = [], []
    axes.axhline(0, color=style.INK, linewidth=0.8)
    if by_date:
        tops += _by_date(axes, nights, curve.months, unit)
    elif by_time:
        if fine:
            tops += _drawn(axes, _as_points(fine), unit, style.SKY, ".", "finer bins")
        tops += _drawn(axes, runs, unit, style.BLUE, "o", "runs")
        style.clock(axes, first)
    else:
        tops += _by_number(axes, runs, nights, unit)
    shown = [p for p in nights if not p.is_limit] if by_date else runs
    shown = [*shown, *(fine if by_time else [])]
    lows = [(p.flux - p.flux_error) / unit for p in shown]
    constant = curve.nights_constant if by_date else curve.runs_constant
    if constant:
        mean, error = constant.mean / unit, constant.error / unit
        axes.axhspan(mean - error, mean + error, color=style.GREY, alpha=0.2, lw=0)
        axes.axhline(
            mean,
            color=style.GREY,
            linestyle="--",
            linewidth=1.5,
            label=f"mean, χ²/ndf {constant.chi2:.1f}/{constant.ndf}",
        )
    crab = curve.crab_flux / unit
    high = max([*tops, 0.1])
    if crab < 1.6 * high:
        high = max(high, crab)
        axes.axhline(crab, color=style.ORANGE, linestyle=":", linewidth=2, label="Crab, MAGIC 2015")
    low = min([0.0, *lows])
    axes.set_ylim(low - 0.05 * (high - low), high + 0.3 * (high - low))
    above = style.energy(curve.energy_min_tev)
    below = style.energy(curve.energy_max_tev)
    axes.set_ylabel(rf"flux  [$10^{{{power}}}$ cm$^{{-2}}$ s$^{{-1}}$]")
    axes.set_title(f"{above} < E < {below}", fontsize=12, loc="right")
    axes.legend(loc="upper left", ncols=2, frameon=False)
    what = f"{len(runs)} runs" if len(runs) > 1 else "one run"
    if by_date:
        what = f"{len(nights)} nights with {what}"
    stable = (
        f", chi2/ndf {constant.chi2:.1f}/{constant.ndf} for a constant flux" if constant else ""
    )
    alt = (
        f"Light curve of {results.target.name}: flux between {above} and {below} in {what}"
        f"{f' and {len(fine)} finer bins' if fine and by_time else ''}{stable}; the Crab's flux is "
        f"{curve.crab_flux:.2g} per square centimetre and second."
    )
    return figure, alt


def _as_points(points: Sequence[TimedFlux]) -> list[TimedFlux]:
    """Short bins are shown as they are: limits would hide how they scatter."""
    return [replace(point, is_limit=False) for point in points]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _drawn(
    axes: Any, points: Sequence[TimedFlux], unit: float, colour: str, marker: str, label: str
) -> list[float]:
    start = np.array([mdates.date2num(_time(p.start)) for p in points])
    stop = np.array([mdates.date2num(_time(p.stop)) for p in points])
    return _errorbars(
        axes, (start + stop) / 2, (stop - start) / 2, points, unit, colour, marker, label
    )


def _errorbars(
    axes: Any,
    place: Floats,
    half: Floats | None,
    points: Sequence[TimedFlux],
    unit: float,
    colour: str,
    marker: str,
    label: str,
) -> list[float]:
    """Points, and arrows from the upper limits of weak ones; returns how high they reach."""
    weak = np.array([p.is_limit for p in points])
    flux = style.numbers([p.flux for p in points]) / unit
    error = style.lengths([p.flux_error for p in points]) / unit
    limit = style.numbers([p.flux_limit for p in points]) / unit
    good = ~weak
    weak &= limit > 0  # one without a limit has nothing to show
    if good.any():
        axes.errorbar(
            place[good],
            flux[good],
            xerr=None if half is None else half[good],
            yerr=error[good],
            fmt=marker,
            color=colour,
            markersize=6 if marker != "." else 7,
            elinewidth=1.5,
            label=label,
        )
    if weak.any():
        axes.errorbar(
            place[weak],
            limit[weak],
            xerr=None if half is None else half[weak],
            yerr=0.12 * max(float(limit[weak].max()), float((flux + error).max())),
            uplims=True,
            fmt="none",
            ecolor=style.VERMILION,
            elinewidth=1.5,
            capsize=3,
            label="upper limit 95 %",
        )
    return [*(flux + error)[good], *limit[weak]]


def _by_number(
    axes: Any, runs: Sequence[TimedFlux], nights: Sequence[TimedFlux], unit: float
) -> list[float]:
    """Runs side by side, nights above their runs: for more than one night."""
    place: Floats = np.arange(len(runs), dtype=float)
    tops = _errorbars(axes, place, None, _as_points(runs), unit, style.SKY, ".", "runs")
    named: list[TimedFlux] = []
    centres, halves = [], []
    for night in nights:
        inside = [
            k for k, run in enumerate(runs) if night.start <= run.start and run.stop <= night.stop
        ]
        if not inside:
            continue
        named.append(night)
        centres.append((inside[0] + inside[-1]) / 2)
        halves.append((inside[-1] - inside[0]) / 2 + 0.4)
        if inside[0]:
            axes.axvline(inside[0] - 0.5, color=style.PALE, linewidth=1.2, zorder=0)
    if named:
        tops += _errorbars(
            axes, np.array(centres), np.array(halves), named, unit, style.BLUE, "o", "nights"
        )
    every = max(int(np.ceil(len(named) / 8)), 1)
    axes.set_xticks(
        centres[::every],
        [f"{n.label[:4]}-{n.label[4:6]}-{n.label[6:]}" for n in named[::every]],
    )
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, len(runs) - 0.3)
    axes.set_xlabel("runs in order of time, by night")
    return tops


def _by_date(
    axes: Any, nights: Sequence[TimedFlux], months: Sequence[TimedFlux], unit: float
) -> list[float]:
    """Nights against the date, and months where there are several: for many nights."""
    tops = _drawn(axes, nights, unit, style.BLUE, "o", "nights")
    if len(months) > 1:
        tops += _drawn(axes, _as_points(months), unit, style.INK, "s", "months")
    locator = mdates.AutoDateLocator(maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    first, last = nights[0].mjd_start, nights[-1].mjd_stop
    span = f" (MJD {first:.0f} to {last:.0f})" if first and last else ""
    axes.set_xlabel(f"date, UTC{span}")
    return tops


def _with_points(results: Results, sky: SkyMap | None) -> SpectrumNumbers | None:
    found = results.spectrum.numbers
    return found if found and found.flux_points else None


def _with_runs(results: Results, sky: SkyMap | None) -> LightCurve | None:
    curve = results.light_curve
    return curve if curve and curve.runs else None


SPECTRUM = Plot("spectrum", "Spectrum", "spectrum", _with_points, draw_spectrum)
LIGHT_CURVE = Plot("light_curve", "Light curve", "light curve", _with_runs, draw_light_curve)
