"""Plots: no text on text, marks where they must be, and warnings in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthetic_dl3 import DEC, RA, write_night

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.maps.ring import SkyMap
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options
from astran.highlevel.output.assembly import assemble_results
from astran.highlevel.output.warnings import find_warnings
from astran.highlevel.plots import flux, maps, style, theta2_plot
from astran.highlevel.plots.gallery import GALLERY
from astran.highlevel.plots.plot import Plot
from astran.results.codec import read_value
from astran.results.document import Results, Theta2Tail
from astran.results.spectral_parts import SpectralPoint, Spectrum, SpectrumNumbers

LONG = "A source with a very long name 1234+567"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderMeasurement, Results]:
    folder = tmp_path_factory.mktemp("dl3")
    write_night(folder, runs=9, background=3000)
    options = Options(
        (folder,),
        folder,
        LONG,
        (RA, DEC),
        HighlevelSettings(),
        simulated=True,
        versions=(("lstchain", "0.12.3"),),
    )
    findings = measure_folder(options)
    return findings, assemble_results(findings, options, datetime(2023, 12, 8, tzinfo=UTC))


def figures(found: FolderMeasurement, results: Results) -> list[Figure]:
    return [drawn(plot, results, found.sky) for plot in GALLERY if plot.part(results, found.sky)]


def drawn(plot: Plot[Any], results: Results, sky: SkyMap | None = None) -> Figure:
    return plot.draw(results, plot.part(results, sky))[0]


def test_no_text_lies_on_another(found: tuple[FolderMeasurement, Results]) -> None:
    with style.styled():
        for figure in figures(*found):
            figure.canvas.draw()
            renderer = figure.canvas.get_renderer()
            boxes = [
                (text.get_text(), text.get_window_extent(renderer))
                for holder in [figure, *figure.axes]
                for text in holder.texts
                if text.get_text().strip()
            ]
            for axes in figure.axes:
                for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
                    if text.get_text().strip() and text.get_visible():
                        boxes.append((text.get_text(), text.get_window_extent(renderer)))
            for (one, first), (other, second) in combinations(boxes, 2):
                assert not first.overlaps(second), f"{one!r} and {other!r} overlap"
            for text, box in boxes:
                assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, f"{text!r} is cut off"
                assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, f"{text!r} is cut off"


def test_letters_are_legible_on_a_phone(found: tuple[FolderMeasurement, Results]) -> None:
    """A letter shows a plot as wide as the screen, of 360 px less the margins."""
    with style.styled():
        for figure in figures(*found):
            scale = 328 / figure.bbox.width * figure.dpi / 72
            sizes = [
                label.get_fontsize() for axes in figure.axes for label in axes.get_xticklabels()
            ]
            assert not sizes or min(sizes) * scale >= 6.5
            names = [axes.xaxis.label.get_fontsize() for axes in figure.axes]
            assert min(names) * scale > 8


def test_noise_stays_pale_in_the_excess_map(found: tuple[FolderMeasurement, Results]) -> None:
    measured, results = found
    sky = measured.sky
    assert sky is not None
    quiet = replace(sky, counts=np.where(sky.off_source, sky.counts, sky.background))
    with style.styled():
        image = drawn(maps.EXCESS_MAP, results, quiet).axes[0].images[0]
    low, high = image.get_clim()
    assert low == -high
    assert high >= 5 * sky.excess[sky.off_source].std()


def test_no_plot_claims_a_fit_that_was_not_made(
    found: tuple[FolderMeasurement, Results],
) -> None:
    with style.styled():
        figure = drawn(maps.SIGNIFICANCES, found[1])
    assert not any("fit" in text.get_text() for text in figure.axes[0].get_legend().get_texts())


def test_a_position_names_its_error(found: tuple[FolderMeasurement, Results]) -> None:
    with style.styled():
        figure = drawn(maps.SKY_MAP, found[1], found[0].sky)
    assert ("×" in figure.axes[0].get_title()) == ("(stat.)" in figure.axes[0].get_title())


def test_references_are_inside_of_the_axes(
    found: tuple[FolderMeasurement, Results],
) -> None:
    """Also where there are limits alone, far below the Crab."""
    points = [spectral_point(energy, 1e-13) for energy in (0.5, 1.0, 2.0)]
    numbers = read_value(
        SpectrumNumbers,
        {
            "flux_points": [],
            "energy_min_tev": 0.4,
            "energy_max_tev": 2.5,
            "significance": 0.3,
            "off_regions": 3,
            "curve": {"energy_tev": [], "dnde": [], "dnde_error": []},
        },
        "",
        {},
    )
    shown = replace(numbers, flux_points=tuple(points), crab=None)
    results = replace(found[1], spectrum=Spectrum(None, "weak", shown))
    with style.styled():
        axes = drawn(flux.SPECTRUM, results).axes[0]
    low, high = axes.get_ylim()
    lines = [line for line in axes.get_lines() if line.get_label().startswith("Crab")]
    assert len(lines) == 2
    for line in lines:
        assert low < max(line.get_ydata()) < high


def spectral_point(energy_tev: float, limit: float) -> SpectralPoint:
    point: SpectralPoint = read_value(
        SpectralPoint,
        {
            "energy_tev": energy_tev,
            "energy_min_tev": energy_tev / 1.2,
            "energy_max_tev": energy_tev * 1.2,
            "e2dnde_limit_erg": limit,
            "is_limit": True,
        },
        "",
        {},
    )
    return point


def test_every_plot_is_stamped(found: tuple[FolderMeasurement, Results]) -> None:
    with style.styled():
        for figure in figures(*found):
            said = " ".join(text.get_text() for text in figure.texts)
            for word in ("PRELIMINARY", "SIMULATED", "2023-12-07", "9 runs", "ASTRAN", " h"):
                assert word in said
            assert "lstchain 0.12.3" in said
            assert "A source with" in said


def test_real_data_are_not_called_simulated(
    found: tuple[FolderMeasurement, Results],
) -> None:
    with style.styled():
        figure = drawn(theta2_plot.THETA2, replace(found[1], simulated=False))
    assert "SIMULATED" not in " ".join(text.get_text() for text in figure.texts)


def test_the_style_leaves_no_trace(found: tuple[FolderMeasurement, Results]) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with style.styled():
        drawn(theta2_plot.THETA2, found[1])
    assert dict(mpl.rcParams) == before


def test_saving_leaves_png_and_pdf_only(
    found: tuple[FolderMeasurement, Results], tmp_path: Path
) -> None:
    with style.styled():
        style.save(drawn(theta2_plot.THETA2, found[1]), tmp_path, "theta2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theta2.pdf", "theta2.png"]


def changed(results: Results, part: str, **values: Any) -> Results:
    return replace(results, **{part: replace(getattr(results, part), **values)})


def test_warnings_in_words(found: tuple[FolderMeasurement, Results]) -> None:
    data = found[1]
    assert find_warnings(data, None) == []
    assert "1.31" in find_warnings(changed(data, "map", off_sigma=1.31), None)[0]
    assert find_warnings(changed(data, "map", off_sigma=1.14), None) == []
    assert "only 3 OFF counts" in find_warnings(changed(data, "stacked", n_off=3), None)[0]
    tail = Theta2Tail(on=900, background=500.0, ratio=1.8, ratio_error=0.1)
    assert "theta2 tail" in find_warnings(changed(data, "theta2", tail=tail), None)[0]
    assert "5 OFF regions do not fit" in find_warnings(data, 5)[0]
    one_side = replace(data, runs=tuple(run for run in data.runs if run.position_angle_deg < 180))
    assert "not balanced" in find_warnings(one_side, None)[0]


def test_points_with_odd_errors_are_drawn() -> None:
    """Of few events: a value below zero, an error that the fit could not tell."""
    point: dict[str, Any] = {
        "energy_tev": 1.0,
        "energy_min_tev": 0.8,
        "energy_max_tev": 1.2,
        "e2dnde_erg": -1e-12,
        "e2dnde_limit_erg": 1e-11,
        "dnde_error_low": 1e-12,
        "dnde_error_high": None,
        "is_limit": False,
    }
    axes = Figure().subplots()
    first = read_value(SpectralPoint, point, "", {})
    nan = float("nan")
    flux._points(axes, [first, replace(first, dnde_error_low=nan, dnde_error_high=1e-12)], 0.95)
    assert len(axes.containers) == 1
