"""A telescope whose nights are what a test says: DL3 of each run, and results of the night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, DataUnavailable
from astran.base.night import Night
from astran.base.night_data import FileRef, MissingRun, NightData, RunFile
from astran.base.tasks import (
    Expectation,
    Output,
    Plan,
    ProductKind,
    Resources,
    Stage,
    Task,
    fingerprint,
)
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.telescopes.chain import PlanRequest, TelescopeChain


@dataclass
class Archive:
    """What was observed."""

    nights: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Runs by night and target."""
    awaited: set[str] = field(default_factory=set)
    """Nights whose data are still to come."""
    away: bool = False
    looks: int = 0


ARCHIVE = Archive()


class NightsConfig(AnalysisConfig):
    """The common keys."""

    start: str = "dl2"


class NightsChain(TelescopeChain[NightsConfig]):
    """dl3 of each run, and the results of the night."""

    name = "NIGHTS"
    settings_type = NightsConfig

    def find_data(
        self,
        site: SiteConfig,
        config: NightsConfig,
        clock: Clock,
        *,
        late: bool = False,
        patient: bool = False,
    ) -> NightData:
        ARCHIVE.looks += 1
        if ARCHIVE.away:
            raise DataUnavailable("The folder of the data cannot be read.")
        if config.date in ARCHIVE.awaited:
            return NightData(complete=False, missing=(MissingRun(1, "not there yet", True),))
        runs = ARCHIVE.nights.get(config.date, {}).get(config.target.name, [])
        if not runs:
            raise CatalogueError(f"No run of {config.target.name} was taken.")
        files = [FileRef(f"/data/{config.date}/{run}.h5", 1, 1) for run in runs]
        return NightData(
            complete=True,
            runs=tuple(
                RunFile(run, file, livetime_s=1200.0) for run, file in zip(runs, files, strict=True)
            ),
        )

    def observed_targets(self, site: SiteConfig, night: Night, clock: Clock) -> tuple[str, ...]:
        return tuple(ARCHIVE.nights.get(str(night), {}))

    def make_plan(self, request: PlanRequest[NightsConfig]) -> Plan:
        date = request.config.date
        dl3 = [
            replace(
                _task(request, f"dl3-{run.run}", Stage.DL3, f"DL3/dl3_{run.run}.fits"),
                run=run.run,
                fingerprint=fingerprint(dl3=[date, run.run]),
            )
            for run in request.data.runs
        ]
        results = _task(request, "highlevel", Stage.HIGHLEVEL, "results")
        return Plan(
            tasks=(
                *dl3,
                replace(
                    results,
                    argv=(
                        *("python", "-m", "astran.highlevel", f"--dl3={request.folder}/DL3"),
                        *(f"--target={request.config.target.name}", f"--date={date}"),
                        "--output={work}/results",
                    ),
                    after=tuple(task.key for task in dl3),
                    depends_on_success=True,
                    fingerprint=fingerprint(tool="highlevel", date=date),
                ),
            ),
            versions=(("astran", ""), ("nights", "1")),
        )

    def check_product(
        self, path: Path, kind: str, expect: Mapping[str, Expectation]
    ) -> dict[str, Any]:
        return {}


CHAIN = NightsChain()


def _task(request: PlanRequest[NightsConfig], key: str, stage: Stage, product: str) -> Task:
    folder, jobs = request.folder, request.folder / "jobmanager" / "1"
    kind = ProductKind.RESULTS if stage is Stage.HIGHLEVEL else ProductKind.DL3
    return Task(
        key=key,
        stage=stage,
        argv=("nights", key),
        outputs=(Output(Path(product).name, str(folder / product), kind),),
        folder=str(folder),
        script=str(jobs / f"Script_{key}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(jobs / f"{key}.record.json"),
        resources=Resources(2, 1000, 60),
    )
