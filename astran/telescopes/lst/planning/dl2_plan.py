"""The tasks that make DL2: of whole runs, of subruns in packs, and of Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from astran.base.errors import CatalogueError, ConfigError
from astran.base.night_data import FileRef, Models, MonteCarlo, NightData, RunFile, StandardDl2
from astran.base.tasks import Expectation, Output, ProductKind, Stage, Task, fingerprint
from astran.config.site import SiteConfig
from astran.telescopes.lst.checks.dl2_check import DL1, SETTINGS
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.planning import (
    argv,
    standard_dl2,
    subrun_packs,
)
from astran.telescopes.lst.planning.layout import Layout
from astran.telescopes.lst.planning.task_builder import TaskMaker
from astran.telescopes.lst.planning.tool_configs import forest_settings
from astran.telescopes.lst.planning.training_pointings import describe_extrapolation
from astran.telescopes.lst.settings import Engine, LstConfig, StartLevel


@dataclass(frozen=True)
class Dl2Planner:
    """What the planner of an analysis needs to know, and its DL2."""

    config: LstConfig
    site: SiteConfig
    data: NightData
    tools: Toolset | None
    layout: Layout
    python: str
    until: Stage
    paces: Mapping[str, subrun_packs.Dl2Throughput]

    @property
    def _make(self) -> TaskMaker:
        return TaskMaker(self.site, self.layout)

    @property
    def _tools(self) -> Toolset:
        if self.tools is None:
            raise ConfigError("An analysis from DL1 or DL2 needs an lstchain environment.")
        return self.tools

    def _content(self, of: MonteCarlo, *files: FileRef) -> str:
        """Hash of the DL2 that these files become."""
        identities = [file.identity for file in files]
        return fingerprint(
            tool="dl2",
            version=self._tools.version,
            # the number of cores does not make another product
            config=self._forests(1)[0],
            dl1=identities[0] if len(files) == 1 else identities,
            models=[model.identity for model in self._models(of).files],
            # who asks for lstchain's own tool wants what it makes, not the same of the other
            **({"engine": Engine.STOCK} if self.config.dl2.engine is Engine.STOCK else {}),
        )

    def _dl2_tasks(self, notes: list[str]) -> dict[int, Task]:
        notes += [
            f"The models in {models.folder} have no training_dirs.ecsv: lstchain does not "
            "interpolate them over zenith distance."
            for models in map(self._models, self.data.monte_carlo)
            if not models.interpolated
        ]
        for one in self.data.monte_carlo:
            of_level = [run for run in self.data.runs if run.level == one.level]
            notes += describe_extrapolation(of_level, self._models(one))
        merged = {run.run: self._merge(run) for run in self.data.runs if run.parts}
        notes += [told for _, told in self._standard.values() if told]
        to_make = [run for run in self.data.runs if not run.parts and not self._taken(run)]
        whole = {run.run: self._dl2(run) for run in to_make}
        return dict(sorted((merged | whole).items()))

    @cached_property
    def _standard(self) -> dict[int, tuple[StandardDl2 | None, str]]:
        """The observatory's DL2 of runs, where DL2 is not what is asked for."""
        if self.config.start is not StartLevel.DL1 or self.until is Stage.DL2:
            return {}
        made = (self.data, self._models, self._tools, self._forests(1)[0])
        return standard_dl2.choose_for_night(*made)

    def _taken(self, run: RunFile) -> StandardDl2 | None:
        return self._standard.get(run.run, (None, ""))[0]

    def _dl2_config(self, notes: list[str] | None = None) -> tuple[str, str] | None:
        """Path and content of the configuration, if site or request has one."""
        text, changes = self._forests(self.site.scheduler.resources[Stage.DL2].cpus)
        if not text:
            return None
        if notes is not None:
            notes.extend(changes)
        return str(self.layout.jobs / "dl1_to_dl2.json"), text

    def _forests(self, cpus: int) -> tuple[str, list[str]]:
        given = self.data.lstchain_config
        site_text = given.text if given is not None else None
        return forest_settings(site_text, self.config.lstchain_config, self._tools.standard, cpus)

    def _dl2(self, run: RunFile) -> Task:
        product = argv.product_dl2(run.file.path)
        output = Output(product, self.layout.dl2_file(run.run), ProductKind.DL2)
        of = self.data.of(run)
        return replace(self._to_dl2(f"dl2-{run.run}", of, (run.file,), (output,)), run=run.run)

    def _models(self, of: MonteCarlo) -> Models:
        if of.models is None:
            raise CatalogueError(
                "There are no random forests to make DL2 with.",
                cure="Set data.models in the site configuration.",
            )
        return of.models

    def _to_dl2(
        self, key: str, of: MonteCarlo, files: Sequence[FileRef], outputs: tuple[Output, ...]
    ) -> Task:
        """DL1 files to DL2 files, in their order."""
        models = self._models(of)
        config = self._dl2_config()
        paths = [file.path for file in files]
        path = Path(config[0]) if config else None
        words = argv.dl1_to_dl2(self._tools, paths, models.folder, path)
        if self.config.dl2.engine is Engine.FAST:
            flat = self.site.flat_models_dir
            threads = self.site.scheduler.resources[Stage.DL2].cpus
            words = argv.fast_dl2(self._tools, words, flat, self.site.data.models_root, threads)
        return replace(
            self._make.lst_task(self._tools, key, Stage.DL2, words, *((config,) if config else ())),
            inputs=(*paths, *(model.path for model in models.files)),
            outputs=outputs,
            fingerprint=self._content(of, *files),
        )

    # ---- subruns -------------------------------------------------------------------------------

    @cached_property
    def _paced(self) -> list[tuple[subrun_packs.Dl2Throughput, tuple[subrun_packs.Pack, ...]]]:
        """Subruns by the models that they get: their pace and packs."""
        resources = self.site.scheduler.resources[Stage.DL2]
        found = []
        for one in self.data.monte_carlo:
            runs = [run for run in self.data.runs if run.parts and run.level == one.level]
            if runs:
                pace = self._pace(one)
                found.append((pace, subrun_packs.pack_subruns(runs, pace, resources)))
        return found

    @cached_property
    def _packs(self) -> dict[str, subrun_packs.Pack]:
        """The packs of subruns, by the key of their task."""
        every = [pack for _, found in self._paced for pack in found]
        return {
            f"pack-{pack[0].run}-{subrun_packs.subrun_number(pack[0].file.name)}": pack
            for pack in every
        }

    def _pace(self, of: MonteCarlo) -> subrun_packs.Dl2Throughput:
        """Start-up and speed with some models: as measured before, else as the site reckons."""
        models = self._models(of)
        return self.paces.get(models.folder) or subrun_packs.estimate_duration(
            models, self.site.scheduler.packing
        )

    @cached_property
    def _pack_tasks(self) -> dict[str, Task]:
        return {
            key: self._to_dl2(
                key,
                self.data.of(self._run(pack[0].run)),
                [part.file for part in pack],
                tuple(
                    Output(name, self.layout.dl2_subrun(name), ProductKind.DL2)
                    for name in (argv.product_dl2(part.file.path) for part in pack)
                ),
            )
            for key, pack in self._packs.items()
        }

    def _run(self, number: int) -> RunFile:
        return next(run for run in self.data.runs if run.run == number)

    def _packed(self, notes: list[str]) -> list[Task]:
        self._dl2_config(notes)
        notes += [subrun_packs.describe_packs(found, pace) for pace, found in self._paced]
        return list(self._pack_tasks.values())

    def _of_dl1(self, run: RunFile) -> tuple[tuple[str, Expectation], ...]:
        """The subruns that must all be in a merged file, and how they were reconstructed."""
        dl1 = "\n".join(file.path for file in run.parts)
        config = self._dl2_config()
        return ((DL1, dl1), (SETTINGS, config[1] if config else ""))

    def _merge(self, run: RunFile) -> Task:
        """DL2 of a run from that of its subruns."""
        packs = self._packs.items()
        keys = [key for key, pack in packs if any(part.run == run.run for part in pack)]
        files = [self.layout.dl2_subrun(argv.product_dl2(file.path)) for file in run.parts]
        product = Path(self.layout.dl2_file(run.run)).name
        program = (self.python, "-m", "astran.production.merge_dl2")
        return replace(
            self._make.task(
                f"dl2-{run.run}", Stage.DL2, (*program, f"{argv.WORK}/{product}", *files)
            ),
            run=run.run,
            needs=tuple(keys),
            outputs=(
                Output(product, self.layout.dl2_file(run.run), ProductKind.DL2, self._of_dl1(run)),
            ),
            fingerprint=fingerprint(
                tool="merge",
                names=[Path(file).name for file in files],
                # however they were packed, it is the same work
                dl2=self._content(self.data.of(run), *run.parts),
            ),
        )
