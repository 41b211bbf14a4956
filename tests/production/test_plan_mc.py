"""Monte Carlo that a site has as DL1 only: brought to DL2 once, and kept for everyone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from production_samples import TOOLS, a_config, a_night, a_site, ref

from astran.base.night_data import McNode, Models, NightData, RunFile
from astran.base.tasks import Plan, ProductKind, Stage
from astran.telescopes.lst.planning.plan import make_plan

WORK = Path("/srv/astran")
FOREST_MB = 3000


def of_dl1(count: int = 2, **more: Any) -> NightData:
    nodes = tuple(
        McNode(f"theta_{n}0.000_az_102.199", ref(f"/mc/dl1_node_theta_{n}0.000_.h5"), dl1=True)
        for n in range(1, count + 1)
    )
    return a_night(nodes=nodes, **more)


def plan(data: NightData, **asked: Any) -> Plan:
    return make_plan(a_config(**asked), a_site(WORK), data, TOOLS, WORK / "Crab", sys.executable)


def mc_tasks(made: Plan) -> list[Any]:
    return [task for task in made.tasks if task.key.startswith("mc-")]


def test_nodes_go_to_dl2_with_the_models_of_the_data_then_to_irfs() -> None:
    made = plan(of_dl1())
    (task,) = mc_tasks(made)  # small nodes share a task: loading the forests takes longer
    assert task.stage is Stage.DL2
    assert task.argv[task.argv.index("-p") + 1] == "/models/dec_2276"
    assert task.inputs[:2] == ("/mc/dl1_node_theta_10.000_.h5", "/mc/dl1_node_theta_20.000_.h5")
    for node, output in zip((1, 2), task.outputs, strict=True):
        assert output.check is ProductKind.DL2
        assert output.name == f"dl2_node_theta_{node}0.000_.h5"
        assert output.path.startswith(f"/srv/astran/shared/mc/models_dec_2276/dl2_theta_{node}0")
        irf = made.task(f"irf-theta_{node}0.000_az_102.199")
        assert irf.needs == (task.key,) and output.path in irf.argv


def test_once_for_everyone() -> None:
    first = plan(of_dl1())
    (task,) = mc_tasks(first)
    paths = tuple(output.path for output in task.outputs)
    again = plan(of_dl1(kept_mc=paths))
    assert mc_tasks(again) == []
    irf = again.task("irf-theta_10.000_az_102.199")
    assert irf.needs == () and irf.inputs == (paths[0],)
    # whoever makes it: the same work, and the same IRFs of it
    assert irf.fingerprint == first.task("irf-theta_10.000_az_102.199").fingerprint
    other = plan(of_dl1(), dl3={"theta_cut": 0.3})
    assert mc_tasks(other)[0].fingerprint == task.fingerprint
    # a part is kept: the same task, so that it is the same work for everyone
    assert mc_tasks(plan(of_dl1(kept_mc=paths[:1])))[0].fingerprint == task.fingerprint


def test_kept_irfs_need_no_monte_carlo() -> None:
    first = plan(of_dl1())
    irfs = tuple(task.outputs[0].path for task in first.tasks if task.stage is Stage.IRF)
    assert mc_tasks(plan(of_dl1(kept_irfs=irfs))) == []


def test_other_models_make_other_monte_carlo() -> None:
    (alone,) = of_dl1().monte_carlo
    models = Models("/models/dec_2276", (ref("/models/dec_2276/reg_energy.sav", mtime_ns=6),), True)
    changed = replace(of_dl1(), monte_carlo=(replace(alone, models=models),))
    one, other = mc_tasks(plan(of_dl1()))[0], mc_tasks(plan(changed))[0]
    assert one.fingerprint != other.fingerprint
    assert one.outputs[0].path != other.outputs[0].path


def test_many_nodes_share_tasks_as_subruns_do() -> None:
    nodes = tuple(
        McNode(f"theta_{n}_az_1", ref(f"/mc/dl1_{n}.h5", size=190 * 10**6), dl1=True)
        for n in range(40)
    )
    made = mc_tasks(plan(a_night(nodes=nodes)))
    assert 1 < len(made) < 40
    assert sorted(o.name for task in made for o in task.outputs) == sorted(
        f"dl2_{n}.h5" for n in range(40)
    )


def test_nodes_whose_files_have_one_name_do_not_share_a_task() -> None:
    nodes = tuple(
        McNode(f"theta_{n}_az_1", ref(f"/mc/node_{n}/dl1_gamma.h5"), dl1=True) for n in range(3)
    )
    made = mc_tasks(plan(a_night(nodes=nodes)))
    assert [len(task.outputs) for task in made] == [1, 1, 1]


def test_an_analysis_from_dl2_makes_its_monte_carlo_too() -> None:
    runs = (RunFile(15861, ref("/data/dl2_LST-1.Run15861.h5")),)
    made = plan(of_dl1(runs=runs), start="dl2", folder="/data")
    assert [task.stage for task in made.tasks][:2] == [Stage.DL2, Stage.IRF]
