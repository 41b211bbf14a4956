"""A part that fails is left out and said; the numbers and all other parts are delivered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, RA, write_night

from astran.config.analysis import HighlevelSettings
from astran.highlevel import analysis, failures
from astran.highlevel.analysis import FolderMeasurement, analyse, measure_folder
from astran.highlevel.diagnostics import data_taking
from astran.highlevel.options import Options
from astran.highlevel.output import assembly
from astran.highlevel.plots import gallery, style
from astran.highlevel.spectral import lightcurve, result_parts
from astran.highlevel.spectral import spectrum as spectral
from astran.production.checks.results import check_results
from astran.results.codec import results_from_json, results_to_json
from astran.results.document import FileNames

PATH = Path(__file__).resolve().parents[2] / "docs" / "results.schema.json"
SCHEMA: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
WORD = "injected"
PLOTS = [entry.name for entry in gallery.GALLERY]
TABLES = [f"diagnostics.{name}" for name in data_taking.TABLES] + [
    name for name, *_ in assembly.TABLES
]


def add_dispersion(hdus: fits.HDUList) -> None:
    """An energy dispersion of 15 %, so that there are spectrum, light curve and response."""
    energy, migra = np.geomspace(0.01, 10, 7), np.linspace(0.2, 2.0, 46)
    centre = (migra[1:] + migra[:-1]) / 2
    shape = np.exp(-((centre - 1) ** 2) / (2 * 0.15**2)) / (0.15 * np.sqrt(2 * np.pi))
    matrix = np.tile(shape[np.newaxis, :, np.newaxis], (2, 1, energy.size - 1))
    names = (
        ("ENERG", "TeV", energy),
        ("MIGRA", "", migra),
        ("THETA", "deg", np.array([0, 0.5, 1])),
    )
    columns = [
        fits.Column(f"{name}_{end}", f"{edges.size - 1}E", unit=unit, array=[part])
        for name, unit, edges in names
        for end, part in (("LO", edges[:-1]), ("HI", edges[1:]))
    ]
    size = f"({energy.size - 1},{centre.size},2)"
    columns.append(fits.Column("MATRIX", f"{matrix.size}E", dim=size, array=[matrix]))
    header = fits.Header(
        {
            "HDUCLASS": "GADF",
            "HDUCLAS1": "RESPONSE",
            "HDUCLAS2": "EDISP",
            "HDUCLAS3": "POINT-LIKE",
            "HDUCLAS4": "EDISP_2D",
        }
    )
    hdus.append(fits.BinTableHDU.from_columns(columns, header, name="ENERGY DISPERSION"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dl3")
    write_night(place, runs=2, background=3000, signal=400, change=add_dispersion)
    return place


def options(folder: Path, output: Path, **values: Any) -> Options:
    return Options(
        dl3=(folder,),
        output=output,
        name="Crab",
        position=(RA, DEC),
        settings=HighlevelSettings(map_bin=0.1, map_width=2.0),
        **values,
    )


@pytest.fixture(scope="module")
def found(folder: Path) -> FolderMeasurement:
    return measure_folder(options(folder, folder))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not drawn in full."""

    def save(figure: Any, folder: Path, name: str) -> None:
        for end in ("png", "pdf"):
            (folder / f"{name}.{end}").write_bytes(b"drawn")

    monkeypatch.setattr(style, "save", save)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, quick: None, found: FolderMeasurement) -> None:
    """All calculations have been done; only plots and tables are made."""
    monkeypatch.setattr(analysis, "measure_folder", lambda options: found)
    monkeypatch.setattr(analysis, "_write_files", lambda *values: FileNames())


def fail(*values: Any, **named: Any) -> Any:
    raise ValueError(f"{WORD} fault")


def delivered(output: Path) -> dict[str, Any]:
    """results.json, valid, with every file that it names."""
    data: dict[str, Any] = json.loads((output / "results.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    again, faults = results_from_json(data)
    assert faults == {} and results_to_json(again) == data
    facts = check_results(output)
    assert facts["n_on"] == data["stacked"]["n_on"] > 0
    assert not list(output.glob(".*"))
    return data


def names(data: dict[str, Any]) -> list[str]:
    return [plot["name"] for plot in data["plots"]]


EVERY_FILE = {
    *("run_table", "night_table", "map", "flux_points", "light_curve", "ogip"),
    *("gammapy", "executable"),
}


def left_out(data: dict[str, Any]) -> set[str]:
    """What is named as left out; each has its reason there and a warning."""
    for entry in data["left_out"]:
        assert WORD in entry["reason"]
    said = [text for text in data["warnings"] if WORD in text]
    assert len(said) >= len(data["left_out"])
    assert all(" left out: " in text for text in said)
    return {entry["name"] for entry in data["left_out"]}


def test_without_a_fault_everything_is_delivered(folder: Path, tmp_path: Path, quick: None) -> None:
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert names(data) == PLOTS
    assert data["left_out"] == []
    assert set(data["files"]) == EVERY_FILE
    assert data["diagnostics"]["irf"]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_that_fails_is_left_out(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / f"{name}.png").write_bytes(b"of an earlier analysis")
    broken = [replace(e, draw=fail) if e.name == name else e for e in gallery.GALLERY]
    monkeypatch.setattr(gallery, "GALLERY", tuple(broken))
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert names(data) == [other for other in PLOTS if other != name]
    assert left_out(data) == {name}
    assert not (tmp_path / f"{name}.png").exists()


def test_plots_that_cannot_be_saved_are_left_out(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them: no file stays behind."""
    save = style.save

    def save_or_fail(figure: Any, place: Path, plot: str) -> None:
        save(figure, place, plot)
        if plot in PLOTS[::2]:
            fail()

    monkeypatch.setattr(style, "save", save_or_fail)
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert names(data) == PLOTS[1::2]
    assert left_out(data) == set(PLOTS[::2])
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == sorted(PLOTS[1::2])


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_fails_is_left_out(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    area, _, own = name.rpartition(".")
    if area:
        monkeypatch.setitem(data_taking.TABLES, own, (data_taking.TABLES[own][0], fail))
    else:
        broken = [(n, title, fail if n == own else make) for n, title, make in assembly.TABLES]
        monkeypatch.setattr(assembly, "TABLES", tuple(broken))
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert left_out(data) == {name}
    for other in TABLES:
        area, _, own = other.rpartition(".")
        part = (data[area] if area else data).get(own)
        assert (part is None) is (other == name), other
    # a plot of which a panel lacks its table is drawn with the others
    plots_of = {"map": {"skymap", "excess_map", "significance_distribution"}}
    gone = plots_of.get(name, {name})
    assert names(data) == [plot for plot in PLOTS if plot not in gone]


CALCULATIONS: dict[str, tuple[Any, str, set[str]]] = {
    "sky map": (analysis, "map_field", {"map"}),
    "peak": (analysis, "find_peak", {"peak"}),
    "position": (analysis, "fit_position", {"position"}),
    "spectrum": (analysis, "make_spectrum", {"spectrum"}),
    "response": (analysis, "irf_summary", {"irf"}),
    "theta2": (analysis, "make_theta2_histogram", {"theta2"}),
    "cumulative": (analysis, "cumulative_significance", {"cumulative"}),
    "fit": (spectral, "_fit", {"fit"}),
    "flux points": (spectral, "flux_points", {"flux_points"}),
    "light curve by run": (lightcurve, "light_curve_by_run", {"fit", "light_curve"}),
    "light curve by night": (lightcurve, "light_curve_by_stack", {"light_curve"}),
    "fine light curve": (lightcurve, "light_curve_fine", {"light_curve"}),
    "expected limit": (spectral, "_limit_without_source", {"expected_limit"}),
    "concerns": (assembly, "find_warnings", {"concerns"}),
    "observations": (assembly, "describe_observations", {"observations"}),
}
FILES: dict[str, tuple[Any, str, set[str]]] = {
    "run table": (analysis, "write_run_table", {"run_table"}),
    "night table": (analysis, "write_night_table", {"night_table"}),
    "executable": (analysis, "write_executable", {"executable"}),
    "gammapy files": (analysis, "write_gammapy_files", {"gammapy"}),
    "map file": (analysis, "write_map", {"map"}),
    "flux tables": (result_parts, "_write_table", {"flux_points", "light_curve"}),
    "OGIP files": (result_parts, "make_dataset", {"ogip"}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_written_leaves_the_others(
    folder: Path,
    tmp_path: Path,
    found: FolderMeasurement,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    home, function, expected = FILES[name]
    monkeypatch.setattr(home, function, fail)
    monkeypatch.setattr(analysis, "measure_folder", lambda options: found)
    monkeypatch.setattr(analysis, "_draw", lambda *values: ())
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert left_out(data) == expected
    assert {key for key, value in data["files"].items() if value} == EVERY_FILE - expected


@pytest.mark.parametrize("name", CALCULATIONS)
def test_a_calculation_that_fails_leaves_the_others(
    folder: Path,
    tmp_path: Path,
    quick: None,
    found: FolderMeasurement,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    home, function, expected = CALCULATIONS[name]
    monkeypatch.setattr(analysis, "map_field", lambda *values: found.search)
    monkeypatch.setattr(home, function, fail)
    monkeypatch.setattr(analysis, "_write_files", lambda *values: FileNames())
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert left_out(data) == expected
    gone = {
        "sky map": {"skymap", "excess_map", "significance_distribution"},
        "spectrum": {"spectrum", "light_curve"},
        "response": {"response"},
        "theta2": {"theta2"},
        "cumulative": {"cumulative"},
        "flux points": {"spectrum"},
        "light curve by run": {"light_curve"},
    }.get(name, set())
    assert names(data) == [plot for plot in PLOTS if plot not in gone]


def test_a_run_that_cannot_be_counted_leaves_the_others(
    folder: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = analysis.count_run

    def count_or_fail(run: Any, *values: Any) -> Any:
        return fail() if run.obs_id == 15861 else count(run, *values)

    monkeypatch.setattr(analysis, "count_run", count_or_fail)
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert [run["obs_id"] for run in data["runs"]] == [15860]
    assert [item["obs_id"] for item in data["excluded"]] == [15861]
    assert WORD in data["excluded"][0]["reason"]


def test_a_run_whose_response_fails_leaves_the_others_their_spectrum(
    folder: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = spectral.run_spectrum

    def make_or_fail(run: Any, *values: Any) -> Any:
        return fail() if run.run.obs_id == 15861 else make(run, *values)

    monkeypatch.setattr(spectral, "run_spectrum", make_or_fail)
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert data["spectrum"]["runs"] == [15860]
    assert any("Not in the spectrum: 15861" in text and WORD in text for text in data["warnings"])


def test_numbers_are_there_before_anything_is_drawn(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the task is killed while it draws."""
    seen: list[dict[str, Any]] = []

    def killed(data: Any, sky: Any) -> Any:
        seen.append(delivered(tmp_path))
        raise KeyboardInterrupt

    broken = [replace(entry, draw=killed) for entry in gallery.GALLERY]
    monkeypatch.setattr(gallery, "GALLERY", tuple(broken))
    with pytest.raises(KeyboardInterrupt):
        analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert data == seen[0]
    assert data["plots"] == [] and data["files"] == {}
    assert "ended before" in data["warnings"][-1]
    assert data["left_out"][-1]["name"] == "plots"


def test_matplotlib_that_cannot_be_loaded_costs_plots_alone(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "_draw", fail)
    analyse(options(folder, tmp_path))
    data = delivered(tmp_path)
    assert data["plots"] == []
    assert left_out(data) == {"plots"}


def test_a_full_disk_is_no_fault_of_a_plot(
    folder: Path, tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task ends with it, so that it is tried again; the numbers stay."""

    def no_room(*values: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(style, "save", no_room)
    with pytest.raises(OSError, match="No space left"):
        analyse(options(folder, tmp_path))
    assert delivered(tmp_path)["stacked"]["n_on"] > 0


def test_every_error_is_told_with_its_kind() -> None:
    collected = failures.Failures()
    collected.attempt(failures.PartKind.PLOT, "a", "The plot a", lambda: "".index("x"))
    collected.attempt(failures.PartKind.PLOT, "b", "The plot b", lambda: int("x\ny"))
    first, second = (part.sentence for part in collected.found)
    assert first == "The plot a is left out: ValueError: substring not found."
    assert second.startswith("The plot b is left out: ValueError: invalid literal")
    assert "\n" not in second


EMPTY = [(83.63, 21.0), (83.63, 23.03), (84.73, 22.01), (82.53, 22.01), (84.4, 21.3), (82.9, 22.7)]


@pytest.fixture(scope="module")
def crab_runs(public_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hess")
    for run in (23523, 23526, 23559, 23592):
        name = f"hess_dl3_dr1_obs_id_{run:06d}.fits.gz"
        (place / name).symlink_to(public_data("hess-dl3-dr1") / "data" / name)
    return place


def limits(value: Any) -> list[tuple[str, Any]]:
    """Every upper limit in results.json."""
    if isinstance(value, list):
        return [pair for item in value for pair in limits(item)]
    if not isinstance(value, dict):
        return []
    own = [(key, item) for key, item in value.items() if key in LIMITS]
    return own + [pair for item in value.values() for pair in limits(item)]


LIMITS = ("upper_limit", "dnde_limit", "e2dnde_limit_erg", "flux_limit")


@pytest.mark.parametrize("position", EMPTY)
def test_empty_positions_of_real_data(
    crab_runs: Path, tmp_path: Path, quick: None, position: tuple[float, float]
) -> None:
    """A deficit at the place of the target is nothing special."""
    wanted = replace(options(crab_runs, tmp_path), position=position, name="t")
    analyse(wanted)
    data = delivered(tmp_path)
    assert names(data) == PLOTS
    assert data["left_out"] == []
    found = limits(data)
    assert {key for key, _ in found} == set(LIMITS)
    assert all(value is not None and value > 0 for _, value in found)
