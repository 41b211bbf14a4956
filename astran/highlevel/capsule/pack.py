"""Packs results with the DL3 files that they were made of."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack

from astran.base.errors import ProductError
from astran.gadf.fits_open import open_fits
from astran.highlevel.capsule.layout import (
    CONFIG,
    DL3,
    INDEX,
    METADATA,
    OPTIONS,
    PROVENANCE,
    RESULTS_FOLDER,
    write_options,
)
from astran.highlevel.capsule.ro_crate import CrateFacts, PackedFile, describe_crate
from astran.highlevel.comparison.sides import obs_id_of
from astran.highlevel.dl3.folder import Folder, scan_places
from astran.results.document import RESULTS, Results

_BLOCK = 1 << 20


@dataclass(frozen=True)
class CapsuleSource:
    """What is packed."""

    dl3: tuple[Path, ...]
    results_folder: Path
    options: tuple[str, ...]
    """Of `astran highlevel`, without those that name places."""
    config: str = ""
    """YAML; empty: there is none."""
    provenance: str = ""
    """PROV-JSON; empty: there is none."""


def pack_capsule(source: CapsuleSource, facts: CrateFacts, output: Path) -> list[PackedFile]:
    """Write the zip file, whole or not at all; returns what it holds.

    Raises
    ------
    ProductError : a DL3 file of the results is not there
    """
    results = facts.results
    scanned = scan_places(source.dl3)
    chosen = _chosen_files(scanned, results)
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            packed = [_add_file(archive, name, path) for name, path in chosen.items()]
            packed += [_add(archive, name, data) for name, data in _texts(source)]
            if index := _index(scanned, {path: name for name, path in chosen.items()}):
                packed.append(_add(archive, INDEX, index))
            for path in _result_files(source.results_folder, results):
                name = f"{RESULTS_FOLDER}/{path.relative_to(source.results_folder).as_posix()}"
                packed.append(_add_file(archive, name, path))
            metadata = json.dumps(describe_crate(facts, packed), indent=2)
            archive.writestr(METADATA, f"{metadata}\n")
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return packed


def _chosen_files(folder: Folder, results: Results) -> dict[str, Path]:
    """The event files of the runs that were used and the other files of their IRFs, by the name in
    the capsule."""
    wanted = {run.obs_id for run in results.runs}
    chosen: dict[str, Path] = {}
    found: set[int] = set()
    for path in folder.files:
        try:
            run = obs_id_of(path)
        except ProductError:
            continue
        if run in wanted:
            found.add(run)
            chosen[_name(path, folder.paths, chosen)] = path
            for other in folder.irfs.get(path.resolve(), ()):
                if other not in chosen.values():
                    chosen[_name(other, folder.paths, chosen)] = other
    if lost := sorted(wanted - found):
        listed, places = ", ".join(map(str, lost)), ", ".join(map(str, folder.paths))
        raise ProductError(
            f"There is no DL3 file of run {listed} in {places} any more.",
            "A capsule holds what the results were made of; make the analysis again.",
        )
    return chosen


def _name(path: Path, roots: Sequence[Path], taken: Mapping[str, Path]) -> str:
    name = f"{DL3}/{path.name}"
    for number, root in enumerate(roots):
        if path.is_relative_to(root) and path != root:
            place = f"{number}/" if len(roots) > 1 else ""
            name = f"{DL3}/{place}{path.relative_to(root).as_posix()}"
            break
    return name if name not in taken else f"{DL3}/again{len(taken)}/{path.name}"


def _texts(source: CapsuleSource) -> Iterator[tuple[str, bytes]]:
    yield OPTIONS, write_options(source.options).encode()
    if source.config:
        yield CONFIG, source.config.encode()
    if source.provenance:
        yield PROVENANCE, source.provenance.encode()


def _result_files(folder: Path, results: Results) -> Iterator[Path]:
    """results.json with its tables and spectra; plots are made again by a rerun."""
    yield folder / RESULTS
    files = results.files
    names = (files.run_table, files.map, files.flux_points, files.light_curve, *(files.ogip or ()))
    yield from (folder / name for name in names if name and (folder / name).is_file())


def _index(folder: Folder, names: Mapping[Path, str]) -> bytes | None:
    """An HDU index of the packed files; none where each file has its own IRFs."""
    if not any(folder.irfs.get(path.resolve()) for path in names):
        return None
    places = {path.resolve(): name for path, name in names.items()}
    kept_rows = []
    for index in sorted(path for root in folder.paths for path in root.rglob("hdu-index*")):
        with open_fits(index) as hdus:
            rows = Table(next(hdu.data for hdu in hdus[1:] if hdu.data is not None))
        targets = [
            (index.parent / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()).resolve()
            for row in rows
        ]
        packed = [place in places for place in targets]
        kept = rows[np.array(packed, bool)]
        inside = [places[place].removeprefix(f"{DL3}/") for place in targets if place in places]
        kept["FILE_DIR"] = [name.rpartition("/")[0] or "." for name in inside]
        kept["FILE_NAME"] = [name.rpartition("/")[2] for name in inside]
        kept_rows.append(kept)
    if not kept_rows:
        return None
    buffer = BytesIO()
    whole = vstack(kept_rows, metadata_conflicts="silent")
    fits.BinTableHDU(whole, name="HDU_INDEX").writeto(buffer)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> PackedFile:
    archive.writestr(name, data)
    return PackedFile(name, len(data), hashlib.sha256(data).hexdigest())


def _add_file(archive: zipfile.ZipFile, name: str, path: Path) -> PackedFile:
    digest, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".gz") else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        while block := source.read(_BLOCK):
            target.write(block)
            digest.update(block)
            size += len(block)
    return PackedFile(name, size, digest.hexdigest())
