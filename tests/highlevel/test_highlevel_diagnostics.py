"""Rates, gaps, wobble, acceptance, response: numbers and the words about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, RA, write_night, write_run

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.diagnostics.notes import describe_observations
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options
from astran.highlevel.output.assembly import assemble_results
from astran.results.codec import results_from_json, results_to_json

Data = Callable[[str], Path]


def look(
    folder: Path, position: tuple[float, float] = (RA, DEC), **settings: Any
) -> tuple[FolderMeasurement, dict[str, Any]]:
    options = Options(
        dl3=(folder,),
        output=Path("unused"),
        name="Crab",
        position=position,
        settings=HighlevelSettings.model_validate({"map_bin": 0.05, **settings}),
    )
    found = measure_folder(options)
    results = assemble_results(found, options, datetime(2024, 1, 1, tzinfo=UTC))
    return found, results_to_json(results)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("night")
    write_night(folder, background=6000, signal=300)
    return look(folder)[1]


def test_rates_against_time_hold_every_event(night: dict[str, Any]) -> None:
    bins = night["diagnostics"]["time"]
    seconds = sum(run["ontime_h"] for run in night["runs"]) * 3600 / len(bins)
    assert seconds == pytest.approx(60.0)
    assert sum(item["events_per_s"] * seconds for item in bins) == pytest.approx(
        night["stacked"]["events"]
    )
    live = night["stacked"]["livetime_h"] * 60 / len(bins)
    assert sum(item["gammas_per_min"] * live for item in bins) == pytest.approx(
        night["stacked"]["excess"]
    )
    assert bins[0]["start"] == "2023-12-07T20:00:00+00:00"
    assert bins[-1]["stop"] == "2023-12-07T21:50:00+00:00"


def test_a_steady_night_gives_an_exponential(night: dict[str, Any]) -> None:
    found = night["diagnostics"]["intervals"]
    counts, expected = np.array(found["counts"]), np.array(found["expected"])
    good = expected > 20
    pulls = (counts - expected)[good] / np.sqrt(expected[good])
    assert abs(pulls.mean()) < 0.5
    assert pulls.std() == pytest.approx(1.0, abs=0.35)
    assert describe_observations(results_from_json(night)[0].diagnostics) == []


def test_wobble_positions(night: dict[str, Any]) -> None:
    places = night["diagnostics"]["wobble"]
    assert sorted(round(item["x_deg"], 3) for item in places) == [-0.4, 0.4]
    assert [item["runs"] for item in places] == [2, 2]
    assert sum(item["livetime_h"] for item in places) == pytest.approx(
        night["stacked"]["livetime_h"]
    )


def test_the_acceptance_follows_the_events(night: dict[str, Any]) -> None:
    found = night["diagnostics"]["acceptance"]
    edges = np.array(found["edges_deg"])
    centre = (edges[1:] + edges[:-1]) / 2
    density = np.array(found["events_per_deg2"], float)
    model = np.array(found["model_per_deg2"], float)
    error = np.array(found["events_error"], float)
    inner = (centre > 0.2) & (centre < 2.0)
    assert np.abs((density - model)[inner] / error[inner]).mean() < 1.6
    truth = 4 * 6000 / (2 * np.pi) * np.exp(-(centre**2) / 2)
    assert density[inner] == pytest.approx(truth[inner], rel=0.15)


def test_energies_and_bands_hold_every_count(night: dict[str, Any]) -> None:
    stacked, energy = night["stacked"], night["diagnostics"]["energy"]
    assert sum(energy["all"]) == stacked["events"]
    assert sum(energy["on"]) == stacked["n_on"]
    assert sum(energy["background"]) == pytest.approx(stacked["alpha"] * stacked["n_off"])
    bands = night["energy_bands"]
    assert sum(band["n_on"] for band in bands) == stacked["n_on"]
    assert sum(band["n_off"] for band in bands) == stacked["n_off"]
    assert bands[0]["energy_min_tev"] is None
    assert bands[0]["energy_max_tev"] == 0.1
    assert bands[-1]["energy_max_tev"] is None


def test_nights_add_up(public_data: Data) -> None:
    _, data = look(public_data("joint-crab/fact"), (83.63333, 22.01444), map_width=2)
    nights = data["by_night"]
    assert [item["night"] for item in nights] == ["20131103", "20131104", "20131105"]
    assert [item["n_runs"] for item in nights] == [42, 43, 40]
    assert sum(item["n_on"] for item in nights) == data["stacked"]["n_on"]
    for item in nights:
        assert item["crab_units"] == pytest.approx(1.0, abs=4 * item["crab_units_error"])
    said = " ".join(data["warnings"])
    assert "no events in 134 s of its 300 s" in said
    assert "20131105238" in said
    irf = data["diagnostics"]["irf"]
    assert irf["point_like"]
    assert irf["angular_resolution_deg"] is None


def test_response_of_the_files(public_data: Data) -> None:
    _, data = look(public_data("joint-crab/hess"), (83.63333, 22.01444), map_width=2)
    irf = data["diagnostics"]["irf"]
    energy = np.array(irf["energy_tev"])
    at = int(np.argmin(np.abs(np.log(energy / 3.0))))
    assert not irf["point_like"]
    assert 2e5 < irf["area_m2"][at] < 6e5
    assert 0.05 < irf["angular_resolution_deg"][at] < 0.15
    assert abs(irf["energy_bias"][at]) < 0.1
    assert 0.1 < irf["energy_resolution"][at] < 0.3


def rate(factor: float) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus["EVENTS"].data = hdus["EVENTS"].data[: int(factor * len(hdus["EVENTS"].data))]

    return change


def clouds(hdus: fits.HDUList) -> None:
    """Two thirds of the events are lost in the second half."""
    events = hdus["EVENTS"].data
    late = events["TIME"] > hdus["GTI"].data["START"][0] + 600
    keep = ~late | (np.random.default_rng(1).random(len(events)) < 0.33)
    hdus["EVENTS"].data = events[keep]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"change": clouds}, "rate changes within run 15999"),
        ({"background": 2000}, "rate of run 15999 is not that of the other"),
        ({"deadc": 0.7}, "dead time of run 15999 is up to 30 %"),
        (
            {"change": lambda hdus: hdus["EVENTS"].header.set("ALT_PNT", 25.0)},
            "Run 15999 was taken beyond 60 deg",
        ),
    ],
)
def test_what_is_odd_about_the_data_taking_is_told(
    tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    write_night(tmp_path)
    write_run(tmp_path, 15999, **values)
    _, data = look(tmp_path, map_width=2)
    assert any(words in text for text in data["warnings"]), data["warnings"]
