"""How long an analysis will still take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from astran.base.states import TaskState
from astran.base.tasks import Stage, Task
from astran.database.tasks import TaskRow, task_row
from astran.service.reporting.time_left import longest_path

NOW = datetime(2023, 12, 8, 9, tzinfo=UTC)
USUAL = {Stage.DL2: 600.0, Stage.IRF: 2000.0, Stage.DL3: 100.0, Stage.HIGHLEVEL: 50.0}
_T = TaskState


def row(
    number: int,
    stage: Stage,
    state: TaskState,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> TaskRow:
    spec = Task(f"t{number}", stage, (), (), "", "", "", "", needs=needs, after=after)
    return task_row(
        {
            "id": number,
            "analysis_id": 1,
            "key": spec.key,
            "state": state,
            "spec": spec.to_json(),
            "resources": {},
            "exclude": (),
            "attempts": 0,
            "reason": "",
            "not_before": None,
            "fingerprint": "",
            "wish": "",
        }
    )


def chain(*states: TaskState) -> list[TaskRow]:
    """Two runs, DL2 and DL3 each, then the results."""
    return [
        row(1, Stage.DL2, states[0]),
        row(2, Stage.DL3, states[1], needs=("t1",)),
        row(3, Stage.DL2, states[2]),
        row(4, Stage.DL3, states[3], needs=("t3",)),
        row(5, Stage.HIGHLEVEL, states[4], after=("t2", "t4")),
    ]


def left(rows: list[TaskRow], since: dict[int, int] | None = None) -> float | None:
    begun = {key: NOW - timedelta(seconds=ago) for key, ago in (since or {}).items()}
    return longest_path(rows, USUAL, begun, NOW)


def test_runs_go_on_side_by_side() -> None:
    assert left(chain(*[_T.PLANNED] * 5)) == 750


def test_what_has_ended_takes_no_time() -> None:
    assert left(chain(_T.DONE, _T.DONE, _T.REUSED, _T.DONE, _T.PLANNED)) == 50
    assert left(chain(_T.FAILED, _T.FAILED, _T.DONE, _T.PLANNED, _T.PLANNED)) == 150
    assert left(chain(*[_T.DONE] * 5)) == 0


@pytest.mark.parametrize(("ago", "expected"), [(0, 750), (400, 350), (6000, 60 + 150)])
def test_the_time_under_way_counts(ago: int, expected: float) -> None:
    rows = chain(_T.RUNNING, _T.PLANNED, _T.DONE, _T.DONE, _T.PLANNED)
    assert left(rows, {1: ago}) == pytest.approx(expected)


def test_the_longest_chain_counts() -> None:
    rows = [*chain(*[_T.PLANNED] * 5)[:4], row(6, Stage.IRF, _T.SUBMITTED)]
    rows.append(row(5, Stage.HIGHLEVEL, _T.PLANNED, after=("t2", "t4", "t6")))
    assert left(rows) == 2050


def test_without_history_nothing_is_said() -> None:
    assert longest_path(chain(*[_T.PLANNED] * 5), {Stage.DL2: 600.0}, {}, NOW) is None
    assert longest_path([], USUAL, {}, NOW) is None
