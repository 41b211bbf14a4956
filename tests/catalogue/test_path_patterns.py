"""Path patterns of the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.errors import ConfigError
from astran.catalogue.path_patterns import find_files, placeholders, version_order


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_open_placeholders_are_read_from_the_path(tmp_path: Path) -> None:
    path = touch(tmp_path / "DL1/20231213/v0.12/tailcut84/dl1_LST-1.Run00861.h5")
    touch(tmp_path / "DL1/20231214/v0.12/tailcut84/dl1_LST-1.Run00862.h5")
    pattern = f"{tmp_path}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5"
    (found,) = find_files(pattern, date="20231213")
    assert found.file.path == str(path)
    assert (found.run, found.version, found.tailcut) == (861, "v0.12", "tailcut84")
    assert found.file.size == 1


def test_a_placeholder_stands_for_one_folder_only(tmp_path: Path) -> None:
    touch(tmp_path / "a/b/x.h5")
    assert not list(find_files(f"{tmp_path}/{{version}}/x.h5"))
    assert len(list(find_files(f"{tmp_path}/*/*/x.h5"))) == 1


def test_a_repeated_placeholder_means_the_same(tmp_path: Path) -> None:
    touch(tmp_path / "v1/x_v1.h5")
    touch(tmp_path / "v1/x_v2.h5")
    (found,) = find_files(f"{tmp_path}/{{version}}/x_{{version}}.h5")
    assert found.file.name == "x_v1.h5"


def test_a_run_is_a_number(tmp_path: Path) -> None:
    touch(tmp_path / "dl1_LST-1.Run15861.0000.h5")
    touch(tmp_path / "dl1_LST-1.Runx.h5")
    assert not list(find_files(f"{tmp_path}/dl1_LST-1.Run{{run}}.h5"))


def test_special_characters_in_values_and_names(tmp_path: Path) -> None:
    touch(tmp_path / "20231213+[x]/a.h5")
    (found,) = find_files(f"{tmp_path}/{{date}}/[ab].h5", date="20231213+[x]")
    assert found.file.name == "a.h5"
    assert not list(find_files(f"{tmp_path}/{{date}}/[!a].h5", date="20231213+[x]"))


def test_folders_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "x.h5").mkdir()
    assert not list(find_files(f"{tmp_path}/*.h5"))


@pytest.mark.parametrize("pattern", ["/data/{nights}/x.h5", "relative/{date}/x.h5"])
def test_patterns_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(ConfigError):
        list(find_files(pattern, date="20231213"))


def test_placeholders_of_a_pattern() -> None:
    assert placeholders("/a/{dec}/{run}*") == {"dec", "run"}


def test_versions_are_sorted_by_number() -> None:
    names = ["v0.10", "v0.9", "v0.12", "v0.12.1", "", "v0.9.1"]
    expected = ["", "v0.9", "v0.9.1", "v0.10", "v0.12", "v0.12.1"]
    assert sorted(names, key=version_order) == expected
