"""The task as the scheduler starts it: options, exit codes, files, and plots one can read."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from PIL import Image
from synthetic_dl3 import DEC, RA, write_night, write_run

from astran.cli import highlevel as command
from astran.highlevel import options
from astran.highlevel.__main__ import main
from astran.telescopes.lst.settings import LstConfig

PLACE = ["--target", "Crab", "--ra", str(RA), "--dec", str(DEC)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dl3")
    write_night(folder, background=6000, signal=300)
    write_run(folder, 15999, change=lambda hdus: hdus.pop(2))
    return folder


@pytest.fixture(scope="module")
def done(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("results")
    words = [sys.executable, "-m", "astran.highlevel", "--dl3", str(night), *PLACE]
    words += ["--output", str(output), "--date", "20231207", "--simulated", "--json"]
    words += ["--version", "lstchain=0.12.3", "--version", "models=dec_2276"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    (output / "stdout.json").write_text(ended.stdout)
    return output


def content(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return data


def test_results_hold_what_the_report_needs(done: Path) -> None:
    data = content(done)
    assert data["schema"] == "astran-results-1"
    assert data["target"] == {"name": "Crab", "ra_deg": RA, "dec_deg": DEC}
    assert data["night"] == "20231207"
    assert data["simulated"] is True
    assert data["versions"]["lstchain"] == "0.12.3"
    assert data["versions"]["models"] == "dec_2276"
    stacked = data["stacked"]
    assert stacked["excess"] == pytest.approx(
        stacked["n_on"] - stacked["alpha"] * stacked["n_off"], abs=1e-6
    )
    assert stacked["theta_cut_deg"] == 0.2
    assert stacked["off_regions"] == 3
    assert stacked["significance"] > 10
    assert stacked["rate_per_min"] == pytest.approx(stacked["excess"] / stacked["livetime_h"] / 60)
    assert stacked["energy_min_tev"] is None
    assert [run["obs_id"] for run in data["runs"]] == [15860, 15861, 15862, 15863]
    assert sum(run["n_on"] for run in data["runs"]) == stacked["n_on"]
    assert data["runs"][0]["zenith_deg"] == pytest.approx(20.0)
    assert data["runs"][0]["offset_deg"] == pytest.approx(0.4, abs=0.01)
    assert data["runs"][0]["tstart"] == "2023-12-07T20:00:00+00:00"
    assert [(item["obs_id"], item["reason"]) for item in data["excluded"]] == [
        (15999, "it has no GTI table.")
    ]
    assert data["cumulative"][-1]["significance"] == pytest.approx(stacked["significance"])
    sky = data["map"]
    assert sky["background"] == "2d"
    assert sky["peak_offset_deg"] < 0.05
    assert sky["peak_ra_deg"] == pytest.approx(RA, abs=0.06)
    assert sky["off_sigma"] == pytest.approx(1.0, abs=0.15)
    assert data["warnings"] == ["No spectrum: all 4 runs: it has no energy dispersion."]


def test_stdout_is_the_same_as_the_file(done: Path) -> None:
    lines = (done / "stdout.json").read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0]) == content(done)


def test_every_named_file_is_there(done: Path) -> None:
    data = content(done)
    names = ["skymap", "theta2", "excess_map", "significance_distribution", "cumulative"]
    names += ["rates", "data_taking", "events"]
    assert [plot["name"] for plot in data["plots"]] == names
    for plot in data["plots"]:
        assert (done / plot["file"]).read_bytes().startswith(b"\x89PNG")
        assert (done / plot["pdf"]).read_bytes().startswith(b"%PDF")
        assert plot["title"]
        assert len(plot["alt"]) > 40
    assert not list(done.glob(".*"))


def test_plots_have_the_size_of_a_mail(done: Path) -> None:
    for plot in content(done)["plots"]:
        path = done / plot["file"]
        assert path.stat().st_size <= 150_000
        with Image.open(path) as image:
            assert 600 <= image.width <= 1200


def test_the_run_table_is_the_results(done: Path) -> None:
    table = Table.read(done / "run_table.ecsv")
    runs = content(done)["runs"]
    assert list(table["obs_id"]) == [run["obs_id"] for run in runs]
    assert list(table["n_on"]) == [run["n_on"] for run in runs]
    assert str(table["livetime_h"].unit) == "h"


def test_the_map_file_has_the_peak_where_results_say(done: Path) -> None:
    with fits.open(done / "skymap.fits") as hdus:
        image, header = hdus["SIGNIFICANCE"].data, hdus["SIGNIFICANCE"].header
        sky = content(done)["map"]
        column, row = WCS(header).wcs_world2pix(sky["peak_ra_deg"], sky["peak_dec_deg"], 0)
        assert image[round(float(row)), round(float(column))] == pytest.approx(
            sky["peak_significance"], rel=0.1
        )
        assert WCS(header).wcs_pix2world(*[len(image) // 2] * 2, 0) == pytest.approx([RA, DEC])


def test_no_number_is_nan(done: Path) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            list(map(walk, value.values()))
        elif isinstance(value, list):
            list(map(walk, value))
        elif isinstance(value, float):
            assert math.isfinite(value)

    walk(content(done))


def test_when_no_run_is_usable_the_last_line_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "dl3", 1, change=lambda hdus: hdus["EVENTS"].header.set("DEADC", 0.0))
    code = main(["--dl3", str(tmp_path / "dl3"), *PLACE, "--output", str(tmp_path / "out")])
    assert code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: No usable run: 1: its DEADC is 0")
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ra", "83.6"], "--dec"),
        ([*PLACE, "--date", "someday"], "someday"),
        ([*PLACE, "--runs", "all"], "run numbers"),
        ([*PLACE, "--version", "lstchain"], "NAME=VALUE"),
        ([*PLACE, "--theta-cut", "5"], "--theta-cut"),
        ([*PLACE, "--off-regions", "0"], "off_regions"),
        ([*PLACE, "--energy-min", "2", "--energy-max", "1"], "below energy_max"),
        (["--ra", "400", "--dec", "20"], "ra"),
    ],
)
def test_wrong_options_are_explained(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["--dl3", str(night), "--output", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


def parsed(*words: str) -> options.Options:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    return options.read_options(parser.parse_args(["--dl3", "in", "--output", "out", *words]))


def test_options_win_over_the_configuration(tmp_path: Path) -> None:
    config = LstConfig.model_validate(
        {
            "target": {"name": "Crab", "ra": RA, "dec": DEC},
            "date": "20231207",
            "runs": [15860],
            "dl3": {"theta_cut": 0.17},
            "highlevel": {"off_regions": 2, "map_bin": 0.04},
        }
    )
    path = tmp_path / "config.yml"
    path.write_text(config.to_yaml())
    plain = parsed("--config", str(path))
    assert plain.position == (RA, DEC)
    assert (plain.name, str(plain.night), plain.runs) == ("Crab", "20231207", {15860})
    assert (plain.theta_cut, plain.fallback_theta) == (None, 0.17)
    assert (plain.settings.off_regions, plain.settings.map_bin) == (2, 0.04)
    other = parsed(
        "--config", str(path), "--off-regions", "1", "--runs", "1,2", "--theta-cut", "0.1"
    )
    assert (other.settings.off_regions, other.settings.map_bin) == (1, 0.04)
    assert (other.runs, other.theta_cut) == ({1, 2}, 0.1)


def test_the_sub_command_is_the_same_task(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(
        ["--dl3", str(night), *PLACE, "--output", str(tmp_path), "--runs", "15860"]
    )
    assert command.run(args) == 0
    said = capsys.readouterr().out
    assert said.startswith("Crab: ")
    assert "left out: 15999: it has no GTI table." in said
    assert "not balanced" not in said


def test_listing_the_options_imports_nothing_heavy() -> None:
    code = (
        "import sys, astran.cli.highlevel\n"
        "heavy = {'numpy', 'astropy', 'scipy', 'matplotlib', 'gammapy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
