"""The store of products of a site: each product once, under its work and its content.

    <store>/<first two letters>/<fingerprint>/<first letters of its SHA-256>/<name>

An analysis folder holds a second name (hard link) of what is in the store, so that neither loses
anything by what becomes of the other, and nothing takes room twice. Where the store lies on another
file system, or the file system has no hard links, the product is copied and a symbolic link takes
its place.

What stands in the store is whole: a product gets its name there at once, by a link or a rename. A
product of other content never takes its place, as it has another name. Both names of a hard link
are of one file, though, and who writes into the one damages the other: what is in the store is
compared before it is used in the place of a product made again, and moved aside if it differs.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from astran.base.files import sha256

PART = ".part-"
"""Begins the name of what is not whole yet."""
_LETTERS = 16
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""File systems without hard links, or with no more of them for a file."""


def store_path(store: Path, fingerprint: str, sha256: str, name: str) -> Path:
    """Where a product of this work and content stands."""
    return store / fingerprint[:2] / fingerprint / sha256[:_LETTERS] / name


def store_product(product: Path, place: Path) -> None:
    """Put a finished product, file or folder, into the store; it stays where it is, by a link.

    What stands there with other content was damaged since: it is moved aside, as a left-over that
    `astran clean` removes, and the product takes its place. Can be killed at any line and begun
    again.

    Raises
    ------
    OSError : the store cannot be read or written, or is full; the product is as it was
    """
    if is_same_file(place, product):
        return
    if not place.exists() or not _alike(place, product):
        place.parent.mkdir(parents=True, exist_ok=True)
        _bring(product, place)
    link_product(place, product)


def link_product(place: Path, target: Path) -> None:
    """Give what is in the store a name in an analysis folder, in the place of what has it now."""
    if is_same_file(place, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{PART}{token_hex(4)}-{target.name}")
    try:
        _second_name(place, part)
    except OSError as error:
        _remove(part)
        if error.errno != errno.EXDEV and error.errno not in _NO_LINKS:
            raise
        part.symlink_to(place)
    if target.is_dir() and not target.is_symlink():
        old = target.with_name(f"{PART}{token_hex(4)}-old-{target.name}")
        target.rename(old)
        try:
            part.rename(target)
        except OSError:
            old.rename(target)
            _remove(part)
            raise
        shutil.rmtree(old, ignore_errors=True)
    elif part.is_dir() and not part.is_symlink():
        target.unlink(missing_ok=True)
        part.rename(target)
    else:
        part.replace(target)


def is_same_file(place: Path, target: Path) -> bool:
    """Whether a name is that of what is in the store, already."""
    try:
        if place.samefile(target):
            return True
        if not place.is_dir():
            return False
        files = list(iter_files(place))
        return bool(files) and all((place / one).samefile(target / one) for one in files)
    except OSError:
        return False


def iter_files(folder: Path) -> Iterator[Path]:
    """The files in a folder, relative to it, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder)


def _alike(path: Path, other: Path) -> bool:
    """Whether two products, files or folders, have the same content."""
    if path.is_dir() != other.is_dir():
        return False
    if path.is_dir():
        files = list(iter_files(path))
        return files == list(iter_files(other)) and all(_alike(path / f, other / f) for f in files)
    return path.stat().st_size == other.stat().st_size and sha256(path) == sha256(other)


def _bring(product: Path, place: Path) -> None:
    """All of the product gets its name in the store at once, or none; it stays where it is."""
    part = place.with_name(f"{PART}{token_hex(4)}-{place.name}")
    try:
        _second_name(product, part)
    except OSError as error:
        _remove(part)
        if error.errno != errno.EXDEV and error.errno not in _NO_LINKS:
            raise
        # not moved, even on the same disk: a rename that fails must not cost the only copy
        _copy(product, part)
    try:
        if place.exists() and not _alike(place, product):
            place.rename(place.with_name(f"{PART}{token_hex(4)}-damaged-{place.name}"))
        part.rename(place)
    except OSError:
        # another attempt may have been first
        if not (place.exists() and _alike(place, product)):
            raise
    finally:
        # two names of one file: a rename of one to the other does nothing
        _remove(part)


def _second_name(path: Path, other: Path) -> None:
    """Hard links: of a file, or of each file in a folder."""
    if not path.is_dir():
        os.link(path.resolve(), other)
        return
    other.mkdir()
    for one in iter_files(path):
        (other / one).parent.mkdir(parents=True, exist_ok=True)
        os.link((path / one).resolve(), other / one)


def _copy(path: Path, other: Path) -> None:
    """With its time stamps, and on the disk before it gets its name."""
    try:
        if path.is_dir():
            shutil.copytree(path, other)
        else:
            shutil.copy2(path, other)
        files = [other / one for one in iter_files(other)] if other.is_dir() else [other]
        for file in files:
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except BaseException:
        _remove(other)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
