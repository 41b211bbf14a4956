"""create_*_LP and check_*: options, errors and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from astran.cli.production import (
    check_dl2_main,
    check_dl3_main,
    create_dl2_main,
    create_dl3_main,
    create_index_main,
)

USAGE = 2


@pytest.fixture
def site(tmp_path: Path) -> str:
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump({"site": "test", "workdir": str(tmp_path / "work")}))
    return str(path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-d", "20231213"], "The target is not given"),
        (["-t", "Crab"], "The date is not given"),
        (["-t", "Crab", "-d", "20231313"], "YYYYMMDD"),
        (["-t", "Crab", "-d", "20231213", "-r", "x"], "no list of run numbers"),
        (["-t", "Krab", "-d", "20231213"], "Crab"),
        (["-t", "Crab", "-d", "20231213", "--set", "dl3.theta_cut"], "KEY=VALUE"),
        (["-t", "Crab", "-d", "20231213", "--set", "dl3.theta_cutt=0.1"], "theta_cut"),
        (["-t", "Crab", "-d", "20231213", "--set", "dl3.theta_cut=5"], "dl3.theta_cut"),
        (["-t", "Crab", "-d", "20231213", "--set", "date.x=5"], "holds no further keys"),
    ],
)
@pytest.mark.parametrize("command", [create_dl2_main, create_dl3_main])
def test_wrong_requests_are_explained(
    site: str, capsys: pytest.CaptureFixture[str], command: Any, words: list[str], text: str
) -> None:
    assert command([*words, "--site", site]) == USAGE
    assert text in said(capsys)


def test_options_win_over_the_file(site: str, tmp_path: Path) -> None:
    import argparse

    from astran.cli.production import _config
    from astran.config.analysis import Start

    file = tmp_path / "config.yml"
    file.write_text("target: Crab\ndate: 20231213\nruns: [1, 2]\ndl3: {theta_cut: 0.15}\n")
    options = argparse.Namespace(
        config=file, target=None, date="20231214", runs="7,8", set=["dl3.gammaness_cut=0.6"]
    )
    config = _config(options, Start.DL2)
    assert (config.date, config.runs) == ("20231214", (7, 8))
    assert (config.dl3.theta_cut, config.dl3.gammaness_cut) == (0.15, 0.6)
    assert config.start is Start.DL2
    assert config.target.name == "Crab"


def test_index_without_an_environment_or_files(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert create_index_main(["--input", str(tmp_path), "--site", site]) == USAGE
    assert "has no lstchain" in said(capsys)


@pytest.mark.parametrize("command", [check_dl2_main, check_dl3_main])
def test_checks_of_bad_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    bad = tmp_path / "dl.fits"
    bad.write_bytes(b"nothing")
    assert command([str(bad)]) == 1
    assert "BAD" in capsys.readouterr().out
    assert command([str(bad), str(tmp_path / "none"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in found] == [str(bad), str(tmp_path / "none")]
    assert all(one["problem"] for one in found)


def test_a_folder_without_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dl2_main([str(tmp_path)]) == USAGE
    assert "holds no file" in said(capsys)
