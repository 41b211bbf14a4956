"""What is in the store of the site, and which names in analysis folders it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from astran.base.keeping import PART, inside
from astran.store.analyses import Analysis

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entry:
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
class Names:
    """Names of files in analysis folders."""

    hard: dict[Inode, set[Path]] = field(default_factory=dict)
    soft: dict[Path, set[Path]] = field(default_factory=dict)
    """By what they point to, in any number of steps: symbolic links."""

    def of(self, entry: Entry) -> set[Path]:
        """All that an analysis folder has of what is in the store."""
        found = set().union(*(self.hard.get(inode, ()) for inode in entry.inodes))
        return found | self.soft.get(entry.path, set()) | self.soft.get(entry.path.resolve(), set())

    def others(self, path: Path) -> set[Path]:
        """All names of a file in analysis folders, its own included."""
        status = path.stat()
        found = self.hard.get((status.st_dev, status.st_ino), set())
        return {path} | found | self.soft.get(path, set()) | self.soft.get(path.resolve(), set())


def entries(store: Path) -> Iterator[Entry]:
    """All that is in the store, whole."""
    for path in sorted(store.glob("??/*/*/*")):
        if path.name.startswith(PART):
            continue
        files = [path / one for one in inside(path)] if path.is_dir() else [path]
        stats = [file.stat() for file in files]
        if stats:
            yield Entry(
                path=path,
                size=sum(one.st_size for one in stats),
                inodes=frozenset((one.st_dev, one.st_ino) for one in stats),
                changed=max(one.st_ctime for one in stats),
                names=sum(one.st_nlink - 1 for one in stats),
            )


def names(every: Iterable[Analysis]) -> Names:
    """The names in all analysis folders."""
    found = Names()
    for one in every:
        for place, folders, files in os.walk(one.folder):
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
                    found.hard.setdefault((status.st_dev, status.st_ino), set()).add(path)
    return found


def _steps(path: Path) -> set[Path]:
    """Every step of a chain of links is needed, not its end alone."""
    seen: set[Path] = set()
    step = path
    while step.is_symlink() and step not in seen:
        seen.add(step)
        step = Path(os.path.normpath(step.parent / step.readlink()))
    return (seen | {step, step.resolve()}) - {path}
