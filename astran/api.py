"""Production by hand, from Python; the commands create_*_LP and check_* are made of it.

    from astran.config.yaml_files import load_site
    from astran import api

    site = load_site("site.yml")
    config = api.analysis("Crab", "20231207", runs=(15864,), **{"dl3.theta_cut": 0.2})
    api.create_dl2(site, config)
    api.create_dl3(site, config)
    api.create_index(site, "Crab20231207/DL3")
    api.check_dl3(site, config=config).ok

What is made is what the service would make: the same tasks, checks and folders. How each task ended
is logged: `configure_logging(form=LogForm.PLAIN)` of `astran.base.logging_setup` prints it.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astran.base.clock import Clock, SystemClock
from astran.base.errors import CatalogueError, ConfigError
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import MissingRun, NightData
from astran.base.process import Runner, run_command
from astran.base.tasks import ProductKind, Task
from astran.catalogue.sources import is_same_source, resolve_source
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.database.location import identity
from astran.production.job.shell_script import make_shell_script
from astran.scheduler.registry import submit_by_hand
from astran.telescopes.lst import inventory
from astran.telescopes.lst.catalogue.file_inspection.inspector import PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.inventory import Inventory
from astran.telescopes.lst.manual import (
    Workspace,
    dl2_tasks,
    dl3_tasks,
    index_tasks,
    lay_out_task,
    run_tasks,
)
from astran.telescopes.lst.settings import LstConfig, StartLevel

Place = str | Path


@dataclass(frozen=True, slots=True)
class ProductionRun:
    """Tasks that are ready to be run by hand."""

    tasks: tuple[Task, ...]
    bench: Workspace
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
        return run_tasks(self.tasks, self.bench)

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
            lay_out_task(task, self.bench)
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
) -> LstConfig:
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


def configure(data: dict[str, Any], start: StartLevel | None = None) -> LstConfig:
    """Check a configuration given as plain data; the target may be a name."""
    if isinstance(data.get("target"), str):
        data = {**data, "target": resolve_source(data["target"]).model_dump()}
    if start is not None:
        # files are named by somebody who may read them anyway
        data = {**data, "start": start, "folder": ""}
    return build_settings(LstConfig, data, "The request")


# ---- making --------------------------------------------------------------------------------------


def prepare_dl2(
    site: SiteConfig,
    config: LstConfig,
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
    config = config.model_copy(update={"start": StartLevel.DL1, "folder": ""})
    files = list(_expand(inputs, "dl1_*.h5"))
    catalogue = _catalogue(site, keep)
    if files:
        data = catalogue.with_files(config, files, with_irfs=False)
    else:
        data = catalogue.find(config, with_irfs=False)
    bench = _bench(site, config.lstchain, output or site.workdir / config.label, keep)
    return _work(dl2_tasks(config, data, bench) if data.runs else (), bench, data)


def prepare_dl3(
    site: SiteConfig,
    config: LstConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
    *,
    keep: bool = True,
) -> ProductionRun:
    """Tasks for missing IRFs and for DL3 of each run; as `prepare_dl2`, but

    inputs : DL2 files, or folders of them; none: <output>/DL2
    """
    config = config.model_copy(update={"start": StartLevel.DL2, "folder": ""})
    folder = Path(output or site.workdir / config.label).absolute()
    places = list(inputs) or [folder / "DL2"]
    if not inputs and not any((folder / "DL2").glob("dl2_*.h5")):
        raise CatalogueError(
            f"There is no DL2 (dl2_*.h5) in {places[0]}.",
            cure=f"Make it: create_dl2_LP -t {shlex.quote(config.target.name)} -d {config.date} "
            f"--output {shlex.quote(str(folder))}; or name DL2 by --input.",
        )
    files = list(_expand(places, "dl2_*.h5"))
    data = _catalogue(site, keep).with_files(config, files)
    bench = _bench(site, config.lstchain, folder, keep)
    return _work(dl3_tasks(config, data, bench) if data.runs else (), bench, data)


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
    folder = Path(dl3).absolute()
    bench = _bench(site, lstchain, output or folder.parent, keep)
    return ProductionRun(index_tasks(folder, bench), bench)


def create_dl2(
    site: SiteConfig,
    config: LstConfig,
    inputs: Iterable[Place] = (),
    output: Place | None = None,
) -> tuple[ExitRecord, ...]:
    """Make DL2; see `prepare_dl2`. Returns how each task ended."""
    return prepare_dl2(site, config, inputs, output).run()


def create_dl3(
    site: SiteConfig,
    config: LstConfig,
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
    config: LstConfig | None = None,
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
    config: LstConfig | None = None,
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
    config: LstConfig | None = None,
    night: str = "",
    runs: Iterable[int] = (),
    dl1: Iterable[Place] = (),
    clock: Clock | None = None,
) -> Inventory:
    """`check_dl2` or `check_dl3`, by `kind`."""
    folders, extra = [Path(place) for place in places], [Path(place) for place in dl1]
    if config is None and not night:
        if not folders:
            raise ConfigError("Nothing to check.", cure="Name files, folders, or a night.")
        return inventory.take_inventory(kind, folders, None, extra)
    if site is None:
        raise ConfigError("To check a night, the site configuration is needed.")
    clock = clock or SystemClock()
    if config is not None:
        label, night, target = config.label, config.date, config.target.name
        expected = inventory.expected_runs(site, clock, config)
    else:
        label, target = f"*{night}", ""
        expected = inventory.expected_of_night(site, clock, night, tuple(runs))
    if not expected:
        raise CatalogueError(f"No run of the night {night} is known.")
    known = inventory.folders_of(site.workdir, label)
    found = inventory.take_inventory(
        kind, folders or known or [site.workdir / label.strip("*")], expected, extra
    )
    found.night, found.target = night, target
    return found


# ---- parts ---------------------------------------------------------------------------------------


def _catalogue(site: SiteConfig, keep: bool) -> Any:
    return LstCatalogue(site, SystemClock(), is_same_source, PATIENT_S, keep)


def _bench(site: SiteConfig, lstchain: str, folder: Place, keep: bool) -> Workspace:
    identity.check_store(site)
    tools = find_toolset(site, lstchain, keep=keep)
    return Workspace(site, tools, Path(folder).absolute(), sys.executable)


def _work(tasks: tuple[Task, ...], bench: Workspace, data: NightData) -> ProductionRun:
    return ProductionRun(tasks, bench, data.notes, data.missing)


def _expand(places: Iterable[Place], pattern: str) -> Iterable[Path]:
    """Files as they are; of folders, the files of that pattern."""
    for place in places:
        path = Path(place)
        if path.is_dir():
            found = sorted(path.glob(pattern))
            if not found:
                raise CatalogueError(f"The folder {path} holds no file {pattern}.")
            yield from found
        else:
            yield path
