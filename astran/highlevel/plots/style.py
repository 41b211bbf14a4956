"""One look for all plots: colours, fonts, the frame with title and stamp, saving.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind
of colour blindness tell apart; each meaning also has its own marker or line. The background is
white, so that a plot stays legible in a mail program's dark mode.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from PIL import Image

from astran.base.night import Night
from astran.highlevel.arrays import Floats
from astran.results.document import Results

Part = TypeVar("Part")

BLUE, ORANGE, VERMILION, SKY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9"
INK, GREY, PALE = "#1A1A1A", "#5F6368", "#D9DCE0"
WIDTH_IN = 6.6
"""Narrow, so that letters of 12 points are legible where a plot is as wide as a phone."""
WIDTH_PX = 900
MOST_NOTES = 8
"""More labels than that in a panel would cover each other."""
HEAD_IN, FOOT_IN = 0.62, 0.52
"""Room for the title line above and the stamp below the axes [inch]."""
TITLE_PT, LEAST_TITLE_PT = 15.0, 9.0

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.9,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "legend.frameon": True,
    "legend.framealpha": 1.0,
    "legend.edgecolor": "white",
    "legend.fancybox": False,
    "legend.fontsize": 12,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.pad": 6,
    "ytick.major.pad": 5,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "mathtext.default": "regular",
}


@contextmanager
def styled() -> Iterator[None]:
    """The style, for as long as a plot is drawn."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(results: Results, title: str, height: float = 5.6) -> Figure:
    """An empty figure of so many inches with title and stamp; its axes go below the title."""
    width = WIDTH_IN
    low, high = FOOT_IN / height, 1 - HEAD_IN / height
    layout = ConstrainedLayoutEngine(
        rect=(0.01, low, 0.98, high - low), w_pad=0.06, h_pad=0.04, wspace=0.03
    )
    figure = Figure(figsize=(width, height), dpi=WIDTH_PX / width, layout=layout)
    FigureCanvasAgg(figure)
    top = 1 - 0.33 / height
    name = figure.text(0.02, top, title, fontsize=TITLE_PT, fontweight="bold", va="center")
    marks = ["PRELIMINARY"] if results.preliminary else []
    if results.simulated:
        marks.append("SIMULATED")
    mark = figure.text(
        0.98,
        top,
        " · ".join(marks),
        fontsize=11,
        fontweight="bold",
        color=VERMILION,
        ha="right",
        va="center",
    )
    while _covers(name, mark) and name.get_fontsize() > LEAST_TITLE_PT:
        name.set_fontsize(name.get_fontsize() - 0.5)
    for place, text in ((0.34, _what(results)), (0.15, _made_with(results))):
        figure.text(0.02, place / height, text, fontsize=10, color=GREY, va="center")
    return figure


def with_panel(
    results: Results, what: str, lines: Sequence[object], axes_in: float = 4.1
) -> tuple[Figure, Any, Any]:
    """A figure with axes, and below them a panel of two columns for so many lines."""
    heights = axes_in, panel_height(lines)
    figure = new_figure(results, heading(results, what), sum(heights) + HEAD_IN + FOOT_IN)
    axes, below = figure.subplots(2, 1, height_ratios=heights)
    return figure, axes, below


def _covers(left: Text, right: Text) -> bool:
    return bool(left.get_window_extent().x1 + 12 > right.get_window_extent().x0)


def heading(results: Results, what: str) -> str:
    """Title line of a plot: the target, shortened where it would be too long, and the subject."""
    name = results.target.name
    return f"{name if len(name) <= 22 else name[:21] + '…'}: {what}"


def nights(results: Results) -> str:
    """`night 2013-10-04`, or the range."""
    days = [Night.parse(night).iso for night in results.nights]
    return f"night {days[0]}" if len(days) == 1 else f"{len(days)} nights {days[0]} to {days[-1]}"


def _what(results: Results) -> str:
    ids = [run.obs_id for run in results.runs]
    if len(ids) == 1:
        runs = f"run {ids[0]}"
    elif len(ids) <= 3:
        runs = "runs " + ", ".join(str(run) for run in ids)
    else:
        runs = f"{len(ids)} runs"
        if len(f"{ids[0]}{ids[-1]}") <= 14:
            runs += f" {ids[0]} to {ids[-1]}"
    return f"{nights(results)} · {runs} · {results.stacked.livetime_h:.2f} h"


def _made_with(results: Results) -> str:
    """Versions, those that matter most first."""
    versions = results.versions
    shown = [f"ASTRAN {versions['astran']}"]
    shown += [f"{name} {versions[name]}" for name in ("lstchain", "gammapy") if name in versions]
    return " · ".join(shown)


def energy_range(results: Results) -> str:
    """The energy range in words."""
    low, high = results.stacked.energy_min_tev, results.stacked.energy_max_tev
    if low is None:
        return "all energies" if high is None else f"E < {energy(high)}"
    return f"E > {energy(low)}" if high is None else f"{energy(low)} to {energy(high)}"


def energy(value: float) -> str:
    """An energy in the unit that reads best."""
    return f"{value * 1000:.3g} GeV" if value < 1 else f"{value:.3g} TeV"


def with_error(value: float, error: float) -> str:
    """A number with as many decimals as its error has two digits for."""
    decimals = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 2
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


PANEL_LINE_IN = 0.235
"""Height of a line of a panel [inch]."""


def panel_height(lines: Sequence[object]) -> float:
    """Height of a panel of two columns that holds these lines [inch]."""
    return PANEL_LINE_IN * -(-len(lines) // 2)


def panel(axes: Any, lines: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns of an empty panel."""
    axes.set_axis_off()
    rows = -(-len(lines) // 2)
    for index, (name, value) in enumerate(lines):
        column, row = divmod(index, rows)
        place = 1 - (row + 0.5) / rows
        left, right = 0.53 * column, 0.53 * column + 0.47
        axes.text(left, place, name, transform=axes.transAxes, color=GREY, va="center")
        axes.text(right, place, value, transform=axes.transAxes, ha="right", va="center")


def numbers(values: Sequence[float | None]) -> Floats:
    """An array of what results.json holds; NaN where it holds null."""
    return np.array([np.nan if value is None else value for value in values], float)


def lengths(values: Sequence[float | None] | Floats) -> Floats:
    """Lengths of error bars: never negative, none (zero) where the error is not known."""
    found = np.array([np.nan if value is None else value for value in values], float)
    return np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0)


def clock(axes: Any, first: datetime) -> None:
    """Label a time axis by hours and minutes; `first` names the day."""
    locator = mdates.AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
    axes.set_xlabel(f"UTC, {first:%Y-%m-%d}")


def fill_panel(axes: Any, part: Part | None, draw: Callable[[Any, Part], None]) -> None:
    """Draw a part of the results into a panel, or that there is none."""
    if part:
        draw(axes, part)
    else:
        say_nothing(axes, "not available")


def say_nothing(axes: Any, why: str) -> None:
    """Tell in an empty panel why it is empty."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)


def remove(folder: Path, name: str) -> None:
    """Remove what there is of a plot, whole or in part."""
    for file in (f"{name}.png", f"{name}.pdf", f".{name}.part.png", f".{name}.part.pdf"):
        (folder / file).unlink(missing_ok=True)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write PNG (for mails) and PDF (for print), each whole or not at all."""
    _save_png(figure, folder / f"{name}.png")
    part = folder / f".{name}.part.pdf"
    figure.savefig(part)
    part.replace(folder / f"{name}.pdf")


def _save_png(figure: Figure, path: Path) -> None:
    """A palette of 256 colours is enough for a plot, and a third of the bytes of a mail."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw")
    width, height = figure.canvas.get_width_height()
    image = Image.frombytes("RGBA", (width, height), buffer.getvalue()).convert("RGB")
    few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    part = path.with_name(f".{path.stem}.part.png")
    few.save(part, optimize=True)
    part.replace(path)
