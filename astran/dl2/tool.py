"""lstchain's tool with another way to work on a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numba
import tables
from lstchain.io import io as keys
from lstchain.tools import lstchain_dl1_to_dl2 as stock

from astran.dl2 import blocks
from astran.dl2.errors import LeaveToStock, NotSupported
from astran.dl2.flat_models import NAMES, Store
from astran.dl2.forest import Forest
from astran.dl2.options import EngineOptions
from astran.dl2.output import mark_engine, temporary_name
from astran.dl2.pickle_owner import require_trusted

_log = logging.getLogger(__name__)


def fast_tool(choices: EngineOptions) -> Any:
    """A tool to be run with the words that lstchain's takes."""
    return DL1ToDL2Tool(_Work(choices))


class _Work:
    """The work on files: what `apply_to_file` does in lstchain."""

    def __init__(self, choices: EngineOptions) -> None:
        self._choices = choices
        self._store = Store(choices.flat, choices.trusted)
        self._forests: dict[Path, Mapping[str, Forest]] = {}
        # with two threads or more, one reads and writes while the others compute
        computing = max(1, choices.threads - 1)
        numba.set_num_threads(min(computing, numba.config.NUMBA_NUM_THREADS))
        tables.set_blosc_max_threads(1)

    def make(
        self, dl1: Path, out: Path, config: dict[str, Any], models: Path,
        describe: Callable[[Path], None],
    ) -> None:  # fmt: skip
        """Write one DL2 file.

        describe : writes the provenance into a new file
        """
        try:
            with temporary_name(out) as part:
                describe(part)
                way = blocks.BlockOptions(
                    rows=self._choices.rows,
                    overlap=self._choices.threads > 1,
                    filters=self._filters(),
                )
                blocks.supported(config)
                rows = blocks.make_dl2(dl1, part, config, models, self._flat(models), way)
                mark_engine(part, "fast")
        except LeaveToStock as error:
            reason = str(error)
        else:
            _log.info("%s: %s events, fast engine", out.name, f"{rows:,}")
            return
        _log.warning("%s: stock engine, because of %s", out.name, reason)
        require_trusted(models, self._choices.trusted)
        with temporary_name(out) as part:
            describe(part)
            stock.apply_to_file(dl1, self._pickled(models, config), part, config, models)
            mark_engine(part, f"stock: {reason}")

    def _flat(self, models: Path) -> Mapping[str, Forest]:
        """Loaded once for all files; never used after one of them was refused."""
        if models not in self._forests:
            self._forests[models] = self._store.forests(models, NAMES)
        return self._forests[models]

    def _pickled(self, models: Path, config: Mapping[str, Any]) -> Mapping[str, Path]:
        """The models as lstchain loads them."""
        names = ["reg_energy", "cls_gh"]
        if config["disp_method"] == "disp_vector":
            names.append("reg_disp_vector")
        else:
            names += ["reg_disp_norm", "cls_disp_sign"]
        return {name: models / f"{name}.sav" for name in names}

    def _filters(self) -> tables.Filters:
        if self._choices.compression == "lz4":
            return tables.Filters(complevel=1, complib="blosc:lz4", shuffle=True, fletcher32=True)
        return keys.HDF5_ZSTD_FILTERS


class DL1ToDL2Tool(stock.DL1ToDL2Tool):  # type: ignore[misc]
    """Options, set-up, log and provenance are lstchain's; options carry the name of the class."""

    # ctapipe sets up the loggers of the package that a tool stands in
    __module__ = stock.__name__

    def __init__(self, work: _Work, **words: Any) -> None:
        super().__init__(**words)
        self._work = work

    def start(self) -> None:
        """The work on each input file, in the order of lstchain's own tool."""
        given = {}
        if self.config_file is not None:
            given = stock.read_configuration_file(self.config_file.absolute())
        config = stock.replace_config(stock.standard_config, given)
        folder = Path(self.output_dir)
        folder.mkdir(exist_ok=True, parents=True)
        models = Path(self.path_models)
        for dl1 in self.input_files:
            out = folder / stock.dl2_filename(dl1.name)
            provenance = stock.Provenance()
            provenance.add_input_file(dl1, role="dl1 input file")
            provenance.add_output_file(out, role="dl2 output file")
            provenance.add_input_file(models, role="trained model directory")
            if out.exists() and not self.overwrite:
                raise NotSupported(f"{out} exists already.", "Remove it, or add --overwrite.")
            self._work.make(dl1, out, config, models, _describe)


def _describe(path: Path) -> None:
    stock.write_provenance(path, "dl1_to_dl2")
