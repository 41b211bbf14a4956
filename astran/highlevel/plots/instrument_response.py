"""The instrument response of the night."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from astran.highlevel.arrays import Floats
from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.diagnostic_parts import ResponseCurves
from astran.results.document import Results, StackedNumbers


def draw_response(results: Results, found: ResponseCurves) -> Drawn:
    """Effective area, angular resolution and energy resolution against true energy."""
    figure = style.new_figure(results, style.heading(results, "response"), height=9.4)
    area, angle, energy = figure.subplots(3, 1)
    x = style.numbers(found.energy_tev)
    area.plot(x, style.numbers(found.area_m2), color=style.BLUE, linewidth=2)
    area.set_yscale("log")
    highest = float(np.nanmax(style.numbers(found.area_m2)))
    area.set_ylim(highest / 3e3, 3 * highest)
    within = "\nwithin the θ cut" if found.point_like else ""
    area.set_ylabel(f"effective area{within} [m²]")
    _draw_angle(angle, x, found, results.stacked)
    energy.axhline(0, color=style.INK, linewidth=0.8)
    energy.plot(
        x,
        100 * style.numbers(found.energy_resolution),
        color=style.BLUE,
        linewidth=2,
        label="resolution (68 %)",
    )
    energy.plot(
        x,
        100 * style.numbers(found.energy_bias),
        color=style.VERMILION,
        linestyle="--",
        linewidth=2,
        label="bias (median)",
    )
    energy.set_ylim(-40, 80)
    energy.set_ylabel(r"$E_{reco}/E_{true} - 1$ [%]")
    energy.legend(loc="upper right", frameon=False)
    for axes in (area, angle, energy):
        axes.set_xscale("log")
        axes.set_xlim(x[0], x[-1])
        axes.set_xlabel("true energy [TeV]")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    one = int(np.nanargmin(np.abs(np.log(x))))
    resolution = found.energy_resolution[one]
    alt = (
        f"Response at {results.target.name} against true energy: effective area, "
        f"{found.area_m2[one]:.3g} square metres at {x[one]:.2g} TeV; angular resolution or "
        "theta cut; energy resolution and bias"
        + ("." if resolution is None else f", {100 * resolution:.0f} % resolution there.")
    )
    return figure, alt


def _draw_angle(axes: Any, x: Floats, found: ResponseCurves, stacked: StackedNumbers) -> None:
    axes.set_ylabel("angle [deg]")
    cut = stacked.theta_cut
    top = cut.max_deg or cut.typical_deg
    if found.angular_resolution_deg is not None:
        values = style.numbers(found.angular_resolution_deg)
        axes.plot(x, values, color=style.BLUE, linewidth=2, label="68 % of the gammas")
        top = max(top, float(np.nanmax(np.where(x > x[0], values, np.nan), initial=0.0)))
    if stacked.theta_cut_deg is not None:
        axes.axhline(stacked.theta_cut_deg, color=style.VERMILION, linestyle="--", label="θ cut")
    else:
        axes.axhspan(
            cut.min_deg,
            cut.max_deg,
            facecolor="none",
            edgecolor=style.VERMILION,
            hatch="//",
            alpha=0.4,
            linewidth=0,
            label="θ cut (by energy)",
        )
    axes.set_ylim(0, 1.45 * min(top, 1.0))
    title = None if found.angular_resolution_deg is not None else "no PSF in the files"
    axes.legend(loc="upper right", frameon=False, title=title)


RESPONSE = Plot(
    "response",
    "Instrument response",
    "instrument response",
    lambda results, sky: results.diagnostics.irf,
    draw_response,
    mail=False,
)
