"""What was done is not done again, also where products that served to make others were cleaned."""

from __future__ import annotations

from datetime import timedelta

import pytest
from archive_fixtures import ArchiveHouse

from astran.base.states import AnalysisState
from astran.base.tasks import Stage
from astran.service.products.cleaning import removable_items, remove_items

pytestmark = [pytest.mark.lstchain]

SUBRUNS, RUNS = "20231214", "20231213"
MADE_BY_ALL = [Stage.INDEX, Stage.HIGHLEVEL]


def clean(house: ArchiveHouse, dl2: bool = False) -> list[str]:
    house.clock.time += timedelta(days=30)
    items = removable_items(house.context, timedelta(days=14), dl2)
    remove_items(house.context, items)
    return [item.why for item in items]


def done_since(house: ArchiveHouse, number: int) -> list[str]:
    return [task.key for task in house.scheduler.done[number:]]


def test_cleaned_subruns_are_not_made_again(house: ArchiveHouse) -> None:
    """Their DL2 was put together, and that is there."""
    assert house.end(house.launch(SUBRUNS)).state is AnalysisState.DONE
    assert "DL2 of a subrun, put together" in clean(house)
    before = len(house.scheduler.done)
    again = house.launch(SUBRUNS)
    assert house.end(again).state is AnalysisState.DONE
    assert done_since(house, before) == []
    before = len(house.scheduler.done)
    assert house.end(house.launch(SUBRUNS, dl3={"theta_cut": 0.15})).state is AnalysisState.DONE
    stages = {task.stage for task in house.scheduler.done[before:]}
    assert stages == {Stage.IRF, Stage.DL3, *MADE_BY_ALL}


def test_subruns_of_a_run_that_was_cleaned_whole_are_made_again(house: ArchiveHouse) -> None:
    assert house.end(house.launch(SUBRUNS)).state is AnalysisState.DONE
    clean(house, dl2=True)
    before = len(house.scheduler.done)
    assert house.end(house.launch(SUBRUNS, dl3={"theta_cut": 0.15})).state is AnalysisState.DONE
    assert {task.stage for task in house.scheduler.done[before:]} >= {Stage.DL2, Stage.DL3}


def test_cleaned_dl2_is_not_made_again_for_the_same_dl3(house: ArchiveHouse) -> None:
    assert house.end(house.launch(RUNS)).state is AnalysisState.DONE
    assert "DL2 of an ended analysis" in clean(house, dl2=True)
    before = len(house.scheduler.done)
    again = house.launch(RUNS)
    assert house.end(again).state is AnalysisState.DONE
    assert done_since(house, before) == []
    before = len(house.scheduler.done)
    assert house.end(house.launch(RUNS, dl3={"theta_cut": 0.15})).state is AnalysisState.DONE
    assert {"dl2-100", "dl2-101", "dl3-100"} <= set(done_since(house, before))
