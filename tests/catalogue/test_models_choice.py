"""Which random forests are taken for a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from astran.base.errors import CatalogueError
from astran.telescopes.lst.catalogue.response.models import (
    ALWAYS,
    DIRECTIONS_FILE,
    LATITUDE,
    choose_models,
    model_folders,
    nearest_line,
)

LINES = [-29.24, -18.02, -4.13, 9.31, 22.76, 34.76, 48.22, 61.66, 66.76]
"""Declination lines of the LST all-sky production [deg]."""
FORESTS = (*ALWAYS, "reg_disp_norm.sav", "cls_disp_sign.sav")


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names or (*FORESTS, DIRECTIONS_FILE):
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("declination", "line"),
    [
        (22.01, 22.76),  # Crab
        (38.21, 34.76),  # Mrk 421: the line that culminates higher, though not by much
        (29.0, 34.76),  # overhead: simply the nearest
        (28.0, 22.76),
        (15.0, 22.76),  # 9.31 is nearer, but culminates lower than the source
        (9.0, 9.31),
        (-29.0, -18.02),  # Galactic centre: -29.24 culminates just below it
        (-29.5, -29.24),
        (65.15, 61.66),
        (89.0, 66.76),
    ],
)
def test_the_nearest_line_that_covers_the_zenith_range(declination: float, line: float) -> None:
    assert nearest_line(LINES, declination) == line
    assert abs(line - LATITUDE) <= abs(declination - LATITUDE) or 22.76 <= declination <= 34.76


def test_a_single_line_is_taken() -> None:
    assert nearest_line([22.76], 15.0) == 22.76
    assert nearest_line([-4.13], 28.0) == -4.13


def test_folder_of_the_forests_itself(tmp_path: Path) -> None:
    folder = make(tmp_path / "dec_2276")
    choice = choose_models(model_folders(folder), 22.0)
    assert choice.models.folder == str(folder)
    assert choice.models.interpolated
    assert choice.line == "dec_2276"
    assert {file.name for file in choice.models.files} == {*FORESTS, DIRECTIONS_FILE}


def test_folder_of_lines(tmp_path: Path) -> None:
    for name in ("dec_2276", "dec_3476", "dec_min_413", "not_a_line"):
        make(tmp_path / name)
    assert choose_models(model_folders(tmp_path), 22.0).line == "dec_2276"
    assert choose_models(model_folders(tmp_path), -10.0).line == "dec_min_413"
    assert "dec_3476" in choose_models(model_folders(tmp_path), 38.0).note


def test_wanted_production(tmp_path: Path) -> None:
    make(tmp_path / "prod1" / "dec_2276")
    make(tmp_path / "prod2" / "dec_2276")
    assert choose_models(model_folders(tmp_path, "prod2"), 22.0).models.folder.endswith(
        "prod2/dec_2276"
    )


@pytest.mark.parametrize("wanted", ["../evil", "{base}/evil", "prod/../../evil"])
def test_forests_from_elsewhere_are_refused(tmp_path: Path, wanted: str) -> None:
    """Forests are pickles: loading one runs its code."""
    make(tmp_path / "evil")
    root = make(tmp_path / "models")
    with pytest.raises(CatalogueError, match="not below"):
        choose_models(model_folders(root, wanted.format(base=tmp_path)), 22.0)


def test_a_link_out_of_the_models_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "evil")
    root = make(tmp_path / "models")
    (root / "nice").symlink_to(tmp_path / "evil")
    with pytest.raises(CatalogueError, match="not below"):
        choose_models(model_folders(root, "nice"), 22.0)


def test_without_training_directions(tmp_path: Path) -> None:
    folder = make(tmp_path / "dec_2276", *FORESTS)
    assert not choose_models(model_folders(folder), 22.0).models.interpolated


def test_direction_by_vector(tmp_path: Path) -> None:
    folder = make(tmp_path / "m", *ALWAYS, "reg_disp_vector.sav")
    assert "reg_disp_vector.sav" in {
        file.name for file in choose_models(model_folders(folder), 0).models.files
    }


@pytest.mark.parametrize("absent", ["cls_gh.sav", "cls_disp_sign.sav"])
def test_incomplete_models(tmp_path: Path, absent: str) -> None:
    folder = make(tmp_path / "m", *(name for name in FORESTS if name != absent))
    with pytest.raises(CatalogueError, match=absent):
        choose_models(model_folders(folder), 22.0)


def test_no_models(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="does not exist"):
        choose_models(model_folders(tmp_path / "none"), 22.0)
    with pytest.raises(CatalogueError, match="neither forests"):
        choose_models(model_folders(tmp_path), 22.0)
