"""What is in the store of the site, and which names in analysis folders it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from astran.base.product_store import PART, iter_files
from astran.database.analyses import Analysis

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A product in the store."""

    path: Path
    size: int
    """[bytes]"""
    inodes: frozenset[Inode]
    changed: float
    """When it got or lost its last name, as POSIX time [s]."""
    names: int
    """Hard links of its files that are not in the store."""


@dataclass
class ProductNames:
    """Names of files in analysis folders."""

    hard: dict[Inode, set[Path]] = field(default_factory=dict)
    soft: dict[Path, set[Path]] = field(default_factory=dict)
    """By what they point to, in any number of steps: symbolic links."""
    unseen: list[Analysis] = field(default_factory=list)
    """Those whose folder could not be looked through: they may have names that are not here."""

    def of(self, entry: StoredProduct) -> set[Path]:
        """All that an analysis folder has of what is in the store."""
        found = set().union(*(self.hard.get(inode, ()) for inode in entry.inodes))
        return found | self.soft.get(entry.path, set()) | self.soft.get(entry.path.resolve(), set())

    def others(self, path: Path) -> set[Path]:
        """All names of a file in analysis folders, its own included."""
        status = path.stat()
        found = self.hard.get((status.st_dev, status.st_ino), set())
        return {path} | found | self.soft.get(path, set()) | self.soft.get(path.resolve(), set())


def stored_products(store: Path) -> Iterator[StoredProduct]:
    """All that is in the store, whole."""
    for path in sorted(store.glob("??/*/*/*")):
        if path.name.startswith(PART):
            continue
        files = [path / one for one in iter_files(path)] if path.is_dir() else [path]
        stats = [file.stat() for file in files]
        if stats:
            yield StoredProduct(
                path=path,
                size=sum(one.st_size for one in stats),
                inodes=frozenset((one.st_dev, one.st_ino) for one in stats),
                changed=max(one.st_ctime for one in stats),
                names=sum(one.st_nlink - 1 for one in stats),
            )


def fingerprint_of(place: Path) -> str:
    """Of the work that made a product, by its place in the store."""
    return place.parent.parent.name


def product_names(every: Iterable[Analysis], stored: Iterable[StoredProduct]) -> ProductNames:
    """The names in all analysis folders.

    A folder that cannot be read to its last file is unseen. So is one that is not there: its disk
    may not be mounted, or it was moved, which changes no symbolic link in it. It counts as deleted
    by hand, with all names it had, only where hard links tell for certain: the analysis has ended,
    and beside the missing folder one of another analysis was read that has hard links to what is in
    the store. The disk is mounted then, and a folder moved on it still shows in `Entry.names`.
    """
    found = ProductNames()
    inodes = frozenset[Inode]().union(*(entry.inodes for entry in stored))
    witnesses: set[Path] = set()
    missing: list[Analysis] = []
    for one in every:
        try:
            hard = _look_through(one, found)
        except FileNotFoundError:
            missing.append(one)
        except OSError:
            found.unseen.append(one)
        else:
            if not inodes.isdisjoint(hard):
                witnesses.add(one.folder.parent)
    found.unseen += [
        one for one in missing if not (one.state.final and one.folder.parent in witnesses)
    ]
    return found


def _look_through(one: Analysis, found: ProductNames) -> set[Inode]:
    """Add the names in a folder; returns the files that have them by hard links.

    Raises
    ------
    FileNotFoundError : the folder is not there
    OSError : not all of it can be read
    """
    one.folder.stat()
    hard: set[Inode] = set()
    for place, folders, files in os.walk(one.folder, onerror=_unless_gone):
        # what was put together is needed no more
        merged = one.state.final and Path(place) == one.folder / "DL2" / "subruns"
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                for step in () if merged else _steps(path):
                    found.soft.setdefault(step, set()).add(path)
            elif name in files:
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # a task that is under way has tidied up
                inode = (status.st_dev, status.st_ino)
                found.hard.setdefault(inode, set()).add(path)
                hard.add(inode)
    return hard


def _unless_gone(error: OSError) -> None:
    """A folder that a task has tidied up meanwhile is no matter; all else is."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _steps(path: Path) -> set[Path]:
    """Every step of a chain of links is needed, not its end alone."""
    seen: set[Path] = set()
    step = path
    while step.is_symlink() and step not in seen:
        seen.add(step)
        step = Path(os.path.normpath(step.parent / step.readlink()))
    return (seen | {step, step.resolve()}) - {path}
