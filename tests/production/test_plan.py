"""The plan of an lstchain analysis: structure, names, fingerprints, and guards in command lines."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from production_samples import (
    TOOLS,
    a_config,
    a_night,
    a_site,
    ref,
    site_settings,
    the_models,
    without,
)

from astran.base.errors import CatalogueError, ConfigError
from astran.base.night_data import IrfCuts, MissingRun, NightData, ReadyIrf, RunFile
from astran.base.tasks import Plan, ProductKind, Stage, Task
from astran.telescopes.lst.environment.toolset import Tool, Toolset
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.settings import LstConfig

FOLDER = Path("/archive/Crab20231213")


def plan(
    config: LstConfig | None = None,
    data: NightData | None = None,
    tools: Toolset | None = TOOLS,
    folder: Path = FOLDER,
    **site: object,
) -> Plan:
    return make_plan(
        config or a_config(),
        a_site(Path("/work"), **site),
        data or a_night(),
        tools,
        folder,
        "/opt/astran/bin/python",
    )


def keys(made: Plan) -> list[str]:
    return [task.key for task in made.tasks]


def option(task: Task, name: str) -> str:
    """The word after an option."""
    return task.argv[task.argv.index(name) + 1]


# ---- structure -----------------------------------------------------------------------------------


def test_stages_and_what_waits_for_what() -> None:
    made = plan()
    assert keys(made) == [
        "dl2-15861",
        "dl2-15862",
        "irf-theta_10.000_az_102.199",
        "irf-theta_23.630_az_100.758",
        "dl3-15861",
        "dl3-15862",
        "index",
        "highlevel",
    ]
    irfs = ("irf-theta_10.000_az_102.199", "irf-theta_23.630_az_100.758")
    assert made.task("dl3-15861").needs == ("dl2-15861", *irfs)
    assert made.task("index").needs == ()
    assert made.task("index").after == ("dl3-15861", "dl3-15862")
    assert made.task("highlevel").needs == ("index",)
    assert dict(made.versions)["lstchain"] == "0.12.3"


def test_names_of_the_ancestors() -> None:
    task = plan().task("dl2-15861")
    jobs = FOLDER / "jobmanager" / "0.12.3"
    assert task.script == str(jobs / "Script_dl2_15861.sh")
    assert task.record == str(jobs / "dl2-15861.record.json")
    assert task.log == str(FOLDER / "log" / "dl2-15861.log")
    assert task.outputs[0].path == str(FOLDER / "DL2" / "dl2_LST-1.Run15861.h5")
    assert plan().task("dl3-15862").outputs[0].path.endswith("/DL3/dl3_LST-1.Run15862.fits")
    irf = plan().task("irf-theta_10.000_az_102.199")
    assert irf.script == str(jobs / "Script_irf_theta_10.000_az_102.199.sh")


def test_every_task_survives_a_trip_through_json() -> None:
    for task in plan().tasks:
        assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_resources_come_from_the_site() -> None:
    asked = {"cpus": 3, "memory_mb": 9000, "time_min": 33}
    made = plan(scheduler={"resources": {"dl2": asked}})
    assert made.task("dl2-15861").resources.cpus == 3
    assert made.task("dl2-15861").resources.memory_mb == 9000
    assert made.task("dl3-15861").resources.cpus == 1


def test_start_from_dl2_reads_the_given_files() -> None:
    run = RunFile(15861, ref("/data/DL2/dl2_LST-1.Run15861.h5"))
    made = plan(a_config(start="dl2", folder="/data/DL2"), a_night(runs=(run,), models=None))
    assert not [task for task in made.tasks if task.stage is Stage.DL2]
    dl3 = made.task("dl3-15861")
    assert option(dl3, "-d") == run.file.path
    assert run.file.path in dl3.inputs
    assert all(need.startswith("irf-") for need in dl3.needs)


def test_start_from_dl3_is_the_high_level_stage_alone() -> None:
    data = NightData(True, folder="/data/magic", dl3=(ref("/data/magic/run1.fits"),))
    made = plan(a_config(start="dl3", folder="/data/magic"), data, tools=None)
    assert keys(made) == ["highlevel"]
    task = made.task("highlevel")
    assert "--dl3=/data/magic" in task.argv
    assert task.inputs == ("/data/magic/run1.fits",)
    assert task.environment == ""


def test_theta_cut_is_only_passed_for_foreign_dl3_and_on_request() -> None:
    """The cut of DL3 that lstchain made is in the files."""
    data = NightData(True, folder="/data/magic", dl3=(ref("/data/magic/run1.fits"),))

    def theta(config: LstConfig, night: NightData | None = None) -> list[str]:
        argv = plan(config, night).task("highlevel").argv
        return [word for word in argv if word.startswith("--theta-cut")]

    assert theta(a_config(start="dl3", folder="/data/magic"), data) == []
    chosen = a_config(start="dl3", folder="/data/magic", dl3={"theta_cut": 0.1414})
    assert theta(chosen, data) == ["--theta-cut=0.1414"]
    assert theta(a_config(dl3={"theta_cut": 0.1414})) == []


def test_high_level_stage_gets_every_choice() -> None:
    chosen = {"off_regions": 5, "energy_min": 0.1, "energy_max": 10.0, "map_width": 3.0}
    argv = plan(a_config(highlevel=chosen), simulated=True).task("highlevel").argv
    for word in (
        "--off-regions=5",
        "--energy-min=0.1",
        "--energy-max=10.0",
        "--map-width=3.0",
        "--runs=15861,15862",
        "--simulated",
        "lstchain=0.12.3",
        "--output={work}/results",
    ):
        assert word in argv
    assert plan().task("highlevel").outputs[0].check is ProductKind.RESULTS


def test_missing_runs_are_left_out_with_their_reason() -> None:
    gap = MissingRun(15863, "no DL1 yet", may_come=True)
    assert plan(data=a_night(missing=(gap,))).left_out == ((15863, "no DL1 yet"),)


def test_no_run_at_all_is_an_error_that_says_why() -> None:
    gap = MissingRun(15863, "no DL1 yet", may_come=True)
    with pytest.raises(CatalogueError, match="run 15863: no DL1 yet"):
        plan(data=a_night(runs=(), missing=(gap,)))


# ---- guards in the command lines -----------------------------------------------------------------


def test_one_input_file_per_option() -> None:
    """lstchain_dl1_to_dl2 silently ignores a second file after the same -f."""
    for run in (15861, 15862):
        argv = plan().task(f"dl2-{run}").argv
        assert argv.count("-f") == 1
        at = argv.index("-f")
        assert argv[at + 1].endswith(f"Run{run}.h5")
        assert argv[at + 2].startswith("-")


def test_stubs_of_failed_starts_are_overwritten() -> None:
    assert all("--overwrite" in t.argv for t in plan().tasks if t.stage is not Stage.HIGHLEVEL)


def test_coordinates_are_always_given_with_their_unit() -> None:
    """A name alone makes lstchain ask the internet."""
    argv = plan().task("dl3-15861").argv
    assert "--source-name=Crab" in argv
    assert "--source-ra=83.633100deg" in argv
    assert "--source-dec=22.014500deg" in argv


def test_a_negative_declination_is_no_option() -> None:
    south = a_config(target={"name": "Sgr A*", "ra": 266.41683, "dec": -29.00781})
    assert "--source-dec=-29.007810deg" in plan(south).task("dl3-15861").argv
    assert "--dec=-29.00781" in plan(south).task("highlevel").argv


def test_tools_do_not_fetch_earth_rotation_tables() -> None:
    for task in plan().tasks:
        if task.stage is Stage.HIGHLEVEL:
            continue
        home = dict(task.variables)["XDG_CONFIG_HOME"]
        settings = dict(task.files)[f"{home}/astropy/astropy.cfg"]
        assert "auto_download = False" in settings


def test_irfs_and_dl3_share_one_event_selection() -> None:
    made = plan(a_config(dl3={"intensity_min": 80}))
    chain = [t for t in made.tasks if t.stage in (Stage.IRF, Stage.DL3)]
    paths = {option(task, "-c") for task in chain}
    assert len(paths) == 1
    path = paths.pop()
    contents = {dict(task.files)[path] for task in chain}
    assert len(contents) == 1
    selector = json.loads(contents.pop())["EventSelector"]["filters"]
    assert selector["intensity"][0] == 80
    assert selector["event_type"] == [32, 32]


def test_each_run_has_its_intensity_cut_and_irfs_that_match() -> None:
    night = a_night()
    cuts = {15861: None, 15862: 74.0}
    tuned = tuple(replace(run, intensity_min=cuts[run.run]) for run in night.runs)
    auto = a_config(dl3={"intensity_min": "auto"})
    made = plan(auto, replace(night, runs=tuned))
    by_run = {15861: 50, 15862: 74}
    for run, cut in by_run.items():
        dl3 = made.task(f"dl3-{run}")
        irfs = [task for task in made.tasks if task.key in dl3.needs and task.stage is Stage.IRF]
        assert [task.key for task in irfs] == [
            f"irf-i{cut}-theta_10.000_az_102.199",
            f"irf-i{cut}-theta_23.630_az_100.758",
        ]
        contents = {dict(task.files)[option(task, "-c")] for task in (dl3, *irfs)}
        assert len(contents) == 1, "events and IRFs by the very same selection"
        selector = json.loads(contents.pop())["EventSelector"]["filters"]
        assert selector["intensity"][0] == cut
        assert {to for _, to in dl3.links} == {irf.outputs[0].path for irf in irfs}
        assert ("CUTINT", cut, "[p.e.] least intensity") in dl3.header
    keys = [task.key for task in made.tasks]
    assert len(set(keys)) == len(keys)
    # the same work as with the cut written out: it is shared
    fixed = plan(a_config(dl3={"intensity_min": 74})).task("dl3-15862")
    assert made.task("dl3-15862").fingerprint == fixed.fingerprint


def test_ready_irfs_do_not_say_their_intensity_cut() -> None:
    """They are taken for lstchain's own 50 p.e. alone; a run that needs more is left out."""
    night = a_night()
    cuts = {15861: 50.0, 15862: 74.0}
    ready = (ReadyIrf("all", ref("/irf/irf.fits.gz"), IrfCuts(0.7, 0.2)),)
    night = a_night(nodes=(), ready_irfs=ready)
    tuned = tuple(replace(run, intensity_min=cuts[run.run]) for run in night.runs)
    auto = a_config(dl3={"intensity_min": "auto"})
    made = plan(auto, replace(night, runs=tuned))
    ((run, why),) = made.left_out
    assert run == 15862
    assert "do not say that they are for 74 p.e." in why
    assert made.task("dl3-15861")
    with pytest.raises(CatalogueError, match="do not say"):
        plan(auto, replace(night, runs=tuned[1:]))


def test_one_folder_per_flavour_of_irfs() -> None:
    """A folder of mixed flavours ends in a KeyError of the DL3 tool."""

    def folder(config: LstConfig, **data: object) -> Path:
        task = plan(config, a_night(**data)).task("irf-theta_10.000_az_102.199")
        return Path(task.outputs[0].path).parent

    first = folder(a_config())
    (alone,) = a_night().monte_carlo
    nodes = alone.nodes
    changed = (nodes[0], replace(nodes[1], file=ref(nodes[1].file.path, mtime_ns=6)))
    others = [
        folder(a_config(dl3={"cuts": "energy-dependent"})),
        folder(a_config(dl3={"gammaness_cut": 0.6})),
        folder(a_config(dl3={"theta_cut": 0.15})),
        folder(a_config(dl3={"intensity_min": 60})),
        folder(a_config(), nodes=changed),
    ]
    assert len({first, *others}) == 6
    assert folder(a_config(target={"name": "Mrk 421", "ra": 166.1, "dec": 38.2})) == first


def test_dl3_sees_exactly_the_planned_irfs() -> None:
    task = plan().task("dl3-15861")
    assert option(task, "-i") == "{work}/irf"
    names = [name for name, _ in task.links]
    assert names == [
        "irf/irf_theta_10.000_az_102.199.fits.gz",
        "irf/irf_theta_23.630_az_100.758.fits.gz",
    ]
    assert all(re.fullmatch(r"irf/irf_.*\.fits\.gz", name) for name in names)


def test_numerical_libraries_keep_to_the_cores_of_the_task() -> None:
    asked = {"resources": {"dl2": {"cpus": 3, "memory_mb": 9000, "time_min": 33}}}
    given = dict(plan(scheduler=asked).task("dl2-15861").variables)
    assert given["OMP_NUM_THREADS"] == given["LOKY_MAX_CPU_COUNT"] == "3"


def test_the_sites_configuration_is_passed_without_thinning_filters() -> None:
    """Events that are cut at DL2 are lacking in lstchain's livetime."""
    forest = {"n_estimators": 50, "n_jobs": -1}
    text = json.dumps(
        {
            "events_filters": {"intensity": [200, float("inf")], "r": [0, float("inf")]},
            "random_forest_energy_regressor_args": forest,
            "disp_method": "disp_norm_sign",
        }
    )
    made = plan(data=a_night(lstchain_config=site_settings(text)))
    task = made.task("dl2-15861")
    written = json.loads(dict(task.files)[option(task, "-c")])
    assert written["events_filters"]["intensity"] == [0, float("inf")]
    assert written["disp_method"] == "disp_norm_sign"
    # a nested group replaces the whole of lstchain's: it must stay complete
    assert written["random_forest_energy_regressor_args"] == {**forest, "n_jobs": 2}
    assert any("intensity" in note and "livetime" in note for note in made.notes)


def test_open_filters_need_no_word() -> None:
    text = json.dumps({"events_filters": {"intensity": [0, float("inf")]}})
    made = plan(data=a_night(lstchain_config=site_settings(text)))
    assert not any("livetime" in note for note in made.notes)


def test_a_broken_site_configuration_is_found_before_anything_runs() -> None:
    """lstchain itself would end with return code 0 and without a product."""
    with pytest.raises(ConfigError, match="not valid JSON"):
        plan(data=a_night(lstchain_config=site_settings("{")))


def test_paths_in_command_lines_are_absolute() -> None:
    for task in plan().tasks:
        for word in task.argv:
            if "/" in word:
                assert word.split("=", 1)[-1].startswith(("/", "{work}")), word


# ---- other versions of lstchain ------------------------------------------------------------------


def test_an_option_that_a_version_lacks_is_left_out_where_it_may() -> None:
    old = without(Tool.DL1_TO_DL2, "overwrite", "log-level")
    argv = plan(tools=old).task("dl2-15861").argv
    assert "--overwrite" not in argv
    assert "--log-level=INFO" not in argv


def test_an_option_that_must_be_there_is_named() -> None:
    old = without(Tool.CREATE_DL3, "input-irf-path")
    with pytest.raises(ConfigError, match=r"lstchain_create_dl3_file.*--input-irf-path"):
        plan(tools=old)


def test_nearest_irf_only_where_the_version_knows_it() -> None:
    nearest = a_config(dl3={"nearest_irf": True})
    assert "--use-nearest-irf-node" in plan(nearest).task("dl3-15861").argv
    with pytest.raises(ConfigError, match="--use-nearest-irf-node"):
        plan(nearest, tools=without(Tool.CREATE_DL3, "use-nearest-irf-node"))


def test_a_missing_tool_is_named() -> None:
    lacking = {t: o for t, o in TOOLS.options.items() if t is not Tool.CREATE_INDEX}
    with pytest.raises(ConfigError, match="lstchain_create_dl3_index_files"):
        plan(tools=replace(TOOLS, options=lacking))


# ---- IRFs ----------------------------------------------------------------------------------------


def test_energy_dependent_cuts() -> None:
    cuts = {"cuts": "energy-dependent", "gh_efficiency": 0.8, "theta_containment": 0.65}
    made = plan(a_config(dl3=cuts))
    argv = made.task("irf-theta_10.000_az_102.199").argv
    for word in ("--energy-dependent-gh", "--gh-efficiency=0.8", "--theta-containment=0.65"):
        assert word in argv
    assert not [word for word in argv if word.startswith("--global")]
    expect = dict(made.task("dl3-15861").outputs[0].expect)
    assert expect == {"run": 15861, "gh_efficiency": 0.8, "theta_containment": 0.65}


def test_kept_irfs_are_used_again_and_change_no_fingerprint() -> None:
    first = plan()
    paths = tuple(t.outputs[0].path for t in first.tasks if t.stage is Stage.IRF)
    again = plan(data=a_night(kept_irfs=paths))
    assert not [task for task in again.tasks if task.stage is Stage.IRF]
    dl3 = again.task("dl3-15861")
    assert dl3.needs == ("dl2-15861",)
    assert set(paths) <= set(dl3.inputs)
    assert dl3.fingerprint == first.task("dl3-15861").fingerprint
    assert any("2 kept from before" in note for note in again.notes)


def ready_irf(name: str, path: str, gammaness: float) -> ReadyIrf:
    return ReadyIrf(name, ref(path), IrfCuts(gammaness_cut=gammaness, theta_cut=0.2))


def test_the_sites_irfs_are_taken_if_their_cuts_fit() -> None:
    ready = (
        ready_irf("theta_1", "/irf/0/irf_x.fits.gz", 0.7),
        ready_irf("theta_1", "/irf/1/irf_x.fits.gz", 0.8),
    )
    made = plan(data=a_night(ready_irfs=ready))
    assert not [task for task in made.tasks if task.stage is Stage.IRF]
    assert [target for _, target in made.task("dl3-15861").links] == ["/irf/0/irf_x.fits.gz"]


def test_two_irfs_of_one_node_are_refused() -> None:
    ready = tuple(ready_irf("theta_1", f"/irf/{i}/irf_x.fits.gz", 0.7) for i in (1, 2))
    with pytest.raises(CatalogueError, match="theta_1"):
        plan(data=a_night(ready_irfs=ready))


def test_irfs_of_other_cuts_are_refused_where_none_can_be_made() -> None:
    cuts = IrfCuts(gh_efficiency=0.7, theta_containment=0.7)
    ready = (ReadyIrf("theta_1", ref("/irf/irf_1.fits.gz"), cuts),)
    with pytest.raises(CatalogueError, match=r"gammaness efficiency 0\.7"):
        plan(data=a_night(ready_irfs=ready, nodes=()))
    with pytest.raises(CatalogueError, match="neither IRFs nor Monte Carlo"):
        plan(data=a_night(nodes=()))


# ---- fingerprints --------------------------------------------------------------------------------


def prints(made: Plan) -> dict[str, str]:
    return {task.key: task.fingerprint for task in made.tasks}


def test_the_same_work_has_the_same_fingerprint_anywhere() -> None:
    here, there = plan(), plan(folder=Path("/elsewhere/Crab20231213_2"))
    assert all(prints(here).values())
    assert prints(here) == prints(there)
    simulated = prints(plan(simulated=True))  # plots say so, and nothing else does
    assert {key for key, value in prints(here).items() if simulated[key] != value} == {"highlevel"}


def test_what_depends_on_which_runs_succeed_has_its_fingerprint_completed() -> None:
    assert {task.key for task in plan().tasks if task.depends_on_success} == {"index", "highlevel"}


def test_products_are_kept_in_the_store_but_irfs_which_have_a_place_of_their_own() -> None:
    kept = {task.stage for task in plan().tasks if task.store}
    assert kept == {Stage.DL2, Stage.DL3, Stage.INDEX, Stage.HIGHLEVEL}
    assert {task.store for task in plan(products="/store").tasks} == {"", "/store"}


def test_other_input_other_fingerprint() -> None:
    runs = a_night().runs
    changed = (replace(runs[0], file=ref(runs[0].file.path, mtime_ns=6)), runs[1])
    before, after = prints(plan()), prints(plan(data=a_night(runs=changed)))
    assert before["dl2-15861"] != after["dl2-15861"]
    assert before["dl3-15861"] != after["dl3-15861"]
    assert before["dl2-15862"] == after["dl2-15862"]


def test_the_target_changes_dl3_but_not_dl2() -> None:
    other = a_config(target={"name": "Crab", "ra": 83.7, "dec": 22.0145})
    before, after = prints(plan()), prints(plan(other))
    assert before["dl2-15861"] == after["dl2-15861"]
    assert before["dl3-15861"] != after["dl3-15861"]


def test_the_tool_version_changes_everything() -> None:
    before, after = prints(plan()), prints(plan(tools=replace(TOOLS, version="0.13.0")))
    assert not [key for key in before if before[key] and before[key] == after[key]]


def test_the_number_of_cores_is_not_part_of_the_work() -> None:
    text = json.dumps({"random_forest_energy_regressor_args": {"n_jobs": -1}})
    data = a_night(lstchain_config=site_settings(text))
    asked = {"resources": {"dl2": {"cpus": 8, "memory_mb": 9000, "time_min": 33}}}
    assert prints(plan(data=data)) == prints(plan(data=data, scheduler=asked))
    other = a_night(lstchain_config=site_settings(json.dumps({"disp_method": "disp_vector"})))
    assert prints(plan(data=data))["dl2-15861"] != prints(plan(data=other))["dl2-15861"]


def test_models_without_training_directions_are_mentioned() -> None:
    models = the_models(a_night())
    assert models is not None
    made = plan(data=a_night(models=replace(models, interpolated=False)))
    assert any("training_dirs.ecsv" in note for note in made.notes)
