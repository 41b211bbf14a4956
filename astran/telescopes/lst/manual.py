"""The production steps by hand: the tasks of a plan, run one after another in the foreground.

They are the same tasks with the same scripts as the service submits, so that what runs by hand
also runs there.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astran.base.clock import SystemClock
from astran.base.errors import CatalogueError
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import NightData
from astran.base.process import ProcessAttendant
from astran.base.tasks import Stage, Task
from astran.catalogue.sources import is_same_source
from astran.config.site import SiteConfig
from astran.production.job.scripts import write_scripts
from astran.production.run_task import TOKEN
from astran.telescopes.hand_tools import HandPlan
from astran.telescopes.lst.catalogue.file_inspection.inspector import PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.inventory import check_products
from astran.telescopes.lst.planning.layout import Layout
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.planning.task_builder import TaskMaker
from astran.telescopes.lst.settings import LstConfig, StartLevel

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where and with what to work."""

    site: SiteConfig
    tools: Toolset
    folder: Path
    """Of the analysis: DL2/, DL3/, log/ and jobmanager/ are made in it."""
    python: str
    """Interpreter of ASTRAN."""

    def run(self, tasks: Sequence[Task]) -> tuple[ExitRecord, ...]:
        """Run tasks one after another."""
        return run_tasks(tasks, self)

    def lay_out(self, task: Task) -> Path:
        """Write what a task needs; its script."""
        return lay_out_task(task, self)


def dl2_tasks(config: LstConfig, data: NightData, bench: Workspace) -> tuple[Task, ...]:
    """One task per run of `data`, which starts from DL1."""
    return _tasks(config, data, bench, Stage.DL2)


def dl3_tasks(config: LstConfig, data: NightData, bench: Workspace) -> tuple[Task, ...]:
    """One task per run of `data`, which starts from DL2, after those for missing IRFs."""
    return _tasks(config, data, bench, Stage.DL3)


def index_tasks(dl3: Path, bench: Workspace) -> tuple[Task, ...]:
    """The index of the DL3 files in a folder (CatalogueError if there are none)."""
    files = [str(path) for path in sorted(dl3.absolute().glob("dl3_*.fits"))]
    if not files:
        raise CatalogueError(f"There is no DL3 file (dl3_*.fits) in {dl3}.")
    maker = TaskMaker(bench.site, Layout(bench.folder, bench.tools.version))
    return (maker.index(bench.tools, dl3.absolute(), files),)


def run_tasks(tasks: Sequence[Task], bench: Workspace) -> tuple[ExitRecord, ...]:
    """Run tasks one after another; what needs a failed one is left out, with a word.

    SIGTERM and Ctrl-C end the task that runs and leave out the others.
    """
    records: dict[str, ExitRecord] = {}
    planned = frozenset(task.key for task in tasks)
    with ProcessAttendant() as attendant:
        for task in tasks:
            if attendant.stopped_by is not None:
                break
            if bad := [key for key in task.needs if key in planned and not _good(records, key)]:
                _log.error("%s: not run, because %s failed", task.key, bad[0])
                continue
            record = _run(task, bench, attendant)
            if record is None:
                _log.error("%s: left no record; see %s", task.key, task.log)
                continue
            records[task.key] = record
            level = logging.INFO if _good(records, task.key) else logging.ERROR
            for line in describe_record(record):
                _log.log(level, "%s", line)
    return tuple(records.values())


def describe_record(record: ExitRecord) -> list[str]:
    """How a task ended, for people."""
    lines = [f"{record.key}: {record.outcome.value}: {record.message}"]
    for product in record.products:
        lines.append(f"  {product.path}")
        lines += [f"  note: {remark}" for remark in product.facts.get("warnings", [])]
    return lines + [f"  {line}" for line in record.log_excerpt]


def _tasks(config: LstConfig, data: NightData, bench: Workspace, until: Stage) -> tuple[Task, ...]:
    plan = make_plan(config, bench.site, data, bench.tools, bench.folder, bench.python, until)
    return plan.tasks


def lay_out_task(task: Task, bench: Workspace) -> Path:
    """Write what a task needs to be run by hand, also as users of LAPP-ana look for it:
    jobmanager/v<version>/Script_dl2_<run>.sh. Returns its script."""
    # only products of analyses that are on record are found again in the store
    task = replace(task, store="")
    software = f"lstchain {bench.tools.version}" if task.environment else ""
    script = write_scripts(task, bench.site, software, bench.python)
    named = script.parent.with_name(f"v{script.parent.name}")
    if not named.exists():
        named.symlink_to(script.parent.name)
    return script


def _run(task: Task, bench: Workspace, attendant: ProcessAttendant) -> ExitRecord | None:
    script = lay_out_task(task, bench)
    log, token = Path(task.log), secrets.token_hex(8)
    log.unlink(missing_ok=True)
    attendant.run(["bash", str(script)], env={**os.environ, TOKEN: token}, output=log)
    record = ExitRecord.read(Path(task.record))
    return record if record is not None and record.token == token else None


class LstHandTools:
    """create_dl2_LP, create_dl3_LP, create_index_LP, check_dl2 and check_dl3 of LST-1."""

    def prepare_dl2(
        self,
        site: SiteConfig,
        config: LstConfig,
        inputs: Sequence[Path],
        folder: Path,
        *,
        keep: bool,
    ) -> HandPlan:
        """From DL1, one task for each run."""
        config = config.model_copy(update={"start": StartLevel.DL1, "folder": ""})
        catalogue, files = _catalogue(site, keep), list(_expand(inputs, "dl1_*.h5"))
        if files:
            data = catalogue.with_files(config, files, with_irfs=False)
        else:
            data = catalogue.find(config, with_irfs=False)
        bench = _workspace(site, config.lstchain, folder, keep)
        return _prepared(dl2_tasks(config, data, bench) if data.runs else (), bench, data)

    def prepare_dl3(
        self,
        site: SiteConfig,
        config: LstConfig,
        inputs: Sequence[Path],
        folder: Path,
        *,
        keep: bool,
    ) -> HandPlan:
        """From DL2: missing IRFs, then each run."""
        config = config.model_copy(update={"start": StartLevel.DL2, "folder": ""})
        places = list(inputs) or [folder / "DL2"]
        if not inputs and not any((folder / "DL2").glob("dl2_*.h5")):
            raise CatalogueError(
                f"There is no DL2 (dl2_*.h5) in {places[0]}.",
                cure=f"Make it: create_dl2_LP -t {shlex.quote(config.target.name)} "
                f"-d {config.date} --output {shlex.quote(str(folder))}; or name DL2 by --input.",
            )
        data = _catalogue(site, keep).with_files(config, list(_expand(places, "dl2_*.h5")))
        bench = _workspace(site, config.lstchain, folder, keep)
        return _prepared(dl3_tasks(config, data, bench) if data.runs else (), bench, data)

    def software_of(self, config: LstConfig) -> str:
        """The wanted lstchain."""
        return config.lstchain

    def prepare_index(
        self, site: SiteConfig, dl3: Path, folder: Path, software: str, *, keep: bool
    ) -> HandPlan:
        """Of the DL3 files in a folder."""
        bench = _workspace(site, software, folder, keep)
        return HandPlan(index_tasks(dl3, bench), bench)

    take_inventory = staticmethod(check_products)
    """What DL2 or DL3 exists, is missing, is broken."""


def _catalogue(site: SiteConfig, keep: bool) -> LstCatalogue:
    return LstCatalogue(site, SystemClock(), is_same_source, PATIENT_S, keep)


def _workspace(site: SiteConfig, lstchain: str, folder: Path, keep: bool) -> Workspace:
    tools = find_toolset(site, lstchain, keep=keep)
    return Workspace(site, tools, folder.absolute(), sys.executable)


def _prepared(tasks: tuple[Task, ...], bench: Workspace, data: NightData) -> HandPlan:
    return HandPlan(tasks, bench, data.notes, data.missing)


def _expand(places: Sequence[Path], pattern: str) -> Iterator[Path]:
    """Files as they are; of folders, the files of that pattern."""
    for path in places:
        if path.is_dir():
            found = sorted(path.glob(pattern))
            if not found:
                raise CatalogueError(f"The folder {path} holds no file {pattern}.")
            yield from found
        else:
            yield path


def _good(records: Mapping[str, ExitRecord], key: str) -> bool:
    return key in records and records[key].outcome is TaskOutcome.OK
