"""The chain of LST-1 as the engine sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, ConfigError, Problem
from astran.base.findings import Finding
from astran.base.night import Night
from astran.base.night_data import FileRef, NightData, RunFile
from astran.base.tasks import (
    Expectation,
    HeaderCard,
    InputGuard,
    Output,
    Plan,
    ProductKind,
    Stage,
    Task,
)
from astran.catalogue.sources import is_same_source, resolve_source
from astran.config.analysis import Target
from astran.config.site import SiteConfig
from astran.telescopes.chain import PlanRequest, TelescopeChain
from astran.telescopes.hand_tools import RunListing
from astran.telescopes.lst.catalogue.dl1.listing import list_dl1
from astran.telescopes.lst.catalogue.dl1.run_table import tabulate_runs
from astran.telescopes.lst.catalogue.file_inspection.inspector import BUDGET_S, PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.checks.dl2_check import DL1, SETTINGS
from astran.telescopes.lst.checks.input_checks import check_inputs
from astran.telescopes.lst.checks.product_checks import check_product
from astran.telescopes.lst.environment.releases import NoSuchRelease, find_toolset, with_release
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.key_names import FREE_KEYS, KEY_KINDS, KEY_NAMES
from astran.telescopes.lst.manual import LstHandTools
from astran.telescopes.lst.planning.argv import product_dl2
from astran.telescopes.lst.planning.dl3_header import fill_header
from astran.telescopes.lst.planning.lstchain_parameters import parameter_problems
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.planning.subrun_packs import Dl2Throughput, measure_past_packs
from astran.telescopes.lst.settings import Engine, LstConfig, StartLevel
from astran.telescopes.lst.site_probes import probe_data, probe_environments

_NOWHERE = FileRef("", 0, 0)


class LstChain(TelescopeChain[LstConfig]):
    """lstchain from DL1 or DL2 to DL3, then ASTRAN's own results."""

    name = "LST-1"
    settings_type = LstConfig
    key_kinds = KEY_KINDS
    key_names = KEY_NAMES
    free_keys = FREE_KEYS
    hand_tools = LstHandTools()

    def find_data(
        self,
        site: SiteConfig,
        config: LstConfig,
        clock: Clock,
        *,
        late: bool = False,
        patient: bool = False,
    ) -> NightData:
        """What the catalogue knows now."""
        budget_s = PATIENT_S if patient else BUDGET_S
        site = _with_own_data(site, config, keep=not patient)
        catalogue = LstCatalogue(site, clock, is_same_source, budget_s, not patient)
        return catalogue.find(config, late=late)

    def observed_targets(self, site: SiteConfig, night: Night, clock: Clock) -> tuple[str, ...]:
        """What the RunCatalog lists."""
        found: dict[str, None] = {}
        for name in LstCatalogue(site, clock, is_same_source).observed_sources(night):
            try:
                found[resolve_source(name).name] = None
            except CatalogueError:
                found[name] = None  # named in the report as one that nobody knows
        return tuple(found)

    def make_plan(self, request: PlanRequest[LstConfig]) -> Plan:
        """The plan with the release of lstchain that the request names."""
        config, keep = request.config, request.keep
        tools = None
        if config.start is not StartLevel.DL3:
            tools = find_toolset(request.site, config.lstchain, keep=keep)
        return make_plan(
            config,
            _with_own_data(request.site, config, keep),
            request.data,
            tools,
            request.folder,
            request.python,
            Stage(request.last_stage or Stage.HIGHLEVEL),
            _throughput(request, tools),
        )

    def early_stage(self, config: LstConfig) -> str:
        """Complete runs go on up to their DL3."""
        return Stage.DL3 if config.start is StartLevel.DL1 else ""

    def keep_started(self, data: NightData, started: frozenset[int]) -> NightData:
        """Runs that were started are gone on with, whatever became of their DL1."""
        fresh = [run for run in data.runs if run.run not in started]
        level = next((one.level for one in data.monte_carlo), "")
        seen = {run.run: run for run in data.runs}
        known = (
            replace(seen.get(run, RunFile(run, _NOWHERE, level=level)), file=_NOWHERE, parts=())
            for run in started
        )
        runs = sorted((*fresh, *known), key=lambda run: run.run)
        return super().keep_started(replace(data, runs=tuple(runs)), started)

    def request_problems(
        self, site: SiteConfig, config: LstConfig, *, keep: bool = True
    ) -> tuple[Problem, ...]:
        """What is wrong with the wanted release, or with the parameters that it shall get.

        An environment that cannot be asked is no fault of the request: planning reports it.
        """
        if not (config.lstchain or config.lstchain_config or config.dl3.tool):
            return ()
        if config.start is StartLevel.DL3:
            return parameter_problems(config, Toolset("", ""))  # needs no lstchain
        try:
            tools = find_toolset(site, config.lstchain, keep=keep)
        except NoSuchRelease as error:
            return (Problem("lstchain", error.message, error.cure),)
        except ConfigError:
            return ()
        return parameter_problems(config, tools)

    def describe_production(
        self, config: LstConfig, facts: Sequence[Mapping[str, Any]]
    ) -> tuple[str, ...]:
        """What made DL2, where the fast engine was asked for."""
        if config.dl2.engine is not Engine.FAST:
            return ()
        used = Counter(engine for one in facts if (engine := str(one.get("engine", ""))))
        return tuple(
            f"DL2 of {number} file{'s' if number > 1 else ''} by the "
            + (f"stock engine, because of {why}" if (why := engine.partition(": ")[2]) else
               f"{engine} engine")
            + "."
            for engine, number in sorted(used.items())
        )  # fmt: skip

    def list_runs(
        self,
        site: SiteConfig,
        clock: Clock,
        *,
        nights: Sequence[str] = (),
        target: Target | None = None,
        opens: bool = True,
    ) -> RunListing:
        """DL1 of every run, of all nights if none is named."""
        rows = list_dl1(site, clock, is_same_source, nights=nights, target=target, opens=opens)
        return tabulate_runs(rows)

    def probe_software(self, site: SiteConfig) -> Iterator[Finding]:
        """The lstchain environments."""
        return probe_environments(site)

    def probe_data(self, site: SiteConfig) -> Iterator[Finding]:
        """DL1, models, Monte Carlo and IRFs."""
        return probe_data(site)

    def expect_of(self, task: Task, output: Output) -> Mapping[str, Expectation]:
        """Of DL2 also the DL1 that it is made of, and how."""
        known = dict(output.expect)
        if output.check != ProductKind.DL2:
            return known
        dl1 = next((path for path in task.inputs if product_dl2(path) == output.name), "")
        if dl1:
            known[DL1] = dl1
            known[SETTINGS] = next((text for name, text in task.files if name in task.argv), "")
        return known

    def check_product(
        self, path: Path, kind: str, expect: Mapping[str, Expectation]
    ) -> dict[str, Any]:
        """Facts about a product."""
        return check_product(path, ProductKind(kind), expect)

    def check_input(self, guard: InputGuard) -> None:
        """Whether an input was made as the task needs it."""
        check_inputs(guard)

    def fill_header(self, task: Task, product: Path) -> tuple[HeaderCard, ...]:
        """The cards of DL3, with the IRFs that the tool took."""
        return fill_header(task, product) if task.header else ()


CHAIN = LstChain()


def _with_own_data(site: SiteConfig, config: LstConfig, keep: bool) -> SiteConfig:
    """The site, with the data that belong to the wanted release of lstchain."""
    if config.start is StartLevel.DL3:
        return site
    return with_release(site, config.lstchain, keep=keep)


def _throughput(
    request: PlanRequest[LstConfig], tools: Toolset | None
) -> dict[str, Dl2Throughput] | None:
    """What tasks of packed subruns have taught."""
    in_parts = any(run.parts for run in request.data.runs)
    if tools is None or request.past_tasks is None or not in_parts:
        return None
    return measure_past_packs(request.past_tasks(Stage.DL2, f"lstchain {tools.version}", "pack-"))
