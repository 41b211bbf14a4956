"""Which DL1 file of a run is taken: whole runs, the newest version, nothing half-written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from astran.base.nightdata import FileRef, MissingRun, RunFile
from astran.catalogue import patterns
from astran.catalogue.patterns import Found, version_order

_SUBRUN = re.compile(r"\.Run\d+\.\d{4}(?!\d)")
_NAME = re.compile(r"LST-\d+(?:\.\d+)?\.Run0*(\d+)")
"""lstchain reads the run number from the file name."""


@dataclass(frozen=True, slots=True)
class Picked:
    """DL1 of a night."""

    runs: tuple[RunFile, ...]
    missing: tuple[MissingRun, ...]
    notes: tuple[str, ...]


def subrun(name: str) -> bool:
    """Whether a file holds a part of a run only."""
    return bool(_SUBRUN.search(name))


def run_number(name: str) -> int | None:
    """The run number as lstchain reads it from a file name."""
    match = _NAME.search(name)
    return int(match[1]) if match else None


def pick(
    pattern: str, date: str, runs: Sequence[int], settled: Callable[[FileRef], bool]
) -> Picked:
    """Choose a DL1 file for each run.

    Of several versions the newest is taken; of several files of that version, the one written
    last. A choice is said in the notes. While the newest is still being written, the run waits.
    """
    found: dict[int, list[Found]] = {}
    for item in patterns.find(pattern, date=date):
        if item.run is not None:
            found.setdefault(item.run, []).append(item)
    taken: list[RunFile] = []
    missing: list[MissingRun] = []
    for run in runs:
        one = _best(run, found.get(run, []), settled)
        if isinstance(one, RunFile):
            taken.append(one)
        else:
            missing.append(one)
    chosen = {run: items for run, items in found.items() if run in {one.run for one in taken}}
    return Picked(tuple(taken), tuple(missing), tuple(_notes(taken, chosen)))


def _best(
    run: int, items: Sequence[Found], settled: Callable[[FileRef], bool]
) -> RunFile | MissingRun:
    whole = [item for item in items if not subrun(item.file.name)]
    if not whole:
        reason = "only DL1 of subruns is there, not of the whole run" if items else "no DL1 yet"
        return MissingRun(run, reason, may_come=True)
    best = max(whole, key=_rank)
    name = best.file.name
    if run_number(name) != run:
        reason = f"the name {name} does not hold LST-1.Run{run:05d}, from which lstchain reads it"
        return MissingRun(run, reason, may_come=False)
    if best.file.size == 0:
        return MissingRun(run, "its DL1 file is still empty", may_come=True)
    if not settled(best.file):
        return MissingRun(run, "its DL1 file is still being written", may_come=True)
    return RunFile(run, best.file, best.version, best.tailcut)


def _rank(item: Found) -> tuple[tuple[tuple[int, int, str], ...], int, str]:
    return version_order(item.version), item.file.mtime_ns, item.file.path


def _notes(taken: Sequence[RunFile], found: dict[int, list[Found]]) -> Iterable[str]:
    whole = [i for items in found.values() for i in items if not subrun(i.file.name)]
    for what, used, seen in (
        ("version", {one.version for one in taken}, {item.version for item in whole}),
        ("cleaning", {one.tailcut for one in taken}, {item.tailcut for item in whole}),
    ):
        if len(seen) < 2:
            continue
        listed = ", ".join(sorted(seen, key=version_order))
        if len(used) > 1:
            each = ", ".join(
                f"{one.run}: {one.version if what == 'version' else one.tailcut}" for one in taken
            )
            yield f"DL1 of different {what}s taken, of each run the best there is ({each})."
        elif what == "version":
            yield f"DL1 {next(iter(used))} taken, the newest of {listed}."
        else:
            yield f"DL1 {next(iter(used))} taken, of {listed}: written last."
