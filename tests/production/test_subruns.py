"""Packing subruns into tasks, and DL2 of packed subruns beside that of the whole run."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from demo_fixtures import SmallNight
from product_samples import dl1_of, natural, whole_dl2
from production_samples import (
    TOOLS,
    a_config,
    a_night,
    a_site,
    ref,
    site_settings,
    without,
)
from simulated_archive import cut

from astran.base.errors import ProductError
from astran.base.exit_record import TaskOutcome
from astran.base.night_data import FileRef, Models, RunFile
from astran.base.tasks import Stage
from astran.config.site import PackingSettings, StageResources
from astran.telescopes.lst.chain import CHAIN
from astran.telescopes.lst.environment.toolset import Tool
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.planning.subrun_packs import (
    Dl2Throughput,
    estimate_duration,
    measure_throughput,
    pack_subruns,
    typical_throughput,
)

MB = 1_000_000
PACKING = PackingSettings(start_s=10, forests_mb_per_s=10, events_per_s=10_000)


def a_run(run: int, count: int, events: int, size: int = 20 * MB) -> RunFile:
    """A run of `count` subruns and `events` in all."""
    name = "/data/dl1_LST-1.Run{:05d}.{:04d}.h5"
    parts = tuple(ref(name.format(run, part), size) for part in range(count))
    return RunFile(run, parts[0], "v0.10", "tailcut84", parts, events)


def the_pace(forests_mb: float = 0.0) -> Dl2Throughput:
    return estimate_duration(models_of(forests_mb), PACKING)


def models_of(megabytes: float) -> Models:
    (given,) = a_night().monte_carlo
    assert given.models is not None
    return replace(given.models, files=(ref("/models/reg.sav", round(megabytes * MB)),))


@pytest.mark.parametrize("forests_mb", [0, 900])
@pytest.mark.parametrize(("runs", "count", "events"), [(1, 100, 10**7), (4, 60, 6 * 10**6)])
def test_start_up_stays_below_a_tenth(forests_mb: int, runs: int, count: int, events: int) -> None:
    given = [a_run(run, count, events) for run in range(1, runs + 1)]
    pace = the_pace(forests_mb)
    found = pack_subruns(given, pace, StageResources(time_min=600))
    for pack in found:
        work = sum(part.seconds for part in pack)
        assert pace.start_s / (pace.start_s + work) <= 0.1, "of every one of them"
    assert [part.file for pack in found for part in pack] == [f for r in given for f in r.parts]
    most = runs * events / 10_000 / 9 / pace.start_s
    assert len(found) >= 0.7 * int(most), "nearly as many tasks as that allows"


def test_runs_with_enough_work_are_packed_apart() -> None:
    """So that what was made of one run serves again whatever the others are."""
    given = [a_run(run, 100, 10**7) for run in (1, 2)] + [a_run(3, 3, 1000)]
    found = pack_subruns(given, the_pace(), StageResources(time_min=600))
    of_packs = [{part.run for part in pack} for pack in found]
    assert of_packs.count({1}) == of_packs.count({2}) + sum(3 in runs for runs in of_packs)
    assert all(runs in ({1}, {2}, {2, 3}) for runs in of_packs)
    alone = pack_subruns(given[:1], the_pace(), StageResources(time_min=600))
    assert alone == tuple(pack for pack in found if pack[0].run == 1)


def test_little_work_is_one_task() -> None:
    found = pack_subruns([a_run(1, 3, 1000), a_run(2, 3, 1000)], the_pace(), StageResources())
    assert [len(pack) for pack in found] == [6]


def test_the_time_limit_comes_first() -> None:
    found = pack_subruns([a_run(1, 100, 10**7)], the_pace(3000), StageResources(time_min=15))
    assert len(found) > 1
    for pack in found:
        assert 310 + sum(part.seconds for part in pack) < 15 * 60 * 0.75


def test_an_unknown_number_of_events_is_taken_from_the_size() -> None:
    found = pack_subruns([a_run(1, 2, 0, 190 * MB)], the_pace(), StageResources(time_min=1000))
    assert sum(part.seconds for pack in found for part in pack) == pytest.approx(200)


# ---- what was measured ---------------------------------------------------------------------------


def test_start_up_is_where_the_line_through_the_subruns_begins() -> None:
    """Subrun by subrun at 5000 events/s, after 7 s of start-up; times jitter a little."""
    events = [1000, 3000, 2000, 5000, 4000]
    sums = list(itertools.accumulate(events))
    jitters = (0, 0.02, -0.02, 0.01, 0)
    done = [(e, 7 + e / 5000 + jitter) for e, jitter in zip(sums, jitters, strict=True)]
    pace = measure_throughput(done)
    assert pace is not None
    assert pace.start_s == pytest.approx(7, abs=0.05)
    assert pace.events_per_s == pytest.approx(5000, rel=0.05)


@pytest.mark.parametrize(
    "done",
    [
        [],
        [(1000, 8.0), (2000, 9.0)],
        [(1000, 8.0), (1000, 9.0), (1000, 10.0)],
        [(1000, 9.0), (2000, 8.0), (3000, 7.0)],
        [(1000, 0.1), (2000, 8.0), (3000, 16.0)],
    ],
)
def test_times_that_tell_nothing(done: list[tuple[float, float]]) -> None:
    assert measure_throughput(done) is None


def test_the_median_task_counts() -> None:
    assert typical_throughput(
        [Dl2Throughput(9, 5000, 1), Dl2Throughput(90, 100, 1), Dl2Throughput(10, 5200, 1)]
    ) == Dl2Throughput(10, 5000, 3)


def test_the_plan_packs_by_what_was_measured() -> None:
    night = a_night(runs=(a_run(1, 100, 10**7),))
    (given,) = night.monte_carlo
    assert given.models is not None

    def packed(paces: dict[str, Dl2Throughput]) -> tuple[int, str, str]:
        plan = make_plan(
            a_config(), a_site(Path("/w")), night, TOOLS, Path("/w/a"), "python", paces=paces
        )
        (note,) = [note for note in plan.notes if note.startswith("DL1 of subruns")]
        number = sum(task.key.startswith("pack-") for task in plan.tasks)
        return number, note, plan.task("dl2-1").fingerprint

    reckoned, note, work = packed({})
    assert note.endswith("(reckoned).")
    fast, note, same_work = packed({given.models.folder: Dl2Throughput(2.0, 5000, 4)})
    assert fast > 3 * reckoned
    assert "9% of the time is start-up, 2 s each (measured in the last 4 like them)" in note
    assert same_work == work, "however it was packed"


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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.arange(3000), ""),
        (np.arange(1500), "1,500 events; its DL1 of 3,000 events leads to 3,000"),
        (np.r_[0:1500, 0:1500], "twice"),  # one subrun twice, the other not at all
    ],
)
def test_a_merged_run_is_compared_with_the_dl1_of_its_subruns(
    tmp_path: Path, rows: np.ndarray, said: str
) -> None:
    parts = [tmp_path / f"dl1_LST-1.Run15861.{part:04d}.h5" for part in range(2)]
    files = tuple(ref(str(dl1_of(path, 1500))) for path in parts)
    site = site_settings('{"events_filters": {"intensity": [50, Infinity]}}')
    night = a_night(runs=(RunFile(15861, files[0], parts=files),), lstchain_config=site)
    plan = make_plan(a_config(), a_site(tmp_path), night, TOOLS, tmp_path / "Crab", "python")
    task = plan.task("dl2-15861")
    expect = CHAIN.expect_of(task, task.outputs[0])
    merged = whole_dl2(
        tmp_path / "dl2_LST-1.Run15861.h5", natural(obs_id=np.full(3000, 15861))[rows]
    )
    if said:
        with pytest.raises(ProductError, match=said):
            CHAIN.check_product(merged, task.outputs[0].check, expect)
    else:
        assert CHAIN.check_product(merged, task.outputs[0].check, expect)["rows"] == 3000


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

    from astran.telescopes.lst.environment.releases import find_toolset
    from astran.telescopes.lst.manual import Workspace, dl2_tasks, run_tasks

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
    from astran.telescopes.lst.catalogue.night import LstCatalogue

    data = LstCatalogue(bench_site, SystemClock()).with_files(a_config(), [whole], with_irfs=False)
    data = replace(data, runs=(RunFile(15861, files[0], parts=tuple(files)), *data.runs))
    bench = Workspace(bench_site, find_toolset(bench_site, ""), tmp_path / "out", sys.executable)
    tasks = dl2_tasks(a_config(), data, bench)
    records = run_tasks(tasks, bench)
    assert [record.outcome for record in records] == [TaskOutcome.OK] * 3
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
