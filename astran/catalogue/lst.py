"""The LST-1 data of a night: runs, DL1 files, models, Monte Carlo and IRFs.

Only folders are listed and small files read; nothing waits, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import CatalogueError
from astran.base.night import Night
from astran.base.nightdata import ConfigText, FileRef, McNode, MissingRun, NightData, RunFile
from astran.catalogue import folders, irfs, models, patterns
from astran.catalogue.dl1 import pick, run_number, subrun
from astran.catalogue.runcatalog import read_run_catalog
from astran.config.analysis import AnalysisConfig, Start
from astran.config.site import SiteConfig

SameSource = Callable[[str, str], bool]


def same_name(one: str, other: str) -> bool:
    """Whether two source names differ only by case, blanks and punctuation."""

    def bare(name: str) -> str:
        return re.sub(r"[\s_.-]", "", name).casefold()

    return bare(one) == bare(other)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The runs to look for."""

    runs: tuple[int, ...]
    refused: tuple[MissingRun, ...] = ()
    complete: bool = True
    """False: more runs may become known."""
    notes: tuple[str, ...] = ()


class LstCatalogue:
    """Finds what an analysis needs at this site."""

    def __init__(self, site: SiteConfig, clock: Clock, same_source: SameSource = same_name) -> None:
        self._site = site
        self._data = site.data
        self._clock = clock
        self._same_source = same_source

    def find(self, config: AnalysisConfig, with_irfs: bool = True) -> NightData:
        """Look for the data of an analysis as they are now.

        Parameters
        ----------
        with_irfs : look for Monte Carlo and IRFs, too (they are only needed for DL3)

        Returns
        -------
        What is there and what is missing; `complete` is False while waiting may help.

        Raises
        ------
        CatalogueError : what cannot come by waiting: no run of the target in the night, no models,
            no Monte Carlo, a folder that may not be read
        ConfigError : a pattern of the site that cannot be used
        """
        match config.start:
            case Start.DL1:
                data = self._from_dl1(config)
            case Start.DL2:
                data = self._from_dl2(config)
            case Start.DL3:
                return self._from_dl3(config)
        return self._with_irfs(config, data) if with_irfs else data

    def with_files(
        self, config: AnalysisConfig, files: Sequence[Path], with_irfs: bool = True
    ) -> NightData:
        """The same for given files: DL1 or DL2, by the start level of `config`.

        Raises
        ------
        CatalogueError : also for a file that is not there or whose name holds no run number
        """
        runs = {}
        for path in files:
            run, file = run_number(path.name), patterns.look(path.absolute())
            if file is None:
                raise CatalogueError(f"There is no file {path}.")
            if run is None or subrun(path.name):
                raise CatalogueError(
                    f"The name {path.name} does not hold LST-1.Run<run> of a whole run."
                )
            if run in runs:
                raise CatalogueError(f"Run {run} is given twice.")
            if config.runs is None or run in config.runs:
                runs[run] = RunFile(run, file)
        absent = sorted(set(config.runs or ()) - runs.keys())
        data = NightData(
            complete=True,
            runs=tuple(runs[run] for run in sorted(runs)),
            missing=tuple(MissingRun(run, "not among the given files", False) for run in absent),
        )
        if config.start is Start.DL1:
            chosen = self._models(config)
            data = replace(
                data,
                notes=(chosen.note,),
                models=chosen.models,
                lstchain_config=self._lstchain_config(),
            )
        return self._with_irfs(config, data) if with_irfs else data

    # ---- start levels --------------------------------------------------------------------------

    def _from_dl1(self, config: AnalysisConfig) -> NightData:
        if not self._data.dl1:
            raise CatalogueError(
                "This site does not say where DL1 files are.",
                cure="Set data.dl1 in the site configuration.",
            )
        chosen = self._models(config)
        wanted = self._wanted(config)
        picked = pick(self._data.dl1, config.date, wanted.runs, self._settled)
        missing = sorted((*wanted.refused, *picked.missing), key=lambda gap: gap.run)
        return NightData(
            complete=wanted.complete and not any(gap.may_come for gap in missing),
            runs=picked.runs,
            missing=tuple(missing),
            notes=(*wanted.notes, *picked.notes, chosen.note),
            models=chosen.models,
            lstchain_config=self._lstchain_config(),
        )

    def _from_dl2(self, config: AnalysisConfig) -> NightData:
        folder = folders.allowed_folder(config.folder, self._data.roots)
        found = folders.dl2_files(folder)
        if not found:
            raise CatalogueError(f"The folder {folder} holds no DL2 file (dl2_LST-1.Run<run>.h5).")
        runs, missing = [], []
        for run in config.runs or sorted(found):
            files = found.get(run, [])
            if len(files) > 1:
                names = ", ".join(file.name for file in files)
                raise CatalogueError(f"The folder {folder} holds run {run} twice: {names}.")
            if not files:
                missing.append(MissingRun(run, f"no DL2 file in {folder}", may_come=False))
            elif not self._settled(files[0]):
                missing.append(MissingRun(run, "its DL2 file is still being written", True))
            else:
                runs.append(RunFile(run, files[0]))
        return NightData(
            complete=not any(gap.may_come for gap in missing),
            runs=tuple(runs),
            missing=tuple(missing),
            notes=(f"DL2 taken from {folder}.",),
            folder=str(folder),
        )

    def _from_dl3(self, config: AnalysisConfig) -> NightData:
        folder = folders.allowed_folder(config.folder, self._data.roots)
        files = folders.dl3_files(folder)
        if not files:
            raise CatalogueError(f"The folder {folder} holds no FITS file of DL3.")
        return NightData(
            complete=True,
            notes=(f"DL3 taken from {folder}: {len(files)} files.",),
            folder=str(folder),
            dl3=files,
        )

    # ---- runs ----------------------------------------------------------------------------------

    def _wanted(self, config: AnalysisConfig) -> _Wanted:
        named = config.runs
        path = self._run_catalog(config.date)
        if path is not None:
            return self._by_catalog(config, read_run_catalog(path))
        if named is not None:
            return _Wanted(named)
        if not self._data.run_catalog:
            raise CatalogueError(
                "This site has no RunCatalog that tells the runs of a source.",
                cure="Name the runs in the request, for example `runs: 15864, 15865`.",
            )
        note = f"The RunCatalog of the night {config.night.iso} is not there yet."
        return _Wanted((), complete=False, notes=(note,))

    def _run_catalog(self, date: str) -> Path | None:
        if not self._data.run_catalog:
            return None
        found = list(patterns.find(self._data.run_catalog, date=date))
        return Path(found[-1].file.path) if found else None

    def _by_catalog(self, config: AnalysisConfig, catalog: dict[int, str]) -> _Wanted:
        target = config.target.name
        own = [run for run, source in catalog.items() if self._same_source(source, target)]
        if config.runs is not None:
            others = {run: catalog[run] for run in config.runs if run in catalog and run not in own}
            refused = tuple(
                MissingRun(run, f"the RunCatalog says that it observed {source}", may_come=False)
                for run, source in others.items()
            )
            return _Wanted(tuple(run for run in config.runs if run not in others), refused)
        if own:
            return _Wanted(tuple(sorted(own)))
        if not self._over(config.night):
            note = f"The RunCatalog holds no run of {target} yet; the night is not over."
            return _Wanted((), complete=False, notes=(note,))
        sources = ", ".join(sorted(set(catalog.values()))) or "no source at all"
        raise CatalogueError(
            f"No run of {target} was taken in the night {config.night.iso}; the RunCatalog lists "
            f"{sources}."
        )

    def _over(self, night: Night) -> bool:
        """Whether it is after the noon that follows the night."""
        noon = datetime.combine(night.evening + timedelta(days=1), time(12), UTC)
        return self._clock.now() >= noon

    def _settled(self, file: FileRef) -> bool:
        """Whether nobody has written to the file for some time."""
        age = self._clock.now().timestamp() - file.mtime_ns / 1e9
        return age >= self._data.settle_s

    # ---- models, Monte Carlo, IRFs -------------------------------------------------------------

    def _models(self, config: AnalysisConfig) -> models.Choice:
        if self._data.models is None:
            raise CatalogueError(
                "This site does not say where random forests are.",
                cure="Set data.models in the site configuration.",
            )
        return models.choose(self._data.models, config.dl2.models, config.target.dec)

    def _with_irfs(self, config: AnalysisConfig, data: NightData) -> NightData:
        known = {}
        if "dec" in patterns.placeholders(self._data.irf + self._data.mc_dl2):
            known["dec"] = self._models(config).line
        notes = list(data.notes)
        nodes: tuple[McNode, ...] = ()
        if self._data.mc_dl2:
            nodes = irfs.mc_nodes(self._data.mc_dl2, **known)
            notes.append(f"Monte Carlo for IRFs: {irfs.describe(nodes)}.")
        ready = irfs.ready_irfs(self._data.irf, **known) if self._data.irf else ()
        return replace(
            data,
            notes=tuple(notes),
            mc_nodes=nodes,
            ready_irfs=ready,
            kept_irfs=irfs.kept_irfs(self._site.shared_dir),
        )

    def _lstchain_config(self) -> ConfigText | None:
        path = self._data.lstchain_config
        if path is None:
            return None
        file = patterns.look(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            # lstchain itself would end with return code 0 and without a product
            raise CatalogueError(
                f"The site's lstchain configuration {path} cannot be read: {error}.",
                cure="Correct data.lstchain_config in the site configuration.",
            ) from error
        assert file is not None
        return ConfigText(file, text)
