"""All plots of an analysis, written to its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astran.highlevel.plots import curves, maps, style, theta2
from astran.highlevel.skymap import SkyMap


def draw(data: dict[str, Any], sky: SkyMap, folder: Path) -> list[dict[str, str]]:
    """Draw everything as PNG and PDF; returns the `plots` part of results.json."""
    made = []
    with style.styled():
        for figure, plot in (
            theta2.draw(data),
            maps.draw_map(data, sky),
            maps.draw_distribution(data),
            curves.draw_cumulative(data),
            curves.draw_rates(data),
        ):
            style.save(figure, folder, plot.name)
            made.append(
                {
                    "name": plot.name,
                    "file": f"{plot.name}.png",
                    "pdf": f"{plot.name}.pdf",
                    "title": plot.title,
                    "alt": plot.alt,
                }
            )
    return made
