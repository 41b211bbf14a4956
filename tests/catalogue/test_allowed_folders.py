"""Folders that a request may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.errors import CatalogueError
from astran.catalogue.data_folders import allowed_folder, dl2_files, dl3_files


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / "data" / "crab").mkdir(parents=True)
    (tmp_path / "more" / "mrk").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "data", tmp_path / "more"


def test_relative_and_absolute(roots: tuple[Path, ...]) -> None:
    assert allowed_folder("crab", roots) == roots[0] / "crab"
    assert allowed_folder("mrk", roots) == roots[1] / "mrk"
    assert allowed_folder(str(roots[1] / "mrk"), roots) == roots[1] / "mrk"
    assert allowed_folder(str(roots[0]), roots) == roots[0]


@pytest.mark.parametrize("wanted", ["../secret", "crab/../../secret", "/etc", "{base}/secret"])
def test_elsewhere_is_refused_and_the_roots_are_named(roots: tuple[Path, ...], wanted: str) -> None:
    with pytest.raises(CatalogueError, match="may not be read") as error:
        allowed_folder(wanted.format(base=roots[0].parent), roots)
    assert str(roots[0]) in str(error.value) and str(roots[1]) in str(error.value)


def test_a_link_that_leads_out_is_refused(roots: tuple[Path, ...]) -> None:
    (roots[0] / "out").symlink_to(roots[0].parent / "secret")
    with pytest.raises(CatalogueError, match="may not be read"):
        allowed_folder("out", roots[:1])
    with pytest.raises(CatalogueError):
        allowed_folder("out", roots)


def test_a_name_that_begins_like_a_root_is_not_below_it(roots: tuple[Path, ...]) -> None:
    (roots[0].parent / "data2").mkdir()
    with pytest.raises(CatalogueError, match="may not be read"):
        allowed_folder(str(roots[0].parent / "data2"), roots)


def test_a_root_may_itself_be_a_link(roots: tuple[Path, ...], tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(roots[0])
    assert allowed_folder("crab", (link,)) == roots[0] / "crab"
    assert allowed_folder(str(link / "crab"), (link,)) == roots[0] / "crab"


@pytest.mark.parametrize("wanted", ["none", "", "a\0b"])
def test_not_there(roots: tuple[Path, ...], wanted: str) -> None:
    with pytest.raises(CatalogueError):
        allowed_folder(wanted, roots)


def test_a_site_without_roots_allows_nothing(roots: tuple[Path, ...]) -> None:
    with pytest.raises(CatalogueError, match="none"):
        allowed_folder(str(roots[0]), ())


def test_dl2_of_whole_runs(tmp_path: Path) -> None:
    for name in (
        "dl2_LST-1.Run15861.h5",
        "dl2_LST-1.Run15862.h5",
        "dl2_LST-1.Run15862_copy.h5",
        "dl2_LST-1.Run15863.0001.h5",
        "dl1_LST-1.Run15864.h5",
    ):
        (tmp_path / name).write_bytes(b"x")
    found = dl2_files(tmp_path)
    assert sorted(found) == [15861, 15862]
    assert len(found[15862]) == 2


def test_dl3_without_its_index(tmp_path: Path) -> None:
    for name in ("run1.fits", "dl3_2.fits.gz", "hdu-index.fits.gz", "obs-index.fits.gz", "a.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in dl3_files(tmp_path)] == ["dl3_2.fits.gz", "run1.fits"]
