"""The port of a telescope's chain: what the engine asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from astran.base.clock import Clock
from astran.base.errors import ConfigError, Problem
from astran.base.findings import Finding
from astran.base.night import Night
from astran.base.night_data import NightData
from astran.base.tasks import (
    Expectation,
    HeaderCard,
    InputGuard,
    Output,
    PastTask,
    Plan,
    Resources,
    Stage,
    Task,
)
from astran.config.analysis import AnalysisConfig, Target
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.telescopes.hand_tools import HandTools, RunListing, list_of_night, simple_listing

PastTasks = Callable[[str, str, str], Sequence[PastTask]]
"""The newest tasks that succeeded, by stage, software (`lstchain 0.12.3`) and begin of the key."""


Config = TypeVar("Config", bound=AnalysisConfig)


@dataclass(frozen=True, slots=True)
class PlanRequest(Generic[Config]):
    """What a plan is made for."""

    site: SiteConfig
    config: Config
    data: NightData
    """What the chain found; the runs it holds are planned, its `missing` are left out."""
    folder: Path
    """Of the analysis, absolute."""
    python: str
    """Interpreter of ASTRAN, for its own tasks."""
    last_stage: str = ""
    """Last stage to be planned; empty: all."""
    keep: bool = True
    """False leaves no trace on disk."""
    past_tasks: PastTasks | None = None
    """None: nothing is to be learnt from what was run."""

    def resources(self, stage: str, usual: Resources) -> Resources:
        """What tasks of a stage ask for: as the site has it, else the usual."""
        own = self.site.scheduler.resources.get(stage)
        return Resources(own.cpus, own.memory_mb, own.time_min) if own else usual


class TelescopeChain(Protocol[Config]):
    """The chain of one telescope, from its data to results. Inherit from it to get the defaults."""

    name: str
    """For example LST-1."""
    settings_type: type[Config]
    """Model of its analysis configurations: the common keys and its own."""
    results_stage: str = Stage.HIGHLEVEL
    """Stage that leaves results.json; empty: the chain ends without one."""
    key_kinds: Mapping[str, str] = {}
    """How the values of its keys are read in mails where their types do not tell: version, path."""
    key_names: Mapping[str, tuple[str, ...]] = {}
    """Other names of its keys in mails, by dotted name."""
    hand_tools: HandTools[Config, Any] | None = None
    """DL2, DL3 and index by hand; None: only whole analyses are made."""
    free_keys: Mapping[str, str] = {}
    """Begins of keys below which any name may follow, and the keys that they stand for."""

    def find_data(
        self,
        site: SiteConfig,
        config: Config,
        clock: Clock,
        *,
        late: bool = False,
        patient: bool = False,
    ) -> NightData:
        """The data of an analysis as they are now.

        Parameters
        ----------
        late : the wait for data is over: what is there is taken, the next best where need be
        patient : look at everything, however long it takes, and leave no trace

        Raises
        ------
        SiteTrouble : the site's data or software cannot be used now
        CatalogueError, ConfigError : what cannot come by waiting
        """
        ...

    def observed_targets(self, site: SiteConfig, night: Night, clock: Clock) -> tuple[str, ...]:
        """The names of all targets that were observed in a night, as far as the source catalogue
        knows them.

        Raises
        ------
        SiteTrouble : the site's data cannot be used now
        ConfigError : the chain cannot tell
        CatalogueError : nothing tells what was observed
        """
        raise ConfigError(
            f"{self.name} does not tell which targets were observed.",
            cure="Name them: `target: Crab, Mrk421`.",
        )

    def make_plan(self, request: PlanRequest[Config]) -> Plan:
        """All tasks of an analysis, up to a stage.

        Raises
        ------
        ConfigError : the software cannot do what is asked
        CatalogueError : nothing to analyse, or something that belongs to it is missing
        """
        ...

    def early_stage(self, config: Config) -> str:
        """The last stage of what complete runs go through while others are waited for; empty: they
        wait, too."""
        return ""

    def keep_started(self, data: NightData, started: frozenset[int]) -> NightData:
        """The data, with runs that were started before: their stored tasks know their input,
        whatever became of it."""
        missing = tuple(gap for gap in data.missing if gap.run not in started)
        return replace(data, missing=missing)

    def request_problems(
        self, site: SiteConfig, config: Config, *, keep: bool = True
    ) -> tuple[Problem, ...]:
        """What is wrong with a request that only the installed software can tell."""
        return ()

    def describe_production(
        self, config: Config, facts: Sequence[Mapping[str, Any]]
    ) -> tuple[str, ...]:
        """Sentences for the report on how the products were made, from the facts of each."""
        return ()

    def list_runs(
        self,
        site: SiteConfig,
        clock: Clock,
        *,
        nights: Sequence[str] = (),
        target: Target | None = None,
        opens: bool = True,
    ) -> RunListing:
        """The runs of a site, for `astran catalogue`.

        Parameters
        ----------
        nights : none: all
        target : only runs of this source
        opens : open files that were never opened

        Raises
        ------
        ConfigError : a chain that finds the runs of analyses only needs night and target
        CatalogueError : the site does not say where the data are
        """
        if not nights or target is None:
            raise ConfigError(
                f"{self.name} lists the runs of one source in given nights.",
                cure="Use --night and --target.",
            )
        records: list[dict[str, Any]] = []
        for night in nights:
            asked = {"target": target.model_dump(), "date": night, "telescope": self.name}
            config = build_settings(self.settings_type, asked, "The request")
            data = self.find_data(site, config, clock, late=True, patient=True)
            records += list_of_night(night, target.name, data)
        return simple_listing(records)

    def probe_software(self, site: SiteConfig) -> Iterator[Finding]:
        """What `astran doctor` finds of the software."""
        return iter(())

    def probe_data(self, site: SiteConfig) -> Iterator[Finding]:
        """What `astran doctor` finds of the data, and of what belongs to them."""
        return iter(())

    def expect_of(self, task: Task, output: Output) -> Mapping[str, Expectation]:
        """What a product of a task is expected to be; what the task itself tells of it beside."""
        return dict(output.expect)

    def check_product(
        self, path: Path, kind: str, expect: Mapping[str, Expectation]
    ) -> dict[str, Any]:
        """Facts about a product that a task left (ProductError: it is not what it should be)."""
        ...

    def check_input(self, guard: InputGuard) -> None:
        """Look into an input before the tool starts (ProductError: it does not fit)."""

    def fill_header(self, task: Task, product: Path) -> tuple[HeaderCard, ...]:
        """The header cards of a FITS product that a task left."""
        return task.header
