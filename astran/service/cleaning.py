"""What can be removed to make room, and its removal.

Never removed: results, DL3, logs, configurations and job scripts, as reports point to them; what a
link in any analysis points to; anything of an analysis that has not ended; anything ASTRAN did not
make.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.base.tasks import Check
from astran.service.context import Context
from astran.store import analyses, events, tasks
from astran.store.analyses import Analysis

_WORK = re.compile(r"\.(?:work|old)-.+")
_ALL = 10**9
_LEFT_OVER = timedelta(days=1)
"""Work folders untouched for so long have no task any more."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder that can go."""

    path: Path
    size: int
    """[bytes]"""
    why: str
    analysis: str
    """For example A12; empty: of none."""


def removable(context: Context, older_than: timedelta, dl2: bool) -> list[Item]:
    """What can go, by analysis.

    Parameters
    ----------
    older_than : only of analyses that ended so long ago
    dl2 : DL2 of ended analyses, too; a later analysis of the same data makes it again
    """
    now = context.clock.now()
    with context.db.begin() as db:
        every = analyses.newest(db, _ALL)
        products = {one.id: tasks.products_of(db, one.id) for one in every if one.state.final}
    linked = _linked(every)
    named = _named(context, every)
    items: list[Item] = []
    for one in every:
        if not one.state.final or one.ended is None or now - one.ended < older_than:
            continue
        items += _left_over(one.folder, one.name, context.clock)
        items += _subruns(one)
        own = [p for made in products[one.id].values() for p in made if p.kind == Check.DL2]
        whole = [Path(product.path) for product in own if dl2]
        items += [
            Item(path, path.stat().st_size, "DL2 of an ended analysis", one.name)
            for path in whole
            if path.parent == one.folder / "DL2" and _plain(path)
            if path not in linked and not named.intersection(path.parents)
        ]
        batches = one.folder / "jobmanager" / "batches"
        if batches.is_dir():
            items.append(Item(batches, _size(batches), "files of the scheduler", one.name))
    items += _left_over(context.site.shared_dir, "", context.clock)
    return list({item.path: item for item in items}.values())


def remove(context: Context, items: list[Item]) -> int:
    """Remove the items and note it; returns the bytes freed."""
    freed = 0
    for item in items:
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            item.path.unlink(missing_ok=True)
        freed += 0 if item.path.exists() else item.size
    with context.db.begin() as db:
        for name in sorted({item.analysis for item in items if item.analysis}):
            mine = [item for item in items if item.analysis == name]
            text = f"{len(mine)} items removed, {sum(item.size for item in mine)} bytes"
            events.note(db, context.clock.now(), "cleaned", text, int(name.removeprefix("A")))
    return freed


def _subruns(analysis: Analysis) -> Iterator[Item]:
    """DL2 of subruns, or links to it, once it was put together with the others of its run."""
    for path in sorted((analysis.folder / "DL2" / "subruns").glob("dl2_*.h5")):
        merged = re.sub(r"(\.Run\d+)\.\d{4}", r"\1", path.name)
        if (path.parent.parent / merged).exists():
            why = "DL2 of a subrun, put together"
            yield Item(path, path.lstat().st_size, why, analysis.name)


def _left_over(folder: Path, name: str, clock: Clock) -> Iterator[Item]:
    """Work folders of attempts that died, at most two levels down."""
    for pattern in (".*", "*/.*", "*/*/.*"):
        for path in sorted(folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink() and _WORK.fullmatch(path.name):
                age = clock.now().timestamp() - path.stat().st_mtime
                if age >= _LEFT_OVER.total_seconds():
                    yield Item(path, _size(path), "left by an attempt that died", name)


def _named(context: Context, every: list[Analysis]) -> set[Path]:
    """Folders that analyses from DL2 or DL3 on read."""
    folders = [str(one.config.get("folder") or "") for one in every]
    return {
        (root / folder).resolve()
        for folder in folders
        if folder
        for root in context.site.data.roots or (Path("/"),)
    }


def _linked(every: list[Analysis]) -> set[Path]:
    """What links in analysis folders point to, in any number of steps."""
    found: set[Path] = set()
    for one in every:
        for place, names, files in os.walk(one.folder):
            # what was put together is needed no more
            if one.state.final and Path(place) == one.folder / "DL2" / "subruns":
                continue
            for name in (*names, *files):
                found |= _steps(Path(place, name))
    return found


def _steps(path: Path) -> set[Path]:
    """Every step of a chain of links is needed, not its end alone."""
    found: set[Path] = set()
    while path.is_symlink() and path not in found:
        found.add(path)
        path = Path(os.path.normpath(path.parent / path.readlink()))
    return found | {path, path.resolve()} if found else found


def _plain(path: Path) -> bool:
    """A file itself, there, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if _plain(path))
