"""What files held when they were opened, kept for the whole site in one small SQLite file.

An entry counts only while size and time of the file are as they were then.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astran.base.night_data import FileRef

NAME = "catalogue-2.sqlite"
"""The number goes up when the kept facts change their meaning."""
BUSY_S = 20.0
DOUBT_S = 600.0
"""What is wrong with a file may be the fault of a file system: it is opened again after so long."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS facts (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, "
    "seen REAL, content TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS sight (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, "
    "since REAL) WITHOUT ROWID",
)


class FactsCache:
    """Facts by file; safe for several processes at once, as SQLite is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, shared: Path, *, make: bool = True) -> FactsCache:
        """That of a site; one of this user alone where the site's cannot be written.

        Parameters
        ----------
        make : make the folder if it is not there; False: leave no trace at the site
        """
        memory = cls(shared / NAME)
        try:
            if make:
                shared.mkdir(parents=True, exist_ok=True)
            with memory._open() as db:
                db.execute("UPDATE facts SET size = size WHERE path = ''")
        except (OSError, sqlite3.Error):
            own = Path("~/.cache/astran").expanduser()
            try:
                own.mkdir(parents=True, exist_ok=True)
            except OSError:
                own = Path(tempfile.mkdtemp(prefix="astran-catalogue-"))
            return cls(own / NAME)
        return memory

    def recall(self, files: Iterable[FileRef], now: float) -> dict[str, dict[str, Any]]:
        """Facts of those files that are as they were, by path. `now` [unix s]."""
        found = {}
        with self._open() as db:
            for file in files:
                row = db.execute(
                    "SELECT content, seen FROM facts WHERE path = ? AND size = ? AND mtime_ns = ?",
                    (file.path, file.size, file.mtime_ns),
                ).fetchone()
                if row is None:
                    continue
                content = json.loads(row[0])
                if not content.get("problem") or abs(now - row[1]) < DOUBT_S:
                    found[file.path] = content
        return found

    def keep(self, file: FileRef, facts: dict[str, Any], now: float) -> None:
        """Keep the facts of a file, in place of older ones. `now` [unix s]."""
        self.keep_all([(file, facts)], now)

    def keep_all(self, entries: Iterable[tuple[FileRef, dict[str, Any]]], now: float) -> None:
        """The same for many files at once."""
        rows = [
            (file.path, file.size, file.mtime_ns, now, json.dumps(facts, allow_nan=False))
            for file, facts in entries
        ]
        with self._open() as db:
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)

    def unchanged_since(self, file: FileRef, now: float) -> float:
        """Since when the file has been seen as it is [unix s]: now, if it was never."""
        with self._open() as db:
            row = db.execute(
                "SELECT since FROM sight WHERE path = ? AND size = ? AND mtime_ns = ?",
                (file.path, file.size, file.mtime_ns),
            ).fetchone()
            if row is not None:
                return min(float(row[0]), now)
            db.execute(
                "INSERT OR REPLACE INTO sight VALUES (?, ?, ?, ?)",
                (file.path, file.size, file.mtime_ns, now),
            )
        return now

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=BUSY_S)
        try:
            # what is lost with the machine is looked up again
            db.execute("PRAGMA synchronous = OFF")
            for table in _TABLES:
                db.execute(table)
            with db:
                yield db
        finally:
            db.close()
