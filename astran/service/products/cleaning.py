"""What can be removed to make room, and its removal.

Never removed: results, DL3, logs, configurations and job scripts, as reports point to them; what
another analysis has, too, by a link to it or by another name; anything of an analysis that has not
ended; anything ASTRAN did not make. From the store goes what no analysis folder has any more; work
of an analysis whose folder cannot be looked through stays there, whatever it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.database import analyses, events
from astran.database.analyses import Analysis
from astran.database.history import lineage
from astran.database.history.task_products import products_by_task
from astran.service.context import Context
from astran.service.products.store_contents import (
    StoredProduct,
    fingerprint_of,
    product_names,
    stored_products,
)

_WORK = re.compile(r"\.(?:work|old|part)-.+")
_ALL = 10**9
_LEFT_OVER = timedelta(days=1)
"""Work folders untouched for so long have no task any more."""


@dataclass(frozen=True, slots=True)
class RemovableItem:
    """A file or folder that can go."""

    path: Path
    size: int
    """[bytes]"""
    why: str
    analysis: str
    """For example A12; empty: of none."""


def removable_items(context: Context, older_than: timedelta, dl2: bool) -> list[RemovableItem]:
    """What can go, by analysis, then what is in the store and nobody has any more.

    Parameters
    ----------
    older_than : only of analyses that ended so long ago
    dl2 : DL2 of ended analyses, too; a later analysis of the same data makes it again
    """
    now = context.clock.now()
    with context.db.begin() as db:
        every = analyses.newest_analyses(db, _ALL)
        products = {one.id: products_by_task(db, one.id) for one in every if one.state.final}
    stored = list(stored_products(context.site.products_dir))
    known = product_names(every, stored)
    hidden = {one.id for one in known.unseen}
    with context.db.begin() as db:
        prints, places = lineage.original_tasks(db, sorted(hidden))
    unseen = prints | {fingerprint_of(Path(place)) for place in places}
    old = [
        one
        for one in every
        if one.state.final and one.ended is not None and now - one.ended >= older_than
        if one.id not in hidden
    ]
    whole: dict[Path, Analysis] = {}
    if dl2:
        read = _named(context, every)
        kept = set().union(*(known.of(entry) for entry in stored))
        for one in old:
            own = {Path(p.path) for made in products[one.id].values() for p in made}
            whole |= dict.fromkeys(_whole(one, own | kept, read), one)
    items: list[RemovableItem] = []
    for one in old:
        items += _left_over(one.folder, one.name, context.clock)
        items += _subruns(one)
        items += [
            RemovableItem(path, _room(path), "DL2 of an ended analysis", one.name)
            for path, owner in whole.items()
            # all that have it must be able to do without it
            if owner is one and known.others(path) <= whole.keys()
        ]
        batches = one.folder / "jobmanager" / "batches"
        if batches.is_dir():
            items.append(RemovableItem(batches, _size(batches), "files of the scheduler", one.name))
    items += _left_over(context.site.shared_dir, "", context.clock)
    items += _left_over(context.site.products_dir, "", context.clock)
    gone = {item.path for item in items}
    items += [
        RemovableItem(entry.path, entry.size, "in the store, and needed by no analysis", "")
        for entry in stored
        if fingerprint_of(entry.path) not in unseen
        and _needless(entry, known.of(entry), gone, now, max(older_than, _LEFT_OVER))
    ]
    return list({item.path: item for item in items}.values())


def _whole(one: Analysis, made: set[Path], read: set[Path]) -> Iterator[Path]:
    """DL2 of whole runs that ASTRAN made, but for folders that analyses from DL2 on read."""
    for path in sorted((one.folder / "DL2").glob("*.h5")):
        if path in made and path.is_file() and not read.intersection(path.parents):
            yield path


def _needless(
    entry: StoredProduct, having: set[Path], gone: set[Path], now: datetime, older_than: timedelta
) -> bool:
    """Whether all that have it lose it now, or nobody has had it for so long."""
    if having:
        return having <= gone
    unused = now.timestamp() - entry.changed
    return not entry.names and unused >= older_than.total_seconds()


def remove_items(context: Context, items: list[RemovableItem]) -> int:
    """Remove the items and note it; returns the bytes freed."""
    freed = 0
    for item in items:
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            item.path.unlink(missing_ok=True)
        _tidy(item.path.parent, context.site.products_dir)
        freed += 0 if item.path.exists() else item.size
    with context.db.begin() as db:
        for name in sorted({item.analysis for item in items if item.analysis}):
            mine = [item for item in items if item.analysis == name]
            text = f"{len(mine)} items removed, {sum(item.size for item in mine)} bytes"
            events.note_event(db, context.clock.now(), "cleaned", text, int(name.removeprefix("A")))
    return freed


def _tidy(folder: Path, store: Path) -> None:
    """Folders of the store that hold nothing any more."""
    while store in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _subruns(analysis: Analysis) -> Iterator[RemovableItem]:
    """DL2 of subruns, or links to it, once it was put together with the others of its run."""
    for path in sorted((analysis.folder / "DL2" / "subruns").glob("dl2_*.h5")):
        merged = re.sub(r"(\.Run\d+)\.\d{4}", r"\1", path.name)
        if (path.parent.parent / merged).exists():
            why = "DL2 of a subrun, put together"
            yield RemovableItem(path, _room(path), why, analysis.name)


def _left_over(folder: Path, name: str, clock: Clock) -> Iterator[RemovableItem]:
    """Work folders and half-made names of attempts that died, at most three levels down."""
    for pattern in (".*", "*/.*", "*/*/.*", "*/*/*/.*"):
        for path in sorted(folder.glob(pattern)):
            if _WORK.fullmatch(path.name):
                folder_like = path.is_dir() and not path.is_symlink()
                status = path.lstat()
                # another name of a product is as old as that, by its content
                since = status.st_mtime if folder_like else status.st_ctime
                if clock.now().timestamp() - since >= _LEFT_OVER.total_seconds():
                    size = _size(path) if folder_like else _room(path)
                    yield RemovableItem(path, size, "left by an attempt that died", name)


def _named(context: Context, every: list[Analysis]) -> set[Path]:
    """Folders that analyses from DL2 or DL3 on read."""
    folders = [str(one.config.get("folder") or "") for one in every]
    return {
        (root / folder).resolve()
        for folder in folders
        if folder
        for root in context.site.data.roots or (Path("/"),)
    }


def _plain(path: Path) -> bool:
    """A file itself, there, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _room(path: Path) -> int:
    """What goes with the last name of a file [bytes]; another name, as in the store, keeps it."""
    status = path.lstat()
    return status.st_size if status.st_nlink == 1 else 0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if _plain(path))
