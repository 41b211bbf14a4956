"""What grows with every analysis is removed by its stated age; what tells of an analysis stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from mail_desk import Desk

from astran.base.states import AnalysisState
from astran.config.analysis import AnalysisConfig
from astran.database import analyses, chores, events
from astran.database.analyses import Analysis, RequestOrigin
from astran.service.operator import pruning

DAY = timedelta(days=1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def ended_analysis(desk: Desk, *, ends: bool = True) -> Analysis:
    config = {"target": {"name": "Crab", "ra": 83.6, "dec": 22.0}, "date": "20231207"}
    now, origin = desk.clock.now(), RequestOrigin()
    with desk.db.begin() as db:
        label = AnalysisConfig.model_validate(config).label
        made = analyses.create_analysis(db, now, origin, label, config, desk.site.workdir, "")
        events.note_event(db, now, "task-done", "dl2: checking -> done", made.id)
        events.note_event(db, now, "mail-sent", "confirmation", made.id)
        if ends:
            analyses.move_analysis(db, now, made, AnalysisState.FAILED, "it failed")
    jobs = made.folder / "jobmanager"
    for path in ("batches/astran-A1/array.tsv", "0.12/Script_dl2.sh", "0.12/Script_dl2.sh.json",
                 "0.12/dl2.record.json"):  # fmt: skip
        (jobs / path).parent.mkdir(parents=True, exist_ok=True)
        (jobs / path).write_text("x")
    return made


def files(analysis: Analysis) -> set[str]:
    return {path.name for path in analysis.folder.rglob("*") if path.is_file()}


def kinds(desk: Desk, analysis: Analysis) -> list[str]:
    with desk.db.begin() as db:
        return [event.kind for event in events.history(db, analysis.id)]


def prune(desk: Desk, after: timedelta) -> None:
    desk.wait(after)
    pruning.prune_due(desk.context())


def test_each_thing_goes_at_its_age(desk: Desk) -> None:
    pruning.prune_due(desk.context())
    one = ended_analysis(desk)
    every = files(one)
    prune(desk, pruning.BATCHES_KEPT - DAY)
    assert files(one) == every, "not old yet"
    prune(desk, 2 * DAY)
    assert files(one) == {"Script_dl2.sh", "Script_dl2.sh.json", "dl2.record.json"}
    assert "task-done" in kinds(desk, one)
    prune(desk, pruning.SCRIPTS_KEPT)
    assert files(one) == {"dl2.record.json"}
    assert kinds(desk, one) == ["received", "analysis-failed"], "its story stays"


def test_what_is_under_way_keeps_all(desk: Desk) -> None:
    pruning.prune_due(desk.context())
    one = ended_analysis(desk, ends=False)
    every, before = files(one), kinds(desk, one)
    prune(desk, 10 * pruning.SCRIPTS_KEPT)
    assert (files(one), kinds(desk, one)) == (every, before)


def test_much_is_removed_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_ANALYSES", 2)
    monkeypatch.setattr(pruning, "MOST_EVENTS", 4)
    pruning.prune_due(desk.context())
    found = []
    for _ in range(5):
        found.append(ended_analysis(desk))
        desk.wait(timedelta(hours=1))
    prune(desk, pruning.EVENTS_KEPT + DAY)
    assert any("array.tsv" in files(one) for one in found)
    for _ in range(5):
        prune(desk, pruning.SOON)
    assert {name for one in found for name in files(one)} == {"dl2.record.json"}
    assert {kind for one in found for kind in kinds(desk, one)} == {"received", "analysis-failed"}
    with desk.db.begin() as db:
        assert chores.time_of(db, pruning.NAME) > desk.clock.now() + DAY / 2
