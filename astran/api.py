"""Production by hand, from Python; the commands create_*_LP and check_* are made of it.

    from astran.config.yaml_files import load_site
    from astran import api

    site = load_site("site.yml")
    config = api.configure_analysis("Crab", "20231207", runs=(15864,), **{"dl3.theta_cut": 0.2})
    api.create_dl2(site, config)
    api.create_dl3(site, config)
    api.create_index(site, "Crab20231207/DL3")
    api.check_dl3(site, config=config).ok

What is made is what the service would make: the same tasks, checks and folders. How each task ended
is logged: `configure_logging(form=LogForm.PLAIN)` of `astran.base.logging_setup` prints it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astran.base.clock import Clock, SystemClock
from astran.base.errors import ConfigError
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import MissingRun
from astran.base.process import Runner, run_command
from astran.base.tasks import ProductKind, Task
from astran.catalogue.sources import resolve_source
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.database.location import identity
from astran.production.audit.inventory import Inventory
from astran.production.job.shell_script import make_shell_script
from astran.scheduler.registry import submit_by_hand
from astran.telescopes.configuration import build_analysis
from astran.telescopes.hand_tools import HandPlan, HandTools, HandWorkspace
from astran.telescopes.registry import find_chain

Place = str | Path


@dataclass(frozen=True, slots=True)
class ProductionRun:
    """Tasks that are ready to be run by hand."""

    tasks: tuple[Task, ...]
    bench: HandWorkspace
    notes: tuple[str, ...] = ()
    """Choices that were made."""
    missing: tuple[MissingRun, ...] = ()
    """Runs that were asked for and are left out."""

    def script(self) -> str:
        """A bash script that does the same: the exact commands."""
        return "\n".join(make_shell_script(self.tasks, self.bench.site)) + "\n"

    def run(self) -> tuple[ExitRecord, ...]:
        """Run the tasks one after another; returns how each of them ended.

        Raises
        ------
        ConfigError : the folder is that of an analysis of the service
        """
        self._refuse_service_folder()
        return self.bench.run(self.tasks)

    def submit(self, runner: Runner = run_command) -> Iterator[tuple[Task, str]]:
        """Submit each task to Slurm, as a job that waits for those whose products it needs; yields
        each with the id of its job.

        Raises
        ------
        ConfigError : as `run`, or the site has no Slurm
        SchedulerError : Slurm refused a job, or does not answer; the jobs before it are submitted
        """
        self._refuse_service_folder()
        settings, jobs = self.bench.site.scheduler, dict[str, str]()
        for task in self.tasks:
            self.bench.lay_out(task)
            needed = [jobs[key] for key in (*task.needs, *task.after) if key in jobs]
            token = secrets.token_hex(8)
            jobs[task.key] = submit_by_hand(settings, task, token, needed, runner)
            yield task, jobs[task.key]

    def _refuse_service_folder(self) -> None:
        folder = self.bench.folder
        # jobs of the service leave their files there; its products, logs and records are not ours
        if (folder / "jobmanager" / "batches").is_dir():
            raise ConfigError(
                f"{folder} holds an analysis of the service, which must not be overwritten.",
                cure=f"Name another folder: --output {folder}_byhand. DL2 that is there already is "
                f"given by --input {folder / 'DL2'}.",
            )

    def good(self, records: Sequence[ExitRecord]) -> bool:
        """Whether every task succeeded and no run was left out."""
        done = [record for record in records if record.outcome is TaskOutcome.OK]
        return len(done) == len(self.tasks) and not self.missing


# ---- what is wanted ------------------------------------------------------------------------------


def configure_analysis(
    target: str, date: str, runs: Iterable[int] | None = None, **parameters: object
) -> AnalysisConfig:
    """The configuration of an analysis.

    Parameters
    ----------
    target : by any usual name
    date : night, YYYYMMDD of its evening
    runs : none: all of the target in that night
    parameters : by dotted name: `**{"dl3.theta_cut": 0.2}`

    Raises
    ------
    ConfigError : also for a target that is not known
    """
    data: dict[str, Any] = {"target": target, "date": date}
    if runs is not None:
        data["runs"] = tuple(runs)
    for name, value in parameters.items():
        set_parameter(data, name, value)
    return configure(data)


def set_parameter(data: dict[str, Any], name: str, value: object) -> None:
    """Set a parameter by its dotted name (ConfigError: a part of it is no group)."""
    *groups, last = name.strip().split(".")
    for group in groups:
        data = data.setdefault(group, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{name}: {group} holds no further keys.")
    data[last] = value


def configure(data: dict[str, Any], start: str = "") -> AnalysisConfig:
    """Check a configuration given as plain data, with the settings of its telescope; the target may
    be a name.

    Parameters
    ----------
    start : data level of files that are named by hand; empty: as the data say
    """
    if isinstance(data.get("target"), str):
        data = {**data, "target": resolve_source(data["target"]).model_dump()}
    if start:
        _tools(str(data.get("telescope") or ""))
        # files are named by somebody who may read them anyway
        data = {**data, "start": start, "folder": ""}
    return build_analysis(data, "The request")


# ---- making --------------------------------------------------------------------------------------


def prepare_dl2(
    site: SiteConfig,
    config: AnalysisConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
    *,
    keep: bool = True,
) -> ProductionRun:
    """Tasks for DL2 of each run.

    Parameters
    ----------
    inputs : DL1 files, or folders of them; none: what the catalogue of the site finds
    output : folder of the analysis; none: <workdir>/<Target><date>
    keep : False leaves no trace on disk

    Raises
    ------
    CatalogueError, ConfigError : no data, no models, no lstchain
    """
    identity.check_store(site)
    folder = Path(output or site.workdir / config.label)
    tools = _of(site, config)
    return _work(tools.prepare_dl2(site, config, list(map(Path, inputs)), folder, keep=keep))


def prepare_dl3(
    site: SiteConfig,
    config: AnalysisConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
    *,
    keep: bool = True,
) -> ProductionRun:
    """Tasks for missing IRFs and for DL3 of each run; as `prepare_dl2`, but

    inputs : DL2 files, or folders of them; none: <output>/DL2
    """
    identity.check_store(site)
    folder = Path(output or site.workdir / config.label).absolute()
    tools = _of(site, config)
    return _work(tools.prepare_dl3(site, config, list(map(Path, inputs)), folder, keep=keep))


def prepare_index(
    site: SiteConfig,
    dl3: Place,
    output: Place | None = None,
    lstchain: str = "",
    *,
    keep: bool = True,
) -> ProductionRun:
    """The task for the index of the DL3 files in the folder `dl3`.

    Parameters
    ----------
    output : folder for log and script; none: the one above `dl3`
    """
    identity.check_store(site)
    folder = Path(dl3).absolute()
    place = Path(output or folder.parent)
    return _work(_tools(site.telescope).prepare_index(site, folder, place, lstchain, keep=keep))


def create_dl2(
    site: SiteConfig,
    config: AnalysisConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
) -> tuple[ExitRecord, ...]:
    """Make DL2; see `prepare_dl2`. Returns how each task ended."""
    return prepare_dl2(site, config, inputs, output).run()


def create_dl3(
    site: SiteConfig,
    config: AnalysisConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
) -> tuple[ExitRecord, ...]:
    """Make missing IRFs, then DL3; see `prepare_dl3`."""
    return prepare_dl3(site, config, inputs, output).run()


def create_index(
    site: SiteConfig, dl3: Place, output: Place | None = None, lstchain: str = ""
) -> tuple[ExitRecord, ...]:
    """Make the HDU and observation index of DL3 files; see `prepare_index`."""
    return prepare_index(site, dl3, output, lstchain).run()


# ---- checking ------------------------------------------------------------------------------------


def check_dl2(
    site: SiteConfig | None = None,
    places: Iterable[Place] = (),
    *,
    config: AnalysisConfig | None = None,
    night: str = "",
    runs: Iterable[int] = (),
    dl1: Iterable[Place] = (),
    clock: Clock | None = None,
) -> Inventory:
    """What DL2 exists, is missing, is broken.

    Parameters
    ----------
    site : only needed for a configuration or a night
    places : files, or folders of products or of analyses; none: those of the analysis or night
    config : of an analysis, whose runs there should be
    night : YYYYMMDD; all its runs there should be, of whatever source
    runs : of the night only these
    dl1 : DL1 files or folders to compare with; none: what ASTRAN made the files from

    Raises
    ------
    CatalogueError, ConfigError : nothing to look at
    """
    return check(ProductKind.DL2, site, places, config, night, runs, dl1, clock)


def check_dl3(
    site: SiteConfig | None = None,
    places: Iterable[Place] = (),
    *,
    config: AnalysisConfig | None = None,
    night: str = "",
    runs: Iterable[int] = (),
    clock: Clock | None = None,
) -> Inventory:
    """What DL3 exists, is missing, is broken; as `check_dl2`."""
    return check(ProductKind.DL3, site, places, config, night, runs, (), clock)


def check(
    kind: ProductKind,
    site: SiteConfig | None = None,
    places: Iterable[Place] = (),
    config: AnalysisConfig | None = None,
    night: str = "",
    runs: Iterable[int] = (),
    dl1: Iterable[Place] = (),
    clock: Clock | None = None,
) -> Inventory:
    """`check_dl2` or `check_dl3`, by `kind`."""
    telescope = (config and config.telescope) or (site.telescope if site else "")
    return _tools(telescope).take_inventory(
        kind,
        site,
        list(map(Path, places)),
        config,
        night,
        tuple(runs),
        list(map(Path, dl1)),
        clock or SystemClock(),
    )


# ---- parts ---------------------------------------------------------------------------------------


def _tools(telescope: str) -> HandTools[Any, Inventory]:
    chain = find_chain(telescope)
    if chain.hand_tools is None:
        raise ConfigError(
            f"The chain of {chain.name} makes whole analyses only.",
            cure="Use astran --config-analysis FILE --submit.",
        )
    return chain.hand_tools


def _of(site: SiteConfig, config: AnalysisConfig) -> HandTools[Any, Inventory]:
    return _tools(config.telescope or site.telescope)


def wanted_software(site: SiteConfig, config: AnalysisConfig) -> str:
    """Version of the software that a configuration names; empty: the site's default."""
    return _of(site, config).software_of(config)


def _work(plan: HandPlan) -> ProductionRun:
    return ProductionRun(plan.tasks, plan.bench, plan.notes, plan.missing)
