"""An option counts wherever it stands on the command line, or is refused; never is it ignored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astran.cli.main import main


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The usual site, and another one."""
    paths = tmp_path / "usual.yml", tmp_path / "other.yml"
    for path in paths:
        path.write_text(f"site: {path.stem}\nworkdir: {tmp_path / path.stem}\n")
    monkeypatch.setenv("ASTRAN_SITE", str(paths[0]))
    monkeypatch.chdir(tmp_path)
    return paths


@pytest.mark.parametrize(
    "words",
    [
        ["--site", "other.yml", "status"],
        ["status", "--site", "other.yml"],
        ["--site=other.yml", "status"],
        ["status", "--site=other.yml"],
        ["--site", "other.yml", "status", "--site", "other.yml"],
        ["--site", "./other.yml", "status", "--site=other.yml"],
        ["--json", "--site", "other.yml", "status"],
    ],
)
def test_the_site_counts_wherever_it_stands(
    sites: tuple[Path, Path], words: list[str], tmp_path: Path
) -> None:
    assert main(words) == 0
    assert (tmp_path / "other").is_dir()
    assert not (tmp_path / "usual").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--site", "other.yml", "status", "--site", "usual.yml"],
        ["--site", "other.yml", "--site", "usual.yml", "status"],
        ["status", "--site=other.yml", "--site=usual.yml"],
        ["--site", "a.yml", "--site", "b.yml", "--config-analysis", __file__],
    ],
)
def test_two_sites_are_an_error(
    sites: tuple[Path, Path], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "--site is given twice" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_site_named_like_a_command(sites: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "status").write_text(sites[1].read_text())
    assert main(["--site", "status", "db", "version"]) == 0


def test_json_may_stand_first(sites: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "status"]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("option", ["--again", "--submit", "--email=x@y.example"])
def test_what_a_command_does_not_know_is_refused(
    sites: tuple[Path, Path], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, "status"])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


def test_commands_that_pass_their_words_on_get_the_site(
    sites: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--site", "nowhere.yml", "dl2", "-f", "x.h5"]) == 2
    assert "nowhere.yml cannot be read" in capsys.readouterr().err


def test_help_and_version_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in ((["--version", "status"], "ASTRAN "), (["--help", "db"], "upgrade")):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out
