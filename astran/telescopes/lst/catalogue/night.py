"""The LST-1 data of a night: runs, DL1 files, models, Monte Carlo and IRFs.

Folders are listed and small files read; large ones are opened by a program beside this one, which
remembers what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, DataUnavailable
from astran.base.night import Night
from astran.base.night_data import ConfigText, FileRef, MissingRun, NightData, RunFile, run_number
from astran.catalogue import data_folders, path_patterns
from astran.config.site import SiteConfig
from astran.telescopes.lst.catalogue.dl1.night_archive import NightArchive
from astran.telescopes.lst.catalogue.dl1.selection import subrun
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache
from astran.telescopes.lst.catalogue.file_inspection.inspector import BUDGET_S, Inspector
from astran.telescopes.lst.catalogue.response.resolver import NeededResponse, ResponseResolver
from astran.telescopes.lst.catalogue.runs import intensity_cut
from astran.telescopes.lst.catalogue.runs.quality_cuts import KnownConditions, apply_quality_cuts
from astran.telescopes.lst.catalogue.runs.run_tables import OF_DATA, RunCatalog
from astran.telescopes.lst.catalogue.runs.target_runs import (
    NAMELESS,
    NamedAs,
    ObservedNight,
    SameSource,
    WantedRuns,
    describe_mispointed,
    name_of,
    runs_by_catalog,
    runs_by_pointing,
)
from astran.telescopes.lst.settings import DEFAULT_INTENSITY_PE, LstConfig, StartLevel

SUN_UP = time(8, 30)
"""In UTC; on La Palma the sun is up then at any time of the year."""


def is_same_name(one: str, other: str) -> bool:
    """Whether two source names differ only by case, blanks and punctuation."""

    def bare(name: str) -> str:
        return re.sub(r"[\s_.-]", "", name).casefold()

    return bare(one) == bare(other)


class LstCatalogue:
    """Finds what an analysis needs at this site."""

    def __init__(
        self,
        site: SiteConfig,
        clock: Clock,
        same_source: SameSource = is_same_name,
        budget_s: float = BUDGET_S,
        keep: bool = True,
    ) -> None:
        """
        Parameters
        ----------
        budget_s : how long one look may open files [s]
        keep : False leaves no trace at a site that has none yet
        """
        self._keep = keep
        self._budget_s = budget_s
        self._site = site
        self._data = site.data
        self._clock = clock
        self._same_source = same_source

    def find(self, config: LstConfig, with_irfs: bool = True, *, late: bool = False) -> NightData:
        """Look for the data of an analysis as they are now.

        Parameters
        ----------
        with_irfs : look for Monte Carlo and IRFs, too (they are only needed for DL3)
        late : the wait for data is over: what is there is taken, the next best where need be

        Returns
        -------
        What is there and what is missing; `complete` is False while waiting may help.

        Raises
        ------
        DataUnavailable : trouble of the site, which may pass: no models, no Monte Carlo, a table
            that cannot be read
        CatalogueError : what cannot come by waiting: no run of the target in the night, a folder
            that may not be read
        ConfigError : a pattern of the site that cannot be used
        """
        match config.start:
            case StartLevel.DL1:
                return self._from_dl1(config, with_irfs, late)
            case StartLevel.DL2:
                data = self._from_dl2(config)
                shelf = self._shelf(config, NeededResponse(False, with_irfs))
                return shelf.fill(_with_default_cut(data, config), {}, self._inspector())
            case StartLevel.DL3:
                return self._from_dl3(config)

    def with_files(
        self, config: LstConfig, files: Sequence[Path], with_irfs: bool = True
    ) -> NightData:
        """The same for given files: DL1 or DL2, by the start level of `config`.

        Raises
        ------
        CatalogueError : also for a file that is not there or whose name holds no run number
        """
        found: dict[int, list[FileRef]] = {}
        for path in files:
            run, file = run_number(path.name), path_patterns.stat_file(path.absolute())
            if file is None:
                raise CatalogueError(f"There is no file {path}.")
            if run is None:
                raise CatalogueError(f"The name {path.name} does not hold LST-1.Run<run>.")
            if config.runs is None or run in config.runs:
                found.setdefault(run, []).append(file)
        runs = {run: _given(run, files, config.start) for run, files in found.items()}
        absent = sorted(set(config.runs or ()) - runs.keys())
        data = NightData(
            complete=True,
            runs=tuple(runs[run] for run in sorted(runs)),
            missing=tuple(MissingRun(run, "not among the given files", False) for run in absent),
        )
        of_dl1 = config.start is StartLevel.DL1
        if of_dl1:
            data = replace(data, lstchain_config=self._lstchain_config())
        return self._shelf(config, NeededResponse(of_dl1, with_irfs)).fill(
            _with_default_cut(data, config), {}, self._inspector()
        )

    def observed_sources(self, night: Night) -> tuple[str, ...]:
        """The sources that the RunCatalog lists, as it names them.

        Raises
        ------
        CatalogueError : there is no RunCatalog, or it cannot be used
        """
        eyes = self._inspector()
        catalog = NightArchive(self._data, str(night), self._clock, eyes, "").catalog
        if catalog is None:
            raise CatalogueError(f"There is no RunCatalog of the night {night.iso}.")
        names = {name for name in catalog.sources.values() if name}
        return tuple(sorted(name for name in names if name.casefold() not in NAMELESS))

    # ---- start levels --------------------------------------------------------------------------

    def _from_dl1(self, config: LstConfig, with_irfs: bool, late: bool) -> NightData:
        eyes = self._inspector()
        night = NightArchive(self._data, config.date, self._clock, eyes, config.dl1_version)
        # asked for at once, as a site without them cannot analyse anything
        shelf, settings = (
            self._shelf(config, NeededResponse(True, with_irfs)),
            self._lstchain_config(),
        )
        candidates = night.candidates
        if late and not candidates:
            self._demand_dl1(config.date)
        wanted = self._wanted(config, night, late)
        picked = night.pick(wanted.runs, late)
        checks, all_read = night.checks.of(picked.seen)
        known = {
            run: KnownConditions(run, seen.facts, checks.get(run, CheckFacts()), seen.tailcut)
            for run, seen in picked.seen.items()
            if seen.facts is not None
        }
        facts = {run: seen.facts for run, seen in picked.seen.items() if seen.facts is not None}
        away = describe_mispointed(picked.runs, facts, config.target)
        selected = apply_quality_cuts(picked.runs, known, config.quality, config.target)
        gaps = (*wanted.refused, *picked.missing, *selected.left_out)
        missing = sorted(gaps, key=lambda gap: gap.run)
        quality = selected.notes if eyes.opens and picked.runs else ()
        taken_pe, chosen = config.dl3.intensity_min, [run.run for run in selected.runs]
        if taken_pe is None:
            quality += intensity_cut.describe_cuts(chosen, known)
        elif with_irfs:
            quality += intensity_cut.describe_advice(chosen, known, taken_pe)
        runs, all_told = night.with_standard_dl2(selected.runs)
        data = NightData(
            complete=wanted.complete and not any(gap.may_come for gap in missing),
            runs=tuple(_tuned(run, known.get(run.run), config) for run in runs),
            missing=tuple(missing),
            notes=(*night.describe_closing(), *wanted.notes, *picked.notes, *away, *quality),
            lstchain_config=settings,
            looking=wanted.looking
            or (picked.unseen and bool(candidates))
            or not (all_read and all_told),
        )
        return shelf.fill(data, checks, eyes)

    def _inspector(self) -> Inspector:
        data = self._data
        memory = FactsCache.of(self._site.shared_dir, make=self._keep)
        return Inspector(
            memory,
            self._clock,
            settle_s=data.settle_s,
            opens=data.open_dl1,
            budget_s=self._budget_s,
        )

    def _from_dl2(self, config: LstConfig) -> NightData:
        folder = data_folders.allowed_folder(config.folder, self._data.roots)
        found = data_folders.dl2_files(folder)
        eyes = self._inspector()
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
            elif not eyes.settled(files[0]):
                missing.append(MissingRun(run, "its DL2 file is still being written", True))
            else:
                runs.append(RunFile(run, files[0]))
        return NightData(
            complete=not any(gap.may_come for gap in missing),
            runs=tuple(runs),
            missing=tuple(missing),
            notes=(f"DL2 taken from {folder}.",),
            folder=str(folder),
            # Monte Carlo may have to be brought to DL2
            lstchain_config=self._lstchain_config() if self._data.mc_dl1 else None,
        )

    def _from_dl3(self, config: LstConfig) -> NightData:
        folder = data_folders.allowed_folder(config.folder, self._data.roots)
        files = data_folders.dl3_files(folder)
        if not files:
            raise CatalogueError(f"The folder {folder} holds no FITS file of DL3.")
        return NightData(
            complete=True,
            notes=(f"DL3 taken from {folder}: {len(files)} files.",),
            folder=str(folder),
            dl3=files,
        )

    def _demand_dl1(self, date: str) -> None:
        """Tell a night without data from a disk that is away (DataUnavailable)."""
        found = [path_patterns.out_of_reach(tree.dl1, date=date) for tree in self._data.all_trees]
        if away := next(filter(None, found), None):
            raise DataUnavailable(
                f"The folder of DL1 {away} is not there or cannot be read.",
                cure="Mount it or make it readable, or correct data.dl1.",
            )

    # ---- runs ----------------------------------------------------------------------------------

    def _wanted(self, config: LstConfig, night: NightArchive, late: bool) -> WantedRuns:
        over = self._over(config.night)
        catalog = night.catalog
        if catalog is not None:
            return self._by_catalog(config, night, catalog, late)
        if config.runs is not None:
            return WantedRuns(config.runs)
        blind = not self._data.open_dl1
        with_catalog = any(tree.run_catalog for tree in self._data.all_trees)
        if blind and (late or not with_catalog):
            raise CatalogueError(
                "There is no RunCatalog that tells the runs of a source.",
                cure="Name the runs in the request, for example `runs: 15864, 15865`.",
            )
        if not late and (blind or not (over and night.candidates)):
            what = "RunCatalog" if with_catalog else "DL1"
            note = f"The {what} of the night {config.night.iso} is not there yet."
            return WantedRuns((), complete=False, notes=(note,))
        picked = night.pick(sorted(night.candidates), late)
        facts = {run: seen.facts for run, seen in picked.seen.items() if seen.facts is not None}
        return runs_by_pointing(
            config,
            {run.run: facts[run.run] for run in picked.runs if run.run in facts},
            picked.missing,
            night.summary,
            over=over and not picked.unseen,
            quiet=late or night.quiet,
        )

    def _by_catalog(
        self, config: LstConfig, night: NightArchive, catalog: RunCatalog, late: bool
    ) -> WantedRuns:
        seen = ObservedNight(
            catalog.sources,
            night.summary,
            frozenset(night.candidates),
            opens=self._data.open_dl1,
            late=late,
        )
        others = [
            run
            for run in config.runs or sorted({*catalog.sources, *night.candidates})
            if name_of(run, seen, config.target, self._same_source) is not NamedAs.TARGET
        ]
        pointings, all_seen = night.pointings(others) if self._data.open_dl1 else ({}, True)
        unfinished = ""
        if not all_seen:
            unfinished = "Not all DL1 of the night has been looked at"
        elif not self._over(config.night) and not self._told_all(config.night, seen, catalog):
            unfinished = f"The night {config.night.iso} is not over"
        elif catalog.cut:
            unfinished = "The RunCatalog ends in the middle of a row: it is being written"
        wanted = runs_by_catalog(
            config, replace(seen, pointings=pointings, unfinished=unfinished), self._same_source
        )
        return replace(wanted, looking=not all_seen)

    def _told_all(self, night: Night, seen: ObservedNight, catalog: RunCatalog) -> bool:
        """Whether the sun is up, and the RunSummary, which the observatory writes after the night,
        has no observation that the RunCatalog lacks; without one, whether that is at rest."""
        if not self._after(night, SUN_UP):
            return False
        observed = {run for run, row in seen.summary.items() if row.kind == OF_DATA}
        return observed <= seen.catalog.keys() if observed else catalog.quiet

    def _over(self, night: Night) -> bool:
        """Whether it is after the noon that follows the night."""
        return self._after(night, time(12))

    def _after(self, night: Night, hour: time) -> bool:
        return self._clock.now() >= datetime.combine(night.evening + timedelta(days=1), hour, UTC)

    # ---- models, Monte Carlo, IRFs -------------------------------------------------------------

    def _shelf(self, config: LstConfig, wants: NeededResponse) -> ResponseResolver:
        return ResponseResolver(self._site, config, wants)

    def _lstchain_config(self) -> ConfigText | None:
        path = self._data.lstchain_config
        if path is None:
            return None
        file = path_patterns.stat_file(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            # lstchain itself would end with return code 0 and without a product
            raise DataUnavailable(
                f"The site's lstchain configuration {path} cannot be read: {error}.",
                cure="Correct data.lstchain_config in the site configuration.",
            ) from error
        if file is None:
            raise DataUnavailable(
                f"The site's lstchain configuration {path} is no regular file.",
                cure="Correct data.lstchain_config in the site configuration.",
            )
        return ConfigText(file, text)


def _pointed(run: RunFile, known: KnownConditions | None) -> RunFile:
    if known is None or known.dl1.zenith is None or known.dl1.az is None:
        return run
    return replace(run, pointing=(known.dl1.zenith, known.dl1.az))


def _with_default_cut(data: NightData, config: LstConfig) -> NightData:
    """Where DL1 is not looked at, no run asks for an intensity cut of its own: that is said."""
    if config.dl3.intensity_min is not None or not data.runs:
        return data
    note = (
        f"Least intensity {DEFAULT_INTENSITY_PE:g} p.e. for all runs: what their data ask for is "
        "found from DL1 alone."
    )
    return replace(data, notes=(*data.notes, note))


def _tuned(run: RunFile, known: KnownConditions | None, config: LstConfig) -> RunFile:
    run = _pointed(run, known)
    if known is not None:
        run = replace(run, livetime_s=known.dl1.livetime)
    if config.dl3.intensity_min is not None:
        return run
    return replace(run, intensity_min=intensity_cut.choose_cut_pe(known)[0])


def _given(run: int, files: list[FileRef], start: StartLevel) -> RunFile:
    """A run of given files: one, or subruns of DL1."""
    ordered = sorted(files, key=lambda file: file.name)
    parts = [file for file in ordered if subrun(file.name)]
    if parts and start is not StartLevel.DL1:
        raise CatalogueError(
            f"{parts[0].name} holds a part of run {run} only.",
            cure="Put DL2 of subruns together first: python -m astran.production.merge_dl2.",
        )
    names = {file.name for file in ordered}
    if len(names) < len(ordered) or (len(ordered) > 1 and len(parts) < len(ordered)):
        raise CatalogueError(f"Run {run} is given twice.")
    return RunFile(run, ordered[0], parts=tuple(parts))
