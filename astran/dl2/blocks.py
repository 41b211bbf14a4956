"""One DL1 file to DL2 in blocks of rows: bounded memory, whatever the length of the run.

Each block passes through lstchain's own functions, in the order of its `apply_to_file`. What looks
beyond a block is carried over its edge: the time since the event before. What would need the whole
run (missing pointings, which lstchain interpolates) is left to the stock tool.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
import tables
from astropy.coordinates import Angle
from astropy.table import Table
from ctapipe.instrument import SubarrayDescription
from ctapipe_io_lst import OPTICS
from lstchain.io import get_dataset_keys, global_metadata, write_metadata
from lstchain.io import io as keys
from lstchain.reco.dl1_to_dl2 import apply_models
from lstchain.reco.utils import add_delta_t_key, filter_events

from astran.dl2 import sklearn_adapter
from astran.dl2.errors import NotSupported
from astran.dl2.flat_models import NAMES
from astran.dl2.forest import CompareTables, Forest

_log = logging.getLogger(__name__)

BLOCK = 65_536
"""Rows that are in work at a time; memory follows it."""
LARGE = 1 << 30
"""Forests from this size on [bytes] get blocks of four times the rows: they take most of the memory
anyway, and the more events meet a tree at a time, the less it costs."""
INTERPOLATED = {
    "energy_regression": "interpolate_energy",
    "particle_classification": "interpolate_gammaness",
    "disp": "interpolate_direction",
}
FEATURES = (
    "energy_regression_features",
    "disp_regression_features",
    "particle_classification_features",
    "disp_classification_features",
)
_HDF5 = Lock()
"""The HDF5 library serves one thread at a time."""


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """How blocks are worked on."""

    rows: int | None = None
    """Rows of a block; None: as fits the forests."""
    overlap: bool = False
    """Read the next and write the last block in a second thread."""
    filters: tables.Filters = field(default_factory=lambda: keys.HDF5_ZSTD_FILTERS)


def supported(config: Mapping[str, Any]) -> None:
    """Raise NotSupported for what only the stock tool can do."""
    if config["source_dependent"]:
        raise NotSupported("a source-dependent analysis")
    if config["disp_method"] != "disp_norm_sign":
        raise NotSupported(f"the method {config['disp_method']}")
    if "lh_fit_config" in config:
        raise NotSupported("parameters of a likelihood fit")


def make_dl2(
    dl1: Path, out: Path, config: dict[str, Any], folder: Path, forests: Mapping[str, Forest],
    way: BlockOptions,
) -> int:  # fmt: skip
    """Write the DL2 of one DL1 file behind what is in `out` already.

    Parameters
    ----------
    config : the whole configuration of lstchain
    folder : of the models, for the pointings of their training
    forests : by the names of NAMES

    Returns
    -------
    rows written

    Raises
    ------
    NotSupported : something that only the stock tool can do; `out` is then to be thrown away
    """
    supported(config)
    with _open(dl1, "r") as source:
        table = _table(source, dl1)
        columns = frozenset(table.colnames)
        total = int(table.nrows)
        steps = _Steps(dl1, config, folder, forests, columns, total)
        rows = way.rows or block_rows(forests)
        steps.whole_powers = _large(table, steps, rows)
        metadata = global_metadata()
        _copy_rest(source, dl1, out, metadata)
        with _open(out, "a") as target:
            sink = _Sink(target, {"config": config, **metadata.as_dict()}, way.filters)
            blocks = _read_ahead if way.overlap else _one_by_one
            progress = _Progress(total)
            with _writer(sink, way.overlap) as write:
                for begin, frame in blocks(table, total, rows):
                    dl2 = steps.take(begin, frame)
                    if len(dl2):
                        write(dl2.to_records(index=False))
                    progress.at(begin + len(frame))
            if not sink.rows:
                raise NotSupported("a file without any event that can be reconstructed")
            return sink.rows


def block_rows(forests: Mapping[str, Forest]) -> int:
    """Rows of a block that fit the size of the forests."""
    return BLOCK * (4 if sum(forest.bytes for forest in forests.values()) >= LARGE else 1)


class _Steps:
    """lstchain's steps for one block after another."""

    def __init__(
        self, dl1: Path, config: dict[str, Any], folder: Path, forests: Mapping[str, Forest],
        columns: frozenset[str], total: int,
    ) -> None:  # fmt: skip
        self.config = config
        self.whole_powers = False
        orders = CompareTables()
        self._models = {
            name: sklearn_adapter.make_model(forests[name], total, orders) for name in NAMES
        }
        self._columns = columns
        self._features = [name for key in FEATURES for name in config[key]]
        self._last: float | None = None
        self._focal = _focal_length(dl1, config)
        self._interpolate, self._pointings = _interpolation(config, folder)

    def selected(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that lstchain keeps."""
        return filter_events(
            frame, filters=self.config["events_filters"], finite_params=self._features
        )

    def take(self, begin: int, frame: pd.DataFrame) -> pd.DataFrame:
        frame.index = pd.RangeIndex(begin, begin + len(frame))
        frame = add_delta_t_key(frame)
        if "dragon_time" in self._columns:
            times = frame["dragon_time"].to_numpy()
            if self._last is not None:
                frame.loc[frame.index[0], "delta_t"] = times[0] - self._last
            self._last = times[-1]
        self._normalise(frame)
        frame = self.selected(frame)
        if not len(frame):
            return frame
        dl2 = apply_models(
            frame,
            self._models["cls_gh"],
            self._models["reg_energy"],
            reg_disp_norm=self._models["reg_disp_norm"],
            cls_disp_sign=self._models["cls_disp_sign"],
            effective_focal_length=self._focal,
            custom_config=self.config,
            interpolate_rf=self._interpolate,
            training_pointings=self._pointings,
        )
        if self.whole_powers and len(dl2):
            dl2["reco_energy"] = _powers(dl2["log_reco_energy"].to_numpy())
        return dl2

    def _normalise(self, frame: pd.DataFrame) -> None:
        for name in ("alt_tel", "az_tel"):
            if name not in self._columns or frame[name].isna().any():
                raise NotSupported("events without a pointing")
        frame["az_tel"] = Angle(frame["az_tel"], u.rad).wrap_at(360 * u.deg).rad
        if "sin_az_tel" not in self._columns:
            frame["sin_az_tel"] = np.sin(frame["az_tel"])


def _focal_length(dl1: Path, config: Mapping[str, Any]) -> u.Quantity:
    telescope = config["allowed_tels"][0] if "allowed_tels" in config else 1
    try:
        with _HDF5:
            subarray = SubarrayDescription.from_hdf(dl1)
    except OSError:
        _log.warning("the subarray table cannot be read: the standard LST optics are used")
        return OPTICS.effective_focal_length
    return subarray.tel[telescope].optics.effective_focal_length


def _interpolation(
    config: Mapping[str, Any], folder: Path
) -> tuple[dict[str, bool] | None, Table | None]:
    """Which forests are interpolated over the zenith, and the pointings of their training."""
    wanted = config.get("random_forest_zd_interpolation")
    if wanted is None:
        return None, None
    chosen = {part: wanted.get(key, False) for part, key in INTERPOLATED.items()}
    if True not in chosen.values():
        return chosen, None
    path = folder / "training_dirs.ecsv"
    if not path.is_file():
        _log.warning("%s is not there: no interpolation over the zenith", path)
        return None, None
    return chosen, Table.read(path)


def _large(table: tables.Table, steps: _Steps, rows: int) -> bool:
    """Whether pandas would compute powers of the whole run with numexpr, whose last bits differ
    from numpy's: it does for more than a million rows."""
    least, used = _numexpr()
    if not used or table.nrows <= least:
        return False
    kept = 0
    for begin in range(0, table.nrows, rows):
        frame = pd.DataFrame.from_records(table.read(begin, begin + rows))
        kept += len(steps.selected(frame))
        if kept > least:
            return True
    return False


def _numexpr() -> tuple[int, bool]:
    """From how many elements on pandas uses numexpr, and whether it does at all."""
    from pandas.core.computation import expressions

    return int(expressions._MIN_ELEMENTS), bool(expressions.USE_NUMEXPR)


def _powers(exponents: Any) -> Any:
    """10**x as pandas has it computed by numexpr."""
    import numexpr

    return numexpr.evaluate("ten ** x", local_dict={"ten": 10, "x": exponents}, casting="safe")


def _table(source: tables.File, dl1: Path) -> tables.Table:
    try:
        node = source.get_node(f"/{keys.dl1_params_lstcam_key.lstrip('/')}")
    except tables.NoSuchNodeError as error:
        raise NotSupported(f"{dl1.name} has no table of LST parameters") from error
    if not isinstance(node, tables.Table):
        raise NotSupported(f"the parameters of {dl1.name} are no plain table")
    return node


@contextmanager
def _open(path: Path, mode: str) -> Iterator[tables.File]:
    with _HDF5:
        handle = tables.open_file(str(path), mode)
    try:
        yield handle
    finally:
        with _HDF5:
            handle.close()


def _copy_rest(source: tables.File, dl1: Path, out: Path, metadata: Any) -> None:
    """Everything of DL1 but images and parameters, as lstchain copies it."""
    with _HDF5:
        left_out = {
            keys.dl1_images_lstcam_key,
            keys.dl1_params_lstcam_key,
            keys.dl1_params_src_dep_lstcam_key,
            keys.dl1_likelihood_params_lstcam_key,
        }
        write_metadata(metadata, str(out))
        with tables.open_file(str(out), "a") as target:
            for key in get_dataset_keys(dl1):
                if key in left_out:
                    continue
                place = f"/{key.lstrip('/')}".rsplit("/", 1)[0]
                if place not in target:
                    above, _, name = place.rpartition("/")
                    target.create_group(above or "/", name, createparents=True)
                source.copy_node(f"/{key.lstrip('/')}", target.get_node(place), overwrite=True)


class _Sink:
    """The table of DL2, made with its first rows."""

    def __init__(
        self, target: tables.File, attributes: dict[str, Any], filters: tables.Filters
    ) -> None:
        self._target, self._attributes, self._filters = target, attributes, filters
        self._table: tables.Table | None = None
        self.rows = 0

    def write(self, records: Any) -> None:
        with _HDF5:
            if self._table is None:
                path, _, name = f"/{keys.dl2_params_lstcam_key.lstrip('/')}".rpartition("/")
                self._table = self._target.create_table(
                    path, name, records, createparents=True, filters=self._filters
                )
                for key, item in self._attributes.items():
                    self._table.attrs[key] = item
            else:
                self._table.append(records)
        self.rows += len(records)


def _read(table: tables.Table, begin: int, rows: int) -> pd.DataFrame:
    with _HDF5:
        records = table.read(begin, begin + rows)
    return pd.DataFrame.from_records(records)


def _one_by_one(table: tables.Table, total: int, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    for begin in range(0, total, rows):
        yield begin, _read(table, begin, rows)


def _read_ahead(table: tables.Table, total: int, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader") as pool:
        coming: Future[pd.DataFrame] | None = None
        for begin in range(0, total, rows):
            now = coming or pool.submit(_read, table, begin, rows)
            frame = now.result()
            after = begin + rows
            coming = pool.submit(_read, table, after, rows) if after < total else None
            yield begin, frame


@contextmanager
def _writer(sink: _Sink, overlap: bool) -> Iterator[Callable[[Any], None]]:
    """A way to write that returns at once; it waits for the block before."""
    if not overlap:
        yield sink.write
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer") as pool:
        last: list[Future[None]] = []

        def write(records: Any) -> None:
            while last:
                last.pop().result()
            last.append(pool.submit(sink.write, records))

        yield write
        while last:
            last.pop().result()


class _Progress:
    """A line in the log now and then, with an estimate of the time that is left."""

    def __init__(self, total: int, every_s: float = 15.0) -> None:
        self._total, self._every = total, every_s
        self._begun = self._told = time.monotonic()

    def at(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told < self._every and done < self._total:
            return
        self._told = now
        spent = now - self._begun
        left = spent / done * (self._total - done) if done else 0.0
        share = f"{100 * done / self._total:.0f} %"
        _log.info(
            "%s",
            f"{done:,} of {self._total:,} events ({share}), {done / max(spent, 1e-9):,.0f} events/s"
            + (f", about {left:.0f} s left" if done < self._total else f", {spent:.0f} s"),
        )
