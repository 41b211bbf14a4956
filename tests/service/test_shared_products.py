"""The same work is never done twice, across analyses, requesters and deleted folders."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from archive_fixtures import ArchiveHouse

from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Stage
from astran.database import analyses, tasks

pytestmark = [pytest.mark.lstchain]
NIGHT = "20231213"
SUBRUNS = "20231214"
ENERGY = {"cuts": "energy-dependent"}


def ran_since(house: ArchiveHouse, before: int) -> Counter[Stage]:
    return Counter(task.stage for task in house.scheduler.done[before:])


def again(house: ArchiveHouse, night: str = NIGHT, **more: object) -> tuple[int, Counter[Stage]]:
    """Ask, and end within one tick after planning; returns what was run for it."""
    before = len(house.scheduler.done)
    number = house.launch(night, **more)
    with house.context.db.begin() as db:
        analyses.change_analysis(db, number, requester="bob@a.test")
    house.tick()
    return number, ran_since(house, before)


@pytest.mark.parametrize("night", [NIGHT, SUBRUNS])
def test_the_same_request_runs_nothing_and_is_answered_in_one_tick(
    house: ArchiveHouse, night: str
) -> None:
    first = house.launch(night)
    assert house.end(first).state is AnalysisState.DONE
    number, ran = again(house, night)
    assert ran == {}
    done = house.state(number)
    assert done.state is AnalysisState.DONE
    assert house.kinds(number) == ["report"]
    with house.context.db.begin() as db:
        rows = tasks.of_analysis(db, number)
    assert {row.state for row in rows} == {TaskState.REUSED}
    assert all(row.reason.endswith(f"of A{first}") for row in rows)
    ours, theirs = done.folder, house.state(first).folder
    names = {path.relative_to(theirs) for path in (theirs / "DL3").iterdir()}
    assert len(names) == 4
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    assert (ours / "results" / "results.json").is_file()


def test_also_after_the_first_folder_was_deleted_by_hand(house: ArchiveHouse) -> None:
    first = house.launch(NIGHT)
    assert house.end(first).state is AnalysisState.DONE
    shutil.rmtree(house.state(first).folder)
    number, ran = again(house)
    assert ran == {}
    folder = house.state(number).folder
    assert house.state(number).state is AnalysisState.DONE
    assert len(list((folder / "DL2").glob("*.h5"))) == 2
    # and once more, with the folder of the second gone as well
    shutil.rmtree(folder)
    third, ran = again(house)
    assert ran == {}
    assert house.state(third).state is AnalysisState.DONE


def test_deleting_one_folder_breaks_no_other(house: ArchiveHouse) -> None:
    first = house.launch(NIGHT)
    house.end(first)
    number, _ = again(house)
    kept = {
        path: path.read_bytes()
        for path in house.state(number).folder.rglob("*")
        if path.is_file() and "DL" in str(path)
    }
    shutil.rmtree(house.state(first).folder)
    shutil.rmtree(house.context.site.products_dir)
    assert kept
    assert all(path.read_bytes() == content for path, content in kept.items())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"theta_cut": 0.2}, {"theta_cut": 0.3}),
        ({"gammaness_cut": 0.7}, {"gammaness_cut": 0.8}),
        (ENERGY, {**ENERGY, "theta_containment": 0.8}),
        (ENERGY, {**ENERGY, "gh_efficiency": 0.9}),
        ({}, ENERGY),
        ({}, {"intensity_min": 80.0}),
    ],
)
def test_other_cuts_run_only_irf_and_dl3_again(
    house: ArchiveHouse, one: dict[str, object], other: dict[str, object]
) -> None:
    assert house.end(house.launch(NIGHT, dl3=one)).state is AnalysisState.DONE
    before = len(house.scheduler.done)
    second = house.launch(NIGHT, dl3=other)
    assert house.end(second).state is AnalysisState.DONE
    ran = ran_since(house, before)
    assert ran[Stage.DL2] == 0
    assert ran[Stage.IRF] > 0
    assert ran[Stage.DL3] == 2
    assert ran[Stage.INDEX] == ran[Stage.HIGHLEVEL] == 1
    # and the first ones once more: all is there
    _, ran = again(house, dl3=one)
    assert ran == {}


def test_other_results_of_the_same_dl3_run_only_the_last_stage(house: ArchiveHouse) -> None:
    house.end(house.launch(NIGHT))
    before = len(house.scheduler.done)
    house.end(house.launch(NIGHT, highlevel={"off_regions": 1}))
    assert ran_since(house, before) == {Stage.HIGHLEVEL: 1}


def test_fewer_runs_have_an_index_and_results_of_their_own(house: ArchiveHouse) -> None:
    house.end(house.launch(NIGHT))
    before = len(house.scheduler.done)
    number = house.launch(NIGHT, runs=[100])
    assert house.end(number).state is AnalysisState.DONE
    assert ran_since(house, before) == {Stage.INDEX: 1, Stage.HIGHLEVEL: 1}


def test_a_changed_product_is_not_taken(house: ArchiveHouse) -> None:
    first = house.launch(NIGHT)
    house.end(first)
    (house.state(first).folder / "DL3" / "dl3_LST-1.Run00100.fits").write_text("by hand")
    before = len(house.scheduler.done)
    number = house.launch(NIGHT)
    assert house.end(number).state is AnalysisState.DONE
    assert [task.key for task in house.scheduler.done[before:] if task.stage is Stage.DL3] == [
        "dl3-100"
    ]


def test_without_a_store_products_are_taken_from_the_first_folder(house: ArchiveHouse) -> None:
    first = house.launch(NIGHT)
    house.end(first)
    shutil.rmtree(house.context.site.products_dir)
    number, ran = again(house)
    assert ran == {}
    product = Path("DL2", "dl2_LST-1.Run00100.h5")
    assert (house.state(number).folder / product).samefile(house.state(first).folder / product)
