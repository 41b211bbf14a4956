"""Runs of one night with different NSB levels: each with its own models and IRFs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from production_samples import TOOLS, a_config, a_night_of_two_levels, a_site, ref

from astran.base.nightdata import NightData
from astran.base.tasks import Plan, Stage
from astran.production.lst.plan import make_plan

WORK = Path("/work/astran")


def plan(data: NightData) -> Plan:
    folder = WORK / "Crab20231213"
    return make_plan(a_config(), a_site(WORK), data, TOOLS, folder, sys.executable)


def test_each_dl2_is_made_with_the_models_of_its_level() -> None:
    made = plan(a_night_of_two_levels())
    for run, level in ((15861, "0.14"), (15862, "0.50"), (15863, "0.14")):
        argv = made.task(f"dl2-{run}").argv
        assert argv[argv.index("-p") + 1] == f"/models/nsb_{level}"


def test_irfs_once_per_level_and_dl3_with_those_of_its_run() -> None:
    made = plan(a_night_of_two_levels())
    keys = {task.key for task in made.tasks if task.stage is Stage.IRF}
    assert keys == {
        f"irf-nsb{level}-{node}"
        for level in ("0.14", "0.50")
        for node in ("theta_10.000_az_102.199", "theta_23.630_az_100.758")
    }
    folders = {}
    for run, level in ((15861, "0.14"), (15862, "0.50"), (15863, "0.14")):
        task = made.task(f"dl3-{run}")
        assert task.needs[0] == f"dl2-{run}"
        assert set(task.needs[1:]) == {key for key in keys if f"nsb{level}" in key}
        # lstchain sees the IRFs of one level only: it would interpolate between levels
        assert len(task.links) == 2
        (folders[run],) = {Path(target).parent for _, target in task.links}
    assert folders[15861] == folders[15863] != folders[15862]


def test_the_same_run_at_another_level_is_other_work() -> None:
    data = a_night_of_two_levels()
    moved = replace(data, runs=tuple(replace(run, level="0.14") for run in data.runs))
    one, other = plan(data), plan(moved)
    for stage in ("dl2", "dl3"):
        assert one.task(f"{stage}-15861").fingerprint == other.task(f"{stage}-15861").fingerprint
        assert one.task(f"{stage}-15862").fingerprint != other.task(f"{stage}-15862").fingerprint


def test_subruns_of_different_levels_do_not_share_a_task() -> None:
    data = a_night_of_two_levels()
    runs = []
    for run in data.runs:
        parts = tuple(ref(f"/data/dl1_LST-1.Run{run.run}.{i:04d}.h5") for i in range(3))
        runs.append(replace(run, file=parts[0], parts=parts))
    made = plan(replace(data, runs=tuple(runs)))
    packs = [task for task in made.tasks if task.key.startswith("pack-")]
    assert len(packs) == 2
    for task in packs:
        models = task.argv[task.argv.index("-p") + 1]
        numbers = {Path(word).name[13:18] for word in task.argv if "dl1_LST-1" in word}
        assert numbers == ({"15862"} if models.endswith("0.50") else {"15861", "15863"})
