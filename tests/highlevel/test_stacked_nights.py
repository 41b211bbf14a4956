"""Several nights as one data set: what is read, how it is stacked, what is written."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.time import Time
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis
from gammapy.modeling import Fit
from gammapy.modeling.models import SkyModel, TemplateSpectralModel
from nbclient import NotebookClient
from synthetic_dl3 import DEC, RA, write_run

from astran.base.errors import ProductError
from astran.config.analysis import HighlevelSettings
from astran.highlevel import analysis
from astran.highlevel.dl3.folder import scan_places
from astran.highlevel.dl3.run import Dl3Run
from astran.highlevel.dl3.run_selection import RunSelection, select_runs
from astran.highlevel.options import Options, StackRule
from astran.highlevel.output.executable import make_notebook
from astran.highlevel.spectral import stacks
from astran.highlevel.spectral.fit import make_dataset
from astran.highlevel.spectral.spectra import RunSpectrum
from astran.highlevel.spectral.spectrum import Spectral
from astran.report import tables
from astran.results.codec import results_from_json
from astran.results.document import Results

Data = Callable[[str], Path]
CRAB = (83.633083, 22.0145)
EXACT_FIT = Fit(optimize_opts={"tol": 1e-4})
"""By default gammapy's fit ends some thousandths of an error from its minimum."""
SETTINGS = {"map_bin": 0.2, "map_width": 1.0}


def options(*places: Path, output: Path = Path("unused"), **values: Any) -> Options:
    settings = HighlevelSettings.model_validate({**SETTINGS, **values.pop("settings", {})})
    given = {"name": "Crab", "position": (RA, DEC), **values}
    return Options(dl3=places, output=output, settings=settings, **given)


def choose(*places: Path, **values: Any) -> RunSelection:
    return select_runs(scan_places(places), options(*places, **values))


def ids(selection: RunSelection) -> list[int]:
    return [run.obs_id for run in selection.runs]


def test_folders_and_files_are_read_as_one_data_set(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, start="2023-12-07T22:00:00")
    later = write_run(tmp_path / "b", 2, start="2023-12-09T22:00:00")
    write_run(tmp_path / "b", 3, start="2023-12-09T23:00:00")
    chosen = choose(tmp_path / "a", later.path)
    assert ids(chosen) == [1, 2]
    assert [str(run.night) for run in chosen.runs] == ["20231207", "20231209"]


def test_a_copy_in_another_folder_counts_once_and_is_named(tmp_path: Path) -> None:
    made = write_run(tmp_path / "a", 1)
    (tmp_path / "b").mkdir()
    shutil.copy(made.path, tmp_path / "b")
    chosen = choose(tmp_path / "a", tmp_path / "b")
    assert ids(chosen) == [1]
    assert str(tmp_path / "a") in chosen.excluded[0].reason


@pytest.mark.parametrize("twin", ["a", "./a", "a/../a", "link"])
def test_a_place_that_is_named_twice_is_read_once(tmp_path: Path, twin: str) -> None:
    write_run(tmp_path / "a", 1)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    chosen = choose(tmp_path / "a", tmp_path / twin)
    assert ids(chosen) == [1]
    assert chosen.excluded == ()
    assert any("twice" in warning for warning in chosen.warnings)


def test_a_folder_within_another_is_read_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1)
    chosen = choose(tmp_path, tmp_path / "a")
    assert ids(chosen) == [1] and chosen.excluded == ()


def test_a_place_without_a_run_does_not_cost_the_others(tmp_path: Path) -> None:
    write_run(tmp_path / "good", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dl3_run2.fits").write_bytes(b"SIMPLE  =")
    (tmp_path / "note.txt").write_text("no FITS")
    places = [tmp_path / name for name in ("empty", "good", "absent", "broken", "note.txt")]
    chosen = choose(*places)
    assert ids(chosen) == [1]
    left_out = {item.file for item in chosen.excluded}
    for name in ("empty", "absent", "note.txt"):
        assert str(tmp_path / name) in left_out
    assert "dl3_run2.fits" in left_out
    assert [w for w in chosen.warnings if "broken" in w and "none of its files" in w]


def test_only_places_without_a_run_are_an_error_that_names_each(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProductError) as error:
        scan_places((tmp_path / "empty", tmp_path / "absent"))
    assert "empty" in error.value.message and "absent" in error.value.message


def test_a_night_across_noon_utc_stays_one(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, start="2023-12-07T10:30:00")
    write_run(tmp_path / "b", 2, start="2023-12-07T12:30:00")
    chosen = choose(tmp_path / "a", tmp_path / "b")
    assert len({run.night for run in chosen.runs}) == 1


def test_one_number_in_two_nights_is_two_runs(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, start="2023-12-07T22:00:00", seed=1)
    write_run(tmp_path / "b", 1, start="2023-12-08T22:00:00", seed=2)
    chosen = choose(tmp_path / "a", tmp_path / "b")
    assert ids(chosen) == [1, 1]
    assert any("carry the number 1" in warning for warning in chosen.warnings)


def test_different_telescopes_are_refused_with_their_names(tmp_path: Path) -> None:
    def name(telescope: str) -> Callable[[fits.HDUList], Any]:
        def change(hdus: fits.HDUList) -> None:
            hdus["EVENTS"].header["TELESCOP"] = telescope

        return change

    write_run(tmp_path / "a", 1, change=name("LST-1"))
    write_run(tmp_path / "b", 2, start="2023-12-08T22:00:00", change=name("LST1"))
    write_run(tmp_path / "c", 3, start="2023-12-09T22:00:00", change=name("MAGIC"))
    assert ids(choose(tmp_path / "a", tmp_path / "b")) == [1, 2]
    assert ids(choose(tmp_path / "a", tmp_path / "c", runs=frozenset({3}))) == [3]
    with pytest.raises(ProductError, match=r"LST-1: 1, MAGIC: 1 runs"):
        choose(tmp_path / "a", tmp_path / "c")


@pytest.fixture(scope="module")
def stacked(public_data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two VERITAS nights, from two files, with everything but plots."""
    output = tmp_path_factory.mktemp("stack")
    folder = public_data("joint-crab/veritas")
    places = [folder / "54809_DL3.fits", folder / "57993_DL3.fits"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "_draw", lambda *_: ())
        analysis.analyse(
            options(
                *places,
                output=output,
                position=CRAB,
                theta_cut=0.1,
                stack_by=StackRule.RESPONSE,
                settings={"energy_min": 0.15, "energy_max": 30.0},
            )
        )
    return output


@pytest.fixture(scope="module")
def results(stacked: Path) -> Results:
    found, faults = results_from_json(json.loads((stacked / "results.json").read_text()))
    assert not faults and not found.left_out
    return found


def test_counts_are_the_sum_of_the_nights(results: Results) -> None:
    assert [night.night for night in results.by_night or ()] == ["20110203", "20111008"]
    for name in ("n_on", "n_off", "n_runs"):
        total = sum(getattr(night, name) for night in results.by_night or ())
        assert total == getattr(results.stacked, name)


def test_the_fit_is_that_of_the_paper(results: Results) -> None:
    """Joint-crab paper (A&A 625, A10), log-parabola of VERITAS."""
    numbers = results.spectrum.numbers
    assert numbers is not None and numbers.fitted_to == "groups"
    assert [group.runs for group in numbers.groups] == [(54809, 57993)]
    found = next(model for model in numbers.models if model.name == "log-parabola")
    assert found.parameters["amplitude"] == pytest.approx(3.7601e-11, abs=0.3626e-11)
    assert found.parameters["alpha"] == pytest.approx(2.4410, abs=0.0949)


def test_the_light_curve_has_weeks_and_months_with_their_dates(results: Results) -> None:
    curve = results.light_curve
    assert curve is not None
    assert [point.label for point in curve.weeks] == ["2011-W05", "2011-W40"]
    assert [point.label for point in curve.months] == ["2011-02", "2011-10"]
    for point in (*curve.nights, *curve.weeks, *curve.months):
        # the text has whole seconds
        mjd = Time(point.start.removesuffix("+00:00"), scale="utc").mjd
        assert point.mjd_start == pytest.approx(mjd, abs=1.01 / 86400)
    fluxes = [(night.flux, night.flux_error) for night in results.by_night or ()]
    assert fluxes == [(point.flux, point.flux_error) for point in curve.nights]


def test_coverage_of_zenith_distances_holds_all_livetime(results: Results) -> None:
    steps = results.diagnostics.zenith or ()
    assert sum(step.livetime_h for step in steps) == pytest.approx(results.stacked.livetime_h)
    assert all(step.zenith_max_deg - step.zenith_min_deg == 5.0 for step in steps)


def test_gammapy_reads_points_light_curves_and_data_sets(stacked: Path, results: Results) -> None:
    numbers, curve = results.spectrum.numbers, results.light_curve
    assert numbers is not None and curve is not None
    table = FluxPoints.read(stacked / "flux_points.fits").to_table(sed_type="dnde")
    assert list(table["dnde"]) == pytest.approx([point.dnde for point in numbers.flux_points])
    assert list(table["is_ul"]) == [point.is_limit for point in numbers.flux_points]
    nights = FluxPoints.read(stacked / "light_curve_nights.fits", format="lightcurve")
    assert nights.flux.quantity.to_value("cm-2 s-1").ravel() == pytest.approx(
        [point.flux for point in curve.nights]
    )
    data = Datasets.read(stacked / "datasets.yaml")
    assert sum(float(one.counts.data.sum()) for one in data) == numbers.n_on
    assert set(results.files.gammapy or ()) >= {"flux_points.fits", "datasets.yaml"}


def test_the_notebook_gives_the_results_again(
    stacked: Path, results: Results, public_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DL3_FOLDERS", str(public_data("joint-crab/veritas")))
    assert results.files.executable is not None
    notebook = nbformat.read(stacked / "analysis.ipynb", as_version=4)
    nbformat.validate(notebook)
    run_in = {"metadata": {"path": str(stacked)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=run_in).execute()
    remade = json.loads((stacked / "remade.json").read_text())
    assert (remade["n_on"], remade["n_off"]) == (results.stacked.n_on, results.stacked.n_off)
    assert remade["differences"] == [] and len(remade["models"]) == 2


def test_script_and_notebook_need_no_astran(stacked: Path) -> None:
    script = (stacked / "analysis.py").read_text()
    notebook = make_notebook(script)
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    for code in (script, *cells):
        for node in ast.walk(ast.parse(code)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "astran" for name in names)


@pytest.fixture(scope="module")
def magic(public_data: Data) -> Spectral:
    found = analysis.measure_folder(
        options(
            public_data("joint-crab/magic"),
            position=CRAB,
            theta_cut=0.1414213,
            settings={"energy_min": 0.08, "energy_max": 30.0},
        )
    ).spectral
    assert isinstance(found, Spectral)
    return found


def norm_by_gammapy(spectrum: Any, edges: Any, shape: Any) -> float:
    """Of all energies together, by FluxPointsEstimator, in bins with these edges."""
    data = make_dataset(spectrum, "data", 1.0)
    axis = MapAxis.from_energy_edges(edges, unit="TeV", name="energy")
    data = data.resample_energy_axis(axis, name="wide")
    energy = np.geomspace(spectrum.true_edges[0], spectrum.true_edges[-1], 2000)
    model = TemplateSpectralModel(energy * u.TeV, shape(energy) * u.Unit("cm-2 s-1 TeV-1"))
    data.models = [SkyModel(spectral_model=model, name="source")]
    estimator = FluxPointsEstimator(
        energy_edges=edges[[0, -1]] * u.TeV,
        source="source",
        selection_optional=[],
        fit=EXACT_FIT,
    )
    return float(np.ravel(estimator.run(Datasets([data])).norm.data)[0])


def test_norms_are_those_of_gammapys_estimators(magic: Spectral) -> None:
    """Where each bin has 10 OFF counts or more."""
    bounds = magic.stacked.wide_bounds()
    edges = magic.stacked.edges[bounds]
    compared = 0
    for part, point in zip(magic.parts, magic.runs, strict=True):
        if point.has_enough_off:
            norm = norm_by_gammapy(part.spectrum, edges, magic.shape)
            assert point.likeliest == pytest.approx(norm, abs=1e-3 * point.norm.error)
            compared += 1
    assert compared
    points = [p for p in magic.points if p.n_off >= 10 and not p.is_limit]
    assert len(points) >= 3
    for found in points:
        own = magic.stacked.edges
        inside = own[(own >= found.energy_min * 0.999) & (own <= found.energy_max * 1.001)]
        norm = norm_in_bin(magic, inside)
        assert found.norm.value == pytest.approx(norm, abs=1e-3 * found.norm.error)


def norm_in_bin(found: Spectral, inside: Any) -> float:
    """Of one flux point, by FluxPointsEstimator."""
    data = make_dataset(found.stacked, "data", 1.0)
    true = found.stacked.true_edges
    energy = np.geomspace(true[0], true[-1], 2000)
    model = TemplateSpectralModel(energy * u.TeV, found.shape(energy) * u.Unit("cm-2 s-1 TeV-1"))
    data.models = [SkyModel(spectral_model=model, name="source")]
    estimator = FluxPointsEstimator(
        energy_edges=inside[[0, -1]] * u.TeV,
        source="source",
        selection_optional=[],
        fit=EXACT_FIT,
    )
    return float(np.ravel(estimator.run(Datasets([data])).norm.data)[0])


def test_many_nights_are_stacked_by_response(
    magic: Spectral, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stacks.stack_for_fit(magic.nights, None) == magic.nights
    monkeypatch.setattr(stacks, "MOST_NIGHTS", 0)
    assert stacks.stack_for_fit(magic.nights, StackRule.NIGHT) == magic.nights
    far = replace(magic.parts[1], part=replace(magic.parts[1].part, run=_low(magic.parts[1])))
    night = replace(magic.nights[0], parts=(magic.parts[0], far))
    groups = stacks.stack_for_fit((night,), None)
    assert [len(group.parts) for group in groups] == [1, 1]
    assert "62 to 70 deg" in groups[1].response
    together = stacks.stack_for_fit(magic.nights, None)
    assert [len(group.parts) for group in together] == [2]
    assert together[0].spectrum.n_on.sum() == magic.stacked.n_on.sum()


def _low(part: RunSpectrum) -> Dl3Run:
    return replace(part.part.run, zenith=65.0)


def test_a_report_shows_each_night_with_its_flux_or_limit(results: Results) -> None:
    every, main = tables.night_tables(results)
    assert every.columns == (
        *("Night", "Runs", "Livetime", "N_on", "N_off", "alpha", "Excess", "Li&Ma"),
        "Flux [cm-2 s-1]",
    )
    assert [row.cells[0] for row in every.rows] == ["2011-02-03", "2011-10-08"]
    assert set(main.columns) < set(every.columns) and len(main.columns) == 4
    first, second = results.by_night or ()
    weak = replace(second, is_limit=True, flux_limit=3.2e-12)
    rows = tables.night_tables(replace(results, by_night=(first, weak)))[0].rows
    assert rows[0].cells[-1].endswith("e-10") and rows[1].cells[-1] == "< 3.2e-12"
    assert tables.night_tables(replace(results, by_night=(first,)))[0].rows == ()
