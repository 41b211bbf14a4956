"""Runs of one night with different NSB levels: each with its own models and IRFs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from production_samples import TOOLS, a_config, a_night, a_night_of_two_levels, a_site, ref

from astran.base.errors import CatalogueError
from astran.base.night_data import IrfCuts, McNode, NightData, ReadyIrf, RunFile
from astran.base.tasks import Plan, Stage
from astran.telescopes.lst.planning.plan import make_plan

WORK = Path("/srv/astran")


def plan(data: NightData, **asked: Any) -> Plan:
    folder = WORK / "Crab20231213"
    return make_plan(a_config(**asked), a_site(WORK), data, TOOLS, folder, sys.executable)


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


def test_a_level_without_irfs_of_these_cuts_stops_its_runs_only() -> None:
    data = a_night_of_two_levels()
    one, other = data.monte_carlo
    ready = (ReadyIrf("x", ref("/irf/irf_x.fits.gz"), IrfCuts(gammaness_cut=0.9, theta_cut=0.2)),)
    other = replace(other, nodes=(), ready_irfs=ready)
    made = plan(replace(data, monte_carlo=(one, other)))
    ((run, why),) = made.left_out
    assert run == 15862
    assert why.startswith(
        "its NSB level 0.50 has no IRFs: no IRF was made with gammaness above 0.7"
    )
    assert {task.run for task in made.tasks if task.run} == {15861, 15863}
    with pytest.raises(CatalogueError, match="No IRF was made"):
        plan(replace(data, runs=data.runs[1:2], monte_carlo=(other,)))


def test_only_the_nodes_that_a_run_needs() -> None:
    names = ("10.000_az_248.117", "14.984_az_175.158", "23.630_az_259.265", "32.059_az_248.099")
    names += ("43.197_az_262.712", "52.374_az_301.217", "60.528_az_287.000", "60.528_az_59.336")
    nodes = tuple(McNode(f"theta_{name}", ref(f"/mc/{name}.h5")) for name in names)
    runs = tuple(
        RunFile(run, ref(f"/dl1_LST-1.Run{run}.h5"), pointing=pointing)
        for run, pointing in ((15861, (18.1, 252.4)), (15862, (55.0, 288.0)))
    )
    data = a_night(nodes=nodes, runs=runs)
    every = plan(data)
    some = plan(data, dl3={"irf_nodes": "around"})
    near = {name for name, _ in some.task("dl3-15861").links}
    far = {name for name, _ in some.task("dl3-15862").links}
    assert near and far and near != far
    assert "irf/irf_theta_23.630_az_259.265.fits.gz" in near - far
    assert "irf/irf_theta_60.528_az_287.000.fits.gz" in far - near
    made = {task.key for task in some.tasks if task.stage is Stage.IRF}
    assert len(made) == len(near | far) < len(nodes)
    assert set(some.task("dl3-15861").needs) == {"dl2-15861"} | {
        f"irf-{name[8:-8]}" for name in near
    }
    assert any("nodes are needed" in note for note in some.notes)
    # what is made is what all would share
    for key in made:
        assert some.task(key).fingerprint == every.task(key).fingerprint
        assert some.task(key).outputs == every.task(key).outputs
    nearest = plan(data, dl3={"irf_nodes": "around", "nearest_irf": True})
    assert {name for name, _ in nearest.task("dl3-15861").links} < near


def test_where_a_run_pointed_is_not_known_all_nodes_are_made() -> None:
    made = plan(a_night(), dl3={"irf_nodes": "around"})
    assert len(made.task("dl3-15861").links) == 2


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
