"""A night of two NSB levels with the real tools, in a tree of models as on La Palma: the forests of
both levels are the same, so that the results have to be the same, too."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from demo_fixtures import SmallNight

from astran.base.clock import SystemClock
from astran.base.errors import CatalogueError
from astran.base.exit_record import ExitRecord, TaskOutcome
from astran.base.night_data import NightData
from astran.base.tasks import Plan, Stage, Task
from astran.config.site import SiteConfig
from astran.telescopes.lst import manual
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.dl2_file import read_provenance
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.manual import Workspace
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.settings import LstConfig

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]
TARGET = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
PRODUCTION = "20240918_v0.10.12_allsky_nsb_tuning_"
SKY = {0: (0.1534, 8), 1: (0.4612, 10)}
"""Of each run: additional NSB [p.e./ns], picture threshold [p.e.]."""
LEVELS = ("0.14", "0.50")


@dataclass(frozen=True)
class Site:
    """A site with an all-sky tree of two levels, whose Monte Carlo is there as DL1."""

    folder: Path
    night: SmallNight
    settings: dict[str, Any]

    def config(self, **asked: Any) -> LstConfig:
        date = str(self.night.simulation.night)
        return LstConfig.model_validate({"target": TARGET, "date": date, **asked})

    def site(self, **data: Any) -> SiteConfig:
        here = {"bin": str(Path(sys.executable).parent)}
        return SiteConfig.model_validate(
            {
                "site": "two levels",
                "workdir": str(self.folder),
                "simulated": True,
                "lstchain": {"default": "here", "environments": {"here": here}},
                "data": {**self.settings, **data},
            }
        )

    def plan(self, place: Path, data: dict[str, Any], **asked: Any) -> tuple[NightData, Plan]:
        site, config = self.site(**data), self.config(**asked)
        found = LstCatalogue(site, SystemClock()).find(config)
        tools = find_toolset(site)
        return found, make_plan(config, site, found, tools, place, sys.executable, Stage.DL3)

    def run(self, tasks: list[Task], folder: Path) -> dict[str, ExitRecord]:
        site = self.site()
        bench = Workspace(site, find_toolset(site), folder, sys.executable)
        return {one.key: one for one in manual.run_tasks(tasks, bench)}


@dataclass(frozen=True)
class Made:
    """DL3 of both runs."""

    site: Site
    folder: Path
    data: NightData
    plan: Plan
    records: dict[str, ExitRecord]

    @property
    def runs(self) -> list[int]:
        return self.site.night.runs

    def dl3(self, run: int) -> Path:
        return Path(self.plan.task(f"dl3-{run}").outputs[0].path)


@pytest.fixture(scope="module")
def made(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("levels")
    tree = simulated_night.tree
    for level in LEVELS:
        shutil.copytree(tree.models, folder / f"models/AllSky/{PRODUCTION}{level}/dec_2276")
    cuts = folder / "TailCuts"
    cuts.mkdir()
    for index, run in enumerate(simulated_night.runs):
        nsb, picture = SKY[index]
        log = f"\nAdditional NSB rate (over dark MC): {nsb:.4f} p.e./ns\n"
        (cuts / f"log_find_tailcuts_Run{run:05d}.log").write_text(log)
        told = {"tailcuts_clean_with_pedestal_threshold": {"picture_thresh": picture}}
        (cuts / f"dl1ab_Run{run:05d}.json").write_text(json.dumps(told))
    nodes = tree.root / "mc/DL1/AllSky" / tree.production / "TestingDataset/Gamma"
    settings = {
        **tree.data_settings(),
        "models": f"{folder}/models/AllSky/{PRODUCTION}{{nsb}}",
        "mc_dl2": "",
        "mc_dl1": f"{nodes}/node_theta_23*/dl1_*.h5",
        "nsb": {
            "log": f"{cuts}/log_find_tailcuts_Run{{run}}.log",
            "cleaning": f"{cuts}/dl1ab_Run{{run}}.json",
        },
    }
    site = Site(folder, simulated_night, settings)
    work = folder / "Crab"
    data, plan = site.plan(work, {})
    yield Made(site, work, data, plan, site.run(list(plan.tasks), work))


def test_each_run_with_models_and_irfs_of_its_level(made: Made) -> None:
    assert {run.level for run in made.data.runs} == set(LEVELS)
    for task in made.plan.tasks:
        record = made.records[task.key]
        assert record.outcome is TaskOutcome.OK, (task.key, record.message, record.log_excerpt)
    for run, level in zip(made.runs, LEVELS, strict=True):
        dl2 = Path(made.plan.task(f"dl2-{run}").outputs[0].path)
        assert read_provenance(dl2).models.endswith(f"{PRODUCTION}{level}/dec_2276")
        (irf,) = made.plan.task(f"dl3-{run}").links
        assert irf[1] == made.plan.task(f"irf-nsb{level}-{Path(irf[0]).name[4:-8]}").outputs[0].path


def test_monte_carlo_is_reconstructed_once_and_kept(made: Made) -> None:
    mc = [task for task in made.plan.tasks if task.key.startswith("mc-")]
    assert len(mc) == len(LEVELS)
    for task, level in zip(mc, LEVELS, strict=True):
        (output,) = task.outputs
        assert read_provenance(Path(output.path)).models.endswith(f"{PRODUCTION}{level}/dec_2276")
    _, again = made.site.plan(made.folder, {})
    assert {task.stage for task in again.tasks} == {Stage.DL2, Stage.DL3}
    assert {task.key for task in again.tasks if task.stage is Stage.DL2} == {
        f"dl2-{run}" for run in made.runs
    }
    # other cuts: new IRFs of the same Monte Carlo
    _, other = made.site.plan(made.folder, {}, dl3={"theta_cut": 0.3})
    assert not any(task.key.startswith("mc-") for task in other.tasks)
    assert sum(task.stage is Stage.IRF for task in other.tasks) == len(LEVELS)


def test_the_result_is_that_of_a_single_level(made: Made, tmp_path: Path) -> None:
    """The forests are the same: so are the events, the cuts and the response."""
    run = made.runs[1]
    data, plan = made.site.plan(tmp_path, {}, dl2={"nsb": 0.14}, runs=[run])
    assert [one.level for one in data.monte_carlo] == ["0.14"]
    records = made.site.run(list(plan.tasks), tmp_path)
    assert [one.outcome for one in records.values()] == [TaskOutcome.OK, TaskOutcome.OK]
    with (
        fits.open(plan.task(f"dl3-{run}").outputs[0].path) as single,
        fits.open(made.dl3(run)) as mixed,
    ):
        for name in ("EVENTS", "GTI", "EFFECTIVE AREA", "ENERGY DISPERSION"):
            # scikit-learn adds up the trees in the order in which its threads end
            differ = fits.TableDataDiff(single[name].data, mixed[name].data, rtol=1e-6)
            assert differ.identical, (name, differ.report())
        assert len(mixed["EVENTS"].data) > 100


def test_dl2_of_other_models_is_stopped_before_any_computing(made: Made) -> None:
    """The night's own Monte Carlo was made with the models under their first name."""
    tree = made.site.night.tree
    other = {"mc_dl2": tree.data_settings()["mc_dl2"], "mc_dl1": "", "roots": [str(made.folder)]}
    with pytest.raises(CatalogueError, match="its DL2 was made with the models") as caught:
        made.site.plan(made.folder, other, start="dl2", folder=str(made.folder / "DL2"))
    assert f"{PRODUCTION}0.50/dec_2276" in str(caught.value)
    assert f"{tree.production}/dec_2276" in str(caught.value)


def test_the_task_stops_before_its_tool_starts(made: Made, tmp_path: Path) -> None:
    """DL2 that changed since the plan was made."""
    one, other = (made.plan.task(f"dl3-{run}") for run in made.runs)
    dl2 = one.guards[0].path
    guards = tuple(replace(guard, path=dl2) for guard in other.guards)
    task = replace(
        other,
        guards=guards,
        needs=(),
        script=str(tmp_path / "Script_dl3.sh"),
        log=str(tmp_path / "dl3.log"),
        record=str(tmp_path / "dl3.record.json"),
        outputs=tuple(replace(o, path=str(tmp_path / "dl3.fits")) for o in other.outputs),
    )
    (record,) = made.site.run([task], tmp_path).values()
    assert record.outcome is TaskOutcome.CHECK_FAILED
    assert f"{PRODUCTION}0.14/dec_2276, the Monte Carlo of its IRFs with" in record.message
    assert "lstchain_create_dl3_file -d" not in Path(task.log).read_text()
