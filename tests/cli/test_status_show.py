"""`astran status` and `astran show`: what they say of an analysis."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Plan, Stage, Task
from astran.cli.main import main
from astran.config.analysis import Target
from astran.database import analyses, plans
from astran.database.analyses import RequestOrigin
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.telescopes.lst.settings import LstConfig

HOSTILE = "<b>\x1b[31mred\x1b]0;t\x07 \u202egnp \x9b2J"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """One analysis that is done (its DL2 took ten minutes), one under way with a failed run."""
    path = tmp_path / "site.yml"
    path.write_text(f"site: Test\nworkdir: {tmp_path}\nscheduler: {{kind: local}}\n")
    db = Database.open(f"sqlite:///{tmp_path / 'astran.sqlite'}")
    now = datetime(2023, 12, 8, 9, tzinfo=UTC)
    config = LstConfig(target=Target(name="Crab", ra=83.6, dec=22.0), date="20231207")
    with db.begin() as connection:
        for number in (1, 2):
            made = analyses.create_analysis(
                connection, now, RequestOrigin(), config.label, config.plain(), tmp_path, HOSTILE
            )
            specs = [
                Task(f"dl2-{run}", Stage.DL2, ("x",), (), "", "", "", "", run=run) for run in (1, 2)
            ]
            plans.store_plan(
                connection, now, made.id, Plan(tuple(specs)), date="20231207", source=("Crab", 1, 2)
            )
            assert analyses.move_analysis(connection, now, made, AnalysisState.RUNNING)
            rows = connection.execute(t.task.select().where(t.task.c.analysis_id == made.id))
            first, second = rows.mappings().all()
            batch = connection.execute(
                insert(t.submission).values(
                    analysis_id=made.id,
                    token=f"b{number}",
                    scheduler="local",
                    state="done",
                    size=1,
                    folder="",
                    intent=now,
                    submitted=now,
                )
            ).inserted_primary_key
            assert batch is not None
            if number == 1:
                connection.execute(
                    insert(t.attempt).values(
                        task_id=first["id"],
                        submission_id=batch[0],
                        number=1,
                        token="a1",
                        array_index=0,
                        requested={},
                        outcome="ok",
                        elapsed_s=580.0,
                        ended=now + timedelta(minutes=10),
                        telling=[],
                    )
                )
                for state in (AnalysisState.REPORTING, AnalysisState.DONE):
                    fresh = analyses.get_analysis(connection, made.id)
                    assert analyses.move_analysis(connection, now, fresh, state)
            else:
                failed = {"state": TaskState.FAILED, "reason": f"no memory {HOSTILE}"}
                change = t.task.update().where(t.task.c.id == second["id"]).values(failed)
                connection.execute(change)
    db.close()
    return path


def test_status_as_json(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--site", str(site), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["id"] == "A2"
    assert row["state"] == "running"
    assert row["stages"] == {"dl2": {"planned": 1, "failed": 1}}
    assert row["runs"] == {"total": 2, "ended": 1}
    assert row["remaining_s"] == 600
    assert row["words"].startswith("1 task failed: no memory")


def test_status_in_plain_lines(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--site", str(site), "--all"]) == 0
    text = capsys.readouterr().out
    assert "about 10 min 00 s" in text
    assert "1 of 2" in text
    assert [line.split()[0] for line in text.splitlines()] == ["Id", "A2", "A1"]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_show_as_json(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "A2", "--site", str(site), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["runs"][0] == {"run": 1, "stages": {"dl2": "planned"}, "reason": ""}
    assert data["runs"][1]["reason"].startswith("no memory")
    assert [task["task"] for task in data["tasks"]] == ["dl2-1", "dl2-2"]


def test_show_in_plain_lines(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "A2", "--site", str(site)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("A2 Crab20231207: running\nAbout 10 min 00 s left\n1 task failed:")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_watching_what_has_ended_ends(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "A1", "--watch", "--site", str(site)]) == 0
    assert "A1 Crab20231207: done" in capsys.readouterr().out
