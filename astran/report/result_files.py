"""From the files of an analysis to a report: results.json, plots and logs.

A file that is absent or damaged never stops a report; the report says what is not available.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from astran.base.files import write_atomic
from astran.base.text import one_line
from astran.report.model import ReportPlot
from astran.results.codec import results_from_json
from astran.results.document import RESULTS, ExcludedRun, Results, RunNumbers

RunEntry = TypeVar("RunEntry", RunNumbers, ExcludedRun)
LOG_BYTES = 200_000
"""All attached logs together, compressed."""
_ZIP_END_BYTES = 22
_ZIP_ENTRY_BYTES = 30 + 46
"""Headers of an entry without its name, which stands in both (APPNOTE.TXT 4.3.7 and 4.3.12)."""
_LEVEL = 9
_TAIL_BYTES = 1_000_000
"""So much of the end of a log is looked at."""
_LEAST_BYTES = 2_000
"""A log that would be cut below this (uncompressed) is left out."""


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """What the high-level stage left behind."""

    results: Results | None = None
    """None: not available."""
    plots: tuple[ReportPlot, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    simulated: bool = False


def read_results(folder: Path, *, every_plot: bool = False) -> ResultFiles:
    """Read `results.json` of a folder, and find the plots that it names there.

    Only those for the mail, unless `every_plot` is wanted.
    """
    path = folder / RESULTS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ResultFiles()
    except (OSError, ValueError) as error:
        return ResultFiles(warnings=(f"{path} cannot be read: {one_line(str(error))}.",))
    if not isinstance(data, dict):
        return ResultFiles(warnings=(f"{path} holds no results.",))
    results, _ = results_from_json(data)
    plots, absent = _plots(folder, results, every_plot)
    return ResultFiles(
        results=results,
        plots=plots,
        warnings=(*results.warnings, *absent),
        versions=tuple(results.versions.items()),
        simulated=results.simulated,
    )


def entries_by_run(entries: Iterable[RunEntry]) -> dict[int, RunEntry]:
    """`runs` or `excluded` of results.json by run number."""
    return {entry.obs_id: entry for entry in entries if entry.obs_id and entry.obs_id > 0}


def pack_logs(logs: Sequence[Path], path: Path, max_bytes: int = LOG_BYTES) -> Path | None:
    """Write a zip archive with the end of each log, at most `max_bytes` long.

    The logs that matter most come first: each gets an equal share of what those before it left.
    Equal logs give an equal archive. Logs that do not exist or are empty are passed over; None
    where none is left.
    """
    kept: dict[str, bytes] = {}
    left = max_bytes - _ZIP_END_BYTES
    for index, log in enumerate(dict.fromkeys(logs)):
        name = _free_name(log.name, kept)
        left -= _ZIP_ENTRY_BYTES + 2 * len(name.encode())
        cut = _fitting(_tail(log), max(left, 0) // (len(logs) - index))
        if cut is None:
            left += _ZIP_ENTRY_BYTES + 2 * len(name.encode())
            continue
        kept[name], size = cut
        left -= size
    if not kept:
        return None
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
        for name, content in kept.items():
            entry = zipfile.ZipInfo(name)  # dated 1980: the same each time
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content, compresslevel=_LEVEL)
    write_atomic(path, archive.getvalue())
    return path


def _plots(
    folder: Path, results: Results, every: bool
) -> tuple[tuple[ReportPlot, ...], tuple[str, ...]]:
    plots: list[ReportPlot] = []
    absent: list[str] = []
    for entry in results.plots:
        if not entry.mail and not every:
            continue
        # only a name: results.json cannot make a mail carry files from elsewhere
        name = PurePath(entry.file).name
        title = one_line(entry.title or entry.name or name)
        if name and (folder / name).is_file():
            alt = one_line(entry.alt or title, 500)
            plots.append(ReportPlot(folder / name, title, alt))
        else:
            absent.append(f"The plot {title or 'without a name'} is not available.")
    return tuple(plots), tuple(absent)


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - _TAIL_BYTES))
            return handle.read(_TAIL_BYTES)
    except OSError:
        return b""


def _fitting(tail: bytes, budget: int) -> tuple[bytes, int] | None:
    """As much of the end as fits compressed into `budget` bytes, and its compressed size; None
    where that is too little to be of use, or where there is nothing."""
    whole = kept = len(tail)
    text = tail
    while kept:
        size = len(zlib.compress(text, _LEVEL))
        if size <= budget:
            return text, size
        if kept <= _LEAST_BYTES:
            return None
        kept = max(min(kept // 2, int(0.9 * kept * budget / size)), _LEAST_BYTES)
        text = b"[... %d bytes before this are left out]\n" % (whole - kept) + tail[-kept:]
    return None


def _free_name(name: str, taken: Collection[str]) -> str:
    path, number, free = PurePath(name), 1, name
    while free in taken:
        number += 1
        free = f"{path.stem}.{number}{path.suffix}"
    return free
