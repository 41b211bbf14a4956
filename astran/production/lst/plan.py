"""From an analysis and the night's data to tasks: a pure function, no file is touched.

dl2-<run>  ->  dl3-<run>  ->  index  ->  highlevel
irf-<node> -/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import astran
from astran.base.errors import CatalogueError, ConfigError
from astran.base.nightdata import Models, NightData, RunFile
from astran.base.tasks import Check, Expectation, Output, Plan, Resources, Stage, Task, fingerprint
from astran.config.analysis import AnalysisConfig, Start
from astran.config.site import SiteConfig
from astran.production.lst import argv, irfs
from astran.production.lst.highlevel import highlevel_argv
from astran.production.lst.layout import Layout
from astran.production.lst.settings import cuts_of, forests, selection
from astran.production.toolset import Toolset


def make_plan(
    config: AnalysisConfig,
    site: SiteConfig,
    data: NightData,
    tools: Toolset | None,
    folder: Path,
    python: str,
) -> Plan:
    """All tasks of an analysis.

    Parameters
    ----------
    data : what the catalogue found; the runs it holds are planned, its `missing` are left out
    tools : the lstchain environment; only `start: dl3` needs none
    folder : of the analysis, absolute
    python : interpreter of ASTRAN, for its own tasks

    Raises
    ------
    ConfigError : the environment's tools cannot do what is asked
    CatalogueError : nothing to analyse, or models or IRFs are missing
    """
    version = tools.version if tools else f"astran-{astran.__version__}"
    return _Planner(config, site, data, tools, Layout(folder, version), python).plan()


@dataclass(frozen=True)
class _Planner:
    config: AnalysisConfig
    site: SiteConfig
    data: NightData
    tools: Toolset | None
    layout: Layout
    python: str

    def plan(self) -> Plan:
        versions = [("astran", astran.__version__)]
        notes = list(self.data.notes)
        if self.config.start is Start.DL3:
            tasks = [self._highlevel(self.data.folder, versions)]
        else:
            versions.append(("lstchain", self._tools.version))
            tasks = self._chain(versions, notes)
        return Plan(
            tasks=tuple(tasks),
            notes=tuple(notes),
            versions=tuple(versions),
            left_out=tuple((gap.run, gap.reason) for gap in self.data.missing),
        )

    @property
    def _tools(self) -> Toolset:
        if self.tools is None:
            raise ConfigError("An analysis from DL1 or DL2 needs an lstchain environment.")
        return self.tools

    def _chain(self, versions: list[tuple[str, str]], notes: list[str]) -> list[Task]:
        if not self.data.runs:
            gaps = "; ".join(f"run {gap.run}: {gap.reason}" for gap in self.data.missing)
            raise CatalogueError(f"No run can be analysed: {gaps or 'there is no data'}.")
        chosen = irfs.choose(self.config.dl3, self.data, self._tools.version, self.site.shared_dir)
        notes.extend(chosen.notes)
        dl2 = self._dl2_tasks(notes) if self.config.start is Start.DL1 else {}
        irf = [self._irf(one) for one in chosen.to_make]
        dl3 = [self._dl3(run, dl2.get(run.run), chosen) for run in self.data.runs]
        index = self._index(dl3)
        highlevel = self._highlevel(str(self.layout.dl3), versions, index.key)
        return [*dl2.values(), *irf, *dl3, index, highlevel]

    # ---- the stages ----------------------------------------------------------------------------

    def _dl2_tasks(self, notes: list[str]) -> dict[int, Task]:
        models = self.data.models
        if models is None:
            raise CatalogueError(
                "There are no random forests to make DL2 with.",
                cure="Set data.models in the site configuration.",
            )
        if not models.interpolated:
            notes.append(
                "The models have no training_dirs.ecsv: lstchain does not interpolate them over "
                "zenith distance."
            )
        config = self._dl2_config(notes)
        return {run.run: self._dl2(run, models, config) for run in self.data.runs}

    def _dl2_config(self, notes: list[str]) -> tuple[str, str] | None:
        """Path and content of the configuration, if the site has one."""
        if self.data.lstchain_config is None:
            return None
        cpus = self.site.scheduler.resources[Stage.DL2].cpus
        text, changes = forests(self.data.lstchain_config.text, cpus)
        notes.extend(changes)
        return str(self.layout.jobs / "dl1_to_dl2.json"), text

    def _dl2(self, run: RunFile, models: Models, config: tuple[str, str] | None) -> Task:
        path = Path(config[0]) if config else None
        words = argv.dl1_to_dl2(self._tools, run.file.path, models.folder, path)
        product = argv.product_dl2(run.file.path)
        site_config = self.data.lstchain_config
        return replace(
            self._lst_task(f"dl2-{run.run}", Stage.DL2, words),
            run=run.run,
            inputs=(run.file.path, *(model.path for model in models.files)),
            outputs=(Output(product, self.layout.dl2_file(run.run), Check.DL2),),
            files=(*((config,) if config else ()), self.layout.offline),
            fingerprint=fingerprint(
                tool="dl2",
                version=self._tools.version,
                # the number of cores does not make another product
                config=forests(site_config.text, 1)[0] if site_config else "",
                dl1=run.file.identity,
                models=[model.identity for model in models.files],
            ),
        )

    def _irf(self, irf: irfs.Irf) -> Task:
        assert irf.node is not None
        gamma, product = irf.node.file.path, Path(irf.path).name
        path = Path(self._selection[0])
        words = argv.create_irf(self._tools, gamma, product, self.config.dl3, path)
        return replace(
            self._lst_task(f"irf-{irf.name}", Stage.IRF, words),
            inputs=(gamma,),
            outputs=(Output(product, irf.path, Check.IRF, self._cuts),),
            files=(self._selection, self.layout.offline),
            fingerprint=irf.fingerprint,
        )

    def _dl3(self, run: RunFile, dl2: Task | None, chosen: irfs.IrfSet) -> Task:
        source = dl2.outputs[0].path if dl2 else run.file.path
        ready = tuple(irf.path for irf in chosen.irfs if irf.node is None)
        made = tuple(f"irf-{irf.name}" for irf in chosen.to_make)
        target, nearest = self.config.target, self.config.dl3.nearest_irf
        path, text = self._selection
        folder = f"{argv.WORK}/irf"
        words = argv.create_dl3(self._tools, source, folder, target, nearest, Path(path))
        product = argv.product_dl3(source)
        expect = (("run", run.run), *self._cuts)
        return replace(
            self._lst_task(f"dl3-{run.run}", Stage.DL3, words),
            run=run.run,
            inputs=ready if dl2 else (source, *ready),
            needs=((dl2.key,) if dl2 else ()) + made,
            outputs=(Output(product, self.layout.dl3_file(run.run), Check.DL3, expect),),
            files=(self._selection, self.layout.offline),
            links=tuple((f"irf/irf_{irf.name}.fits.gz", irf.path) for irf in chosen.irfs),
            fingerprint=fingerprint(
                tool="dl3",
                version=self._tools.version,
                selection=text,
                nearest=nearest,
                target=[target.name, target.ra, target.dec],
                dl2=dl2.fingerprint if dl2 else run.file.identity,
                irfs=sorted(irf.fingerprint for irf in chosen.irfs),
            ),
        )

    def _index(self, dl3: Sequence[Task]) -> Task:
        names = ("hdu-index.fits.gz", "obs-index.fits.gz")
        products = [task.outputs[0].path for task in dl3]
        return replace(
            self._lst_task("index", Stage.INDEX, argv.create_index(self._tools)),
            after=tuple(task.key for task in dl3),
            outputs=tuple(Output(n, str(self.layout.dl3 / n), Check.INDEX) for n in names),
            files=(self.layout.offline,),
            links=tuple((Path(path).name, path) for path in products),
        )

    def _highlevel(self, dl3: str, versions: Sequence[tuple[str, str]], *needs: str) -> Task:
        runs = tuple(run.run for run in self.data.runs) or (self.config.runs or ())
        words = highlevel_argv(self.config, self.site, dl3, runs, versions, self.python)
        return replace(
            self._task("highlevel", Stage.HIGHLEVEL, words),
            inputs=tuple(file.path for file in self.data.dl3),
            needs=needs,
            outputs=(Output("results", str(self.layout.results), Check.RESULTS),),
        )

    # ---- what all tasks share ------------------------------------------------------------------

    @property
    def _cuts(self) -> tuple[tuple[str, Expectation], ...]:
        return cuts_of(self.config.dl3).known

    @property
    def _selection(self) -> tuple[str, str]:
        """Path and content of the configuration that IRFs and DL3 share."""
        return str(self.layout.jobs / "selection.json"), selection(self.config.dl3)

    def _lst_task(self, key: str, stage: Stage, words: tuple[str, ...]) -> Task:
        task = self._task(key, stage, words)
        home = ("XDG_CONFIG_HOME", str(self.layout.xdg))
        return replace(task, environment=self._tools.name, variables=(*task.variables, home))

    def _task(self, key: str, stage: Stage, words: tuple[str, ...]) -> Task:
        asked = self.site.scheduler.resources[stage]
        return Task(
            key=key,
            stage=stage,
            argv=words,
            outputs=(),
            folder=str(self.layout.folder),
            script=self.layout.script(key),
            log=self.layout.log(key),
            record=self.layout.record(key),
            variables=_variables(asked.cpus),
            resources=Resources(asked.cpus, asked.memory_mb, asked.time_min),
        )


def _variables(cpus: int) -> tuple[tuple[str, str], ...]:
    """Keep numerical libraries to the cores that the task asked for.

    Forests are stored with the n_jobs of their training, in lstchain's standard configuration all
    cores of the machine; joblib then asks loky how many these are.
    """
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_MAX_THREADS",
        "LOKY_MAX_CPU_COUNT",
    )
    return (
        *((name, str(cpus)) for name in names),
        ("MPLBACKEND", "Agg"),
        ("PYTHONNOUSERSITE", "1"),
        ("PYTHONUNBUFFERED", "1"),
    )
