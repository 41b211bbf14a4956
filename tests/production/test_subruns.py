"""Packing subruns into tasks, and DL2 of packed subruns beside that of the whole run."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from demo_fixtures import SmallNight
from production_samples import TOOLS, a_config, a_night, a_site, ref, the_models, without
from simulated_archive import cut

from astran.base.nightdata import FileRef, RunFile
from astran.base.records import Outcome
from astran.base.tasks import Stage
from astran.config.site import PackingSettings, StageResources
from astran.production.lst.plan import make_plan
from astran.production.lst.subruns import packs, startup_s
from astran.production.toolset import Tool

MB = 1_000_000
PACKING = PackingSettings(start_s=10, forests_mb_per_s=10, events_per_s=10_000)


def a_run(run: int, count: int, events: int, size: int = 20 * MB) -> RunFile:
    """A run of `count` subruns and `events` in all."""
    name = "/data/dl1_LST-1.Run{:05d}.{:04d}.h5"
    parts = tuple(ref(name.format(run, part), size) for part in range(count))
    return RunFile(run, parts[0], "v0.10", "tailcut84", parts, events)


@pytest.mark.parametrize("forests_mb", [0, 900])
@pytest.mark.parametrize(("runs", "count", "events"), [(1, 100, 10**7), (4, 60, 6 * 10**6)])
def test_start_up_stays_below_a_tenth(forests_mb: int, runs: int, count: int, events: int) -> None:
    models = replace(the_models(a_night()), files=(ref("/models/reg.sav", forests_mb * MB),))
    given = [a_run(run, count, events) for run in range(1, runs + 1)]
    found = packs(given, models, PACKING, StageResources(time_min=600))
    start = startup_s(models, PACKING)
    for pack in found:
        work = sum(part.seconds for part in pack)
        assert start / (start + work) < 0.11  # packs differ by a subrun
    assert [part.file for pack in found for part in pack] == [f for r in given for f in r.parts]
    assert len(found) == int(runs * events / 10_000 / 9 / start), "as many tasks as that allows"


def test_little_work_is_one_task() -> None:
    models = the_models(a_night())
    found = packs([a_run(1, 3, 1000), a_run(2, 3, 1000)], models, PACKING, StageResources())
    assert [len(pack) for pack in found] == [6]


def test_the_time_limit_comes_first() -> None:
    models = replace(the_models(a_night()), files=(ref("/models/reg.sav", 3000 * MB),))
    found = packs([a_run(1, 100, 10**7)], models, PACKING, StageResources(time_min=15))
    assert len(found) > 1
    for pack in found:
        assert 310 + sum(part.seconds for part in pack) < 15 * 60 * 0.75


def test_an_unknown_number_of_events_is_taken_from_the_size() -> None:
    models = the_models(a_night())
    found = packs([a_run(1, 2, 0, 190 * MB)], models, PACKING, StageResources(time_min=1000))
    assert sum(part.seconds for pack in found for part in pack) == pytest.approx(200)


def test_the_plan_of_a_mixed_night() -> None:
    whole = RunFile(3, ref("/data/dl1_LST-1.Run00003.h5"), "v0.10", "tailcut84")
    night = a_night(runs=(a_run(1, 2, 100), a_run(2, 2, 100), whole))
    plan = make_plan(a_config(), a_site(Path("/w")), night, TOOLS, Path("/w/a"), "python")
    pack = plan.task("pack-1-0000")
    assert list(pack.argv).count("-f") == 4, "of a ctapipe tool each file has its own -f"
    assert [Path(one.path).name for one in pack.outputs] == [
        f"dl2_LST-1.Run0000{run}.000{part}.h5" for run in (1, 2) for part in (0, 1)
    ]
    merged = plan.task("dl2-2")
    assert merged.needs == ("pack-1-0000",)
    assert list(merged.argv[-2:]) == [one.path for one in pack.outputs[2:]]
    assert "dl2-2" in plan.task("dl3-2").needs
    assert plan.task("dl2-3").needs == ()
    assert len({task.key for task in plan.tasks}) == len(plan.tasks)


def test_the_script_of_older_versions_takes_all_files_after_one_option() -> None:
    night = a_night(runs=(a_run(1, 3, 100),))
    old = without(Tool.DL1_TO_DL2, "overwrite")
    plan = make_plan(a_config(), a_site(Path("/w")), night, old, Path("/w/a"), "python")
    words = list(plan.task("pack-1-0000").argv)
    assert words.count("-f") == 1
    assert words[words.index("-f") + 4] == "-p"


@pytest.mark.lstchain
def test_packed_subruns_give_the_dl2_of_the_run(
    simulated_night: SmallNight, tmp_path: Path
) -> None:
    import numpy as np
    import tables

    from astran.production.environments import toolset
    from astran.production.lst.commands import Bench, dl2_tasks, run

    source = simulated_night.tree.dl1(15861)
    edges = (0, 4000, 9000, 12000)
    files = []
    for part, (first, last) in enumerate(itertools.pairwise(edges)):
        path = tmp_path / "dl1" / f"dl1_LST-1.Run15861.{part:04d}.h5"
        cut(source, path, first, last, timedelta(), 1.0)
        files.append(FileRef(str(path), path.stat().st_size, path.stat().st_mtime_ns))
    whole = tmp_path / "dl1" / "dl1_LST-1.Run15862.h5"
    cut(source, whole, 0, 12000, timedelta(), 1.0)
    bench_site = a_site(
        tmp_path / "work",
        lstchain={
            "default": "here",
            "environments": {"here": {"bin": str(Path(sys.executable).parent)}},
        },
        data=simulated_night.tree.data_settings(),
    )
    from astran.base.clock import SystemClock
    from astran.catalogue.lst import LstCatalogue

    data = LstCatalogue(bench_site, SystemClock()).with_files(a_config(), [whole], with_irfs=False)
    data = replace(data, runs=(RunFile(15861, files[0], parts=tuple(files)), *data.runs))
    bench = Bench(bench_site, toolset(bench_site, ""), tmp_path / "out", sys.executable)
    tasks = dl2_tasks(a_config(), data, bench)
    records = run(tasks, bench, print)
    assert [record.outcome for record in records] == [Outcome.OK] * 3
    assert [task.stage for task in tasks] == [Stage.DL2] * 3
    table = "/dl2/event/telescope/parameters/LST_LSTCam"
    with (
        tables.open_file(tmp_path / "out/DL2/dl2_LST-1.Run15861.h5") as packed,
        tables.open_file(tmp_path / "out/DL2/dl2_LST-1.Run15862.h5") as at_once,
    ):
        ours, theirs = packed.get_node(table)[:], at_once.get_node(table)[:]
        assert len(ours) == len(theirs) > 10_000
        for name in ("event_id", "reco_energy", "reco_alt", "reco_az", "gammaness"):
            # threads add up the trees in any order
            assert np.allclose(ours[name], theirs[name], rtol=1e-9, equal_nan=True), name
