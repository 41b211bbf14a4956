"""The theta2 plot."""

from __future__ import annotations

import numpy as np

from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.document import Results, StackedNumbers, Theta2Histogram


def draw_theta2(results: Results, bins: Theta2Histogram) -> Drawn:
    """ON points over scaled OFF, the cut, and the numbers beside them."""
    stacked = results.stacked
    edges = np.array(bins.edges_deg2)
    centre, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    on = np.array(bins.on)
    background, error = np.array(bins.background), np.array(bins.background_error)
    lines = _lines(results, bins)
    figure, axes, below = style.with_panel(results, "θ² distribution", lines)
    axes.stairs(background, edges, fill=True, color=style.PALE, zorder=1)
    axes.stairs(background, edges, color=style.GREY, linewidth=1.4, label="OFF × α", zorder=2)
    axes.errorbar(
        centre,
        background,
        yerr=style.lengths(error),
        fmt="none",
        ecolor=style.GREY,
        elinewidth=1.4,
        zorder=2,
    )
    axes.errorbar(
        centre,
        on,
        xerr=half,
        yerr=np.sqrt(on),
        fmt="o",
        color=style.BLUE,
        markersize=5,
        elinewidth=1.5,
        label="ON",
        zorder=3,
    )
    cut = stacked.theta_cut
    if stacked.theta_cut_deg is not None:
        axes.axvline(
            stacked.theta_cut_deg**2,
            color=style.VERMILION,
            linestyle="--",
            linewidth=1.8,
            label=f"cut θ < {stacked.theta_cut_deg:.3g}°",
        )
    elif cut.min_deg is not None and cut.max_deg is not None:
        axes.axvspan(
            cut.min_deg**2,
            min(cut.max_deg**2, edges[-1]),
            facecolor="none",
            edgecolor=style.VERMILION,
            hatch="//",
            alpha=0.35,
            linewidth=0,
            zorder=0,
            label="cut θ(E)",
        )
    axes.set_xlim(0, edges[-1])
    highest = max(float((on + np.sqrt(on)).max()), float((background + error).max()), 1.0)
    axes.set_ylim(0, 1.3 * highest)
    axes.set_xlabel("θ² [deg²]")
    axes.set_ylabel(f"events per {edges[1] - edges[0]:.2g} deg²")
    axes.legend(loc="upper right", ncols=3)
    style.panel(below, lines)
    expected = stacked.alpha * stacked.n_off
    alt = (
        f"Distribution of squared angular distance of events from {results.target.name}: "
        f"{stacked.n_on} ON events within the cut against {expected:.1f} expected from OFF; "
        f"excess {stacked.excess:.1f} ± {stacked.excess_error:.1f}, "
        f"{stacked.significance:.1f} sigma in {stacked.livetime_h:.2f} h."
    )
    return figure, alt


def _cut_text(stacked: StackedNumbers) -> str:
    cut = stacked.theta_cut
    if stacked.theta_cut_deg is not None:
        return f"{stacked.theta_cut_deg:.3g}°"
    if cut.min_deg is not None and cut.max_deg is not None:
        return f"by energy, {cut.min_deg:.2g}–{cut.max_deg:.2g}°"
    return "by energy"


def _lines(results: Results, bins: Theta2Histogram) -> list[tuple[str, str]]:
    stacked, tail = results.stacked, bins.tail
    lines = [
        ("Li & Ma", f"{stacked.significance:.2f} σ"),
        ("excess", f"{stacked.excess:.1f} ± {stacked.excess_error:.1f}"),
        (r"$N_{on}$", f"{stacked.n_on}"),
        (r"$N_{off}$", f"{stacked.n_off}"),
        ("α", f"{stacked.alpha:.3f}"),
        ("OFF regions", f"{stacked.off_regions}"),
        ("livetime", f"{stacked.livetime_h:.3f} h"),
        ("excess per min", style.with_error(stacked.rate_per_min, stacked.rate_error)),
        ("θ cut", _cut_text(stacked)),
        ("energy", style.energy_range(results)),
    ]
    if tail:
        lines.append(("ON/OFF in the tail", f"{tail.ratio:.2f} ± {tail.ratio_error:.2f}"))
    return lines


THETA2 = Plot(
    "theta2", "θ² distribution", "θ² distribution", lambda results, sky: results.theta2, draw_theta2
)
