"""From the files of an analysis to a report: results.json, plots and logs.

A file that is absent or damaged never stops a report; the report says what is not available.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from astran.base.files import write_atomic
from astran.base.text import one_line
from astran.report.model import ReportPlot
from astran.report.tables import get_part

RESULTS = "results.json"
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

    results: dict[str, Any] | None = None
    """Content of results.json; None: not available."""
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
    plots, absent = _plots(folder, data, every_plot)
    return ResultFiles(
        results=data,
        plots=plots,
        warnings=(*_texts(data.get("warnings")), *absent),
        versions=tuple(
            (str(name), str(version)) for name, version in get_part(data, "versions").items()
        ),
        simulated=data.get("simulated") is True,
    )


def entries_by_run(results: dict[str, Any] | None, key: str) -> dict[int, dict[str, Any]]:
    """The entries of a list in results.json (`runs`, `excluded`) by run number (`obs_id`)."""
    return {run: entry for entry in _entries(results, key) if (run := _obs_id(entry)) > 0}


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
    folder: Path, data: dict[str, Any], every: bool
) -> tuple[tuple[ReportPlot, ...], tuple[str, ...]]:
    plots: list[ReportPlot] = []
    absent: list[str] = []
    for entry in _entries(data, "plots"):
        if entry.get("mail") is False and not every:
            continue
        # only a name: results.json cannot make a mail carry files from elsewhere
        name = PurePath(str(entry.get("file") or "")).name
        title = one_line(str(entry.get("title") or entry.get("name") or name))
        if name and (folder / name).is_file():
            alt = one_line(str(entry.get("alt") or title), 500)
            plots.append(ReportPlot(folder / name, title, alt))
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
