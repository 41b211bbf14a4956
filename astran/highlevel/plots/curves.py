"""Significance against livetime, and the excess rate run by run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.document import CumulativeNumbers, Results, RunNumbers

MOST_LABELS = 14
MOST_BOUNDARIES = 30


def draw_cumulative(results: Results, steps: Sequence[CumulativeNumbers]) -> Drawn:
    """How significance and excess grew."""
    livetime = np.array([step.livetime_h for step in steps])
    significance = np.array([step.significance for step in steps])
    excess = np.array([step.excess for step in steps])
    error = np.array([step.excess_error for step in steps])
    figure = style.new_figure(results, style.heading(results, "significance vs livetime"))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
    guide = np.linspace(0, livetime[-1], 200)
    upper.plot(
        guide,
        significance[-1] * np.sqrt(guide / livetime[-1]),
        color=style.GREY,
        linestyle="--",
        linewidth=1.5,
        label=r"constant source, $\sqrt{t}$",
    )
    upper.plot(
        np.insert(livetime, 0, 0.0),
        np.insert(significance, 0, 0.0),
        color=style.BLUE,
        marker="o",
        markersize=4,
        linewidth=1.8,
        label="Li & Ma, cumulative",
    )
    upper.axhline(5, color=style.ORANGE, linestyle=":", linewidth=1.6)
    upper.annotate(
        "5 σ",
        (1.0, 5),
        xycoords=upper.get_yaxis_transform(),
        xytext=(-6, 3),
        textcoords="offset points",
        ha="right",
        fontsize=11,
        color=style.GREY,
    )
    upper.axhline(0, color=style.INK, linewidth=0.8)
    low = min(0.0, float(significance.min()))
    high = max(6.0, float(significance.max()))
    upper.set_ylim(low - 0.04 * (high - low), high + 0.28 * (high - low))
    upper.set_ylabel("significance [σ]")
    upper.legend(loc="upper left", ncols=2, frameon=False)
    lower.fill_between(livetime, excess - error, excess + error, color=style.SKY, alpha=0.45, lw=0)
    lower.plot(livetime, excess, color=style.BLUE, marker="o", markersize=4, linewidth=1.8)
    lower.plot([0, livetime[-1]], [0, excess[-1]], color=style.GREY, linestyle="--", linewidth=1.5)
    lower.set_ylabel("excess")
    lower.set_xlabel("livetime [h]")
    lower.set_xlim(0, 1.02 * livetime[-1])
    figure.align_ylabels((upper, lower))
    ends = np.cumsum([run.livetime_h for run in results.runs])[:-1]
    if len(ends) <= MOST_BOUNDARIES:
        for axes in (upper, lower):
            for end in ends:
                axes.axvline(end, color=style.PALE, linewidth=1.2, zorder=0)
    alt = (
        f"Significance against livetime: {significance[-1]:.1f} sigma after "
        f"{livetime[-1]:.2f} h, with the square-root growth of a constant source for comparison; "
        "below it the excess."
    )
    return figure, alt


CUMULATIVE = Plot(
    "cumulative",
    "Significance against livetime",
    "significance against livetime",
    lambda results, sky: results.cumulative or None,
    draw_cumulative,
)


def draw_rates(results: Results, runs: Sequence[RunNumbers]) -> Drawn:
    """Excess and background per minute of each run."""
    rate = results.rate
    place = np.arange(len(runs))
    figure = style.new_figure(results, style.heading(results, "excess rate by run"))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.8, 1))
    upper.axhline(0, color=style.INK, linewidth=0.8)
    if rate is not None:
        mean, error = rate.mean_per_min, rate.mean_error
        upper.axhspan(mean - error, mean + error, color=style.SKY, alpha=0.35, lw=0)
        chi2 = f", χ²/ndf {rate.chi2:.1f}/{rate.ndf}" if rate.ndf else ""
        upper.axhline(
            mean,
            color=style.GREY,
            linestyle="--",
            label=f"mean {mean:.2f} ± {error:.2f} per min{chi2}",
        )
    upper.errorbar(
        place,
        [run.rate_per_min for run in runs],
        yerr=style.lengths([run.rate_error for run in runs]),
        fmt="o",
        color=style.BLUE,
        markersize=6,
        elinewidth=1.6,
        label="excess",
    )
    upper.legend(loc="upper left", ncols=2, frameon=False)
    tops = [run.rate_per_min + run.rate_error for run in runs]
    lows = [run.rate_per_min - run.rate_error for run in runs]
    high, low = max(0.1, *tops), min(0.0, *lows)
    upper.set_ylim(low - 0.06 * (high - low), high + 0.42 * (high - low))
    upper.set_ylabel("excess per min")
    lower.errorbar(
        place,
        [run.background_per_min for run in runs],
        yerr=style.lengths([run.background_error for run in runs]),
        fmt="s",
        color=style.VERMILION,
        markersize=5,
        elinewidth=1.6,
    )
    tops = [run.background_per_min + run.background_error for run in runs]
    lower.set_ylim(0, 1.25 * max(0.1, *tops))
    lower.set_ylabel("background\nper min")
    figure.align_ylabels((upper, lower))
    every = int(np.ceil(len(runs) / MOST_LABELS))
    lower.set_xticks(place[::every], [_label(run) for run in runs[::every]])
    if len(runs) > 6:
        lower.tick_params(axis="x", labelrotation=40, labelsize=10)
        for text in lower.get_xticklabels():
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    lower.set_xlim(-0.6, len(runs) - 0.4)
    lower.set_xlabel("run, start (UTC)")
    average = f", on average {mean:.2f} ± {error:.2f} per minute" if rate is not None else ""
    alt = (
        f"Excess per minute of livetime of each of {len(runs)} runs{average}; below it the "
        "background per minute."
    )
    return figure, alt


def _label(run: RunNumbers) -> str:
    return f"{run.obs_id}\n{run.tstart[11:16]}"


RATES = Plot(
    "rates",
    "Excess rate by run",
    "excess rate by run",
    lambda results, sky: results.runs,
    draw_rates,
)
