"""What a DL2 file says of itself, and whether two of them fit together."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
from demo_fixtures import SmallNight
from origin_samples import write_dl2

from astran.base.dl2_provenance import Dl2Provenance, compatible, conflict, same_models
from astran.telescopes.lst.dl2_file import read_provenance


def test_record_and_attributes(tmp_path: Path) -> None:
    path = write_dl2(tmp_path / "dl2.h5", "0.12.3", "/models/prod/dec_2276")
    assert read_provenance(path) == Dl2Provenance("0.12.3", "/models/prod/dec_2276")
    old = write_dl2(tmp_path / "old.h5", "0.10.12", "/models", record=False)
    assert read_provenance(old) == Dl2Provenance("0.10.12", "")


@pytest.mark.lstchain
def test_what_lstchain_itself_writes(simulated_night: SmallNight) -> None:
    path = next((simulated_night.root / "mc/DL2").rglob("dl2_*.h5"))
    found = read_provenance(path)
    assert compatible(found.lstchain, found.lstchain)
    assert same_models(found.models, str(simulated_night.tree.models))


@pytest.mark.parametrize("record", ["", "{", "[]", '{"system": 3, "input": [4]}', "null"])
def test_a_record_of_another_kind_tells_nothing(tmp_path: Path, record: str) -> None:
    path = tmp_path / "dl2.h5"
    with h5py.File(path, "w") as file:
        file.create_group("provenance").create_dataset("dl1_to_dl2", data=record)
    assert read_provenance(path) == Dl2Provenance()


def test_no_hdf5(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("no")
    with pytest.raises(OSError):
        read_provenance(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/a/prod/dec_2276", "/a/prod/dec_2276", True),
        ("/a/prod/dec_2276/", "/elsewhere/prod/dec_2276", True),  # a copy of the tree
        ("/a/prod/dec_2276", "/a/prod/dec_3476", False),
        ("/a/nsb_tuning_0.14/dec_2276", "/a/nsb_tuning_0.50/dec_2276", False),
        ("", "/a/prod/dec_2276", None),
    ],
)
def test_the_same_models(one: str, other: str, same: bool | None) -> None:
    assert same_models(one, other) is same
    assert same_models(other, one) is same


def test_a_link_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "prod" / "dec_2276").mkdir(parents=True)
    (tmp_path / "models").symlink_to(tmp_path / "prod" / "dec_2276")
    assert same_models(str(tmp_path / "models"), str(tmp_path / "prod" / "dec_2276"))


@pytest.mark.parametrize(
    ("one", "other", "loosely", "strictly"),
    [
        ("0.12.3", "0.12.0", True, True),
        ("0.11.2", "0.12.3", True, False),
        ("0.10.18", "v0.12.3", True, False),
        ("0.10.15", "0.10.18.dev3+g12", True, True),
        ("0.10.12", "0.10.15", False, True),  # interpolation of the forests over zenith distance
        ("0.10.12", "0.12.3", False, False),
        ("0.10.3", "0.10.12", True, True),
        ("0.9.14", "0.10.3", False, False),
        ("1.0.0", "0.12.3", True, False),
        ("", "0.12.3", None, None),
        ("unknown", "0.12.3", None, None),
    ],
)
def test_releases(one: str, other: str, loosely: bool | None, strictly: bool | None) -> None:
    assert compatible(one, other) is compatible(other, one) is loosely
    assert compatible(one, other, strict=True) is strictly


def test_a_conflict_in_words() -> None:
    mine, theirs = (
        Dl2Provenance("0.12.3", "/m/a/dec_2276"),
        Dl2Provenance("0.12.3", "/m/b/dec_2276"),
    )
    why = conflict("its DL2", mine, "the IRFs", theirs)
    assert why is not None
    assert "models a/dec_2276, the IRFs with b/dec_2276" in why and "dl2.models" in why
    why = conflict("its DL2", mine, "the IRFs", Dl2Provenance("0.10.12", "/m/a/dec_2276"))
    assert why is not None and "lstchain 0.12.3, the IRFs with 0.10.12" in why
    assert conflict("its DL2", mine, "the IRFs", Dl2Provenance()) is None
