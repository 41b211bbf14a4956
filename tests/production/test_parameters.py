"""Parameters of lstchain in a request: judged, and where they land."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from production_samples import TOOLS, a_config, a_night, a_site, site_settings

from astran.base.errors import ConfigError
from astran.base.night_data import NightData
from astran.base.tasks import Plan, Stage
from astran.config.analysis import nested
from astran.config.model import build_settings
from astran.telescopes.lst.planning import lstchain_parameters
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.planning.tool_configs import forest_settings
from astran.telescopes.lst.settings import LstConfig

STANDARD = {
    "events_filters": {"intensity": [0, "inf"]},
    "tailcut": {"picture_thresh": 8, "keep_isolated_pixels": False},
    "random_forest_zd_interpolation": {
        "interpolate_energy": True,
        "interpolate_gammaness": True,
        "interpolate_direction": True,
    },
    "random_forest_energy_regressor_args": {"max_depth": 30, "n_jobs": -1, "max_leaf_nodes": None},
    "energy_regression_features": ["log_intensity", "width"],
    "disp_method": "disp_norm_sign",
    "allowed_tels": [1],
    "train_gamma_src_r_deg": [0, "inf"],
    "source_dependent": False,
}


def trait(kind: str, default: Any) -> dict[str, Any]:
    return {"kind": kind, "default": default, "choices": []}


TRAITS = {
    "EventSelector": {
        "filters": trait("Dict", {"r": [0, 1]}),
        "finite_params": trait("List", ["intensity", "length"]),
    },
    "DL3Cuts": {
        "global_gh_cut": trait("Float", 0.6),
        "min_theta_cut": trait("Float", 0.1),
        "max_alpha_cut": trait("Float", 20),
        "allowed_tels": trait("List", [1]),
    },
    "DataBinning": {"true_energy_n_bins": trait("Int", 25)},
    "IRFFITSWriter": {
        "irf_obs_time": trait("Float", 50),
        "output_irf_file": trait("Path", ""),
        "energy_dependent_gh": trait("Bool", False),
    },
    "DataReductionFITSWriter": {"interp_method": trait("Unicode", "linear")},
}
KNOWING = replace(TOOLS, standard=STANDARD, traits=TRAITS)
ZD = "random_forest_zd_interpolation"


def a_request(parameter: str, value: Any, **more: Any) -> LstConfig:
    """With one parameter of lstchain."""
    group, _, name = parameter.partition(":")
    if group == "tool":
        return a_config(dl3={"tool": {name: value}, **more.pop("dl3", {})}, **more)
    return a_config(lstchain_config={name: value}, **more)


def a_plan(config: LstConfig, data: NightData | None = None) -> Plan:
    work = Path("/srv/astran/Crab20231213")
    data = data or a_night()
    return make_plan(config, a_site(Path("/work")), data, KNOWING, work, "/usr/bin/python3")


def content(plan: Plan, key: str, name: str) -> Any:
    """The configuration that a task's tool gets by -c."""
    task = plan.task(key)
    path = task.argv[task.argv.index("-c") + 1]
    assert Path(path).name == name
    return json.loads(dict(task.files)[path])


# ---- what lstchain knows -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (f"json:{ZD}.interpolate_energy", False),
        (f"json:{ZD}", {"interpolate_energy": False, "interpolate_direction": True}),
        ("json:tailcut.picture_thresh", 8.5),
        ("json:disp_method", "disp_vector"),
        ("json:train_gamma_src_r_deg", [0.1, "inf"]),
        ("json:random_forest_energy_regressor_args.max_leaf_nodes", 20),
        ("tool:DataBinning.true_energy_n_bins", 20),
        ("tool:DL3Cuts.min_theta_cut", 1),
        ("tool:DL3Cuts.allowed_tels", [1]),
        ("tool:EventSelector.filters.length", [0.1, "inf"]),
        ("tool:EventSelector.filters.intensity", [50, 5000]),
        ("tool:EventSelector.finite_params", ["width"]),
        ("tool:DataReductionFITSWriter.interp_method", "nearest"),
        ("tool:IRFFITSWriter.irf_obs_time", 25.5),
    ],
)
def test_known_names_with_fitting_values(parameter: str, value: Any) -> None:
    assert lstchain_parameters.parameter_problems(a_request(parameter, value), KNOWING) == ()


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        (
            f"json:{ZD}.interpolate_enrgy",
            False,
            f"Did you mean lstchain_config.{ZD}.interpolate_en",
        ),
        ("json:random_forest_interpolation.x", 1, f"Did you mean lstchain_config.{ZD}"),
        (f"json:{ZD}.interpolate_energy", "perhaps", "perhaps is neither yes nor no"),
        (f"json:{ZD}.interpolate_energy", 1, "1 is neither yes nor no. lstchain's own is yes"),
        (f"json:{ZD}", False, "holds parameters, not a value"),
        ("json:tailcut.picture_thresh", "eight", "eight is no number"),
        ("json:tailcut.picture_thresh", True, "yes is no number"),
        ("json:allowed_tels", 1, "1 is no list"),
        ("json:allowed_tels", ["one"], "one in the list is no number"),
        ("json:disp_method", 3, "3 is no word"),
        ("json:events_filters.intensity", [100, "inf"], "livetime"),
        ("json:random_forest_energy_regressor_args.n_jobs", 8, "the site sets"),
        ("json:energy_regression_features", ["width"], "trained with"),
        ("json:source_dependent", True, "source-dependent"),
        ("tool:DataBining.true_energy_n_bins", 20, "Did you mean dl3.tool.DataBinning"),
        ("tool:DataBinning.true_energy_nbins", 20, "true_energy_n_bins"),
        ("tool:DataBinning.true_energy_n_bins", 20.5, "20.5 is no whole number"),
        ("tool:DataBinning.true_energy_n_bins", True, "yes is no whole number"),
        ("tool:DL3Cuts.min_theta_cut", "inf", "inf is no number"),
        ("tool:DL3Cuts.global_gh_cut", 0.8, "Write `dl3.gammaness_cut` instead"),
        ("tool:DL3Cuts.max_alpha_cut", 10, "source-dependent"),
        ("tool:IRFFITSWriter.output_irf_file", "/etc/x", "set by ASTRAN itself"),
        ("tool:IRFFITSWriter.energy_dependent_gh", True, "Write `dl3.cuts` instead"),
        ("tool:EventSelector.filters.lenght", [0.1, 1], "Did you mean length"),
        ("tool:EventSelector.filters.length", [1, 0.1], "no range"),
        ("tool:EventSelector.filters.length", 3, "no range"),
        ("tool:EventSelector.filters.event_type", [0, 255], "only shower events"),
        ("tool:EventSelector.filters.intensity", [80, 5000], "Add `dl3.intensity_min: 80`"),
        ("tool:EventSelector.finite_params", ["bogus"], "no column of DL2"),
        ("tool:EventSelector.finite_params", [["width"]], "no column of DL2"),
        ("tool:EventSelector.finite_params", {"width": 1}, "no column of DL2"),
        ("tool:DL3Cuts.min_theta_cut", -5, "below zero"),
    ],
)
def test_what_is_refused_and_why(parameter: str, value: Any, said: str) -> None:
    request = a_request(parameter, value)
    (problem,) = lstchain_parameters.parameter_problems(request, KNOWING)
    assert said in str(problem)
    with pytest.raises(ConfigError, match=r"parameters of lstchain cannot be used"):
        a_plan(request)


def test_a_level_that_the_analysis_does_not_pass_through() -> None:
    late = a_request(f"json:{ZD}.interpolate_energy", False, start="dl2", folder="x")
    (problem,) = lstchain_parameters.parameter_problems(late, KNOWING)
    assert "starts from DL2" in str(problem)
    later = a_request("tool:DataBinning.true_energy_n_bins", 20, start="dl3", folder="x")
    (problem,) = lstchain_parameters.parameter_problems(later, replace(TOOLS))
    assert "starts from DL3" in str(problem)


def test_a_release_that_tells_nothing_is_not_believed() -> None:
    for parameter in (f"json:{ZD}.interpolate_energy", "tool:DataBinning.true_energy_n_bins"):
        (problem,) = lstchain_parameters.parameter_problems(a_request(parameter, 1), TOOLS)
        assert "did not tell its parameters" in str(problem)


# ---- where they land -----------------------------------------------------------------------------


def test_a_group_is_completed_as_lstchain_replaces_it_whole() -> None:
    plan = a_plan(a_request(f"json:{ZD}.interpolate_energy", False))
    written = content(plan, "dl2-15861", "dl1_to_dl2.json")
    assert written == {ZD: {**STANDARD[ZD], "interpolate_energy": False}}


def test_the_request_wins_over_the_sites_file_which_is_completed_too() -> None:
    text = json.dumps({ZD: {"interpolate_gammaness": False}, "allowed_tels": [1]})
    data = a_night(lstchain_config=site_settings(text))
    plan = a_plan(a_request(f"json:{ZD}.interpolate_energy", False), data)
    written = content(plan, "dl2-15861", "dl1_to_dl2.json")
    expected = {**STANDARD[ZD], "interpolate_energy": False, "interpolate_gammaness": False}
    assert written == {ZD: expected, "allowed_tels": [1]}


def test_cores_stay_those_of_the_task() -> None:
    plan = a_plan(a_request("json:random_forest_energy_regressor_args.max_depth", 10))
    written = content(plan, "dl2-15861", "dl1_to_dl2.json")
    cpus = plan.task("dl2-15861").resources.cpus
    expected = {"max_depth": 10, "n_jobs": cpus, "max_leaf_nodes": None}
    assert written["random_forest_energy_regressor_args"] == expected
    assert any("changes no value" in note for note in plan.notes)


def test_ready_monte_carlo_was_made_without_it() -> None:
    asked = a_request(f"json:{ZD}.interpolate_energy", False)
    assert any("not made with random_forest_zd" in note for note in a_plan(asked).notes)
    idle = a_request("json:tailcut.picture_thresh", 6)
    assert not any("not made with" in note for note in a_plan(idle).notes)


def test_irf_and_dl3_get_the_same_parameters() -> None:
    plan = a_plan(a_request("tool:EventSelector.filters.length", [0.1, "inf"]))
    irf = next(task.key for task in plan.tasks if task.stage is Stage.IRF)
    for key in (irf, "dl3-15861"):
        filters = content(plan, key, "selection.json")["EventSelector"]["filters"]
        assert filters["length"] == [0.1, float("inf")]
        assert filters["intensity"] == [50.0, float("inf")]
        assert filters["event_type"] == [32, 32]


def changed(config: LstConfig) -> set[Stage]:
    """Stages whose fingerprints differ from those of a request without parameters of lstchain."""
    before = {task.key: task.fingerprint for task in a_plan(a_config()).tasks}
    after = {task.key: (task.stage, task.fingerprint) for task in a_plan(config).tasks}
    return {stage for key, (stage, found) in after.items() if before.get(key) != found}


def test_only_the_stages_that_use_it_are_made_anew() -> None:
    to_dl2 = changed(a_request(f"json:{ZD}.interpolate_energy", False))
    assert Stage.DL2 in to_dl2 and Stage.IRF not in to_dl2
    to_dl3 = changed(a_request("tool:DataBinning.true_energy_n_bins", 20))
    assert {Stage.IRF, Stage.DL3} <= to_dl3 and Stage.DL2 not in to_dl3


def test_ready_irfs_do_not_stand_in_for_other_parameters() -> None:
    from production_samples import ref

    from astran.base.night_data import IrfCuts, ReadyIrf

    cuts = IrfCuts(gammaness_cut=0.7, theta_cut=0.2)
    ready = (ReadyIrf("theta_10", ref("/irf/irf_theta_10.fits.gz"), cuts),)
    plan = a_plan(a_request("tool:DataBinning.true_energy_n_bins", 20), a_night(ready_irfs=ready))
    assert [task for task in plan.tasks if task.stage is Stage.IRF]


# ---- spelling ------------------------------------------------------------------------------------


def test_dotted_and_nested_are_the_same() -> None:
    one = a_config(lstchain_config={f"{ZD}.interpolate_energy": False, "tailcut": {"x": 1}})
    other = a_config(lstchain_config={ZD: {"interpolate_energy": False}, "tailcut.x": 1})
    assert one == other
    assert build_settings(LstConfig, one.plain(), "again") == one


def test_infinity_is_a_word_in_every_format() -> None:
    given = {"a": [0, float("inf")], "b": "-Infinity", "c": (1, "INF")}
    assert nested(given) == {"a": [0, "inf"], "b": "-inf", "c": [1, "inf"]}
    with pytest.raises(ConfigError, match="nan"):
        build_settings(
            LstConfig, {**a_config().plain(), "lstchain_config": {"a": float("nan")}}, "x"
        )


def test_a_value_and_a_group_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="as a value and as a group"):
        build_settings(
            LstConfig, {**a_config().plain(), "lstchain_config": {"a": 1, "a.b": 2}}, "x"
        )


def test_the_order_in_which_lstchain_tells_its_parameters_is_no_other_work() -> None:
    """It tells them in its own order, the cache of the environment in that of the alphabet."""
    name = "random_forest_energy_regressor_args"
    told = {name: {"n_estimators": 50, "max_depth": 30, "n_jobs": -1}}
    kept = {name: dict(sorted(told[name].items()))}
    text = json.dumps({name: {"n_jobs": 2}})
    assert forest_settings(text, {}, told, 1) == forest_settings(text, {}, kept, 1)


@pytest.mark.parametrize(
    "given", [{"a": 5, "a.b": 1}, {"a.b": 1, "a": 5}, {"a": {"b": {}}, "a.b": 1}]
)
def test_the_order_of_a_contradiction_does_not_matter(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="as a value and as a group"):
        nested(given)


def test_groups_in_groups_are_joined() -> None:
    given = {"a.b": {"c": 1}, "a": {"b": {"d": 2}, "e": 3}, "a.b.c": 1}
    assert nested(given) == {"a": {"b": {"c": 1, "d": 2}, "e": 3}}
    with pytest.raises(ValueError, match="c is given twice, as 1 and as 2"):
        nested({"a.b": {"c": 1}, "a": {"b.c": 2}})
