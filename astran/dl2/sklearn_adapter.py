"""Flat forests in the shape of scikit-learn's: lstchain's own steps take them as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from astran.dl2.errors import NotSupported
from astran.dl2.forest import CompareTables, Forest


def make_model(forest: Forest, expected: int, orders: CompareTables) -> Any:
    """What lstchain takes for a loaded model.

    expected : events that it will be asked about in all
    orders : shared by the models of a run
    """
    if forest.classes is None:
        return _Regressor(forest, expected, orders)
    return _Classifier(forest, expected, orders)


class _Regressor(RandomForestRegressor):  # type: ignore[misc]
    """lstchain asks for the type of a model; nothing else of the base class is used."""

    def __init__(self, forest: Forest, expected: int, orders: CompareTables) -> None:
        self._forest, self._expected, self._orders = forest, expected, orders

    def predict(self, X: Any) -> Any:
        return self._forest.predict(_columns(X, self._forest), self._expected, self._orders)[:, 0]


class _Classifier(RandomForestClassifier):  # type: ignore[misc]
    """See _Regressor."""

    def __init__(self, forest: Forest, expected: int, orders: CompareTables) -> None:
        self._forest, self._expected, self._orders = forest, expected, orders
        self.classes_ = np.array(forest.classes)

    def predict_proba(self, X: Any) -> Any:
        return self._forest.predict(_columns(X, self._forest), self._expected, self._orders)


def _columns(table: Any, forest: Forest) -> Any:
    """The features as an array, after a look at their names where they have some."""
    names = getattr(table, "columns", None)
    if names is None:
        return table
    if tuple(map(str, names)) != forest.features:
        raise NotSupported(
            f"the configuration names the features {', '.join(map(str, names))}, the model was "
            f"trained with {', '.join(forest.features)}"
        )
    return table.to_numpy()
