"""How the data taking went: rates against time and zenith, wobble positions, dead time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from matplotlib.figure import Figure

from astran.base.night import Night
from astran.highlevel.arrays import Floats
from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.diagnostic_parts import Diagnostics, RunRates, TimeRates, WobblePosition
from astran.results.document import Results, RunNumbers

LONGEST_SPAN_H = 20.0
"""Longer than that, bins are drawn side by side, without the days between them."""
MOST_NIGHT_LABELS = 6


def draw_observation(results: Results, found: Diagnostics) -> Drawn:
    """Event and gamma rate against time; below: event rate against zenith, pointings, dead time."""
    figure = style.new_figure(results, style.heading(results, "data taking"), height=9.6)
    grid = figure.add_gridspec(4, 2, height_ratios=(1, 1, 1.6, 0.7), width_ratios=(1, 1.35))
    upper, middle, dead = (figure.add_subplot(grid[row, :]) for row in (0, 1, 3))
    zenith, wobble = (figure.add_subplot(grid[2, column]) for column in range(2))
    if found.time:
        _draw_rates(figure, upper, middle, found.time, results)
    else:
        style.say_nothing(upper, "not available")
        style.say_nothing(middle, "not available")
    style.fill_panel(zenith, found.runs, _draw_zenith)
    style.fill_panel(wobble, found.wobble, _draw_wobble)
    style.fill_panel(dead, found.runs, _draw_dead_time)
    return figure, _observation_alt(results)


def _draw_rates(
    figure: Figure, upper: Any, middle: Any, bins: Sequence[TimeRates], results: Results
) -> None:
    """Event rate and excess rate against time."""
    rate = results.rate
    place, half, ticks = _places(bins, results.runs)
    events = np.array([item.events_per_s for item in bins])
    errors = np.array([item.events_error for item in bins])
    _points(upper, place, events, errors, half, style.GREY, "s")
    upper.set_ylim(0, 1.2 * max(float((events + errors).max()), 1e-3))
    upper.set_ylabel("events per s")
    gammas = np.array([item.gammas_per_min for item in bins])
    errors = np.array([item.gammas_error for item in bins])
    if rate is not None:
        mean, error = rate.mean_per_min, rate.mean_error
        middle.axhspan(mean - error, mean + error, color=style.SKY, alpha=0.35, lw=0)
        middle.axhline(mean, color=style.GREY, linestyle="--")
    _points(middle, place, gammas, errors, half, style.BLUE, "o")
    middle.axhline(0, color=style.INK, linewidth=0.8)
    middle.set_ylabel("excess per min")
    for axes in (upper, middle):
        ticks(axes)
    upper.tick_params(labelbottom=False)
    upper.set_xlabel("")
    figure.align_ylabels((upper, middle))


def _observation_alt(results: Results) -> str:
    found, rate = results.diagnostics, results.rate
    said = [f"Data taking of {results.target.name}: event rate against time"]
    if found.time:
        events = [item.events_per_s for item in found.time]
        said.append(f", {min(events):.1f} to {max(events):.1f} per second")
    said.append("; excess rate")
    if rate is not None:
        mean, error = rate.mean_per_min, rate.mean_error
        said.append(f", on average {mean:.2f} ± {error:.2f} per minute")
    said.append("; event rate against zenith distance; ")
    if found.wobble:
        said.append(f"{len(found.wobble)} pointings with their livetimes; ")
    return "".join(said) + "dead time of each run."


def _places(bins: Sequence[TimeRates], runs: Sequence[RunNumbers]) -> tuple[Floats, Floats, Any]:
    """Where the bins go on the time axis, half their length, and who labels the axis."""
    start = [datetime.fromisoformat(item.start) for item in bins]
    stop = [datetime.fromisoformat(item.stop) for item in bins]
    if (stop[-1] - start[0]).total_seconds() / 3600 < LONGEST_SPAN_H:
        first, last = (np.array(mdates.date2num(ends)) for ends in (start, stop))

        def by_time(axes: Any) -> None:
            style.clock(axes, start[0])

        return (first + last) / 2, (last - first) / 2, by_time
    night_of = {run.obs_id: run.night for run in runs}
    nights = [night_of[item.obs_id] for item in bins]
    changes = [0, *(k for k in range(1, len(nights)) if nights[k] != nights[k - 1]), len(nights)]

    def by_night(axes: Any) -> None:
        centres = [(a + b - 1) / 2 for a, b in pairwise(changes)]
        every = int(np.ceil(len(centres) / MOST_NIGHT_LABELS))
        labels = [Night.parse(nights[k]).iso for k in changes[:-1]]
        axes.set_xticks(centres[::every], labels[::every])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.7, len(nights) - 0.3)
        axes.set_xlabel("good time in order, by night")
        for edge in changes[1:-1]:
            axes.axvline(edge - 0.5, color=style.PALE, linewidth=1.2, zorder=0)

    return np.arange(len(bins), dtype=float), np.full(len(bins), 0.5), by_night


def _points(
    axes: Any, x: Floats, y: Floats, error: Floats, half: Floats, colour: str, marker: str
) -> None:
    axes.errorbar(
        x,
        y,
        xerr=half,
        yerr=style.lengths(error),
        fmt=marker,
        color=colour,
        markersize=3.5,
        elinewidth=1.1,
    )


def _draw_zenith(axes: Any, runs: Sequence[RunRates]) -> None:
    known = [run for run in runs if run.zenith_deg is not None]
    if known:
        axes.errorbar(
            [run.zenith_deg for run in known],
            [run.events_per_s for run in known],
            yerr=style.lengths([run.events_error for run in known]),
            fmt="s",
            color=style.GREY,
            markersize=4.5,
        )
        axes.set_ylim(0, 1.2 * max(run.events_per_s + run.events_error for run in known))
    else:
        style.say_nothing(axes, "zenith distance not in the files")
    axes.set_xlabel("zenith distance [deg]")
    axes.set_ylabel("events per s")


def _draw_wobble(axes: Any, places: Sequence[WobblePosition]) -> None:
    """Pointings about the target, their area the livetime; north up, east left."""
    longest = max(item.livetime_h for item in places)
    reach = max(max(abs(item.x_deg), abs(item.y_deg)) for item in places)
    for item in places:
        axes.scatter(
            [-item.x_deg],
            [item.y_deg],
            s=30 + 170 * item.livetime_h / longest,
            color=style.SKY,
            edgecolor=style.BLUE,
            zorder=2,
        )
        if len(places) <= style.MOST_NOTES:
            # beside its own pointing, away from the middle: above it, there may be another
            left = item.x_deg > 0.2 * reach
            axes.annotate(
                f"{item.livetime_h:.2g} h",
                (-item.x_deg, item.y_deg),
                xytext=(-9 if left else 9, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=10.5,
            )
    axes.plot([0], [0], marker="*", color=style.VERMILION, markersize=13, zorder=3)
    limit = 2.1 * max(reach, 0.2)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")
    axes.xaxis.set_major_formatter(lambda value, _: f"{-value if value else 0:g}")
    axes.set_xlabel("east of target [deg]")
    axes.set_ylabel("north [deg]")


def _draw_dead_time(axes: Any, runs: Sequence[RunRates]) -> None:
    place = np.arange(len(runs))
    values = [run.dead_time_percent for run in runs]
    axes.plot(place, values, marker="D", linestyle="none", color=style.VERMILION, markersize=4.5)
    axes.set_ylim(0, max(1.0, 1.3 * max(values)))
    axes.set_xlim(-0.7, len(runs) - 0.3)
    axes.set_xlabel("runs in order of time")
    axes.set_ylabel("dead time [%]")
    axes.set_xticks([])


DATA_TAKING = Plot(
    "data_taking",
    "Data taking",
    "data taking",
    lambda results, sky: results.diagnostics,
    draw_observation,
    mail=False,
)
