"""One random forest as flat arrays; its answers have the very bits of scikit-learn's.

scikit-learn adds up float64 values tree by tree and divides by their number; with `n_jobs` above 1
it adds in whatever order its threads end, so that its own last bits vary from run to run. Here
each event gets its sum in the order of the trees, whatever the number of threads: the bits of
scikit-learn with `n_jobs=1`.
"""

from __future__ import annotations

import mmap
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import get_num_threads

from astran.dl2 import traversal
from astran.dl2.errors import DamagedModel, NotSupported

SLOW = {"alt_tel": 0.005, "sin_az_tel": 0.02}
"""Features that hardly change in a run, with the margin that trees are cut down to; alt_tel [rad].
With lstchain's interpolation over the zenith, alt_tel is the altitude of a training node."""
_BOXES = 3
"""Cut-down forests that are kept at a time: two training nodes, and one that comes."""
_GAIN = 0.6
"""A forest of which more than this share remains is used as it is: its pages are shared."""
_FEW = 5
"""Trees, at least, that tell how much of a forest remains."""
_WORTH = 50_000
"""From so many events on it is worth while to cut down a forest."""


@dataclass
class Forest:
    """A forest that predicts.

    nodes : walk.NODE (nodes,), all trees one after another
    node_start, leaf_start : int64 (trees + 1,)
    values : float64 (leaves, outputs)
    classes : labels of a classifier in the order of its outputs; None: a regressor
    """

    nodes: Any
    node_start: Any
    leaf_start: Any
    values: Any
    features: tuple[str, ...]
    classes: tuple[int, ...] | None = None
    _boxes: OrderedDict[tuple[bytes, bytes], Forest] = field(default_factory=OrderedDict)

    @property
    def trees(self) -> int:
        return len(self.node_start) - 1

    @property
    def bytes(self) -> int:
        return int(self.nodes.nbytes + self.values.nbytes)

    @property
    def words(self) -> Any:
        """The nodes as uint32 (nodes, 2): the same memory."""
        return self.nodes.view(np.uint32).reshape(-1, 2)

    def check_sizes(self) -> None:
        """Raise DamagedModel unless the trees fill their arrays."""
        starts = ((self.node_start, len(self.nodes)), (self.leaf_start, len(self.values)))
        for start, length in starts:
            if start[0] != 0 or start[-1] != length or (np.diff(start) <= 0).any():
                raise DamagedModel("trees do not fill their arrays")

    def check(self) -> None:
        """Raise DamagedModel unless every walk stays inside the arrays."""
        self.check_sizes()
        good: Any = np.zeros(self.trees, np.bool_)
        thresholds = self.nodes.view(np.float32).reshape(-1, 2)
        count = len(self.features)
        traversal.is_sound(self.words, thresholds, self.node_start, self.leaf_start, count, good)
        if not good.all():
            raise DamagedModel(f"tree {int(np.flatnonzero(~good)[0])} is not a tree")
        if not np.isfinite(self.values).all():
            raise DamagedModel("leaf values are not finite")

    def predict(self, features: Any, expected: int = 0, orders: CompareTables | None = None) -> Any:
        """Mean over the trees.

        Parameters
        ----------
        features : (events, features), converted to float32 as scikit-learn does
        expected : events to come in all, to judge what preparations are worth while
        orders : shared by forests that are asked about the same events

        Returns
        -------
        float64 (events, outputs)

        Raises
        ------
        NotSupported : a feature is NaN or infinite
        """
        x = np.ascontiguousarray(features, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise NotSupported(f"{x.shape} features instead of {len(self.features)}")
        if not np.isfinite(x).all():
            raise NotSupported("NaN or infinity in the features")
        result = np.zeros((len(x), self.values.shape[1]))
        if not len(x):
            return result
        forest = self._for(x) if max(expected, len(x)) >= _WORTH else self
        order = orders.of(forest, x) if orders is not None else forest.order(x)
        sums = np.zeros_like(result)
        forest._add(x[order], sums)
        result[order] = sums
        result /= self.trees
        return result

    def _add(self, x: Any, sums: Any) -> None:
        starts = (self.node_start, self.leaf_start)
        # the more events meet a tree at a time, the more of them find its nodes in the cache
        together = -(-len(x) // get_num_threads())
        traversal.sum_leaves(self.nodes, self.words, *starts, self.values, x, together, sums)

    def order(self, x: Any) -> Any:
        """Events that go the same way one after another; the order does not change any result."""
        end = self.node_start[1]
        leaf: Any = np.empty(len(x), np.uint32)
        traversal.first_leaves(self.nodes[:end], self.words[:end], x, leaf)
        return np.argsort(leaf, kind="stable")

    def _for(self, x: Any) -> Forest:
        """This forest cut down to where events with such slow features can come."""
        slow = [i for i, name in enumerate(self.features) if name in SLOW]
        if not slow:
            return self
        least, most = x.min(axis=0), x.max(axis=0)
        for key, kept in self._boxes.items():
            low, high = (np.frombuffer(part, np.float32) for part in key)
            if (low[slow] <= least[slow]).all() and (most[slow] <= high[slow]).all():
                self._boxes.move_to_end(key)
                return kept
        low = np.full(x.shape[1], -np.inf, np.float32)
        high = np.full(x.shape[1], np.inf, np.float32)
        for i in slow:
            margin = np.float32(SLOW[self.features[i]])
            low[i], high[i] = least[i] - margin, most[i] + margin
        while len(self._boxes) >= _BOXES:
            self._boxes.popitem(last=False)
        made = self._boxes[low.tobytes(), high.tobytes()] = self._within(low, high)
        return made

    def _within(self, low: Any, high: Any) -> Forest:
        """Cut down, if a few trees show that it is worth while."""
        few = self.part(max(_FEW, self.trees // 10))
        if few.count_within(low, high).sum() > _GAIN * len(few.nodes):
            return self
        made = self.cut_down(low, high)
        self._let_go()
        return made

    def part(self, trees: int) -> Forest:
        """The first trees alone."""
        trees = min(trees, self.trees)
        nodes, leaves = self.node_start[: trees + 1], self.leaf_start[: trees + 1]
        return replace(
            self, nodes=self.nodes[: nodes[-1]], values=self.values[: leaves[-1]],
            node_start=nodes, leaf_start=leaves, _boxes=OrderedDict(),
        )  # fmt: skip

    def count_within(self, low: Any, high: Any) -> Any:
        """int64 (trees): nodes that events with features in [low, high] can come to or part at."""
        counts: Any = np.empty(self.trees, np.int64)
        traversal.count_within(self.nodes, self.node_start, low, high, counts)
        return counts

    def cut_down(self, low: Any, high: Any) -> Forest:
        """A forest with the same answers for events with features in [low, high].

        Parameters
        ----------
        low, high : float32 (features)
        """
        counts = self.count_within(low, high)
        node_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # a tree in which every node has two children or none
        leaf_start = np.concatenate([[0], np.cumsum((counts + 1) // 2)]).astype(np.int64)
        nodes = np.empty(node_start[-1], traversal.NODE)
        values = np.empty((leaf_start[-1], self.values.shape[1]))
        made = Forest(nodes, node_start, leaf_start, values, self.features, self.classes)
        traversal.walk_block(
            self.nodes, self.words, self.node_start, self.leaf_start, self.values, low, high,
            made.words, node_start, leaf_start, values,
        )  # fmt: skip
        return made

    def _let_go(self) -> None:
        """Mapped pages that are not needed for now need not stay in memory."""
        for array in (self.nodes, self.values):
            if isinstance(array.base, mmap.mmap):
                array.base.madvise(mmap.MADV_DONTNEED)


class CompareTables:
    """The last order of events: forests that are asked about the same events go by it as well.

    Any order is right; that of another forest is nearly as quick as the own one.
    """

    def __init__(self) -> None:
        self._key: tuple[int, int] | None = None
        self._order: Any = None

    def of(self, forest: Forest, x: Any) -> Any:
        """An order of the events of `x`."""
        key = (len(x), zlib.crc32(np.ascontiguousarray(x[:, 0])))
        if key != self._key:
            self._order, self._key = forest.order(x), key
        return self._order


def flatten(model: Any) -> Forest:
    """A forest of scikit-learn as flat arrays.

    Parameters
    ----------
    model : fitted RandomForestRegressor, RandomForestClassifier or a sub-class

    Raises
    ------
    NotSupported : of a kind or size that the arrays cannot hold
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if not isinstance(model, (RandomForestClassifier, RandomForestRegressor)):
        raise NotSupported(f"a model of type {type(model).__name__}")
    classifies = isinstance(model, RandomForestClassifier)
    trees = [estimator.tree_ for estimator in model.estimators_]
    features = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    if any(tree.n_outputs != 1 for tree in trees):
        raise NotSupported("a forest of several outputs")
    if not features:
        features = tuple(f"feature {i}" for i in range(model.n_features_in_))
    if len(features) > traversal.MOST_FEATURES:
        raise NotSupported(f"{len(features)} features; at most {traversal.MOST_FEATURES}")
    if any(
        t.node_count > traversal.MOST_NODES or t.n_leaves > traversal.MOST_LEAVES for t in trees
    ):
        raise NotSupported("a tree of more than a hundred million nodes")
    node_start = np.cumsum([0, *(tree.node_count for tree in trees)]).astype(np.int64)
    leaf_start = np.cumsum([0, *(tree.n_leaves for tree in trees)]).astype(np.int64)
    nodes = np.zeros(node_start[-1], traversal.NODE)
    words = nodes.view(np.uint32).reshape(-1, 2)
    values = np.empty((leaf_start[-1], trees[0].value.shape[2]))
    for i, tree in enumerate(trees):
        leaf_nodes = np.empty(tree.n_leaves, np.int64)
        thresholds = traversal.float32_below(tree.threshold).view(np.uint32)
        part = words[node_start[i] : node_start[i + 1]]
        found = traversal.arrange_nodes(
            tree.children_left, tree.children_right, tree.feature, thresholds, part, leaf_nodes
        )
        if found != tree.n_leaves:
            raise NotSupported("a tree that is too deep")
        values[leaf_start[i] : leaf_start[i + 1]] = _leaf_values(tree, leaf_nodes, classifies)
    classes = tuple(int(label) for label in model.classes_) if classifies else None
    return Forest(nodes, node_start, leaf_start, values, features, classes)


def _leaf_values(tree: Any, leaf_nodes: Any, classifies: bool) -> Any:
    """What a tree says in each leaf: float64 (leaves, outputs)."""
    from sklearn import __version__

    values = tree.value[leaf_nodes, 0, :]
    if classifies and tuple(int(part) for part in __version__.split(".")[:2]) < (1, 3):
        # there a leaf holds weights, and each tree divides by their sum
        total = values.sum(axis=1)[:, np.newaxis]
        total[total == 0.0] = 1.0
        values = values / total
    return values
