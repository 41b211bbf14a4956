"""All plots of an analysis, written to its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from astran.highlevel.failures import Failures
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.plots import (
    curves,
    event_distributions,
    flux,
    instrument_response,
    maps,
    observation,
    style,
    theta2_plot,
)
from astran.highlevel.plots.plot import Plot
from astran.results.document import PartKind, PlotFile, Results

GALLERY: tuple[Plot[Any], ...] = (
    maps.SKY_MAP,
    theta2_plot.THETA2,
    maps.EXCESS_MAP,
    maps.SIGNIFICANCES,
    curves.CUMULATIVE,
    curves.RATES,
    flux.SPECTRUM,
    flux.LIGHT_CURVE,
    observation.DATA_TAKING,
    event_distributions.EVENTS,
    instrument_response.RESPONSE,
)
"""All plots, the most telling ones first. Each is drawn by itself."""


def draw_plots(
    results: Results, sky: SkyMap | None, folder: Path, failures: Failures
) -> tuple[PlotFile, ...]:
    """Draw everything as PNG and PDF; returns the `plots` part of results.json."""
    made = (
        failures.attempt(
            PartKind.PLOT,
            plot.name,
            f"The plot “{plot.phrase}”",
            partial(_draw_one, plot, results, sky, folder),
        )
        for plot in GALLERY
    )
    return tuple(file for file in made if file is not None)


def _draw_one(
    plot: Plot[Any], results: Results, sky: SkyMap | None, folder: Path
) -> PlotFile | None:
    """Draw one plot; none where there is nothing for it. A file of an earlier analysis in the
    folder does not outlive a plot that fails."""
    style.remove(folder, plot.name)
    part = plot.part(results, sky)
    if part is None:
        return None
    with style.styled():
        try:
            figure, alt = plot.draw(results, part)
            style.save(figure, folder, plot.name)
        except BaseException:
            style.remove(folder, plot.name)
            raise
    return PlotFile(
        name=plot.name,
        file=f"{plot.name}.png",
        pdf=f"{plot.name}.pdf",
        title=plot.title,
        alt=alt,
        mail=plot.mail,
    )
