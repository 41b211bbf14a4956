"""Converted models on disk: flat arrays that are mapped into memory, beside a manifest.

One folder per model folder of lstchain::

    <flat>/<name>-<hash of its path>/
        manifest.json
        reg_energy.nodes.npy  reg_energy.node_start.npy  reg_energy.leaf_start.npy  ...
        cls_gh.nodes.npy  ...

The manifest holds the checksums of the pickles that the arrays were made from and of the arrays
themselves. All of it is checked before a number is computed: what was changed or damaged is
refused, and made anew where the pickles may be loaded. Arrays that do not answer as scikit-learn
does get no manifest. Tasks on one node share the mapped pages.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from astran.base.files import sha256, write_json
from astran.dl2 import traversal
from astran.dl2.equivalence import EquivalenceTest
from astran.dl2.errors import DamagedModel, NotSupported
from astran.dl2.forest import Forest, flatten
from astran.dl2.pickle_owner import require_trusted

_log = logging.getLogger(__name__)

FORMAT = 1
NAMES = ("reg_energy", "cls_gh", "reg_disp_norm", "cls_disp_sign")
"""The models of the method `disp_norm_sign`, by lstchain's file names."""
MANIFEST = "manifest.json"
ARRAYS = ("nodes", "node_start", "leaf_start", "values")
_TYPES = {
    "nodes": traversal.NODE,
    "node_start": np.int64,
    "leaf_start": np.int64,
    "values": np.float64,
}


@dataclass(frozen=True, slots=True)
class Store:
    """Where converted models are kept, and whose pickles may be loaded."""

    flat: Path
    trusted: tuple[Path, ...]
    """Folders of models; a pickle is only ever loaded from below one of them."""

    def folder(self, models: Path) -> Path:
        """Folder of the arrays of a model folder."""
        real = models.resolve()
        return self.flat / f"{real.name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}"

    def forests(self, models: Path, names: Sequence[str]) -> dict[str, Forest]:
        """Converted forests, made now if they are missing, stale or damaged.

        Parameters
        ----------
        models : folder of lstchain's models
        names : of the models, such as `reg_energy`

        Raises
        ------
        NotSupported : a model that flat arrays cannot hold, or one that is not there
        NotTrusted : they would have to be made, but the folder is not trusted
        """
        if sys.byteorder != "little":
            raise NotSupported("a machine that stores numbers with the high byte first")
        with _locked(self.flat / f"{self.folder(models).name}.lock"):
            try:
                return self._load(models, names)
            except DamagedModel as reason:
                _log.info("converting the models of %s: %s", models, reason)
            self._convert(models, names)
            return self._load(models, names)

    def convert(self, models: Path, names: Sequence[str]) -> Path:
        """Make the arrays anew. Returns their folder."""
        with _locked(self.flat / f"{self.folder(models).name}.lock"):
            return self._convert(models, names)

    def _load(self, models: Path, names: Sequence[str]) -> dict[str, Forest]:
        """Arrays whose every byte is as it was written, of pickles that are as they were."""
        folder = self.folder(models)
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
        except FileNotFoundError:
            raise DamagedModel("not converted yet") from None
        except (OSError, ValueError) as error:
            raise DamagedModel(f"{folder / MANIFEST} cannot be read: {error}") from error
        try:
            if manifest["format"] != FORMAT or manifest["byteorder"] != "little":
                raise DamagedModel("written in another format")
            entries = {name: manifest["models"][name] for name in names}
        except (KeyError, TypeError) as error:
            raise DamagedModel(f"not in the manifest: {error}") from error
        with ThreadPoolExecutor(max_workers=2) as pool:
            for _ in pool.map(lambda name: _unchanged(models, name, entries[name]), names):
                pass
        return {name: _read(folder, name, entries[name]) for name in names}

    def _convert(self, models: Path, names: Sequence[str]) -> Path:
        require_trusted(models, self.trusted)
        target = self.folder(models)
        made = Path(mkdtemp(prefix=f".{target.name}.", dir=self.flat))
        try:
            proofs, entries = {}, {}
            for name in names:
                entries[name], proofs[name] = _flatten_one(models, name, made)
            for name, proof in proofs.items():
                proof.test(name, _read(made, name, entries[name]))
            manifest = {
                "format": FORMAT,
                "byteorder": sys.byteorder,
                "source": str(models.resolve()),
                "scikit-learn": _version("sklearn"),
                "numpy": _version("numpy"),
                "models": entries,
            }
            write_json(made / MANIFEST, manifest)
            made.chmod(0o755)
            if target.exists():
                # who has mapped the old arrays keeps them until it ends
                old = Path(mkdtemp(prefix=f".{target.name}.old.", dir=self.flat))
                target.replace(old / target.name)
                made.replace(target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                made.replace(target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock: only one process converts, the others use what it made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unchanged(models: Path, name: str, entry: dict[str, Any]) -> None:
    source = models / f"{name}.sav"
    try:
        known = entry["source"]
        there = source.stat()
        if there.st_size != known["size"]:
            raise DamagedModel(f"{source.name} has changed")
        # the time alone is no proof of a change: copies keep their content
        if there.st_mtime_ns != known["mtime_ns"] and sha256(source) != known["sha256"]:
            raise DamagedModel(f"{source.name} has changed")
    except FileNotFoundError:
        raise NotSupported(f"{source} is not there") from None
    except (KeyError, TypeError) as error:
        raise DamagedModel(f"the manifest lacks {error}") from error


def _read(folder: Path, name: str, entry: dict[str, Any]) -> Forest:
    arrays = {}
    try:
        for part in ARRAYS:
            path = folder / f"{name}.{part}.npy"
            if sha256(path) != entry["arrays"][part]:
                raise DamagedModel(f"{path.name} is damaged")
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if array.dtype != _TYPES[part] or array.ndim != (2 if part == "values" else 1):
                raise DamagedModel(f"{path.name} holds something else")
            arrays[part] = array
        classes = entry["classes"]
        forest = Forest(
            nodes=arrays["nodes"],
            node_start=np.array(arrays["node_start"]),
            leaf_start=np.array(arrays["leaf_start"]),
            values=arrays["values"],
            features=tuple(entry["features"]),
            classes=None if classes is None else tuple(classes),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedModel(f"the arrays of {name} cannot be read: {error}") from error
    # the trees themselves were checked when they were written, and every byte is as it was then
    forest.check_sizes()
    return forest


def _flatten_one(models: Path, name: str, folder: Path) -> tuple[dict[str, Any], EquivalenceTest]:
    """Write the arrays of one model. Returns their entry in the manifest, and their proof."""
    import joblib

    source = models / f"{name}.sav"
    try:
        there = source.stat()
        digest = sha256(source)
    except OSError as error:
        raise NotSupported(f"{source} cannot be read: {error.strerror}") from error
    model = joblib.load(source)
    forest = flatten(model)
    if not hasattr(model, "feature_names_in_"):
        raise NotSupported(f"{name} does not tell the names of its features")
    proof = EquivalenceTest.of(model)
    del model
    forest.check()
    checksums = {}
    for part in ARRAYS:
        path = folder / f"{name}.{part}.npy"
        np.save(path, getattr(forest, part), allow_pickle=False)
        checksums[part] = sha256(path)
    entry = {
        "source": {"size": there.st_size, "mtime_ns": there.st_mtime_ns, "sha256": digest},
        "features": list(forest.features),
        "classes": None if forest.classes is None else list(forest.classes),
        "trees": forest.trees,
        "arrays": checksums,
    }
    return entry, proof


def _version(package: str) -> str:
    from importlib import import_module

    return str(import_module(package).__version__)
