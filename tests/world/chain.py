"""A telescope whose data are what the world says: dl2 for each run, one irf, dl3, a sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astran.base.clock import Clock
from astran.base.errors import DataUnavailable
from astran.base.night_data import FileRef, MissingRun, NightData, RunFile
from astran.base.tasks import Expectation, Output, Plan, Resources, Stage, Task, fingerprint
from astran.config.analysis import AnalysisConfig
from astran.config.site import SiteConfig
from astran.telescopes.chain import PlanRequest, TelescopeChain


@dataclass
class Sky:
    """What there is to analyse."""

    runs: dict[str, set[int]] = field(default_factory=dict)
    """Complete runs, by night."""
    announced: dict[str, set[int]] = field(default_factory=dict)
    """All runs that the night has, there or not."""
    away: bool = False
    """The disk of the data is not mounted."""


SKY = Sky()


class WorldConfig(AnalysisConfig):
    """The common keys."""

    start: str = "raw"


class WorldChain(TelescopeChain[WorldConfig]):
    """raw -> dl2 -> dl3 (with the irf of all nights) -> sum."""

    name = "WORLD"
    settings_type = WorldConfig
    results_stage = ""

    def find_data(
        self,
        site: SiteConfig,
        config: WorldConfig,
        clock: Clock,
        *,
        late: bool = False,
        patient: bool = False,
    ) -> NightData:
        """What the world has by now."""
        if SKY.away:
            raise DataUnavailable("The folder of the data cannot be read.")
        there = SKY.runs.get(config.date, set())
        wanted = sorted(config.runs or SKY.announced.get(config.date, set()))
        missing = tuple(
            MissingRun(run, "its file is not there", may_come=not late)
            for run in wanted
            if run not in there
        )
        return NightData(
            complete=bool(wanted) and not missing,
            runs=tuple(
                RunFile(run, FileRef(f"/data/{config.date}/{run}", 1000, 1))
                for run in wanted
                if run in there
            ),
            missing=missing,
        )

    def make_plan(self, request: PlanRequest[WorldConfig]) -> Plan:
        """Shared work has the same fingerprint in all analyses."""
        date, runs = request.config.date, [run.run for run in request.data.runs]
        tasks = [_task(request, f"dl2-{date}-{run}", Stage.DL2, run) for run in runs]
        tasks.append(_task(request, "irf", Stage.IRF))
        tasks += [
            _task(request, f"dl3-{date}-{run}", Stage.DL3, run, needs=(f"dl2-{date}-{run}", "irf"))
            for run in runs
        ]
        if request.last_stage:
            return Plan(tuple(tasks), versions=(("astran", ""), ("world", "1")))
        after = tuple(f"dl3-{date}-{run}" for run in runs)
        tasks.append(_task(request, f"sum-{date}", "sum", after=after))
        return Plan(
            tuple(tasks),
            versions=(("astran", ""), ("world", "1")),
            left_out=tuple((gap.run, gap.reason) for gap in request.data.missing),
        )

    def early_stage(self, config: WorldConfig) -> str:
        return Stage.DL3

    def check_product(
        self, path: Path, kind: str, expect: Mapping[str, Expectation]
    ) -> dict[str, Any]:
        return {}


CHAIN = WorldChain()


def _task(
    request: PlanRequest[WorldConfig],
    key: str,
    stage: str,
    run: int | None = None,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> Task:
    folder, jobs = request.folder, request.folder / "jobs"
    product = folder / "products" / f"{key}.product"
    return Task(
        key=key,
        stage=stage,
        argv=("world", key),
        outputs=(Output(product.name, str(product), "world"),),
        folder=str(folder),
        script=str(jobs / f"Script_{key}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(jobs / f"Script_{key}.record.json"),
        run=run,
        needs=needs,
        after=after,
        resources=request.resources(stage, Resources(1, 1000, 60)),
        fingerprint=fingerprint(work=key),
        depends_on_success=bool(after),
    )
