"""Unpacks a capsule that may come from anybody."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from astran.base.errors import ProductError
from astran.highlevel.capsule.layout import METADATA, is_safe_name

MOST_BYTES = 50 * 10**9
MOST_FILES = 50_000
MOST_METADATA = 50 * 10**6
_BLOCK = 1 << 20
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)


def unpack_capsule(path: Path, folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Unpack the files that the description of a capsule lists, each with the checksum that it has
    there.

    Parameters
    ----------
    folder : new
    most_bytes : of all files together; what is more is not written

    Raises
    ------
    ProductError : it is no capsule, a file is not as the description says, or a name leads out of
        the folder
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path, most_bytes)
            digests = _digests(archive, members, path)
            for name, digest in digests.items():
                _write(archive, members[name], folder / name, digest)
    except _FAULTS as error:
        raise ProductError(f"{path.name} cannot be unpacked: {error}.") from error


def _members(
    archive: zipfile.ZipFile, path: Path, most_bytes: int
) -> Mapping[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES:
        raise ProductError(f"{path.name} holds {len(infos)} files, more than a capsule may have.")
    if sum(info.file_size for info in infos) > most_bytes:
        raise ProductError(
            f"{path.name} holds more than {most_bytes / 1e9:g} GB.",
            "Allow more by --max-gb, if you trust it.",
        )
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        mode = info.external_attr >> 16
        if not is_safe_name(info.filename):
            raise ProductError(f"{path.name} holds a file with the unsafe name {info.filename!r}.")
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise ProductError(f"{path.name} holds {info.filename!r}, which is no plain file.")
        if info.flag_bits & 1:
            raise ProductError(f"{path.name} is encrypted.")
        if info.filename in members:
            raise ProductError(f"{path.name} holds {info.filename!r} twice.")
        members[info.filename] = info
    return members


def _digests(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path
) -> dict[str, str]:
    """Checksums of the files, by name."""
    info = members.get(METADATA)
    if info is None or info.file_size > MOST_METADATA:
        raise ProductError(
            f"{path.name} is no capsule: it has no {METADATA}.",
            "`astran capsule A12` packs one.",
        )
    try:
        data: Any = json.loads(archive.read(info))
        entities = {one["@id"]: one for one in data["@graph"]}
        listed = entities["./"]["hasPart"]
        parts = [one["@id"] for one in (listed if isinstance(listed, list) else [listed])]
        digests = {unquote(name): str(entities[name]["sha256"]) for name in parts}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ProductError(f"{METADATA} of {path.name} cannot be read: {error}.") from error
    if lost := sorted(digests.keys() - members.keys()):
        raise ProductError(f"{path.name} lacks {lost[0]}, which its description names.")
    return digests


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path, digest: str) -> None:
    """Write a member; no more than the size in its entry, which zip files may tell wrongly."""
    place.parent.mkdir(parents=True, exist_ok=True)
    found, left = hashlib.sha256(), info.file_size
    with archive.open(info) as source, place.open("xb") as target:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise ProductError(f"{info.filename} of the capsule is larger than its entry says.")
            target.write(block)
            found.update(block)
    if found.hexdigest() != digest:
        raise ProductError(f"{info.filename} of the capsule is not what its description says.")
