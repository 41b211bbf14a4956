"""Files that are whole or absent: atomic writing, checksums, locks, packaged data."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError


def write_atomic(
    path: Path, content: str | bytes, mode: int = 0o644, *, durable: bool = True
) -> None:
    """Write a file so that any reader sees all of it or nothing (temporary name, fsync, rename).

    What can be made again at any time need not be `durable`: without fsync it is much faster.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "wb") as handle:
            handle.write(data)
            if durable:
                handle.flush()
                os.fsync(handle.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Checksum of a file's content, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def require_present(path: Path) -> int:
    """Size of a product [bytes] (ProductError if there is none or it is empty)."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ProductError(f"{path} cannot be read: {error.strerror}.") from error
    if size == 0:
        raise ProductError(f"{path.name} cannot be read: it is empty.")
    return size


@contextmanager
def try_lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold an exclusive lock on `path` if it is free, or one that is shared by others that are;
    yields whether it was.

    The kernel releases the lock with the process, however that ends: nothing is left to clean up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def literal_prefix(pattern: str) -> Path:
    """The folder before the first placeholder or wildcard of a pattern."""
    head = re.split(r"[{*?\[]", pattern, maxsplit=1)[0]
    return Path(head) if head.endswith("/") else Path(head).parent


def packaged_path(kind: str) -> Path:
    """Folder of the packaged `templates` or `configs`: inside an installed package, or the
    top-level folder of a source checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / kind


def name_trunk(pattern: Path) -> Path:
    """The folder above the first placeholder or wildcard; without one, the path itself."""
    return Path(*takewhile(lambda part: not set(part) & set("{*?["), pattern.parts))
