"""Flat forests give the very bits of scikit-learn, or no number at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="comes with lstchain: pip install 'astran[lst]'")
pytest.importorskip("numba", reason="comes with lstchain: pip install 'astran[lst]'")

import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from astran.dl2 import forest as forests
from astran.dl2 import traversal
from astran.dl2.errors import DamagedModel, NotSupported
from astran.dl2.forest import Forest, flatten

KINDS = ("energy", "two classes", "five classes", "weights")


def trained(kind: str, rng: np.random.Generator, names: list[str]) -> Any:
    """A forest of random depth on random data with ties, zeros of both signs, tiny numbers."""
    rows, columns = int(rng.integers(30, 1500)), len(names)
    x = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 4, columns)
    if rng.random() < 0.4:
        x = np.round(x, 1)
    if rng.random() < 0.3:
        x[:, 0] = rng.choice([-0.0, 0.0, 1e-40, -1e-40, 3e38, -3e38], rows)
    table = pd.DataFrame(x, columns=names)
    common = {
        "n_jobs": 1,
        "n_estimators": int(rng.integers(1, 12)),
        "max_depth": int(rng.integers(1, 31)),
        "min_samples_leaf": int(rng.integers(1, 12)),
        "random_state": int(rng.integers(1 << 30)),
    }
    weights = rng.random(rows) if kind == "weights" or rng.random() < 0.3 else None
    if kind == "energy":
        # a constant target gives trees of one leaf
        y = np.full(rows, 0.1) if rng.random() < 0.1 else np.sin(x.sum(axis=1))
        return RandomForestRegressor(**common).fit(table, y, weights)
    labels = rng.integers(0, 5, rows) if kind == "five classes" else (x[:, -1] > 0) * 101
    balance = "balanced" if rng.random() < 0.3 else None
    return RandomForestClassifier(class_weight=balance, **common).fit(table, labels, weights)


def questions(model: Any, rng: np.random.Generator, columns: int) -> Any:
    """Events on, just above and just below thresholds, in float64 and in float32."""
    x = rng.normal(size=(700, columns)) * 10.0 ** rng.integers(-3, 4, columns)
    seen = [tree.tree_.threshold[tree.tree_.feature >= 0] for tree in model.estimators_]
    thresholds = np.concatenate(seen)
    if len(thresholds):
        x = np.where(rng.random(x.shape) < 0.6, rng.choice(thresholds, x.shape), x)
    near = x.astype(np.float32)
    up, down = (np.nextafter(near, np.float32(sign * np.inf)) for sign in (1, -1))
    odd = rng.choice([-0.0, 0.0, 1e-45, -1e-45, 1e38, -1e38], x.shape)
    return np.concatenate([x, up, down, odd])


def stock(model: Any, x: Any) -> Any:
    answer = model.predict_proba(x) if hasattr(model, "classes_") else model.predict(x)[:, None]
    return np.ascontiguousarray(answer)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_the_bits_of_scikit_learn(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forests, "_WORTH", 0 if seed % 2 else 10**9)
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    names = [f"f{i}" for i in range(int(rng.integers(2, 33)))]
    names[0], names[1] = "alt_tel", "sin_az_tel"
    model = trained(kind, rng, names)
    flat = flatten(model)
    flat.check()
    assert flat.features == tuple(names)
    x = questions(model, rng, len(names))
    if seed % 2:
        # slow features: events of a few training nodes
        x[:, 0] = rng.choice(x[:, 0], 2)[rng.integers(0, 2, len(x))]
    for part in (x, x[:1], x[:17], x[rng.permutation(len(x))], x[x[:, 0] == x[0, 0]]):
        assert flat.predict(part).tobytes() == stock(model, part).tobytes()


def test_other_forests_of_scikit_learn_are_left_to_it() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(NotSupported, match="ExtraTreesRegressor"):
        flatten(ExtraTreesRegressor(n_estimators=2).fit(x, x[:, 0]))
    with pytest.raises(NotSupported, match="several outputs"):
        flatten(RandomForestRegressor(n_estimators=2).fit(x, x[:, :2]))
    wide = np.random.default_rng(0).normal(size=(50, 33))
    with pytest.raises(NotSupported, match="33 features"):
        flatten(RandomForestRegressor(n_estimators=2).fit(wide, wide[:, 0]))


@pytest.fixture(scope="module")
def small() -> Forest:
    rng = np.random.default_rng(5)
    x = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    return flatten(RandomForestRegressor(n_estimators=5, random_state=1).fit(x, x["a"] * x["b"]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_what_is_not_finite_gets_no_number(small: Forest, bad: float) -> None:
    x = np.zeros((40, 4))
    x[17, 2] = bad
    with pytest.raises(NotSupported, match="NaN or infinity"), np.errstate(over="ignore"):
        small.predict(x)
    with pytest.raises(NotSupported):
        small.predict(np.zeros((3, 5)))


def test_no_events_give_no_answers(small: Forest) -> None:
    assert small.predict(np.zeros((0, 4))).shape == (0, 1)


def test_broken_trees_are_refused(small: Forest) -> None:
    """Whatever is written over a node: refused, or a tree that can be walked without harm."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 4))
    refused = 0
    for _ in range(300):
        nodes = small.nodes.copy()
        words = nodes.view(np.uint32).reshape(-1, 2)
        words[rng.integers(len(words)), rng.integers(2)] = rng.integers(1 << 32)
        broken = replace(small, nodes=nodes)
        try:
            broken.check()
        except DamagedModel:
            refused += 1
            continue
        assert np.isfinite(broken.predict(x)).all()
    assert refused > 100


def test_arrays_that_do_not_fit_are_refused(small: Forest) -> None:
    for broken in (
        replace(small, nodes=small.nodes[:-2]),
        replace(small, values=small.values[:-1]),
        replace(small, node_start=small.node_start[::-1].copy()),
        replace(small, features=small.features[:1]),
        replace(small, values=np.full_like(small.values, np.nan)),
    ):
        with pytest.raises(DamagedModel):
            broken.check()


def test_thresholds_between_two_float32() -> None:
    exact = np.array([0.1, -0.1, 1e-46, -1e-46, 0.5, 3.0])
    near = traversal.float32_below(exact)
    assert (near.astype(np.float64) <= exact).all()
    assert (np.nextafter(near, np.float32(np.inf)).astype(np.float64) > exact).all()
