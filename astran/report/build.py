"""From the files of an analysis to a report: results.json, plots and logs.

A file that is absent or damaged never stops a report; the report says what is not available.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from astran.base.files import write_atomic
from astran.base.states import AnalysisState
from astran.base.text import one_line
from astran.report.model import Plot, RunOutcome
from astran.report.tables import part

RESULTS = "results.json"
LOG_BYTES = 200_000
"""All attached logs together, compressed."""
_TAIL_BYTES = 1_000_000
"""So much of the end of a log is looked at."""
_LEAST_BYTES = 2_000
"""A log that would be cut below this (uncompressed) is left out."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the high-level stage left behind."""

    results: dict[str, Any] | None = None
    """Content of results.json; None: not available."""
    plots: tuple[Plot, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    simulated: bool = False


def read_findings(folder: Path) -> Findings:
    """Read `results.json` of a folder, and find the plots that it names there."""
    path = folder / RESULTS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Findings()
    except (OSError, ValueError) as error:
        return Findings(warnings=(f"{path} cannot be read: {one_line(str(error))}.",))
    if not isinstance(data, dict):
        return Findings(warnings=(f"{path} holds no results.",))
    plots, absent = _plots(folder, data)
    return Findings(
        results=data,
        plots=plots,
        warnings=(*_texts(data.get("warnings")), *absent),
        versions=tuple(
            (str(name), str(version)) for name, version in part(data, "versions").items()
        ),
        simulated=data.get("simulated") is True,
    )


def with_numbers(
    runs: Sequence[RunOutcome], results: dict[str, Any] | None
) -> tuple[RunOutcome, ...]:
    """The runs with their numbers; a run that the high-level stage left out is not `ok`."""
    numbers = {_obs_id(entry): entry for entry in _entries(results, "runs")}
    excluded = {
        _obs_id(entry): one_line(str(entry.get("reason") or "excluded from the result"))
        for entry in _entries(results, "excluded")
    }
    return tuple(
        replace(run, ok=False, stage="highlevel", reason=excluded[run.run])
        if run.ok and run.run in excluded
        else replace(run, numbers=numbers.get(run.run, run.numbers))
        for run in runs
    )


def outcome(runs: Sequence[RunOutcome], results: dict[str, Any] | None) -> AnalysisState:
    """How an analysis ended: DONE, PARTIAL (some runs are missing) or FAILED (no result)."""
    if results is None or not any(run.ok for run in runs):
        return AnalysisState.FAILED
    return AnalysisState.DONE if all(run.ok for run in runs) else AnalysisState.PARTIAL


def logs_of(runs: Iterable[RunOutcome], others: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Logs in the order in which they matter: of failed runs, of other tasks, of good runs."""
    ordered = list(runs)
    paths = [run.log for run in ordered if not run.ok and run.log]
    paths += list(others)
    paths += [run.log for run in ordered if run.ok and run.log]
    return tuple(dict.fromkeys(paths))


def attach_logs(logs: Sequence[Path], folder: Path, max_bytes: int = LOG_BYTES) -> tuple[Path, ...]:
    """Write the end of each log, compressed, into `folder`: together at most `max_bytes`.

    Each log gets an equal share of what is left, the first ones first; equal logs give equal
    files. Logs that do not exist are passed over.
    """
    written: list[Path] = []
    left = max_bytes
    for index, log in enumerate(logs):
        tail = _tail(log)
        packed = _pack(tail, left // (len(logs) - index)) if tail else None
        if packed is None:
            continue
        path = folder / _free_name(log.name, written)
        write_atomic(path, packed)
        written.append(path)
        left -= len(packed)
    return tuple(written)


def _plots(folder: Path, data: dict[str, Any]) -> tuple[tuple[Plot, ...], tuple[str, ...]]:
    plots: list[Plot] = []
    absent: list[str] = []
    for entry in _entries(data, "plots"):
        # only a name: results.json cannot make a mail carry files from elsewhere
        name = PurePath(str(entry.get("file") or "")).name
        title = one_line(str(entry.get("title") or entry.get("name") or name))
        if name and (folder / name).is_file():
            alt = one_line(str(entry.get("alt") or title), 500)
            plots.append(Plot(folder / name, title, alt))
        else:
            absent.append(f"The plot {title or 'without a name'} is not available.")
    return tuple(plots), tuple(absent)


def _entries(data: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    found = (data or {}).get(key)
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _obs_id(entry: dict[str, Any]) -> int:
    try:
        return int(entry.get("obs_id") or 0)
    except (TypeError, ValueError):
        return 0


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - _TAIL_BYTES))
            return handle.read(_TAIL_BYTES)
    except OSError:
        return b""


def _pack(tail: bytes, budget: int) -> bytes | None:
    """As much of the end as fits compressed into `budget` bytes; None where that is too little."""
    whole = len(tail)
    while True:
        packed = gzip.compress(tail, mtime=0)
        if len(packed) <= budget:
            return packed
        if len(tail) <= _LEAST_BYTES:
            return None
        keep = min(len(tail) // 2, max(int(len(tail) * 0.9 * budget / len(packed)), 1))
        tail = tail[-max(keep, _LEAST_BYTES) :]
        tail = b"[... %d bytes before this are left out]\n" % (whole - len(tail)) + tail


def _free_name(name: str, taken: Sequence[Path]) -> str:
    names = {path.name for path in taken}
    candidate, number = f"{name}.gz", 1
    while candidate in names:
        number += 1
        candidate = f"{name}.{number}.gz"
    return candidate
