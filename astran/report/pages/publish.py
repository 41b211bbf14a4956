"""Files of the site: written only if they differ, always whole, removed when nobody wants them.

A manifest in the folder says which files are the site's own; no other file is ever touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from astran.base.files import write_atomic

MANIFEST = ".astran-site.json"
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
"""Pages are made to be served: their readers are not in ASTRAN's group."""
_OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class Publisher:
    """Writes into one folder and remembers what it wrote."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.written = 0
        """Files that were new or different."""
        self.removed = 0

    def read_manifest(self) -> dict[str, Any]:
        """What the last build remembered; empty where there was none or it is damaged."""
        try:
            found = json.loads((self._output / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_manifest(self, data: dict[str, Any]) -> None:
        """Remember for the next build."""
        self.write(MANIFEST, json.dumps(data, separators=(",", ":"), sort_keys=True))

    def holds(self, path: str) -> bool:
        """Whether the file is there."""
        return (self._output / path).is_file()

    def write(self, path: str, content: str | bytes) -> None:
        """A file with this content."""
        data = content.encode(errors="replace") if isinstance(content, str) else content
        place = self._output / path
        try:
            if place.stat().st_size == len(data) and place.read_bytes() == data:
                return
        except OSError:
            pass
        self._folder(place)
        write_atomic(place, data, durable=False)
        place.chmod(_FILE_MODE)
        self.written += 1

    def copy(self, source: Path, path: str) -> bool:
        """The same file under another name: a second link where the disk allows it and everybody
        may read it, else a copy. False where the source is not a plain file."""
        place = self._output / path
        try:
            made = source.lstat()
            if not source.is_file() or source.is_symlink():
                return False
            if place.is_file():
                there = place.stat()
                same = (there.st_size, there.st_mtime_ns) == (made.st_size, made.st_mtime_ns)
                if same or there.st_ino == made.st_ino:
                    return True
            self._folder(place)
            part = place.with_name(f".{place.name}.{os.getpid()}.part")
            part.unlink(missing_ok=True)
            if not (made.st_mode & 0o004 and _link(source, part)):
                shutil.copyfile(source, part)
                os.utime(part, ns=(made.st_atime_ns, made.st_mtime_ns))
                part.chmod(_FILE_MODE)
            part.replace(place)
        except FileNotFoundError:
            return False
        self.written += 1
        return True

    def _folder(self, place: Path) -> None:
        """The folder of a page, which a web server may read whatever the umask is."""
        missing = [one for one in (place.parent, *place.parent.parents) if not one.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        for one in missing:
            if one.is_relative_to(self._output):
                one.chmod(_FOLDER_MODE)

    def remove(self, path: str) -> None:
        """A file of an earlier build that nobody wants any more, and folders left empty by it."""
        if not _OWN.fullmatch(path):
            return
        place = self._output / path
        try:
            place.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        self.removed += 1
        for parent in PurePosixPath(path).parents:
            if str(parent) == ".":
                break
            try:
                (self._output / parent).rmdir()
            except OSError:
                break

    def sweep(self, folders: Sequence[str], wanted: Collection[str]) -> None:
        """Remove pages that no manifest knows of, as after a crash: only such that ASTRAN made."""
        for folder in folders:
            try:
                names = sorted(path.name for path in (self._output / folder).iterdir())
            except OSError:
                continue
            for name in names:
                page = name if name.endswith(".html") else f"{name}/index.html"
                place = self._output / folder / page
                if f"{folder}/{page}" in wanted or not _made_here(place):
                    continue
                belongings = [place.with_suffix(".csv")]
                if page != name:
                    belongings = [path for path in place.parent.rglob("*") if path != place]
                for path in [*sorted(belongings, reverse=True), place]:
                    self.remove(path.relative_to(self._output).as_posix())


def _made_here(page: Path) -> bool:
    try:
        with page.open("rb") as handle:
            return b'<meta name="generator" content="ASTRAN">' in handle.read(2000)
    except OSError:
        return False


def _link(source: Path, part: Path) -> bool:
    try:
        part.hardlink_to(source)
    except OSError:
        return False
    return True
