"""Converted models: made once, refused when anything about them has changed."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="comes with lstchain: pip install 'astran[lst]'")
pytest.importorskip("numba", reason="comes with lstchain: pip install 'astran[lst]'")

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from astran.base.errors import AstranError
from astran.dl2.errors import NotSupported, NotTrusted
from astran.dl2.flat_models import ARRAYS, MANIFEST, Store

NAMES = ("reg_energy", "cls_gh")
X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))


def train(folder: Path, seed: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    words: dict[str, Any] = {"n_estimators": 4, "random_state": seed}
    energy = RandomForestRegressor(**words).fit(X, X["a"])
    hadron = RandomForestClassifier(**words).fit(X, (X["b"] > 0) * 101)
    joblib.dump(energy, folder / "reg_energy.sav")
    joblib.dump(hadron, folder / "cls_gh.sav")
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return train(tmp_path / "models")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "flat", (tmp_path,))


def energies(store: Store, models: Path) -> bytes:
    answer: bytes = store.forests(models, NAMES)["reg_energy"].predict(X).tobytes()
    return answer


def stock(models: Path) -> bytes:
    model = joblib.load(models / "reg_energy.sav")
    model.n_jobs = 1
    answer: bytes = model.predict(X).tobytes()
    return answer


def test_made_once(store: Store, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert energies(store, models) == stock(models)
    forests = store.forests(models, NAMES)
    assert forests["cls_gh"].classes == (0, 101)
    assert forests["cls_gh"].features == ("a", "b", "c")
    manifest = json.loads((store.folder(models) / MANIFEST).read_text())
    assert manifest["models"]["cls_gh"]["trees"] == 4
    assert len(manifest["models"]["cls_gh"]["source"]["sha256"]) == 64
    assert manifest["scikit-learn"]

    def forbidden(*_: object) -> None:
        raise AssertionError("a pickle is loaded again")

    monkeypatch.setattr(joblib, "load", forbidden)
    store.forests(models, NAMES)
    # read by somebody who may not load pickles at all
    Store(store.flat, ()).forests(models, NAMES)


def test_pickles_come_from_trusted_folders_only(tmp_path: Path, models: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(models)
    for folder in (models, elsewhere / "link"):
        with pytest.raises(NotTrusted, match="not trusted"):
            Store(tmp_path / "flat", (elsewhere,)).forests(folder, NAMES)
    assert not list((tmp_path / "flat").glob("*/*.npy"))


def test_models_that_were_trained_anew(store: Store, models: Path) -> None:
    before = energies(store, models)
    train(models, seed=2)
    assert energies(store, models) == stock(models) != before


def test_a_copy_with_another_time_is_the_same(store: Store, models: Path) -> None:
    store.convert(models, NAMES)
    os.utime(models / "cls_gh.sav", (1, 1))
    Store(store.flat, ()).forests(models, NAMES)


def damages(folder: Path) -> list[Path]:
    return [folder / f"{name}.{part}.npy" for name in NAMES for part in ARRAYS]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def turn(path: Path) -> None:
    """The same numbers with the high byte first."""
    array = np.load(path)
    np.save(path, array.astype(array.dtype.newbyteorder(">")))


@pytest.mark.parametrize("damage", [flip, cut, empty, remove, turn])
@pytest.mark.parametrize("which", range(len(NAMES) * len(ARRAYS)))
def test_damaged_arrays_give_no_numbers(
    store: Store, models: Path, damage: Any, which: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = store.convert(models, NAMES)
    damage(damages(folder)[which])
    with pytest.raises(NotTrusted):
        Store(store.flat, ()).forests(models, NAMES)
    caplog.set_level("INFO", "astran")
    store.forests(models, NAMES)
    assert "converting" in caplog.text
    assert energies(store, models) == stock(models)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"byteorder": "big"},
        {"models": {}},
        {"models": {"reg_energy": {}, "cls_gh": {}}},
        {"models": None},
    ],
)
def test_other_manifests_are_refused(store: Store, models: Path, change: dict[str, Any]) -> None:
    path = store.convert(models, NAMES) / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(NotTrusted):
        Store(store.flat, ()).forests(models, NAMES)
    path.write_text("{")
    with pytest.raises(NotTrusted):
        Store(store.flat, ()).forests(models, NAMES)


def test_models_that_are_not_there_or_no_forests(store: Store, models: Path) -> None:
    with pytest.raises(NotSupported, match=r"reg_disp_norm\.sav"):
        store.forests(models, (*NAMES, "reg_disp_norm"))
    joblib.dump({"no": "forest"}, models / "cls_gh.sav")
    with pytest.raises(NotSupported, match="dict"):
        store.forests(models, NAMES)
    assert not list(store.flat.glob(".*")), "nothing half-made is left"


def test_many_at_once_convert_once(
    store: Store, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "astran")
    errors: list[AstranError] = []

    def use() -> None:
        try:
            store.forests(models, NAMES)
        except AstranError as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(caplog.messages) == 1


def test_two_model_folders_of_one_name(store: Store, models: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Path(shutil.copytree(models, tmp_path / "other" / models.name))
    assert store.folder(models) != store.folder(other)
