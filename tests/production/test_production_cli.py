"""create_*_LP and check_*: options, errors and exit codes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from product_samples import write_dl3

from astran import api
from astran.base.errors import ConfigError
from astran.cli.production.check import check_dl2, check_dl3
from astran.cli.production.create import create_dl2, create_dl3, create_index
from astran.cli.production.night_options import add_night_options, read_night_options
from astran.telescopes.lst.manual import Workspace
from astran.telescopes.lst.settings import StartLevel

GOOD, BAD, USAGE, ODD = 0, 1, 2, 3


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
@pytest.mark.parametrize("command", [create_dl2, create_dl3])
def test_wrong_requests_are_explained(
    site: str, capsys: pytest.CaptureFixture[str], command: Any, words: list[str], text: str
) -> None:
    assert command([*words, "--site", site]) == USAGE
    assert text in said(capsys)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("target: Crab\ndate: 20231213\nruns: [1, 2]\ndl3: {theta_cut: 0.15}\n")
    parser = argparse.ArgumentParser()
    add_night_options(parser)
    words = ["--config-analysis", str(file), "--night", "2023-12-14", "-r", "7-9, 12"]
    args = parser.parse_args([*words, "--set", "dl3.gammaness_cut=0.6"])
    config = api.configure(read_night_options(args), StartLevel.DL2)
    assert (config.date, config.runs) == ("20231214", (7, 8, 9, 12))
    assert (config.dl3.theta_cut, config.dl3.gammaness_cut) == (0.15, 0.6)
    assert config.start is StartLevel.DL2
    assert config.target.name == "Crab"


def test_a_version_given_as_an_option_stays_text() -> None:
    parser = argparse.ArgumentParser()
    add_night_options(parser)
    words = ["-t", "Crab", "-d", "20231213", "--set", "lstchain=0.10"]
    assert api.configure(read_night_options(parser.parse_args(words))).lstchain == "0.10"


def test_an_analysis_from_python() -> None:
    config = api.configure_analysis("crab nebula", "20231213", runs=[7], **{"dl3.theta_cut": 0.3})
    assert (config.target.name, config.runs, config.dl3.theta_cut) == ("Crab", (7,), 0.3)
    with pytest.raises(ConfigError, match="theta_cutt"):
        api.configure_analysis("Crab", "20231213", **{"dl3.theta_cutt": 0.3})


def test_the_night_of_files_is_in_their_path(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "DL1" / "20231213" / "v0.10"
    folder.mkdir(parents=True)
    assert create_dl2(["-t", "Crab", "--input", str(folder), "--site", site]) == USAGE
    assert "holds no file dl1_*.h5" in said(capsys)
    plain = tmp_path / "plain"
    plain.mkdir()
    assert create_dl2(["-t", "Crab", "--input", str(plain), "--site", site]) == USAGE
    assert "The date is not given" in said(capsys)


def test_index_without_an_environment_or_files(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert create_index(["--input", str(tmp_path), "--site", site]) == USAGE
    assert "has no lstchain" in said(capsys)


@pytest.mark.parametrize("command", [check_dl2, check_dl3])
def test_checks_of_bad_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    bad = tmp_path / "dl.fits"
    bad.write_bytes(b"nothing")
    assert command([str(bad)]) == BAD
    shown = capsys.readouterr().out
    assert "broken" in shown and str(bad) in shown
    assert command([str(bad), str(tmp_path / "none"), "--json"]) == BAD
    found = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in found["runs"]] == [str(bad), str(tmp_path / "none")]
    assert [one["state"] for one in found["runs"]] == ["broken", "missing"]
    assert found["counts"] == {"ok": 0, "suspicious": 0, "broken": 1, "missing": 1}
    assert found["ok"] is False
    assert all(one["problems"] for one in found["runs"])


def test_an_analysis_of_the_service_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "Crab20231207"
    (folder / "jobmanager" / "batches").mkdir(parents=True)
    bench = cast(Workspace, SimpleNamespace(folder=folder))
    with pytest.raises(ConfigError, match="an analysis of the service") as refused:
        api.ProductionRun((), bench).run()
    assert f"--output {folder}_byhand" in refused.value.cure


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Nothing to check"),
        (["-r", "7"], "Of which night?"),
        (["-t", "Crab"], "The date is not given"),
        (["--night", "20231313"], "YYYYMMDD"),
    ],
)
def test_checks_of_nothing(
    site: str, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert check_dl2([*words, "--site", site]) == USAGE
    assert text in said(capsys)


def test_a_folder_without_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dl2([str(tmp_path)]) == USAGE
    assert "There is no product (dl2_*.h5)" in said(capsys)


def test_a_folder_of_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an analysis or of products; odd ones have an exit code of their own."""
    folder = tmp_path / "Crab20231213"
    (folder / "DL3").mkdir(parents=True)
    write_dl3(folder / "DL3" / "dl3_LST-1.Run15861.fits", RA_PNT=83.2, DEC_PNT=22.0)
    for place in (folder, folder / "DL3"):
        assert check_dl3([str(place)]) == GOOD
        assert "1 ok." in capsys.readouterr().out
    write_dl3(folder / "DL3" / "dl3_LST-1.Run15862.fits", run=15862, RA_PNT=83.2, DEC_PNT=22.0,
              LIVETIME=600.0)  # fmt: skip
    assert check_dl3([str(folder)]) == ODD
    assert "run 15862: Its livetime (600.0 s) is only 50%" in capsys.readouterr().out
    (folder / "DL3" / "hdu-index.fits.gz").write_bytes(b"")
    assert check_dl3([str(folder), "--json"]) == BAD
    (index,) = json.loads(capsys.readouterr().out)["index"]
    assert index["state"] == "broken"


def test_a_night_of_which_some_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dl1 = tmp_path / "DL1" / "20231213" / "v0.10"
    dl1.mkdir(parents=True)
    catalog = tmp_path / "RunCatalog_20231213.ecsv"
    catalog.write_text("# delimiter: ','\nrun_id,source_name\n15861,Crab\n15862,Crab\n15863,M87\n")
    for run in (15861, 15862):
        (dl1 / f"dl1_LST-1.Run{run}.h5").write_bytes(b"not opened")
    data = {
        "dl1": str(tmp_path / "DL1/{date}/{version}/dl1_LST-1.Run{run}.h5"),
        "run_catalog": str(tmp_path / "RunCatalog_{date}.ecsv"),
        "models": str(tmp_path),
        "open_dl1": False,
        "settle_s": 0,
    }
    work = tmp_path / "work"
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump({"site": "test", "workdir": str(work), "data": data}))
    folders = [work / "Crab20231213", work / "Crab20231213_2"]
    for folder in folders:
        (folder / "DL3").mkdir(parents=True)
        write_dl3(folder / "DL3" / "dl3_LST-1.Run15861.fits", RA_PNT=83.2, DEC_PNT=22.0)
    assert check_dl3(["--night", "20231213", "--json", "--site", str(site)]) == BAD
    found = json.loads(capsys.readouterr().out)
    rows = {row["run"]: (row["source"], row["state"], row["problems"]) for row in found["runs"]}
    assert rows == {
        15861: ("Crab", "ok", []),
        15862: ("Crab", "missing", ["There is no DL3 of it, though its DL1 is complete."]),
        15863: ("M87", "missing", ["There is no DL3 of it: no DL1."]),
    }
    assert found["runs"][0]["path"].startswith(str(folders[1])), "of two analyses the newer"
    words = ["--night", "20231213", "-r", "15861", "--site", str(site)]
    assert check_dl3(words) == GOOD
    capsys.readouterr()
    for name in ("cls_gh", "reg_energy", "reg_disp_norm", "cls_disp_sign"):
        (tmp_path / f"{name}.sav").write_bytes(b"forest")
    words = ["--night", "20231213", "-t", "crab", "--json", "--site", str(site)]
    assert check_dl3(words) == BAD
    found = json.loads(capsys.readouterr().out)
    assert (found["target"], found["night"]) == ("Crab", "20231213")
    assert [row["run"] for row in found["runs"]] == [15861, 15862]
