"""DL2, Monte Carlo and IRFs that do not fit together stop their run, with a clear word."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from origin_samples import write_dl2
from production_samples import TOOLS, a_config, a_night, a_site, ref

from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import CatalogueError, ProductError
from astran.base.night_data import IrfCuts, NightData, ReadyIrf, RunFile
from astran.base.tasks import InputCheck, InputGuard, Plan, Task
from astran.production.job.logs import find_advice, find_remarks
from astran.telescopes.lst.checks.input_checks import check_inputs
from astran.telescopes.lst.planning.plan import make_plan

MODELS = "/models/dec_2276"
HERE = Dl2Provenance("0.12.3", MODELS)


def plan(data: NightData, same_series: bool = False, **asked: Any) -> Plan:
    work = Path("/srv/astran")
    site = a_site(work)
    lstchain = site.lstchain.model_copy(update={"same_series": same_series})
    site = site.model_copy(update={"lstchain": lstchain})
    return make_plan(a_config(**asked), site, data, TOOLS, work / "Crab", sys.executable)


def with_mc(origin: Dl2Provenance, data: NightData | None = None) -> NightData:
    data = data or a_night()
    (alone,) = data.monte_carlo
    nodes = tuple(replace(node, origin=origin) for node in alone.nodes)
    return replace(data, monte_carlo=(replace(alone, nodes=nodes),))


def of_dl2(*origins: Dl2Provenance) -> NightData:
    runs = tuple(
        RunFile(15861 + number, ref(f"/data/dl2_LST-1.Run{15861 + number}.h5"), origin=origin)
        for number, origin in enumerate(origins)
    )
    (alone,) = a_night().monte_carlo
    return replace(a_night(), runs=runs, monte_carlo=(replace(alone, models=None),))


def test_what_fits_says_nothing() -> None:
    made = plan(with_mc(HERE))
    assert made.left_out == ()
    assert not any("checked" in note or "alike" in note for note in made.notes)


def test_monte_carlo_of_other_models_stops_every_run_of_its_level() -> None:
    with pytest.raises(CatalogueError, match=r"run 15861: its DL2 was made with the models .*2276"):
        plan(with_mc(Dl2Provenance("0.12.3", "/models/dec_3476")))


def test_a_run_of_other_models_is_left_out_alone() -> None:
    data = with_mc(HERE, of_dl2(HERE, Dl2Provenance("0.12.3", "/models/dec_3476")))
    made = plan(data, start="dl2", folder="/data")
    ((run, why),) = made.left_out
    assert run == 15862
    assert "models/dec_3476, the Monte Carlo of its IRFs with models/dec_2276" in why
    assert {task.run for task in made.tasks if task.run} == {15861}


def test_releases_that_reconstruct_differently() -> None:
    data = with_mc(HERE, of_dl2(Dl2Provenance("0.10.12", MODELS), HERE))
    made = plan(data, start="dl2", folder="/data")
    ((run, why),) = made.left_out
    assert run == 15861 and "lstchain 0.10.12" in why and "0.12.3" in why


def test_releases_that_reconstruct_alike_are_said_or_refused_as_the_site_wants() -> None:
    data = with_mc(Dl2Provenance("0.10.18", MODELS))
    assert any("by 0.10.18: these releases reconstruct alike" in n for n in plan(data).notes)
    with pytest.raises(CatalogueError, match=r"0\.10\.18"):
        plan(data, same_series=True)


def test_what_is_not_told_is_said() -> None:
    made = plan(with_mc(Dl2Provenance(), of_dl2(Dl2Provenance())), start="dl2", folder="/data")
    told = "\n".join(made.notes)
    assert "Not checked" in told and "made DL2 of run 15861" in told
    assert "made the Monte Carlo of the IRFs" in told


def test_irfs_of_the_site_do_not_tell_their_models() -> None:
    cuts = IrfCuts(gammaness_cut=0.7, theta_cut=0.2)
    ready = (ReadyIrf("theta_10.000_az_102.199", ref("/irf/irf.fits.gz"), cuts),)
    made = plan(a_night(ready_irfs=ready))
    assert any("made the site's IRFs" in note for note in made.notes)
    (guard,) = made.task("dl3-15861").guards
    assert (guard.path, guard.proof) == ("/irf/irf.fits.gz", InputCheck.CUTS)


def test_the_task_asks_again_before_its_tool_starts() -> None:
    made = plan(with_mc(HERE))
    (guard,) = made.task("dl3-15861").guards
    assert guard.path == made.task("dl2-15861").outputs[0].path
    assert dict(guard.expect)["models"] == MODELS
    (of_mc,) = made.task("irf-theta_10.000_az_102.199").guards
    assert of_mc.path.endswith("dl2_gamma.h5")
    task = made.task("dl3-15861")
    assert Task.from_json(task.to_json()) == task


# ---- the guard itself, on files ------------------------------------------------------------------


def guard(path: Path, **more: Any) -> InputGuard:
    expect = {"models": MODELS, "lstchain": "0.12.3", "strict": False, "other": "its IRFs", **more}
    return InputGuard(str(path), InputCheck.ORIGIN, tuple(expect.items()))


def test_the_guard_lets_pass_what_fits_or_does_not_tell(tmp_path: Path) -> None:
    check_inputs(guard(write_dl2(tmp_path / "good.h5", "0.12.1", MODELS)))
    check_inputs(guard(write_dl2(tmp_path / "old.h5", "0.12.3", record=False)))


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (
            Dl2Provenance("0.12.3", "/models/dec_3476"),
            "models/dec_3476, its IRFs with models/dec_2276",
        ),
        (Dl2Provenance("0.10.12", MODELS), "lstchain 0.10.12, its IRFs with 0.12.3"),
    ],
)
def test_the_guard_stops_what_does_not_fit(
    tmp_path: Path, origin: Dl2Provenance, said: str
) -> None:
    path = write_dl2(tmp_path / "dl2.h5", origin.lstchain, origin.models)
    with pytest.raises(ProductError, match=said):
        check_inputs(guard(path))


def test_the_guard_on_a_file_that_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "dl2.h5").write_text("no")
    with pytest.raises(ProductError, match="does not open"):
        check_inputs(guard(tmp_path / "dl2.h5"))


# ---- failures of the tool that have the same cause -----------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "ValueError: node array from the pickle has an incompatible dtype:",
            "another release of scikit-learn",
        ),
        (
            "AttributeError: 'DecisionTreeRegressor' object has no attribute 'monotonic_cst'",
            "another release of scikit-learn",
        ),
        ("ModuleNotFoundError: No module named 'sklearn.ensemble.forest'", "scikit-learn"),
        (
            "ValueError: X has 15 features, but RandomForestRegressor is expecting 14 features as "
            "input.",
            "other features",
        ),
        ("KeyError: \"['signed_skewness'] not in index\"", "other features"),
        ("ValueError: 'alt_tel' is not in list", "other features"),
    ],
)
def test_models_that_do_not_fit_the_software(line: str, said: str) -> None:
    (sentence,) = find_advice(["something else", line])
    assert said in sentence


def test_models_of_another_scikit_learn_that_still_load_are_said(tmp_path: Path) -> None:
    log = tmp_path / "dl2-1.log"
    line = (
        "/opt/lib/sklearn/base.py:442: InconsistentVersionWarning: Trying to unpickle estimator {} "
        "from version 1.9.1 when using version 1.7.2. This might lead to breaking code or invalid "
        "results. Use at your own risk.\n"
    )
    estimators = ("DecisionTreeRegressor", "RandomForestRegressor")
    log.write_text("".join(line.format(name) for name in estimators))
    (said,) = find_remarks(log)
    assert "scikit-learn 1.9.1 and are read by 1.7.2" in said
    log.write_text("all is well\n")
    assert find_remarks(log) == ()
    assert find_remarks(tmp_path / "none.log") == ()


def test_other_failures_need_no_such_advice() -> None:
    assert find_advice(["MemoryError", "OSError: No space left on device"]) == ()
