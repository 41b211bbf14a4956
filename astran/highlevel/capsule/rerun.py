"""Makes the results of a capsule again and compares them with those that it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.highlevel.analysis import analyse
from astran.highlevel.capsule.layout import DL3, OPTIONS, RESULTS_FOLDER, read_options
from astran.highlevel.capsule.unpack import MOST_BYTES, unpack_capsule
from astran.results.codec import results_to_json
from astran.results.document import RESULTS

SAME_FRACTION = 1e-6
"""Numbers may differ by this fraction: other libraries and processors round otherwise."""
_NOT_NUMBERS = ("made", "versions", "files", "plots", "left_out", "excluded", "warnings")
"""When and with what it was made, names of files, and words; runs that were left out are not in
the capsule."""
AGAIN, CAPSULE = "results", "capsule"


@dataclass(frozen=True)
class NumberDifference:
    """A value that is another in the repeated results."""

    path: str
    """`spectrum.flux.value`, `runs[0].n_on`."""
    capsule: Any
    again: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.capsule)} in the capsule, {_short(self.again)} now"


@dataclass(frozen=True)
class RerunOutcome:
    """A capsule that was repeated."""

    folder: Path
    """Of the new results."""
    compared: int
    """Numbers, words and empty places that were compared."""
    differences: tuple[NumberDifference, ...]
    versions: tuple[str, ...] = ()
    """Software that is another one, in words."""

    @property
    def equal(self) -> bool:
        return not self.differences


def rerun_capsule(
    path: Path, output: Path, most_bytes: int = MOST_BYTES, *, plots: bool = True
) -> RerunOutcome:
    """Unpack a capsule and make its results again.

    Parameters
    ----------
    output : new or empty; the capsule is unpacked into `capsule`, the results go into `results`

    Raises
    ------
    ProductError : the capsule cannot be used, the folder is not empty, or no run can be used
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ProductError(
            f"{output} is not empty.", "Name a new folder: nothing is written over by a rerun."
        )
    home, again = output / CAPSULE, output / AGAIN
    unpack_capsule(path, home, most_bytes)
    try:
        text = (home / OPTIONS).read_text()
        before = json.loads((home / RESULTS_FOLDER / RESULTS).read_text())
        wanted = read_options(text, str(home / DL3), str(again))
    except (OSError, ValueError) as error:
        raise ProductError(f"{path.name} is no capsule of ASTRAN: {error}.") from error
    now = results_to_json(analyse(wanted, plots=plots))
    compared = sum(1 for _ in _leaves(_comparable(before), ""))
    return RerunOutcome(
        again, compared, tuple(compare_values(before, now)), _other_versions(before, now)
    )


def compare_values(capsule: Any, again: Any) -> Iterator[NumberDifference]:
    """The values of two results that differ; see `SAME_FRACTION`."""
    first = dict(_leaves(_comparable(capsule), ""))
    second = dict(_leaves(_comparable(again), ""))
    for path in dict.fromkeys((*first, *second)):
        one, other = first.get(path), second.get(path)
        if not _same(one, other):
            yield NumberDifference(path, one, other)


def _comparable(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if key not in _NOT_NUMBERS}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME_FRACTION)
    return bool(one == other)


def _other_versions(capsule: Any, again: Any) -> tuple[str, ...]:
    first, second = (one.get("versions") or {} for one in (capsule, again))
    return tuple(
        f"{name} {first[name]} in the capsule, {second[name]} now"
        for name in sorted(first.keys() & second.keys())
        if first[name] != second[name]
    )


def _short(value: Any) -> str:
    return (
        "nothing" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)
    )
