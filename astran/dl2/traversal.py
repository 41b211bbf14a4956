"""The compiled inner loops: finding the leaf of each event in each tree.

A node takes 8 bytes: a float32 threshold, and one uint32 with the number of its left child and of
its feature. Siblings lie side by side, so the next node is `left + (x > threshold)`. A leaf points
to itself, and its threshold is a NaN: a comparison with a NaN is false, so an event that arrived
stays where it is. The payload of that NaN is the number of the leaf.

scikit-learn widens a float32 feature and compares it with a float64 threshold, `x <= t`. The
largest float32 that is not above `t` takes the same decision for every float32 `x`.

Events walk a tree sixteen abreast: while one waits for memory, the others go on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange, uint32

NODE = np.dtype([("threshold", "<f4"), ("link", "<u4")])
FEATURE_BITS = 5
MOST_FEATURES = 1 << FEATURE_BITS
MOST_NODES = 1 << (32 - FEATURE_BITS)
PAYLOAD_BITS = 22
MOST_LEAVES = 1 << PAYLOAD_BITS

_QUIET = uint32(0x7FC00000)
_PAYLOAD = uint32(MOST_LEAVES - 1)
_FEATURE = uint32(MOST_FEATURES - 1)
_SHIFT = uint32(FEATURE_BITS)
_ONE = uint32(1)
_ZERO = uint32(0)
_ABREAST = 16
_STRIDE = 4
_DEEPEST = 4096


@njit(cache=True, nogil=True)
def arrange_nodes(  # type: ignore[no-untyped-def]
    left, right, feature, threshold_bits, words, leaf_nodes
) -> int:
    """Lay out one tree of scikit-learn.

    Parameters
    ----------
    left, right, feature : int64 (nodes,), as in `sklearn.tree._tree.Tree`; a leaf has left < 0
    threshold_bits : uint32 (nodes,), the bits of the float32 thresholds
    words : uint32 (nodes, 2), filled with the nodes
    leaf_nodes : int64 (leaves,), filled with the old number of each leaf, from left to right

    Returns
    -------
    leaves found, or -1 for a tree that is deeper than can be laid out
    """
    new = np.empty(_DEEPEST, np.uint32)
    old = np.empty(_DEEPEST, np.int64)
    new[0], old[0] = _ZERO, 0
    waiting, used, leaves = 1, 1, 0
    while waiting > 0:
        waiting -= 1
        here, source = new[waiting], old[waiting]
        if left[source] < 0:
            words[here, 0] = _QUIET | uint32(leaves)
            words[here, 1] = here << _SHIFT
            leaf_nodes[leaves] = source
            leaves += 1
            continue
        if waiting + 2 > _DEEPEST:
            return -1
        words[here, 0] = threshold_bits[source]
        words[here, 1] = (uint32(used) << _SHIFT) | uint32(feature[source])
        new[waiting], old[waiting] = uint32(used + 1), right[source]
        new[waiting + 1], old[waiting + 1] = uint32(used), left[source]
        waiting += 2
        used += 2
    return leaves


@njit(cache=True, nogil=True, parallel=True)
def is_sound(words, thresholds, node_start, leaf_start, features, good) -> None:  # type: ignore[no-untyped-def]
    """Whether each tree is one: children lie behind their parent and inside the tree, features and
    leaf numbers exist. No walk over such a tree leaves it or goes on for ever."""
    for tree in prange(node_start.size - 1):
        begin = node_start[tree]
        nodes = node_start[tree + 1] - begin
        leaves = leaf_start[tree + 1] - leaf_start[tree]
        fine = nodes > 0
        for node in range(nodes):
            link = words[begin + node, 1]
            child = link >> _SHIFT
            if child == node:
                bits = words[begin + node, 0]
                fine &= (bits & ~_PAYLOAD) == _QUIET and (bits & _PAYLOAD) < leaves
                fine &= (link & _FEATURE) == _ZERO
            else:
                fine &= child > node and child + 1 < nodes
                fine &= (link & _FEATURE) < features
                fine &= not np.isnan(thresholds[begin + node, 0])
        good[tree] = fine


@njit(cache=True, nogil=True, parallel=True)
def sum_leaves(nodes, words, node_start, leaf_start, values, x, together, sums) -> None:  # type: ignore[no-untyped-def]
    """Add the values of all trees, in the order of the trees, which is that of scikit-learn.

    Parameters
    ----------
    nodes, words : (nodes,) NODE and the same memory as uint32 (nodes, 2)
    node_start, leaf_start : int64 (trees + 1,)
    values : float64 (leaves, outputs)
    x : float32 (events, features), finite
    together : events that go through one tree before any goes to the next; one thread's work
    sums : float64 (events, outputs), added to
    """
    events, outputs = x.shape[0], values.shape[1]
    for block in prange((events + together - 1) // together):
        first = block * together
        last = min(events, first + together)
        at = np.empty(_ABREAST, np.uint32)
        leaf = np.empty(last - first, np.uint32)
        for tree in range(node_start.size - 1):
            here = nodes[node_start[tree] : node_start[tree + 1]]
            bits = words[node_start[tree] : node_start[tree + 1]]
            event = first
            while event + _ABREAST <= last:
                for lane in range(_ABREAST):
                    at[lane] = _ZERO
                moving = True
                while moving:
                    for _ in range(_STRIDE):
                        for lane in range(_ABREAST):
                            node = here[at[lane]]
                            above = x[event + lane, node.link & _FEATURE] > node.threshold
                            at[lane] = (node.link >> _SHIFT) + uint32(above)
                    moved = _ZERO
                    for lane in range(_ABREAST):
                        moved |= (here[at[lane]].link >> _SHIFT) ^ at[lane]
                    moving = moved != _ZERO
                for lane in range(_ABREAST):
                    leaf[event - first + lane] = bits[at[lane], 0] & _PAYLOAD
                event += _ABREAST
            while event < last:
                leaf[event - first] = _one_leaf(here, bits, x[event])
                event += 1
            begin = leaf_start[tree]
            if outputs == 1:
                for row in range(first, last):
                    sums[row, 0] += values[begin + leaf[row - first], 0]
            else:
                for row in range(first, last):
                    for output in range(outputs):
                        sums[row, output] += values[begin + leaf[row - first], output]


@njit(cache=True, nogil=True)
def _one_leaf(here, bits, event):  # type: ignore[no-untyped-def]
    at = _ZERO
    while True:
        node = here[at]
        child = node.link >> _SHIFT
        if child == at:
            return bits[at, 0] & _PAYLOAD
        at = child + uint32(event[node.link & _FEATURE] > node.threshold)


@njit(cache=True, nogil=True, parallel=True)
def first_leaves(nodes, words, x, leaf) -> None:  # type: ignore[no-untyped-def]
    """Number of each event's leaf in one tree; leaves are numbered from left to right, so events
    with near numbers are alike, and take like ways through the other trees."""
    for event in prange(x.shape[0]):
        leaf[event] = _one_leaf(nodes, words, x[event])


@njit(cache=True, nogil=True)
def _within(nodes, at, low, high):  # type: ignore[no-untyped-def]
    """The first node from `at` on where events of the box part, or a leaf."""
    while True:
        node = nodes[at]
        child = node.link >> _SHIFT
        if child == at:
            return at
        feature = node.link & _FEATURE
        if high[feature] <= node.threshold:
            at = child
        elif low[feature] > node.threshold:
            at = child + _ONE
        else:
            return at


@njit(cache=True, nogil=True, parallel=True)
def count_within(nodes, node_start, low, high, counts) -> None:  # type: ignore[no-untyped-def]
    """How many nodes of each tree remain for events whose features lie in [low, high]."""
    for tree in prange(node_start.size - 1):
        here = nodes[node_start[tree] : node_start[tree + 1]]
        stack = np.empty(_DEEPEST, np.uint32)
        stack[0] = _ZERO
        waiting, kept = 1, 1
        while waiting > 0:
            waiting -= 1
            at = _within(here, stack[waiting], low, high)
            child = here[at].link >> _SHIFT
            if child != at:
                stack[waiting] = child + _ONE
                stack[waiting + 1] = child
                waiting += 2
                kept += 2
        counts[tree] = kept


@njit(cache=True, nogil=True, parallel=True)
def walk_block(  # type: ignore[no-untyped-def]
    nodes, words, node_start, leaf_start, values, low, high, new_words, new_node_start,
    new_leaf_start, new_values,
) -> None:  # fmt: skip
    """The trees as far as events with features in [low, high] reach them: same leaf values."""
    for tree in prange(node_start.size - 1):
        here = nodes[node_start[tree] : node_start[tree + 1]]
        bits = words[node_start[tree] : node_start[tree + 1]]
        out = new_words[new_node_start[tree] : new_node_start[tree + 1]]
        source = np.empty(_DEEPEST, np.uint32)
        target = np.empty(_DEEPEST, np.uint32)
        source[0], target[0] = _ZERO, _ZERO
        waiting, used, leaves = 1, 1, 0
        while waiting > 0:
            waiting -= 1
            to = target[waiting]
            at = _within(here, source[waiting], low, high)
            link = bits[at, 1]
            child = link >> _SHIFT
            if child == at:
                out[to, 0] = _QUIET | uint32(leaves)
                out[to, 1] = to << _SHIFT
                value = leaf_start[tree] + (bits[at, 0] & _PAYLOAD)
                for output in range(values.shape[1]):
                    new_values[new_leaf_start[tree] + leaves, output] = values[value, output]
                leaves += 1
            else:
                out[to, 0] = bits[at, 0]
                out[to, 1] = (uint32(used) << _SHIFT) | (link & _FEATURE)
                source[waiting], target[waiting] = child + _ONE, uint32(used + 1)
                source[waiting + 1], target[waiting + 1] = child, uint32(used)
                waiting += 2
                used += 2


def float32_below(thresholds: Any) -> Any:
    """The largest float32 that is not above each float64 threshold."""
    near = thresholds.astype(np.float32)
    above = near.astype(np.float64) > thresholds
    near[above] = np.nextafter(near[above], np.float32(-np.inf))
    return near
