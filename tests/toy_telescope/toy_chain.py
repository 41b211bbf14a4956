"""A telescope that writes one number a line into a text file for each run."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, ProductError
from astran.base.night_data import FileRef, MissingRun, NightData, RunFile
from astran.base.tasks import Expectation, Output, Plan, Resources, Task, fingerprint
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.telescopes.chain import PlanRequest, TelescopeChain


class Level(StrEnum):
    """Data level from which an analysis starts."""

    RAW = "raw"
    CAL = "cal"


class ToyConfig(AnalysisConfig):
    """What can be asked for: the common keys, and these."""

    start: Level = Field(Level.RAW, description="Data level to start from: raw or cal.")
    descending: bool = Field(False, description="Largest number first.")


class ToyChain(TelescopeChain[ToyConfig]):
    """raw -> cal (sorted) -> sum (all runs in one file)."""

    name = "TOY"
    settings_type = ToyConfig
    key_names = {"descending": ("largest first",)}
    results_stage = ""

    def find_data(
        self,
        site: SiteConfig,
        config: ToyConfig,
        clock: Clock,
        *,
        late: bool = False,
        patient: bool = False,
    ) -> NightData:
        """Every file of the night, `<data>/<date>/raw_<run>.txt`."""
        folder = Path(site.telescopes[self.name].settings["data"], config.date)
        found = {int(path.stem[4:]): path for path in folder.glob(f"{config.start}_*.txt")}
        wanted = sorted(found) if config.runs is None else config.runs
        if not wanted:
            raise CatalogueError(f"There is no run of {config.target.name} in {folder}.")
        missing = tuple(
            MissingRun(run, "its file is not there", may_come=not late)
            for run in wanted
            if run not in found
        )
        return NightData(
            complete=late or not missing,
            runs=tuple(RunFile(run, _file(found[run])) for run in wanted if run in found),
            missing=missing,
        )

    def make_plan(self, request: PlanRequest[ToyConfig]) -> Plan:
        """One task for each run, and one for all of them."""
        cal = [_calibrate(request, run) for run in request.data.runs]
        return Plan(
            tasks=(*cal, _add(request, cal)),
            versions=(("astran", ""), ("toy", "1.0")),
            left_out=tuple((gap.run, gap.reason) for gap in request.data.missing),
        )

    def check_product(
        self, path: Path, kind: str, expect: Mapping[str, Expectation]
    ) -> dict[str, Any]:
        """Numbers, one a line."""
        try:
            numbers = [float(line) for line in path.read_text().split()]
        except ValueError as error:
            raise ProductError(f"{path.name} holds something else than numbers.") from error
        if not numbers:
            raise ProductError(f"{path.name} is empty.")
        return {"numbers": len(numbers), "kind": kind}


CHAIN = ToyChain()


def _file(path: Path) -> FileRef:
    status = path.stat()
    return FileRef(str(path), status.st_size, status.st_mtime_ns)


def _calibrate(request: PlanRequest[ToyConfig], run: RunFile) -> Task:
    """Sort the numbers of a run."""
    words = ["sort", "-n", *(["-r"] if request.config.descending else []), run.file.path]
    return _task(
        request,
        key=f"cal-{run.run}",
        stage="cal",
        argv=(*words, "-o", f"{{work}}/cal_{run.run}.txt"),
        output=f"cal_{run.run}.txt",
        run=run.run,
        inputs=(run.file.path,),
        fingerprint=fingerprint(tool="cal", words=words[:-1], raw=run.file.identity),
    )


def _add(request: PlanRequest[ToyConfig], cal: list[Task]) -> Task:
    """Put all runs together."""
    return _task(
        request,
        key="sum",
        stage="sum",
        argv=("sort", "-n", *(task.outputs[0].path for task in cal), "-o", "{work}/sum.txt"),
        output="sum.txt",
        needs=tuple(task.key for task in cal),
    )


def _task(
    request: PlanRequest[ToyConfig],
    *,
    key: str,
    stage: str,
    argv: tuple[str, ...],
    output: str,
    **more: Any,
) -> Task:
    """A task with its files in the folder of the analysis."""
    folder, jobs = request.folder, request.folder / "jobmanager" / "toy-1.0"
    return Task(
        key=key,
        stage=stage,
        argv=argv,
        outputs=(Output(output, str(folder / stage / output), stage),),
        folder=str(folder),
        script=str(jobs / f"Script_{key}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(jobs / f"{key}.record.json"),
        resources=request.resources(stage, Resources(cpus=1, memory_mb=200, time_min=5)),
        **more,
    )
