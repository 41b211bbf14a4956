"""From the work folder to the final name: check, checksum, move."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.exit_record import ProductRecord
from astran.base.files import sha256
from astran.base.product_store import iter_files, store_path, store_product
from astran.base.tasks import Output, Task
from astran.telescopes.chain import TelescopeChain

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examined:
    """A product in the work folder that passed its check."""

    path: Path
    output: Output
    sha256: str
    facts: dict[str, Any]


def examine_product(path: Path, output: Output, chain: TelescopeChain[Any], task: Task) -> Examined:
    """Check a product and take its checksum (ProductError if it is not there or not good)."""
    if not path.exists():
        raise ProductError(
            f"The tool reported success, but {path.name} is not there.", "See the log of the task."
        )
    facts = chain.check_product(path, output.check, chain.expect_of(task, output))
    digest, files = product_checksum(path)
    if files:
        facts["files"] = files
    return Examined(path, output, digest, facts)


def commit_product(
    found: Sequence[Examined], store: str, fingerprint: str
) -> tuple[ProductRecord, ...]:
    """Move checked products to their final names, keep them in the store of the site (if it is not
    empty), and describe them."""
    for one in found:
        _settle(one.path)
        _move(one.path, Path(one.output.path))
    return tuple(_record(one, _keep(one, store, fingerprint)) for one in found)


def _keep(one: Examined, store: str, fingerprint: str) -> str:
    """Its place in the store; empty if it could not be kept there, which is no failure."""
    if not store or not fingerprint:
        return ""
    path = Path(one.output.path)
    place = store_path(Path(store), fingerprint, one.sha256, path.name)
    try:
        store_product(path, place)
    except OSError as error:
        _log.warning("%s is not kept in %s: %s", path.name, store, error.strerror or error)
        return ""
    return str(place)


def measure_product(path: Path) -> tuple[int, int]:
    """Size [bytes] and time of last change [ns] of a product: of a folder, of the files in it.

    Raises
    ------
    OSError : it is not there
    """
    stats = [file.stat() for file in _files(path)]
    if not stats:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def product_checksum(path: Path) -> tuple[str, dict[str, str]]:
    """SHA-256 of a file; of a folder that of the list of its files as sha256sum prints it, and the
    checksum of each file by its name in the folder."""
    if not path.is_dir():
        return sha256(path), {}
    files = {str(file.relative_to(path)): sha256(file) for file in _files(path)}
    lines = [f"{digest}  {name}\n" for name, digest in files.items()]
    return new_sha256("".join(lines).encode()).hexdigest(), files


def _record(one: Examined, stored: str) -> ProductRecord:
    size, mtime_ns = measure_product(Path(one.output.path))
    return ProductRecord(
        path=one.output.path,
        size=size,
        mtime_ns=mtime_ns,
        sha256=one.sha256,
        check=str(one.output.check),
        facts=one.facts,
        stored=stored,
    )


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or all files in a folder in a fixed order."""
    if path.is_dir():
        yield from (path / one for one in iter_files(path))
    else:
        yield path


def _settle(path: Path) -> None:
    """Have the content on disk before the final name is."""
    for file in _files(path):
        fd = os.open(file, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    if not target.is_dir():
        source.replace(target)
        return
    old = target.with_name(f".old-{target.name}")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    source.rename(target)
    shutil.rmtree(old)
