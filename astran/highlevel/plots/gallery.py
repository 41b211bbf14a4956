"""All plots of an analysis, written to its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

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
from astran.highlevel.plots.style import SavedPlot
from astran.results.document import PartKind

Drawn = tuple[Figure, SavedPlot]


def _always(data: dict[str, Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Entry:
    """A plot that may be drawn."""

    name: str
    title: str
    """How a sentence about it calls it."""
    draw: Callable[[dict[str, Any], SkyMap | None], Drawn]
    there_is: Callable[[dict[str, Any]], bool] = _always
    """Whether the results hold what it shows."""


def _sky(sky: SkyMap | None) -> SkyMap:
    if sky is None:
        raise ValueError("there is no sky map")
    return sky


GALLERY: tuple[Entry, ...] = (
    Entry(
        "theta2",
        "θ² distribution",
        lambda data, sky: theta2_plot.draw_theta2(data),
        lambda d: bool(d["theta2"]),
    ),
    Entry(
        "skymap",
        "sky map",
        lambda data, sky: maps.draw_map(data, _sky(sky)),
        lambda data: bool(data["map"]),
    ),
    Entry(
        "significance_distribution",
        "significances of the sky map",
        lambda data, sky: maps.draw_distribution(data),
        lambda data: bool(data["map"]),
    ),
    Entry(
        "cumulative",
        "significance against livetime",
        lambda data, sky: curves.draw_cumulative(data),
        lambda data: bool(data["cumulative"]),
    ),
    Entry("rates", "excess rate by run", lambda data, sky: curves.draw_rates(data)),
    Entry(
        "spectrum",
        "spectrum",
        lambda data, sky: flux.draw_spectrum(data),
        lambda data: bool(data["spectrum"].get("flux_points")),
    ),
    Entry(
        "light_curve",
        "light curve",
        lambda data, sky: flux.draw_light_curve(data),
        lambda data: bool(data["light_curve"] and data["light_curve"]["runs"]),
    ),
    Entry("data_taking", "data taking", lambda data, sky: observation.draw_observation(data)),
    Entry("events", "events", lambda data, sky: event_distributions.draw_events(data)),
    Entry(
        "response",
        "instrument response",
        lambda data, sky: instrument_response.draw_response(data),
        lambda data: bool(data["diagnostics"]["irf"]),
    ),
)
"""All plots, the most telling ones first. Each is drawn by itself."""


def draw_plots(
    data: dict[str, Any], sky: SkyMap | None, folder: Path, failures: Failures
) -> list[dict[str, Any]]:
    """Draw everything as PNG and PDF; returns the `plots` part of results.json."""
    made = []
    for entry in GALLERY:
        plot = failures.attempt(
            PartKind.PLOT,
            entry.name,
            f"The plot “{entry.title}”",
            partial(_draw_one, entry, data, sky, folder),
        )
        if plot is not None:
            made.append(
                {
                    "name": plot.name,
                    "file": f"{plot.name}.png",
                    "pdf": f"{plot.name}.pdf",
                    "title": plot.title,
                    "alt": plot.alt,
                    "mail": plot.mail,
                }
            )
    return made


def _draw_one(
    entry: Entry, data: dict[str, Any], sky: SkyMap | None, folder: Path
) -> SavedPlot | None:
    """Draw one plot; none where there is nothing for it. A file of an earlier analysis in the
    folder does not outlive a plot that fails."""
    style.remove(folder, entry.name)
    if not entry.there_is(data):
        return None
    with style.styled():
        try:
            figure, plot = entry.draw(data, sky)
            style.save(figure, folder, plot.name)
        except BaseException:
            style.remove(folder, entry.name)
            raise
    return plot
