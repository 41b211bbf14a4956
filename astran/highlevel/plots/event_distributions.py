"""What the events look like: energies, times between them, acceptance over the field of view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.diagnostic_parts import (
    AcceptanceProfile,
    Diagnostics,
    EnergyHistogram,
    IntervalHistogram,
)
from astran.results.document import Results, RunNumbers

OFFSET_STEP_DEG = 0.05


def draw_events(results: Results, found: Diagnostics) -> Drawn:
    """Four panels about all events of the night."""
    figure = style.new_figure(results, style.heading(results, "events"), height=11.6)
    energy, waits, camera, offset = figure.subplots(4, 1)
    method = results.map.background if results.map else ""
    style.fill_panel(energy, found.energy, _draw_energies)
    style.fill_panel(waits, found.intervals, _draw_intervals)
    style.fill_panel(camera, found.acceptance, partial(_draw_acceptance, method=method))
    style.fill_panel(offset, results.runs, _draw_offsets)
    largest = found.intervals and found.intervals.largest_s
    waited = "" if largest is None else f", the longest {largest:.0f} s"
    alt = (
        f"Events of {results.target.name}: energy distribution of all, ON and background; "
        f"times between events with the exponential of a steady rate{waited}; density over the "
        "field of view with the acceptance of the sky map; excess rate against the target's "
        "offset from the pointing."
    )
    return figure, alt


def _draw_energies(axes: Any, found: EnergyHistogram) -> None:
    axes.set_xlabel("reconstructed energy [TeV]")
    axes.set_ylabel("events per bin")
    if not found.all:
        style.say_nothing(axes, "no events")
        return
    edges = np.array(found.edges_tev)
    # legible without colours: an area, a line, a broken line
    axes.stairs(np.array(found.all), edges, fill=True, color=style.PALE)
    shown = (
        (found.all, "all", style.GREY, "-", 1.4),
        (found.on, "ON", style.BLUE, "-", 2.2),
        (found.background, "OFF × α", style.VERMILION, "--", 1.4),
    )
    for counts, label, colour, line, width in shown:
        axes.stairs(
            np.array(counts), edges, color=colour, linestyle=line, linewidth=width, label=label
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.3, 100 * max(found.all))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.legend(loc="upper right", frameon=False, ncols=3)


def _draw_intervals(axes: Any, found: IntervalHistogram) -> None:
    axes.set_xlabel("time between events / mean of the run")
    axes.set_ylabel("pairs of events")
    if not found.counts:
        style.say_nothing(axes, "no events")
        return
    edges = np.array(found.edges)
    axes.stairs(
        np.array(found.counts), edges, fill=True, color=style.SKY, alpha=0.75, label="measured"
    )
    axes.plot(
        (edges[1:] + edges[:-1]) / 2,
        np.array(found.expected),
        color=style.INK,
        linestyle="--",
        label="steady random rate",
    )
    axes.set_yscale("log")
    axes.set_ylim(0.5, 3 * max(found.counts))
    axes.set_xlim(edges[0], edges[-1])
    axes.legend(loc="upper right", frameon=False, title=f"longest: {found.largest_s:.3g} s")


def _draw_acceptance(axes: Any, found: AcceptanceProfile, method: str) -> None:
    edges = np.array(found.edges_deg)
    centre = (edges[1:] + edges[:-1]) / 2
    density = style.numbers(found.events_per_deg2)
    error = style.numbers(found.events_error)
    axes.errorbar(
        centre,
        density,
        yerr=style.lengths(error),
        fmt="o",
        color=style.BLUE,
        markersize=5,
        label="outside of sources",
    )
    axes.stairs(
        style.numbers(found.model_per_deg2),
        edges,
        color=style.VERMILION,
        linewidth=1.7,
        label=f"acceptance of the map ({method})",
    )
    axes.set_ylim(0, 1.3 * float(np.nanmax([*(density + style.lengths(error)), 1e-3])))
    axes.set_xlim(0, edges[-1])
    axes.set_xlabel("offset from the pointing [deg]")
    axes.set_ylabel("events per deg²")
    axes.legend(loc="upper right", frameon=False)


def _draw_offsets(axes: Any, runs: Sequence[RunNumbers]) -> None:
    """Runs of one offset are drawn together."""
    together: dict[int, list[RunNumbers]] = {}
    for run in runs:
        together.setdefault(round(run.offset_deg / OFFSET_STEP_DEG), []).append(run)
    for members in together.values():
        minutes = 60 * sum(run.livetime_h for run in members)
        axes.errorbar(
            [np.mean([run.offset_deg for run in members])],
            [sum(run.excess for run in members) / minutes],
            yerr=[np.sqrt(sum(run.excess_error**2 for run in members)) / minutes],
            fmt="o",
            color=style.BLUE,
            markersize=6,
            elinewidth=1.6,
        )
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.set_xlim(0, max(1.0, 1.2 * max(run.offset_deg for run in runs)))
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0), max(1.3 * high, 0.1))
    axes.set_xlabel("offset of the target [deg]")
    axes.set_ylabel("excess per min")


EVENTS = Plot(
    "events",
    "Events",
    "events",
    lambda results, sky: results.diagnostics,
    draw_events,
    mail=False,
)
