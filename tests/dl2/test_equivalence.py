"""A conversion that changes one bit of one answer is not used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="comes with lstchain: pip install 'astran[lst]'")
pytest.importorskip("numba", reason="comes with lstchain: pip install 'astran[lst]'")

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from astran.dl2 import flat_models as stores
from astran.dl2 import traversal
from astran.dl2.equivalence import EquivalenceTest
from astran.dl2.errors import NotSupported
from astran.dl2.flat_models import Store
from astran.dl2.forest import Forest, flatten

NAMES = ["alt_tel", "b", "c"]
TABLE = pd.DataFrame(np.random.default_rng(3).normal(size=(400, 3)), columns=NAMES)


def grown(classes: bool) -> Any:
    words: dict[str, Any] = {"n_estimators": 5, "random_state": 1, "n_jobs": 2}
    if classes:
        return RandomForestClassifier(**words).fit(TABLE, (TABLE["b"] > 0) * 101)
    return RandomForestRegressor(**words).fit(TABLE, TABLE["c"] * TABLE["alt_tel"])


@pytest.mark.parametrize("classes", [False, True])
def test_a_good_conversion_passes(classes: bool) -> None:
    model = grown(classes)
    EquivalenceTest.of(model).test("it", flatten(model))


def test_the_largest_numbers_are_no_trouble() -> None:
    most = np.finfo(np.float32).max
    wide = TABLE.assign(b=np.where(TABLE["b"] > 0, most, -most))
    model = RandomForestRegressor(n_estimators=3, random_state=1).fit(wide, TABLE["b"])
    EquivalenceTest.of(model).test("it", flatten(model))


def test_leaves_of_one_bit_more() -> None:
    model = grown(False)
    forest = flatten(model)
    wrong = replace(forest, values=np.nextafter(forest.values, np.inf))
    with pytest.raises(NotSupported, match="otherwise than scikit-learn"):
        EquivalenceTest.of(model).test("it", wrong)


def test_thresholds_to_the_nearest_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        traversal, "float32_below", lambda thresholds: thresholds.astype(np.float32)
    )
    model = grown(False)
    with pytest.raises(NotSupported, match="otherwise than scikit-learn"):
        EquivalenceTest.of(model).test("it", flatten(model))


def test_a_cut_that_loses_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: Forest, low: Any, high: Any) -> Forest:
        return replace(self, values=self.values + 1.0)

    model = grown(False)
    proof, forest = EquivalenceTest.of(model), flatten(model)
    monkeypatch.setattr(Forest, "cut_down", wrong)
    with pytest.raises(NotSupported, match="when it is cut down"):
        proof.test("it", forest)


def test_nothing_is_kept_of_a_wrong_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    joblib.dump(grown(False), models / "reg_energy.sav")

    def shifted(model: Any) -> Forest:
        forest = flatten(model)
        return replace(forest, values=forest.values + 1e-12)

    monkeypatch.setattr(stores, "flatten", shifted)
    store = Store(tmp_path / "flat", (tmp_path,))
    with pytest.raises(NotSupported, match="reg_energy answers otherwise"):
        store.forests(models, ["reg_energy"])
    assert [path.suffix for path in (tmp_path / "flat").iterdir()] == [".lock"]
