"""All plots of an analysis, written to its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from astran.highlevel.plots import (
    curves,
    events,
    flux,
    maps,
    observation,
    response,
    style,
    theta2,
)
from astran.highlevel.plots.style import Plot
from astran.highlevel.skymap import SkyMap

Drawn = tuple[Figure, Plot]


def draw(data: dict[str, Any], sky: SkyMap, folder: Path) -> list[dict[str, Any]]:
    """Draw everything as PNG and PDF; returns the `plots` part of results.json."""
    made = []
    with style.styled():
        for figure, plot in _all(data, sky):
            style.save(figure, folder, plot.name)
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


def _all(data: dict[str, Any], sky: SkyMap) -> Iterator[Drawn]:
    yield theta2.draw(data)
    yield maps.draw_map(data, sky)
    yield maps.draw_distribution(data)
    yield curves.draw_cumulative(data)
    yield curves.draw_rates(data)
    if data["spectrum"].get("flux_points"):
        yield flux.draw_spectrum(data)
    if data["light_curve"] and data["light_curve"]["runs"]:
        yield flux.draw_light_curve(data)
    yield observation.draw_observation(data)
    yield events.draw_events(data)
    if data["diagnostics"]["irf"]:
        yield response.draw_response(data)
