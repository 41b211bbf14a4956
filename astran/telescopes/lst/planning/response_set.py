"""The IRFs of an analysis with all that they hang on: Monte Carlo nodes, forests, origins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import CatalogueError, in_a_sentence
from astran.base.night_data import FileRef, MissingRun, MonteCarlo, NightData, RunFile
from astran.base.tasks import Expectation, InputGuard, Stage
from astran.config.site import SiteConfig
from astran.telescopes.lst.planning import compatibility, irf_choice
from astran.telescopes.lst.planning.irf_choice import IrfSet
from astran.telescopes.lst.planning.mc_nodes import beyond_nodes, nodes_around, superfluous_twins
from astran.telescopes.lst.planning.montecarlo import ReconstructedNodes, reconstruct
from astran.telescopes.lst.settings import DEFAULT_INTENSITY_PE, IrfNodes, LstConfig, StartLevel


@dataclass(frozen=True)
class ResponseSet:
    """For all NSB levels of one night."""

    config: LstConfig
    site: SiteConfig
    data: NightData
    version: str
    """Of lstchain."""
    content: Callable[[MonteCarlo, FileRef], str]
    """Hash of the DL2 that a DL1 file becomes with the forests of a level."""
    chosen_cut: bool = False
    """Whether the intensity cut of the configuration is that which the data of these runs ask
    for."""

    @cached_property
    def nodes(self) -> dict[str, ReconstructedNodes]:
        """Monte Carlo nodes as DL2, by level."""
        scheduler = self.site.scheduler
        return {
            one.level: reconstruct(
                one,
                self.content,
                self.version,
                self.data.kept_mc,
                self.site.shared_dir,
                scheduler.packing,
                scheduler.resources[Stage.DL2],
            )
            for one in self.data.monte_carlo
        }

    @cached_property
    def irf_sets(self) -> dict[str, IrfSet]:
        """IRFs for the cuts, by level; only of levels that have them."""
        return {level: one for level, one in self._found.items() if isinstance(one, IrfSet)}

    @cached_property
    def _found(self) -> dict[str, IrfSet | CatalogueError]:
        """By level the IRFs, or why there are none; CatalogueError if there are none at all."""
        kept, cut_pe = frozenset(self.data.kept_irfs), self.config.dl3.intensity_min
        found: dict[str, IrfSet | CatalogueError] = {}
        for level, one in self.nodes.items():
            try:
                chosen = irf_choice.choose_irfs(
                    self.config.dl3,
                    one.monte_carlo,
                    kept,
                    self.version,
                    self.site.shared_dir,
                    exact=self.chosen_cut and cut_pe != DEFAULT_INTENSITY_PE,
                )
                found[level] = replace(chosen, intensity_min=cut_pe) if self.chosen_cut else chosen
            except CatalogueError as error:
                found[level] = error
        errors = [one for one in found.values() if isinstance(one, CatalogueError)]
        if errors and len(errors) == len(found):
            raise errors[0]
        return found

    @cached_property
    def used(self) -> dict[str, IrfSet]:
        """Those that some run needs, by level, and a note of what was left out."""
        return {
            level: self._part(one, [self.of(run) for run in self.data.runs if run.level == level])
            for level, one in self.irf_sets.items()
            if any(run.level == level for run in self.data.runs)
        }

    def of(self, run: RunFile) -> IrfSet:
        """The IRFs for a run: of all nodes, or of those around its pointing."""
        every = self._without_twins(run)
        dl3 = self.config.dl3
        if dl3.irf_nodes is IrfNodes.ALL or run.pointing is None or every.ready:
            return every
        names = nodes_around(
            [irf.name for irf in every.irfs], *run.pointing, nearest=dl3.takes_nearest_irf
        )
        if names is None:
            return every
        return replace(every, irfs=tuple(irf for irf in every.irfs if irf.name in names))

    def _without_twins(self, run: RunFile) -> IrfSet:
        every = self.irf_sets[run.level]
        if run.pointing is None or self.config.dl3.takes_nearest_irf:
            return every
        out = superfluous_twins([irf.name for irf in every.irfs], *run.pointing)
        return replace(every, irfs=tuple(irf for irf in every.irfs if irf.name not in out))

    def describe_choices(self) -> list[str]:
        """What a person should know of the nodes for each run before it is computed."""
        notes = []
        for run in self.data.runs:
            every = self.irf_sets[run.level]
            names = [irf.name for irf in every.irfs]
            out = sorted(set(names) - {irf.name for irf in self._without_twins(run).irfs})
            if out:
                notes.append(
                    f"Run {run.run}: IRFs without {', '.join(out)}, which lstchain could not tell "
                    "from a node nearer in azimuth."
                )
            if run.pointing and (limits := beyond_nodes(names, run.pointing[0])):
                notes.append(
                    f"Run {run.run}: its zenith distance {run.pointing[0]:.1f} deg lies outside of "
                    f"the Monte Carlo nodes for IRFs ({limits[0]:g} to {limits[1]:g} deg): "
                    "extrapolated, the nearest node is taken as it is."
                )
        return notes

    @staticmethod
    def _part(every: IrfSet, of_runs: Sequence[IrfSet]) -> IrfSet:
        names = {irf.name for one in of_runs for irf in one.irfs}
        kept = tuple(irf for irf in every.irfs if irf.name in names)
        if len(kept) == len(every.irfs):
            return every
        note = f"IRFs: {len(kept)} of {len(every.irfs)} nodes are needed (dl3.irf_nodes: around)."
        return replace(every, irfs=kept, notes=(*every.notes, note))

    def admitted(self) -> NightData:
        """The night without runs whose DL2 would not fit their IRFs, and notes on what could not be
        checked."""
        able, gaps = [], []
        for run in self.data.runs:
            its = self._found[run.level]
            if isinstance(its, CatalogueError):
                why = f"its NSB level {run.level} has no IRFs: {in_a_sentence(its)}"
                gaps.append(MissingRun(run.run, why, may_come=False))
            else:
                able.append(run)
        found = compatibility.select_compatible(able, self.irf_sets, self._origin, self._strict)
        missing = sorted((*self.data.missing, *gaps, *found.left_out), key=lambda gap: gap.run)
        notes = (*self.data.notes, *found.notes)
        return replace(self.data, runs=found.runs, missing=tuple(missing), notes=notes)

    def guards_of_mc(self, gamma: str, level: str) -> tuple[InputGuard, ...]:
        """What ready DL2 of Monte Carlo must prove before an IRF is made of it."""
        if self.config.start is not StartLevel.DL1:
            return ()
        return compatibility.mc_provenance(gamma, self._to_be_made(level), self._strict)

    def guards_of_dl3(
        self, dl2: str, level: str, cuts: tuple[tuple[str, Expectation], ...]
    ) -> tuple[InputGuard, ...]:
        """What DL2 and the site's own IRFs must prove before DL3 is made of them."""
        return compatibility.dl3_provenance(dl2, self.irf_sets[level], cuts, self._strict)

    @property
    def _strict(self) -> bool:
        return self.site.lstchain.same_series

    def _origin(self, run: RunFile) -> Dl2Provenance:
        """What made, or will make, the DL2 of a run."""
        return run.origin if self.config.start is StartLevel.DL2 else self._to_be_made(run.level)

    def _to_be_made(self, level: str) -> Dl2Provenance:
        models = next(one.models for one in self.data.monte_carlo if one.level == level)
        return Dl2Provenance(self.version, models.folder if models else "")


def cut_pe(config: LstConfig, run: RunFile) -> float:
    """Least image intensity for a run [p.e.]."""
    asked = config.dl3.intensity_min
    return (run.intensity_min or DEFAULT_INTENSITY_PE) if asked is None else asked


def responses_by_cut(
    config: LstConfig,
    site: SiteConfig,
    data: NightData,
    version: str,
    content: Callable[..., str],
) -> dict[float, ResponseSet]:
    """By intensity cut [p.e.]: one, unless the cut is chosen for each run."""
    if config.dl3.intensity_min is not None:
        only = ResponseSet(config, site, data, version, content)
        return {config.dl3.intensity_min: only}
    found = {}
    for cut in sorted({cut_pe(config, run) for run in data.runs}):
        runs = tuple(run for run in data.runs if cut_pe(config, run) == cut)
        dl3 = config.dl3.model_copy(update={"intensity_min": cut})
        of_cut = config.model_copy(update={"dl3": dl3})
        its = replace(data, runs=runs)
        found[cut] = ResponseSet(of_cut, site, its, version, content, chosen_cut=True)
    return found


def admit_runs(data: NightData, responses: Mapping[float, ResponseSet]) -> NightData:
    """The night without runs whose DL2 would not fit their IRFs, or that have none.

    Raises
    ------
    CatalogueError : no run has IRFs
    """
    admitted, errors = [], []
    for cut, response in responses.items():
        try:
            admitted.append(response.admitted())
        except CatalogueError as error:
            errors.append(error)
            why = f"its intensity cut of {cut:g} p.e. has no IRFs: {in_a_sentence(error)}"
            left_out = tuple(MissingRun(run.run, why, False) for run in response.data.runs)
            admitted.append(replace(data, runs=(), missing=left_out))
    if len(errors) == len(admitted):
        raise errors[0]
    runs = sorted((run for one in admitted for run in one.runs), key=lambda run: run.run)
    gaps = {gap.run: gap for one in admitted for gap in one.missing}
    notes = tuple(dict.fromkeys(note for one in admitted for note in one.notes))
    missing = tuple(gaps[run] for run in sorted(gaps))
    return replace(data, runs=tuple(runs), missing=missing, notes=notes)


def used_sets(
    responses: Mapping[float, ResponseSet],
) -> list[tuple[ResponseSet, str, IrfSet]]:
    """The IRFs that some run needs, with their NSB level and what they belong to."""
    return [
        (response, level, one)
        for response in responses.values()
        for level, one in response.used.items()
    ]
