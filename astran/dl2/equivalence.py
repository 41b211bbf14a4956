"""Proof of a conversion: arrays on disk have to give the very bits of the forest they come from.

Whatever release of scikit-learn grew a forest, and whatever its `predict` does: unless the answers
to some thousand difficult questions are the same, the forest is left to the stock tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from astran.dl2.errors import NotSupported
from astran.dl2.forest import SLOW, Forest

QUESTIONS = 1200
_TREES = 2


@dataclass(frozen=True, slots=True)
class EquivalenceTest:
    """Questions, with the answers of scikit-learn.

    events : float32 (events, features); on the thresholds of the trees and next to them
    answers : float64 (events, outputs)
    """

    events: Any
    answers: Any

    @classmethod
    def of(cls, model: Any) -> EquivalenceTest:
        """Ask a fitted forest of scikit-learn, in one thread: so its sums have one order."""
        events = _on_thresholds(model)
        table: Any = events
        if hasattr(model, "feature_names_in_"):
            import pandas as pd

            table = pd.DataFrame(events, columns=model.feature_names_in_)
        model.n_jobs = 1
        if hasattr(model, "classes_"):
            return cls(events, np.ascontiguousarray(model.predict_proba(table)))
        return cls(events, np.ascontiguousarray(model.predict(table))[:, np.newaxis])

    def test(self, name: str, forest: Forest) -> None:
        """Raise NotSupported unless a forest gives these answers, cut down or not.

        It also has the inner loops compiled, once, for the tasks that come.
        """
        answers = forest.predict(self.events)
        if answers.shape != self.answers.shape or answers.tobytes() != self.answers.tobytes():
            raise NotSupported(f"{name} answers otherwise than scikit-learn does")
        few = forest.part(_TREES)
        low, high = self._box(forest)
        inside = self.events[((self.events >= low) & (self.events <= high)).all(axis=1)]
        if few.cut_down(low, high).predict(inside).tobytes() != few.predict(inside).tobytes():
            raise NotSupported(f"{name} answers otherwise when it is cut down")

    def _box(self, forest: Forest) -> tuple[Any, Any]:
        """The middle half of the slow features."""
        low = np.full(self.events.shape[1], -np.inf, np.float32)
        high = np.full(self.events.shape[1], np.inf, np.float32)
        for i, feature in enumerate(forest.features):
            if feature in SLOW:
                low[i] = np.quantile(self.events[:, i], 0.25)
                high[i] = np.quantile(self.events[:, i], 0.75)
        return low, high


def _on_thresholds(model: Any) -> Any:
    rng = np.random.default_rng(model.n_features_in_)
    events = rng.normal(size=(QUESTIONS, model.n_features_in_)).astype(np.float32)
    for i in range(model.n_features_in_):
        seen = [tree.tree_.threshold[tree.tree_.feature == i] for tree in model.estimators_]
        known = np.concatenate(seen)
        if len(known):
            with np.errstate(over="ignore"):
                events[:, i] = rng.choice(known, QUESTIONS)
    sides = [events, *(np.nextafter(events, np.float32(side)) for side in (-np.inf, np.inf))]
    which = rng.integers(0, len(sides), events.shape)
    most = np.finfo(np.float32).max
    return np.clip(np.choose(which, sides), -most, most).astype(np.float32)
