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
from astran.base.night_data import NightData, RunFile
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
from astran.telescopes.lst.planning.dl2_plan import Dl2Planner
from astran.telescopes.lst.planning.highlevel_argv import highlevel_argv
from astran.telescopes.lst.planning.layout import Layout
from astran.telescopes.lst.planning.montecarlo import NodeBatch
from astran.telescopes.lst.planning.response_set import ResponseSet
from astran.telescopes.lst.planning.tool_configs import dl3_selection, expected_irfs
from astran.telescopes.lst.settings import LstConfig, StartLevel


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
class _Planner(Dl2Planner):
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
        choices = [response.describe_choices() for response in self._responses.values()]
        notes += dict.fromkeys(note for one in choices for note in one)
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

    def _mc(self, level: str, batch: NodeBatch) -> Task:
        of = next(one for one in self.data.monte_carlo if one.level == level)
        return self._to_dl2(batch.key, of, [node.file for node in batch.nodes], batch.outputs)

    # ---- the stages ----------------------------------------------------------------------------

    def _irf(self, of: ResponseSet, chosen: irf_choice.IrfSet, irf: irf_choice.Irf) -> Task:
        assert irf.node is not None
        product = Path(irf.path).name
        more = tuple(file.path for file in irf.node.background_files)
        gamma = irf.node.file.path
        maker = of.nodes[chosen.level].maker(irf.name)
        selection = self._selection(of)
        path = Path(selection[0])
        words = argv.create_irf(self._tools, irf.node, product, self.config.dl3, path)
        return replace(
            self._make.lst_task(self._tools, chosen.key(irf), Stage.IRF, words, selection),
            inputs=more if maker else (gamma, *more),
            needs=(maker,) if maker else (),
            guards=tuple(
                guard
                for file in (*more, *(() if maker else (gamma,)))
                for guard in of.guards_of_mc(file, chosen.level)
            ),
            outputs=(Output(product, irf.path, ProductKind.IRF, self._cuts),),
            fingerprint=irf.fingerprint,
        )

    def _dl3(self, run: RunFile, dl2: Task | None) -> Task:
        response = self._responses[response_set.cut_pe(self.config, run)]
        chosen, selection = response.of(run), self._selection(response)
        there = taken.file if (taken := self._taken(run)) else run.file
        source = dl2.outputs[0].path if dl2 else there.path
        ready = tuple(irf.path for irf in chosen.irfs if irf.node is None)
        made = tuple(chosen.key(irf) for irf in chosen.to_make)
        target, nearest = self.config.target, self.config.dl3.takes_nearest_irf
        path, text = selection
        folder = f"{argv.WORK}/irf"
        words = argv.create_dl3(self._tools, source, folder, target, nearest, Path(path))
        if response.chosen_cut:
            cut_pe = response_set.cut_pe(self.config, run)
            words = argv.comparing_cut(self._tools, words, source, cut_pe)
        product = argv.product_dl3(source)
        expect = (("run", run.run), *self._cuts)
        work = fingerprint(
            tool="dl3",
            version=self._tools.version,
            selection=text,
            nearest=nearest,
            target=[target.name, target.ra, target.dec],
            dl2=dl2.fingerprint if dl2 else there.identity,
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
        return expected_irfs(self.config.dl3)

    def _selection(self, response: ResponseSet) -> tuple[str, str]:
        """Path and content of the configuration that IRFs and DL3 share."""
        dl3 = response.config.dl3
        name = f"selection-{dl3.intensity_min:g}" if response.chosen_cut else "selection"
        return str(self.layout.jobs / f"{name}.json"), dl3_selection(dl3)
