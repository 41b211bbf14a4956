"""`astran init` writes a site configuration that loads, and never overwrites one unasked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from astran.cli.main import main
from astran.cli.operation import init
from astran.config.yaml_files import load_site


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ASTRAN_SITE", raising=False)
    monkeypatch.chdir(tmp_path)


def tool(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_it_goes_to_the_usual_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    path = tmp_path / ".config" / "astran" / "site.yml"
    site = load_site(path)
    assert site.workdir == tmp_path / "astran"
    assert site.mail is None
    said = capsys.readouterr().out
    assert str(path) in said
    assert "astran doctor\n" in said


def test_another_place_is_named_in_the_next_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--output", "here/site.yml"]) == 0
    assert load_site(Path("here/site.yml")).site
    assert "astran doctor --site here/site.yml" in capsys.readouterr().out


def test_it_never_overwrites_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("site.yml")
    path.write_text("mine\n")
    assert main(["init", "--output", "site.yml"]) == 2
    assert path.read_text() == "mine\n"
    assert "--force" in capsys.readouterr().err
    assert main(["init", "--output", "site.yml", "--force"]) == 0
    assert load_site(path).site


def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert main(["init", "--output", "file/site.yml"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_slurm_is_guessed_by_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert init.guess()["scheduler"]["kind"] == "local"
    tool(tmp_path / "bin", "sbatch")
    assert init.guess()["scheduler"]["kind"] == "slurm"


def test_lstchain_is_guessed_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "bin" / "python"))
    assert "lstchain" not in init.guess()
    tool(tmp_path / "env" / "bin", init.TOOL)
    assert main(["init", "--output", "site.yml"]) == 0
    environments = load_site(Path("site.yml")).lstchain.environments
    assert environments["default"].bin == tmp_path / "env" / "bin"
