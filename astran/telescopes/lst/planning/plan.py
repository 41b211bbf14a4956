"""From an analysis and the night's data to tasks: a pure function, no file is touched.

dl2-<run>               ->  dl3-<run>  ->  index  ->  highlevel
mc-<node> -> irf-<node> -/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import astran
from astran.base.errors import CatalogueError, ConfigError
from astran.base.night_data import FileRef, Models, MonteCarlo, NightData, RunFile
from astran.base.tasks import Expectation, Output, Plan, ProductKind, Stage, Task, fingerprint
from astran.config.site import SiteConfig
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.planning import (
    argv,
    dl3_header,
    irf_choice,
    lstchain_parameters,
    response_set,
    subrun_packs,
)
from astran.telescopes.lst.planning.highlevel_argv import highlevel_argv
from astran.telescopes.lst.planning.layout import Layout
from astran.telescopes.lst.planning.montecarlo import NodeBatch
from astran.telescopes.lst.planning.response_set import ResponseSet
from astran.telescopes.lst.planning.task_builder import TaskMaker
from astran.telescopes.lst.planning.tool_configs import cuts_of, dl3_selection, forest_settings
from astran.telescopes.lst.settings import Engine, LstConfig, StartLevel


def make_plan(
    config: LstConfig,
    site: SiteConfig,
    data: NightData,
    tools: Toolset | None,
    folder: Path,
    python: str,
    until: Stage = Stage.HIGHLEVEL,
    paces: Mapping[str, subrun_packs.Dl2Throughput] | None = None,
) -> Plan:
    """All tasks of an analysis.

    Parameters
    ----------
    data : what the catalogue found; the runs it holds are planned, its `missing` are left out
    tools : the lstchain environment; only `start: dl3` needs none
    folder : of the analysis, absolute
    python : interpreter of ASTRAN, for its own tasks
    until : last stage to be planned
    paces : measured start-up and speed of DL2, by folder of the models

    Raises
    ------
    ConfigError : the environment's tools cannot do what is asked
    CatalogueError : nothing to analyse, or models or IRFs are missing
    """
    version = tools.version if tools else f"astran-{astran.__version__}"
    layout = Layout(folder, version)
    planner = _Planner(config, site, data, tools, layout, python, until, paces or {})
    return planner.guarded().plan()


@dataclass(frozen=True)
class _Planner:
    config: LstConfig
    site: SiteConfig
    data: NightData
    tools: Toolset | None
    layout: Layout
    python: str
    until: Stage
    paces: Mapping[str, subrun_packs.Dl2Throughput]

    def guarded(self) -> _Planner:
        """The same without runs whose DL2 would not fit their IRFs."""
        if self.config.start is StartLevel.DL3 or self.until is Stage.DL2 or not self.data.runs:
            return self
        return replace(self, data=response_set.admit_runs(self.data, self._responses))

    def plan(self) -> Plan:
        versions = [("astran", astran.__version__)]
        notes = list(self.data.notes)
        if self.config.start is StartLevel.DL3:
            tasks = [self._highlevel(self.data.folder, versions)]
        else:
            versions.append(("lstchain", self._tools.version))
            tasks = self._chain(versions, notes)
        return Plan(
            tasks=tuple(map(self._kept, tasks)),
            notes=tuple(notes),
            versions=tuple(versions),
            left_out=tuple((gap.run, gap.reason) for gap in self.data.missing),
        )

    def _kept(self, task: Task) -> Task:
        """Kept in the store, but for what is shared where it is made: IRFs and what they need."""
        own = all(Path(output.path).is_relative_to(task.folder) for output in task.outputs)
        kept = own and task.fingerprint
        return replace(task, store=str(self.site.products_dir)) if kept else task

    @property
    def _make(self) -> TaskMaker:
        return TaskMaker(self.site, self.layout)

    @property
    def _tools(self) -> Toolset:
        if self.tools is None:
            raise ConfigError("An analysis from DL1 or DL2 needs an lstchain environment.")
        return self.tools

    def _chain(self, versions: list[tuple[str, str]], notes: list[str]) -> list[Task]:
        if wrong := lstchain_parameters.parameter_problems(self.config, self._tools):
            raise ConfigError("The parameters of lstchain cannot be used:", wrong)
        if not self.data.runs:
            gaps = "; ".join(f"run {gap.run}: {gap.reason}" for gap in self.data.missing)
            raise CatalogueError(f"No run can be analysed: {gaps or 'there is no data'}.")
        dl2 = self._dl2_tasks(notes) if self.config.start is StartLevel.DL1 else {}
        tasks = [*self._packed(notes), *dl2.values()] if dl2 else []
        if self.until is Stage.DL2:
            return tasks
        chosen = response_set.used_sets(self._responses)
        notes.extend(note for _, _, one in chosen for note in one.notes)
        asked, levels = self.config.lstchain_config, self.data.monte_carlo
        notes += lstchain_parameters.unlike_monte_carlo(asked, levels)
        of_mc: dict[str, Task] = {}
        of_irfs: list[Task] = []
        for response, level, one in chosen:
            names = {irf.name for irf in one.to_make}
            for batch in response.nodes[level].needed(names):
                of_mc.setdefault(batch.key, self._mc(level, batch))
            of_irfs += [self._irf(response, one, irf) for irf in one.to_make]
        tasks += [*of_mc.values(), *of_irfs]
        if self.until is Stage.IRF:
            return tasks
        dl3 = [self._dl3(run, dl2.get(run.run)) for run in self.data.runs]
        tasks += dl3
        if self.until is Stage.DL3:
            return tasks
        folder, products = self.layout.dl3, [task.outputs[0].path for task in dl3]
        keys = tuple(task.key for task in dl3)
        tasks.append(self._make.index(self._tools, folder, products, keys))
        if self.until is Stage.HIGHLEVEL:
            tasks.append(self._highlevel(str(folder), versions, "index"))
        return tasks

    # ---- models and Monte Carlo ----------------------------------------------------------------

    @cached_property
    def _responses(self) -> dict[float, ResponseSet]:
        return response_set.responses_by_cut(
            self.config, self.site, self.data, self._tools.version, self._content
        )

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

    def _mc(self, level: str, batch: NodeBatch) -> Task:
        of = next(one for one in self.data.monte_carlo if one.level == level)
        return self._to_dl2(batch.key, of, [node.file for node in batch.nodes], batch.outputs)

    # ---- the stages ----------------------------------------------------------------------------

    def _dl2_tasks(self, notes: list[str]) -> dict[int, Task]:
        for models in map(self._models, self.data.monte_carlo):
            if not models.interpolated:
                notes.append(
                    f"The models in {models.folder} have no training_dirs.ecsv: lstchain does not "
                    "interpolate them over zenith distance."
                )
        merged = {
            run.run: self._merge(
                run, [key for key, pack in self._packs.items() if _holds(pack, run.run)]
            )
            for run in self.data.runs
            if run.parts
        }
        whole = {run.run: self._dl2(run) for run in self.data.runs if not run.parts}
        return dict(sorted((merged | whole).items()))

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
            flat = argv.flat_models(self.site)
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

    def _merge(self, run: RunFile, keys: Sequence[str]) -> Task:
        """DL2 of a run from that of its subruns."""
        files = [self.layout.dl2_subrun(argv.product_dl2(file.path)) for file in run.parts]
        product = Path(self.layout.dl2_file(run.run)).name
        program = (self.python, "-m", "astran.production.merge_dl2")
        return replace(
            self._make.task(
                f"dl2-{run.run}", Stage.DL2, (*program, f"{argv.WORK}/{product}", *files)
            ),
            run=run.run,
            needs=tuple(keys),
            outputs=(Output(product, self.layout.dl2_file(run.run), ProductKind.DL2),),
            fingerprint=fingerprint(
                tool="merge",
                names=[Path(file).name for file in files],
                # however they were packed, it is the same work
                dl2=self._content(self.data.of(run), *run.parts),
            ),
        )

    def _irf(self, of: ResponseSet, chosen: irf_choice.IrfSet, irf: irf_choice.Irf) -> Task:
        assert irf.node is not None
        gamma, product = irf.node.file.path, Path(irf.path).name
        maker = of.nodes[chosen.level].maker(irf.name)
        selection = self._selection(of)
        path = Path(selection[0])
        words = argv.create_irf(self._tools, gamma, product, self.config.dl3, path)
        return replace(
            self._make.lst_task(self._tools, chosen.key(irf), Stage.IRF, words, selection),
            inputs=() if maker else (gamma,),
            needs=(maker,) if maker else (),
            guards=() if maker else of.guards_of_mc(gamma, chosen.level),
            outputs=(Output(product, irf.path, ProductKind.IRF, self._cuts),),
            fingerprint=irf.fingerprint,
        )

    def _dl3(self, run: RunFile, dl2: Task | None) -> Task:
        response = self._responses[response_set.cut_pe(self.config, run)]
        chosen, selection = response.of(run), self._selection(response)
        source = dl2.outputs[0].path if dl2 else run.file.path
        ready = tuple(irf.path for irf in chosen.irfs if irf.node is None)
        made = tuple(chosen.key(irf) for irf in chosen.to_make)
        target, nearest = self.config.target, self.config.dl3.nearest_irf
        path, text = selection
        folder = f"{argv.WORK}/irf"
        words = argv.create_dl3(self._tools, source, folder, target, nearest, Path(path))
        product = argv.product_dl3(source)
        expect = (("run", run.run), *self._cuts)
        work = fingerprint(
            tool="dl3",
            version=self._tools.version,
            selection=text,
            nearest=nearest,
            target=[target.name, target.ra, target.dec],
            dl2=dl2.fingerprint if dl2 else run.file.identity,
            irfs=sorted(irf.fingerprint for irf in chosen.irfs),
            header=dl3_header.SCHEMA,
        )
        return replace(
            self._make.lst_task(self._tools, f"dl3-{run.run}", Stage.DL3, words, selection),
            run=run.run,
            inputs=ready if dl2 else (source, *ready),
            needs=((dl2.key,) if dl2 else ()) + made,
            outputs=(Output(product, self.layout.dl3_file(run.run), ProductKind.DL3, expect),),
            links=tuple((f"irf/irf_{irf.name}.fits.gz", irf.path) for irf in chosen.irfs),
            guards=response.guards_of_dl3(source, run.level, self._cuts),
            header=dl3_header.dl3_header(
                response.config, self._tools, self.data.of(run), run.origin, chosen, text, work
            ),
            fingerprint=work,
        )

    def _highlevel(self, dl3: str, versions: Sequence[tuple[str, str]], *needs: str) -> Task:
        runs = tuple(run.run for run in self.data.runs) or (self.config.runs or ())
        words = highlevel_argv(self.config, self.site, dl3, runs, versions, self.python)
        return replace(
            self._make.task("highlevel", Stage.HIGHLEVEL, words),
            inputs=tuple(file.path for file in self.data.dl3),
            needs=needs,
            outputs=(Output("results", str(self.layout.results), ProductKind.RESULTS),),
            fingerprint=fingerprint(
                tool="highlevel",
                words=[word for word in words[1:] if not word.startswith("--dl3=")],
                dl3=[file.identity for file in self.data.dl3],
            ),
            depends_on_success=bool(needs),
        )

    @property
    def _cuts(self) -> tuple[tuple[str, Expectation], ...]:
        return cuts_of(self.config.dl3).known

    def _selection(self, response: ResponseSet) -> tuple[str, str]:
        """Path and content of the configuration that IRFs and DL3 share."""
        dl3 = response.config.dl3
        name = f"selection-{dl3.intensity_min:g}" if response.chosen_cut else "selection"
        return str(self.layout.jobs / f"{name}.json"), dl3_selection(dl3)


def _holds(pack: subrun_packs.Pack, run: int) -> bool:
    return any(part.run == run for part in pack)
