"""The sky map, and the distribution of its significances."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from astran.highlevel.arrays import Floats
from astran.highlevel.geometry import radec
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.output.table_files import sky_image, wcs
from astran.highlevel.plots import style
from astran.highlevel.plots.plot import Drawn, Plot
from astran.results.document import MapNumbers, Results

LOWEST, LEAST_HIGHEST, MOST_HIGHEST = -5.0, 8.0, 15.0
"""Ends of the colour scale [sigma]: a bright source may saturate, weak spots stay visible."""
ACCEPTANCE = {
    "irf": "from the files' background model",
    "radial": "from the data (radial)",
    "2d": "from the data (two-dimensional)",
}
CONTOURS = (5.0, 10.0, 20.0, 40.0, 80.0)


def draw_map(results: Results, shown: tuple[MapNumbers, SkyMap]) -> Drawn:
    """The significance, north up, east left."""
    facts, sky = shown
    peak = facts.peak_significance
    bright = peak is not None and peak > MOST_HIGHEST
    figure, axes = _sky(results, "sky map", shown, "white")
    image = axes.imshow(
        sky_image(sky.significance),
        origin="lower",
        cmap="cividis",
        vmin=LOWEST,
        vmax=min(max(LEAST_HIGHEST, peak or 0.0), MOST_HIGHEST),
        interpolation="nearest",
    )
    _bar(figure, axes, image, "significance [σ]", "max" if bright else "neither")
    axes.set_title(_peak_line(facts), fontsize=12, pad=9)
    where = (
        "nothing was seen in the map"
        if peak is None
        else f"peak {peak:.1f} sigma, {facts.peak_offset_deg:.3f} deg from the target"
    )
    alt = (
        f"Sky map of significance, {facts.width_deg:.1f} deg wide, centred on "
        f"{results.target.name}: {where}; ring background, acceptance "
        f"{ACCEPTANCE[facts.background]}."
    )
    return figure, alt


def draw_excess(results: Results, shown: tuple[MapNumbers, SkyMap]) -> Drawn:
    """The excess, north up, east left; white is none."""
    facts, sky = shown
    figure, axes = _sky(results, "excess map", shown, style.INK)
    excess = sky_image(sky.excess)
    end = _excess_end(sky)
    image = axes.imshow(
        excess, origin="lower", cmap="PuOr_r", vmin=-end, vmax=end, interpolation="nearest"
    )
    _bar(figure, axes, image, f"excess within {sky.radius_deg:.2g}°")
    levels = _levels(facts)
    axes.set_title(
        "contours " + (", ".join(f"{x:g}" for x in levels) + " σ" if levels else "from 5 σ: none"),
        fontsize=12,
        pad=9,
    )
    alt = (
        f"Sky map of excess events within {sky.radius_deg:.2g} deg, {facts.width_deg:.1f} deg "
        f"wide, centred on {results.target.name}; zero is white, the scale ends at "
        f"{end:.0f} events."
    )
    return figure, alt


EXCESS_NOISE = 6.0
"""The colour scale of the excess reaches at least so many times its scatter: noise stays pale."""


def _excess_end(sky: SkyMap) -> float:
    """Where the colours of the excess end [events]."""
    seen = sky.excess[sky.valid]
    noise = sky.excess[sky.off_source]
    scatter = float(noise.std()) if noise.size > 1 else 0.0
    return max(float(np.nanmax(seen, initial=0.0)), EXCESS_NOISE * scatter, 1.0)


def _levels(facts: MapNumbers) -> list[float]:
    peak = facts.peak_significance
    return [level for level in CONTOURS if peak is not None and level < peak]


def _sky(
    results: Results, what: str, shown: tuple[MapNumbers, SkyMap], ink: str
) -> tuple[Figure, Any]:
    """A figure with axes on the sky, and on them all that is drawn upon an image."""
    target, (facts, sky) = results.target, shown
    system = wcs(sky, target.ra_deg, target.dec_deg)
    figure = style.new_figure(results, style.heading(results, what), height=6.5)
    axes = figure.add_subplot(1, 1, 1, projection=system)
    if levels := _levels(facts):
        filled = np.nan_to_num(sky_image(sky.significance))
        axes.contour(filled, levels=levels, colors=ink, linewidths=0.9, alpha=0.9)
    axes.set_facecolor("#ECEDEF")
    _reticle(axes, (len(sky.counts) - 1) / 2, sky.bin_deg, ink)
    for centre, radius in zip(sky.exclusion.centres, sky.exclusion.radii, strict=True):
        place = np.array(system.wcs_world2pix(*radec(centre), 0), float)
        _circle(axes, place, radius / sky.bin_deg, ink)
    axes.set_xlim(-0.5, len(sky.counts) - 0.5)
    axes.set_ylim(-0.5, len(sky.counts) - 0.5)
    if facts.fit:
        x, y = system.wcs_world2pix(facts.fit.ra_deg, facts.fit.dec_deg, 0)
        axes.plot([x], [y], marker="x", color=style.VERMILION, markersize=8, markeredgewidth=1.8)
    axes.coords[0].set_axislabel("right ascension (ICRS), dotted: excluded from OFF")
    axes.coords[1].set_axislabel("declination (ICRS)", minpad=0.5)
    for coordinate in axes.coords:
        coordinate.set_ticks_position("all")
        coordinate.set_major_formatter("d.d")
    return figure, axes


def _map_and_images(results: Results, sky: SkyMap | None) -> tuple[MapNumbers, SkyMap] | None:
    return (results.map, sky) if results.map and sky else None


SKY_MAP = Plot("skymap", "Sky map of significance", "sky map", _map_and_images, draw_map)
EXCESS_MAP = Plot(
    "excess_map", "Sky map of excess", "excess map", _map_and_images, draw_excess, mail=False
)


def _peak_line(facts: MapNumbers) -> str:
    if facts.peak_significance is None:
        return "no exposure"
    text = f"peak {facts.peak_significance:.1f} σ"
    if facts.peak_after_trials is not None:
        text += f" ({facts.peak_after_trials:.1f} σ after trials)"
    if facts.fit:
        fit = facts.fit
        return f"{text}; × {fit.offset_deg:.3f}° ± {fit.error_deg:.3f}° (stat.) from the target"
    return f"{text}, {facts.peak_offset_deg:.2f}° from the target"


def _bar(figure: Figure, axes: Any, shown: Any, label: str, extend: str = "neither") -> None:
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02, extend=extend)
    bar.set_label(label)


def _reticle(axes: Any, middle: float, bin_deg: float, colour: str) -> None:
    """A cross about the target with an open centre, so that the source stays visible."""
    inner, outer = 0.16 / bin_deg, 0.3 / bin_deg
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        axes.plot(
            [middle + inner * dx, middle + outer * dx],
            [middle + inner * dy, middle + outer * dy],
            color=colour,
            linewidth=1.8,
        )


def _circle(axes: Any, place: Floats, radius: float, colour: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 181)
    axes.plot(
        place[0] + radius * np.cos(angle),
        place[1] + radius * np.sin(angle),
        color=colour,
        linestyle=":",
        linewidth=1.3,
    )


def draw_distribution(results: Results, facts: MapNumbers) -> Drawn:
    """Histogram of the map's significances, outside of the source and everywhere."""
    edges = np.array(facts.distribution.edges)
    off = np.array(facts.distribution.off_source)
    everywhere = np.array(facts.distribution.all)
    lines = _distribution_lines(results, facts)
    figure, axes, below = style.with_panel(results, "map significances", lines)
    axes.stairs(everywhere, edges, color=style.GREY, linewidth=1.4, label="whole map, to 6 σ")
    axes.stairs(off, edges, fill=True, color=style.SKY, alpha=0.75, label="outside of source")
    x = np.linspace(edges[0], edges[-1], 401)
    mean, sigma = facts.off_mean, facts.off_sigma
    area = off.sum() * (edges[1] - edges[0])
    axes.plot(
        x, _gauss(x, 0.0, 1.0) * area, color=style.INK, linestyle="--", label="expected: 0, 1"
    )
    if mean is not None and sigma:
        axes.plot(
            x,
            _gauss(x, mean, sigma) * area,
            color=style.VERMILION,
            linewidth=2,
            label="same mean and width",
        )
    axes.set_ylim(0.5, 30 * max(float(everywhere.max()), 1.0))
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("significance [σ]")
    axes.set_ylabel("pixels")
    axes.legend(loc="upper left", ncols=2, frameon=False)
    style.panel(below, lines)
    said = "no pixels" if sigma is None else f"mean {mean:.2f}, width {sigma:.2f}"
    alt = (
        "Histogram of the significances of the sky map's pixels outside of the source, with a "
        f"Gaussian of the same mean and width: {said}; 0 and 1 are expected without further "
        "sources."
    )
    return figure, alt


def _distribution_lines(results: Results, facts: MapNumbers) -> list[tuple[str, str]]:
    none = "–"
    return [
        ("mean", none if facts.off_mean is None else f"{facts.off_mean:+.2f}"),
        ("width", none if facts.off_sigma is None else f"{facts.off_sigma:.2f}"),
        ("largest", none if facts.off_max is None else f"{facts.off_max:.1f} σ"),
        ("pixels", f"{facts.off_pixels}"),
        ("acceptance", facts.background),
        ("ON radius", f"{facts.radius_deg:.2g}°"),
        ("OFF ring", f"{facts.ring_inner_deg:.2g}–{facts.ring_outer_deg:.2g}°"),
        ("excluded", f"{facts.excluded_radius_deg:.2g}°"),
        ("energy", style.energy_range(results)),
    ]


SIGNIFICANCES = Plot(
    "significance_distribution",
    "Significances of the sky map",
    "significances of the sky map",
    lambda results, sky: results.map,
    draw_distribution,
)


def _gauss(x: Any, mean: float, sigma: float) -> Any:
    return np.exp(-((x - mean) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
