"""The observatory's DL2 is taken where it is what would be made, else the plan says why not."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tables
from demo_fixtures import SmallNight
from production_samples import TOOLS, a_config, a_night, a_site, ref, the_models

from astran.base.clock import SystemClock
from astran.base.night_data import NightData, StandardDl2
from astran.base.tasks import Plan, Stage
from astran.config.model import build_settings
from astran.config.site import SiteConfig
from astran.telescopes.chain import PlanRequest
from astran.telescopes.lst.chain import CHAIN
from astran.telescopes.lst.dl2_file import read_making
from astran.telescopes.lst.hdf5_open import DL2_TABLE
from astran.telescopes.lst.planning.plan import make_plan
from astran.telescopes.lst.planning.standard_dl2 import OF_DL2, choose_standard_dl2

STANDARD: dict[str, Any] = {
    "events_filters": {"intensity": [0, float("inf")]},
    "disp_method": "disp_norm_sign",
    "allowed_tels": [1],
    "random_forest_zd_interpolation": {"interpolate_energy": True},
    "tailcut": {"picture_thresh": 8},
}
DL1 = "/data/DL1/dl1_LST-1.Run15861.h5"
DL2 = "/data/DL2/20231213/v0.12/tailcut84/nsb_tuning_0.14/dl2_LST-1.Run15861.h5"
GOOD = StandardDl2(
    ref(DL2, mtime_ns=9), "", "0.12.3", "/models/dec_2276", DL1, json.dumps(STANDARD), 100
)


def objection(settings: str = "", **changes: Any) -> str:
    night = a_night()
    run = replace(night.runs[0], standard=(replace(GOOD, **changes),), events=120)
    taken, told = choose_standard_dl2(run, the_models(night), "0.12.3", settings, STANDARD)
    assert (taken is None) == ("made anew" in told)
    return told if taken is None else ""


def test_what_would_be_made_is_taken() -> None:
    assert objection() == ""
    # another clean-up of the images, or another training, is none of the step from DL1 to DL2
    other = {**STANDARD, "tailcut": {}, "random_forest_energy_regressor_args": {"n_jobs": 4}}
    assert objection(config=json.dumps(other)) == ""
    assert objection(models="/models/dec_2276/") == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem": "lstchain has not finished it"}, "is not whole: lstchain has not finished it"),
        ({"lstchain": "0.12.2"}, "lstchain 0.12.2, not 0.12.3"),
        ({"lstchain": ""}, "lstchain of an unknown release"),
        ({"models": "/models/dec_3476"}, "the models /models/dec_3476"),
        ({"models": ""}, "models of an unknown folder"),
        ({"dl1": "/old/DL1/dl1_LST-1.Run15861.h5"}, "made from /old/DL1/"),
        ({"file": ref(DL2, mtime_ns=4)}, "is older than its models"),
        ({"events": 121}, "holds 121 events, its DL1 120"),
        ({"config": "null"}, "another configuration (events_filters, disp_method"),
        ({"config": ""}, "another configuration (events_filters, disp_method"),
        ({"config": json.dumps({**STANDARD, "disp_method": "disp_vector"})}, "(disp_method)"),
        ({"settings": '{"events_filters": {"intensity": [50, "inf"]}}'}, "(events_filters)"),
    ],
)
def test_what_is_otherwise_is_made_anew_with_the_reason(changes: dict[str, Any], said: str) -> None:
    told = objection(**changes)
    assert told.startswith("Run 15861: DL2 is made anew, as the observatory's ")
    assert said in told


def test_the_configuration_of_the_request_counts_as_lstchain_reads_it() -> None:
    assert objection(settings='{"events_filters": {"intensity": [0, "inf"]}}') == ""


def planned(tmp_path: Path, data: NightData, until: Stage = Stage.HIGHLEVEL) -> Plan:
    tools = replace(TOOLS, standard=STANDARD)
    folder = tmp_path / "Crab20231213"
    return make_plan(a_config(), a_site(tmp_path), data, tools, folder, "/opt/python3", until)


def test_the_plan_reads_it_in_place_of_making_it(tmp_path: Path) -> None:
    night = a_night()
    first, second = night.runs
    data = replace(night, runs=(replace(first, standard=(GOOD,)), second))
    plan = planned(tmp_path, data)
    assert [task.run for task in plan.tasks if task.stage is Stage.DL2] == [15862]
    dl3 = {task.run: task for task in plan.tasks if task.stage is Stage.DL3}
    assert dl3[15861].inputs[0] == DL2 and DL2 in dl3[15861].argv
    assert dl3[15862].needs[0] == "dl2-15862"
    assert any(f"the observatory's DL2 is taken: {DL2}" in note for note in plan.notes)
    # who asks for DL2 gets it in the folder of the analysis
    by_hand = planned(tmp_path, data, Stage.DL2)
    assert [task.run for task in by_hand.tasks] == [15861, 15862]


def test_a_newer_version_that_does_not_fit_leaves_the_older_one(tmp_path: Path) -> None:
    night = a_night()
    newer = replace(GOOD, lstchain="0.13.0", file=ref("/data/DL2/v0.13/dl2.h5", mtime_ns=9))
    data = replace(night, runs=(replace(night.runs[0], standard=(newer, GOOD)),))
    plan = planned(tmp_path, data)
    assert not [task for task in plan.tasks if task.stage is Stage.DL2]


# ---- reading -------------------------------------------------------------------------------------


def a_dl2(path: Path, config: object = STANDARD, finished: bool = True) -> Path:
    """As lstchain 0.12 leaves it, with what tells of its making."""
    folder, _, name = DL2_TABLE.rpartition("/")
    with tables.open_file(str(path), "w") as handle:
        table = handle.create_table(folder, name, np.zeros(7, [("x", "f8")]), createparents=True)
        if finished:
            table.attrs["config"] = config
            table.attrs["LSTCHAIN_VERSION"] = "0.12.3"
    told = {"input": [{"url": DL1, "role": "dl1 input file"}, {"url": "/m", "role": "x"}]}
    with h5py.File(path, "a") as file:
        file.create_group("provenance").create_dataset("dl1_to_dl2", data=json.dumps(told))
    return path


def test_what_it_tells_of_its_making(tmp_path: Path) -> None:
    made = read_making(a_dl2(tmp_path / "a.h5"))
    assert (made["dl1"], made["events"]) == (DL1, 7)
    assert json.loads(made["config"]) == STANDARD
    assert set(OF_DL2) & STANDARD.keys()


def test_a_stub_and_an_unfinished_file(tmp_path: Path) -> None:
    assert "not finished" in read_making(a_dl2(tmp_path / "a.h5", finished=False))["problem"]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_group("provenance")
    assert "no table of events" in read_making(tmp_path / "b.h5")["problem"]
    with pytest.raises(OSError):
        (tmp_path / "c.h5").write_bytes(b"x")
        read_making(tmp_path / "c.h5")


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/astran-was-here",)


def test_a_configuration_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    path = a_dl2(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file[DL2_TABLE].attrs["config"] = np.bytes_(pickle.dumps(Evil(), 0))
    assert json.loads(read_making(path)["config"]) is None
    assert not Path("/tmp/astran-was-here").exists()


# ---- as lstchain makes it ------------------------------------------------------------------------


@pytest.mark.lstchain
@pytest.mark.slow
def test_dl2_of_lstchain_itself_is_taken(simulated_night: SmallNight, tmp_path: Path) -> None:
    """By lstchain_dl1_to_dl2, at the place where the observatory has it; with other forests it is
    made anew."""
    tree, run = simulated_night.tree, simulated_night.runs[0]
    programs = Path(sys.executable).parent
    folder = tmp_path / "DL2" / "20231213" / "v0.12" / "tailcut84" / "nsb_tuning_0.00"
    words = [str(programs / "lstchain_dl1_to_dl2"), "-f", str(tree.dl1(run)), "-o", str(folder)]
    words += ["-p", str(tree.models), "-c", str(tree.lstchain_config)]
    subprocess.run(words, check=True, timeout=600, capture_output=True)
    pattern = "DL2/{date}/{version}/{tailcut}/nsb_tuning_{nsb}/dl2_LST-1.Run{run}.h5"
    data = {**tree.data_settings(), "dl2": str(tmp_path / pattern)}
    here = {"default": "here", "environments": {"here": {"bin": str(programs)}}}
    models = shutil.copytree(
        tree.models, tmp_path / "other" / tree.models.parent.name / tree.models.name
    )
    night = tree.run_catalog.stem.rpartition("_")[2]
    told = []
    for forests in (str(tree.models), str(models)):
        settings = {"lstchain": here, "data": {**data, "models": forests}}
        site = build_settings(
            SiteConfig, {"site": "t", "workdir": str(tmp_path / "work"), **settings}, "the test"
        )
        config = a_config(date=night, runs=(run,), quality={"apply": False})
        found = CHAIN.find_data(site, config, SystemClock(), patient=True)
        plan = CHAIN.make_plan(PlanRequest(site, config, found, tmp_path / "a", "python"))
        told.append([note for note in plan.notes if "the observatory's" in note])
        made = [task.run for task in plan.tasks if task.stage is Stage.DL2]
        assert made == ([] if forests == str(tree.models) else [run])
    (taken,), (anew,) = told
    assert taken.startswith(f"Run {run}: the observatory's DL2 is taken: {folder}")
    assert f"was made with the models {tree.models}" in anew
