"""What belongs to each run: forests of its NSB level, Monte Carlo of the same, and IRFs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import CatalogueError, DataUnavailable, in_a_sentence
from astran.base.night_data import (
    FileRef,
    McNode,
    MissingRun,
    MonteCarlo,
    NightData,
    ReadyIrf,
    RunFile,
)
from astran.catalogue import path_patterns
from astran.config.site import SiteConfig
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector
from astran.telescopes.lst.catalogue.response import irf_files, models
from astran.telescopes.lst.catalogue.response.models import ModelFolder
from astran.telescopes.lst.catalogue.response.nsb_level import (
    SkyBrightness,
    describe_cleaning,
    nearest_level,
    sky_brightness,
    tailcuts_advice,
)
from astran.telescopes.lst.settings import LstConfig


@dataclass(frozen=True, slots=True)
class NeededResponse:
    """What is looked for."""

    forests: bool
    """For DL1 to DL2."""
    irfs: bool
    """Monte Carlo and IRFs, for DL3."""


class ResponseResolver:
    """The site's models and Monte Carlo, for one analysis.

    Raises
    ------
    CatalogueError : the models that are needed are not there
    """

    def __init__(self, site: SiteConfig, config: LstConfig, wants: NeededResponse) -> None:
        self._data = site.data
        self._shared = site.shared_dir
        self._config = config
        self._wants = wants
        if wants.forests and self._data.models is None:
            raise CatalogueError(
                "This site does not say where random forests are.",
                cure="Set data.models in the site configuration.",
            )
        self._places = self._models()
        if wants.forests and "" in {place.level for place in self._places}:
            # asked for at once, as a site without them cannot analyse anything
            self._choice("")

    def fill(
        self, night: NightData, checks: Mapping[int, CheckFacts], eyes: Inspector
    ) -> NightData:
        """The night with what each run needs. A run whose level has no models or no Monte Carlo is
        left out; CatalogueError if that is every run.

        Parameters
        ----------
        checks : what the data check tells, by run
        eyes : open DL2 files, to see what made them
        """
        of_data: dict[str, Dl2Provenance | str] = {}
        if not self._wants.forests:
            of_data = eyes.origins([run.file for run in night.runs])
        told, unusable = _with_origins(night.runs, of_data)
        levels = self._levels()
        runs, chosen = self._assign(told, levels, checks)
        notes = [*unusable, *chosen]
        found: dict[str, MonteCarlo] = {}
        problems: dict[str, CatalogueError] = {}
        for level in sorted({run.level for run in runs} or {levels[0]}, key=_order):
            try:
                found[level], said = self._of(level)
                notes += said
            except CatalogueError as error:
                if not level:
                    raise
                problems[level] = error
        if problems and not found:
            raise next(iter(problems.values()))
        files = [
            file
            for one in found.values()
            for node in one.nodes
            for file in (node.file, *node.background_files)
        ]
        of_nodes = eyes.origins(files)
        for level, one in found.items():
            found[level], said = _whole_nodes(one, of_nodes)
            notes += said
        gaps = [
            MissingRun(run.run, _reason(run.level, problems[run.level]), may_come=False)
            for run in runs
            if run.level in problems
        ]
        return replace(
            night,
            runs=tuple(run for run in runs if run.level in found),
            missing=tuple(sorted((*night.missing, *gaps), key=lambda gap: gap.run)),
            notes=(*night.notes, *notes),
            monte_carlo=tuple(found.values()),
            kept_irfs=irf_files.kept_irfs(self._shared) if self._wants.irfs else (),
            kept_mc=irf_files.kept_mc(self._shared) if self._wants.irfs else (),
            looking=night.looking
            or len(of_nodes) < len(files)
            or (not self._wants.forests and len(of_data) < len(night.runs)),
        )

    # ---- levels --------------------------------------------------------------------------------

    def _levels(self) -> list[str]:
        """The levels that there are, ascending; the empty one where the site knows none."""
        if self._places:
            return [place.level for place in self._places]
        for pattern in (self._data.irf, self._data.mc_dl2) if self._wants.irfs else ():
            if "nsb" in path_patterns.placeholders(pattern):
                found = {item.nsb for item in path_patterns.find_files(pattern)}
                if found:
                    return sorted(found, key=_order)
        return [""]

    def _assign(
        self, runs: Sequence[RunFile], levels: Collection[str], checks: Mapping[int, CheckFacts]
    ) -> tuple[list[RunFile], list[str]]:
        """Each run with its level, and in words how it was chosen."""
        if len(levels) == 1:
            (level,) = levels
            return [replace(run, level=level) for run in runs], []
        settings, none = self._data.nsb, CheckFacts()
        named = {float(level): level for level in levels}
        assigned: list[RunFile] = []
        told: dict[tuple[str, str], list[tuple[int, SkyBrightness]]] = {}
        differing: list[str] = []
        for run in runs:
            told_by = self._data.nsb_of(run.file.path)
            its = sky_brightness(run, self._config.dl2.nsb, told_by, checks.get(run.run, none))
            level = named[nearest_level(named, its, settings)]
            assigned.append(replace(run, level=level))
            told.setdefault((level, its.source), []).append((run.run, its))
            advised = tailcuts_advice(run, told_by)
            better = advised and named[nearest_level(named, advised, settings)]
            if advised and better != level:
                differing.append(
                    f"Run {run.run}: by lstchain_find_tailcuts ({advised.level:.3g} p.e./ns) it is "
                    f"of NSB level {better}; {level} was taken, by {its.source}."
                )
            differing += filter(None, (describe_cleaning(run, told_by),))
        notes = [_told(level, source, of) for (level, source), of in told.items()]
        return assigned, [*notes, *differing]

    # ---- one level -----------------------------------------------------------------------------

    def _of(self, level: str) -> tuple[MonteCarlo, list[str]]:
        notes: list[str] = []
        choice = self._choice(level) if self._needs_choice else None
        one = MonteCarlo(level)
        if self._wants.irfs:
            line = "" if choice is None else choice.line
            nodes, (ready, said) = self._monte_carlo(level, line), self._ready_irfs(level, line)
            notes += said
            one = replace(one, nodes=nodes, ready_irfs=ready)
            if nodes:
                of = f" of NSB {level}" if level else ""
                from_dl1 = ", from DL1" if nodes[0].dl1 else ""
                notes.append(
                    f"Monte Carlo{of} for IRFs{from_dl1}: {irf_files.describe_nodes(nodes)}."
                )
                if self._config.dl3.full_enclosure and not self._data.mc_dl2_diffuse:
                    notes.append(
                        f"Full-enclosure IRFs{of} are made of the test gammas, as the site names "
                        "no diffuse ones (data.mc_dl2_diffuse): they hold the offsets from the "
                        "pointing that were simulated, for gammas on a ring a single one."
                    )
        if choice is not None and (self._wants.forests or any(node.dl1 for node in one.nodes)):
            one = replace(one, models=choice.models)
            notes.insert(0, choice.note)
        return one, notes

    @property
    def _needs_choice(self) -> bool:
        asked = "dec" in self._asked or bool(self._data.mc_dl1)
        return self._wants.forests or (self._wants.irfs and asked)

    @property
    def _asked(self) -> frozenset[str]:
        """Placeholders in the patterns of Monte Carlo and IRFs."""
        data = self._data
        return path_patterns.placeholders("".join((data.irf, *data.monte_carlo_patterns)))

    def _models(self) -> tuple[ModelFolder, ...]:
        data = self._data
        needed = self._needs_choice or "nsb" in self._asked
        if data.models is None:
            if self._needs_choice:
                raise CatalogueError(
                    "This site does not say where random forests are.",
                    cure="Set data.models in the site configuration.",
                )
            return ()
        return models.model_folders(data.models, self._config.dl2.models) if needed else ()

    def _choice(self, level: str) -> models.ModelChoice:
        try:
            return models.choose_models(self._places, self._config.target.dec, level)
        except DataUnavailable as error:
            if not self._config.dl2.models:
                raise
            # the request names that folder: the request is wrong, and no waiting helps
            raise CatalogueError(error.message, error.cure) from error

    def _monte_carlo(self, level: str, line: str) -> tuple[McNode, ...]:
        nodes = self._gammas(level, line)
        if not (self._config.dl3.background and nodes):
            return nodes
        protons, electrons = (
            self._of_background(key, level, line) for key in ("mc_dl2_proton", "mc_dl2_electron")
        )
        whole = [
            replace(node, proton=protons[node.name], electron=electrons[node.name])
            for node in nodes
            if node.name in protons and node.name in electrons
        ]
        if not whole:
            raise CatalogueError(
                "No Monte Carlo node has gammas, protons and electrons, as a background IRF needs.",
                cure="Leave out `dl3.background`, or let data.mc_dl2_proton and "
                "data.mc_dl2_electron name DL2 of the nodes of the gammas.",
            )
        return tuple(whole)

    def _of_background(self, key: str, level: str, line: str) -> dict[str, FileRef]:
        pattern = str(getattr(self._data, key))
        if not pattern:
            raise CatalogueError(
                f"This site has no Monte Carlo for background IRFs (data.{key}).",
                cure="Leave out `dl3.background`: maps then take the acceptance from the data.",
            )
        nodes = irf_files.mc_nodes(pattern, key, **_known(pattern, level, line))
        return {node.name: node.file for node in nodes}

    def _gammas(self, level: str, line: str) -> tuple[McNode, ...]:
        data = self._data
        if self._config.dl3.full_enclosure and (diffuse := data.mc_dl2_diffuse):
            known = _known(diffuse, level, line)
            return irf_files.mc_nodes(diffuse, "mc_dl2_diffuse", **known)
        known = _known(data.mc_dl2, level, line)
        if data.mc_dl2 and not (data.mc_dl1 and _empty(data.mc_dl2, known)):
            return irf_files.mc_nodes(data.mc_dl2, **known)
        if data.mc_dl1:
            dl1 = irf_files.mc_nodes(data.mc_dl1, "mc_dl1", **_known(data.mc_dl1, level, line))
            return tuple(replace(node, dl1=True) for node in dl1)
        return ()

    def _ready_irfs(self, level: str, line: str) -> tuple[tuple[ReadyIrf, ...], list[str]]:
        pattern = self._data.irf
        return (
            irf_files.ready_irfs(pattern, **_known(pattern, level, line)) if pattern else ((), [])
        )


def _known(pattern: str, level: str, line: str) -> dict[str, str]:
    """Placeholders of a pattern, filled in; a level as this tree writes it (0.5 or 0.50)."""
    asked = path_patterns.placeholders(pattern)
    known = {"dec": line} if "dec" in asked else {}
    if "nsb" in asked and level:
        written = dict.fromkeys((level, f"{float(level):.2f}", f"{float(level):g}"))
        have = (one for one in written if not _empty(pattern, {**known, "nsb": one}))
        known["nsb"] = next(have, level)
    return known


def _empty(pattern: str, known: Mapping[str, str]) -> bool:
    return next(path_patterns.find_files(pattern, **known), None) is None


def _with_origins(
    runs: Sequence[RunFile], origins: Mapping[str, Dl2Provenance | str]
) -> tuple[list[RunFile], list[str]]:
    """Runs with what made their DL2, and notes on DL2 that does not open: its task will end with
    the same words, and the others go on."""
    told, notes = [], []
    for run in runs:
        its = origins.get(run.file.path, Dl2Provenance())
        if isinstance(its, str):
            notes.append(f"Run {run.run}: its DL2 cannot be used: {its}.")
            its = Dl2Provenance()
        told.append(replace(run, origin=its))
    return told, notes


def _whole_nodes(
    one: MonteCarlo, origins: Mapping[str, Dl2Provenance | str]
) -> tuple[MonteCarlo, list[str]]:
    """Monte Carlo without nodes that do not open: the others will do.

    Raises
    ------
    CatalogueError : none of them does
    """
    nodes, notes = [], []
    for node in one.nodes:
        its = origins.get(node.file.path, Dl2Provenance())
        broken = next(
            (
                f"{why} ({file.path})"
                for file in (node.file, *node.background_files)
                if isinstance(why := origins.get(file.path), str)
            ),
            "",
        )
        if broken or isinstance(its, str):
            notes.append(f"Monte Carlo node {node.name} is left out: {broken}.")
        else:
            nodes.append(node if node.dl1 else replace(node, origin=its))
    if one.nodes and not nodes:
        raise CatalogueError(
            f"No file of the Monte Carlo for IRFs can be used: {notes[0]}",
            cure="Make these files again, or correct the pattern of Monte Carlo.",
        )
    return replace(one, nodes=tuple(nodes)), notes


def _order(level: str) -> float:
    return float(level or 0)


def _reason(level: str, error: CatalogueError) -> str:
    return f"its NSB level {level} has no models or Monte Carlo: {in_a_sentence(error)}"


def _told(level: str, source: str, of: Iterable[tuple[int, SkyBrightness]]) -> str:
    """`NSB 0.14: runs 15861 (0.152 p.e./ns, cleaned at 8 p.e.), by ...`"""
    runs = []
    for run, its in of:
        cleaned = "" if its.picture is None else f", cleaned at {its.picture} p.e."
        runs.append(f"{run} ({its.level:.3g} p.e./ns{cleaned})")
    word = "run" if len(runs) == 1 else "runs"
    return f"Models and Monte Carlo of NSB level {level}: {word} {', '.join(runs)}; by {source}."
