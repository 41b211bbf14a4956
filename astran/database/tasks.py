"""Tasks and attempts, and their guarded transitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    select,
    update,
)

from astran.base.errors import StoreError
from astran.base.scheduler import JobState
from astran.base.states import TASK_MOVES, TaskState
from astran.base.tasks import STORED_DEPENDS_ON_SUCCESS, Resources, Stage, Task, known_name
from astran.database.events import Event, note_events
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t

MAX_BOUND_ROWS = 500
"""Rows named in one statement: databases bound the number of its parameters."""


@dataclass(frozen=True)
class TaskRow:
    """One row of `task`, with the parts of its specification that the engine reads at each tick."""

    id: int
    analysis_id: int
    key: str
    state: TaskState
    stage: str
    run: int | None
    needs: tuple[str, ...]
    after: tuple[str, ...]
    depends_on_success: bool
    script: str
    log: str
    record: str
    resources: Resources
    """What the next attempt asks for."""
    exclude: tuple[str, ...]
    attempts: int
    reason: str
    not_before: datetime | None
    fingerprint: str
    request: str
    """TaskRequest of a person that is still to be confirmed; empty: none."""
    stored_spec: Mapping[str, Any] = field(repr=False)

    @cached_property
    def spec(self) -> Task:
        """The task as it was planned; built when it is first asked for."""
        return Task.from_json(dict(self.stored_spec))


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One row of `attempt`, with the batch that carried it."""

    id: int
    task_id: int
    submission_id: int
    number: int
    token: str
    array_index: int
    requested: Mapping[str, Any]
    status: str
    """Newest JobState; empty: none yet, or no longer known."""
    word: str
    """State in the scheduler's own words."""
    reason: str
    outcome: str
    exit_code: int | None
    signal: int | None
    node: str
    max_rss_mb: float | None
    elapsed_s: float | None
    missing_since: datetime | None
    ended: datetime | None
    log_excerpt: tuple[str, ...]


def task_row(row: RowMapping | Mapping[str, Any]) -> TaskRow:
    """The task of a row with all columns of `task`."""
    spec = row["spec"]
    return TaskRow(
        id=row["id"],
        analysis_id=row["analysis_id"],
        key=row["key"],
        state=TaskState(row["state"]),
        stage=known_name(Stage, spec["stage"]),
        run=spec["run"],
        needs=tuple(spec["needs"]),
        after=tuple(spec["after"]),
        depends_on_success=spec.get(STORED_DEPENDS_ON_SUCCESS, False),
        script=spec["script"],
        log=spec["log"],
        record=spec["record"],
        resources=Resources(**row["resources"]),
        exclude=tuple(row["exclude"]),
        attempts=row["attempts"],
        reason=row["reason"],
        not_before=row["not_before"],
        fingerprint=row["fingerprint"],
        request=row["wish"],
        stored_spec=spec,
    )


_ATTEMPT = RowReader(
    AttemptRow, t.attempt, status=t.attempt.c.sight, log_excerpt=t.attempt.c.telling
)


def read_tasks(db: Connection, query: Select[Any]) -> list[TaskRow]:
    """The tasks of a query that selects all columns of `task`."""
    return [task_row(row) for row in db.execute(query).mappings()]


def of_analysis(
    db: Connection, analysis_id: int, among: Collection[TaskState] = ()
) -> list[TaskRow]:
    """All tasks of an analysis (in one of these states) in the order of the plan."""
    query = select(t.task).where(t.task.c.analysis_id == analysis_id).order_by(t.task.c.id)
    if among:
        query = query.where(t.task.c.state.in_(list(among)))
    return read_tasks(db, query)


def get_all(db: Connection, ids: Sequence[int]) -> dict[int, TaskRow]:
    """Tasks by id."""
    rows: dict[int, TaskRow] = {}
    for start in range(0, len(ids), MAX_BOUND_ROWS):
        query = select(t.task).where(t.task.c.id.in_(ids[start : start + MAX_BOUND_ROWS]))
        rows |= {row.id: row for row in read_tasks(db, query)}
    return rows


class PlanNode(NamedTuple):
    """A task as part of its plan."""

    stage: str
    state: TaskState


def outline(db: Connection, analysis_id: int) -> dict[str, PlanNode]:
    """Each task of an analysis by its key, in the order of the plan; cheap."""
    query = (
        select(t.task.c.key, t.stage.c.name, t.task.c.state)
        .join_from(t.task, t.stage)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.task.c.id)
    )
    return {key: PlanNode(stage, TaskState(state)) for key, stage, state in db.execute(query)}


def move_task(
    db: Connection,
    now: datetime,
    task: TaskRow,
    to: TaskState,
    text: str = "",
    **values: Any,
) -> bool:
    """Guarded transition of a task; False where somebody else moved it first."""
    one = TaskMove(task.id, task.analysis_id, task.key, task.state, to, text)
    return bool(move_tasks(db, now, [one], **values))


@dataclass(frozen=True, slots=True)
class TaskMove:
    """A transition to be made."""

    task_id: int
    analysis_id: int
    key: str
    seen: TaskState
    to: TaskState
    text: str = ""
    attempt: int | None = None
    """Only where this still is the newest attempt: another may have been submitted since."""


_UNDER_WAY = (TaskState.SUBMITTING, TaskState.SUBMITTED, TaskState.RUNNING)


def move_tasks(db: Connection, now: datetime, moves: Sequence[TaskMove], **values: Any) -> set[int]:
    """Guarded transitions of many tasks; returns the ids of those that nobody moved before.

    A move that may give its analysis something to do makes the next tick look at it.
    """
    groups: dict[tuple[TaskState, TaskState, int | None], list[TaskMove]] = {}
    for one in moves:
        if one.to not in TASK_MOVES[one.seen]:
            raise StoreError(f"Task {one.key} cannot go from {one.seen} to {one.to}.")
        groups.setdefault((one.seen, one.to, one.attempt), []).append(one)
    moved: set[int] = set()
    for (seen, to, attempt), group in groups.items():
        for start in range(0, len(group), MAX_BOUND_ROWS):
            ids = [one.task_id for one in group[start : start + MAX_BOUND_ROWS]]
            query = update(t.task).where(t.task.c.id.in_(ids), t.task.c.state == seen)
            if attempt is not None:
                query = query.where(t.task.c.attempts == attempt)
            query = query.values(state=to, **values).returning(t.task.c.id)
            moved |= set(db.execute(query).scalars())
    done = [one for one in moves if one.task_id in moved]
    note_events(
        db,
        (
            Event(
                now,
                f"task-{one.to}",
                f"{one.key}: {one.text or f'{one.seen} -> {one.to}'}",
                one.analysis_id,
                one.task_id,
            )
            for one in done
        ),
    )
    wake_analyses(db, {one.analysis_id for one in done if one.to not in _UNDER_WAY})
    return moved


def wake_analyses(db: Connection, analysis_ids: Collection[int]) -> None:
    """Have the next tick look at these analyses."""
    ids = sorted(analysis_ids)
    for start in range(0, len(ids), MAX_BOUND_ROWS):
        some = t.analysis.c.id.in_(ids[start : start + MAX_BOUND_ROWS])
        db.execute(update(t.analysis).where(some).values(next_step=None))


def newest_attempts(
    db: Connection, analysis_id: int, among: Collection[TaskState] = ()
) -> dict[int, AttemptRow]:
    """The newest attempt of each task of an analysis (in one of these states), by task id."""
    query = (
        _ATTEMPT.query.join_from(t.attempt, t.task)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.attempt.c.number)
    )
    if among:
        query = query.where(t.task.c.state.in_(list(among)))
    return {row.task_id: row for row in _ATTEMPT.all(db, query)}


def attempts_by_id(db: Connection, ids: Sequence[int]) -> dict[int, AttemptRow]:
    """Attempts by row id."""
    rows: dict[int, AttemptRow] = {}
    for start in range(0, len(ids), MAX_BOUND_ROWS):
        query = _ATTEMPT.query.where(t.attempt.c.id.in_(ids[start : start + MAX_BOUND_ROWS]))
        rows |= {row.id: row for row in _ATTEMPT.all(db, query)}
    return rows


def held(db: Connection) -> dict[int, list[tuple[str, AttemptRow]]]:
    """By analysis: key and newest attempt of each task that the scheduler holds, though nobody
    asked for that."""
    query = (
        select(*_ATTEMPT.columns, t.task.c.analysis_id, t.task.c.key)
        .join_from(t.attempt, t.task, t.task.c.id == t.attempt.c.task_id)
        .where(t.task.c.state.in_((TaskState.SUBMITTED, TaskState.RUNNING)))
        .where(t.attempt.c.number == t.task.c.attempts)
        .where(t.attempt.c.sight == JobState.HELD, t.task.c.wish == "")
        .order_by(t.task.c.id)
    )
    found: dict[int, list[tuple[str, AttemptRow]]] = {}
    for row in db.execute(query):
        found.setdefault(row.analysis_id, []).append((row.key, _ATTEMPT.read(row)))
    return found


def change_attempt(db: Connection, attempt_id: int, **values: Any) -> None:
    """Write what was learnt about an attempt."""
    db.execute(update(t.attempt).where(t.attempt.c.id == attempt_id).values(**values))


def change_attempts(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """`change_attempt` for many at once: each row holds the `id` and the same columns."""
    if not rows:
        return
    columns = [name for name in rows[0] if name != "id"]
    query = update(t.attempt).where(t.attempt.c.id == bindparam("_id"))
    query = query.values({name: bindparam(f"_{name}") for name in columns})
    db.execute(query, [{f"_{name}": value for name, value in row.items()} for row in rows])


def _work_in(fingerprints: Sequence[str], among: Sequence[TaskState]) -> ColumnElement[bool]:
    """Work in one of these states.

    The state is made an expression, so that the index on states is left alone: through it SQLite
    would search all tasks that ever succeeded.
    """
    state = t.task.c.state.concat("")
    return and_(t.task.c.fingerprint.in_(fingerprints), state.in_(list(among)))


def finished_like(db: Connection, fingerprints: Collection[str]) -> dict[str, list[int]]:
    """By fingerprint: ids of tasks that did the same work with success, newest first."""
    wanted = sorted(set(fingerprints) - {""})
    found: dict[str, list[int]] = {}
    for start in range(0, len(wanted), MAX_BOUND_ROWS):
        query = (
            select(t.task.c.fingerprint, t.task.c.id)
            .where(_work_in(wanted[start : start + MAX_BOUND_ROWS], [TaskState.DONE]))
            .order_by(t.task.c.id.desc())
        )
        for row in db.execute(query):
            found.setdefault(row.fingerprint, []).append(row.id)
    return found


def under_way_like(
    db: Connection, fingerprints: Collection[str], other_than: int
) -> frozenset[str]:
    """Those of the fingerprints whose work another analysis is doing right now."""
    wanted = sorted(set(fingerprints) - {""})
    live = [*_UNDER_WAY, TaskState.CHECKING]
    found: set[str] = set()
    for start in range(0, len(wanted), MAX_BOUND_ROWS):
        query = select(t.task.c.fingerprint).where(
            _work_in(wanted[start : start + MAX_BOUND_ROWS], live),
            t.task.c.analysis_id != other_than,
        )
        found |= set(db.execute(query).scalars())
    return frozenset(found)


def count_tries(db: Connection, task_id: int, cause: str | None = None) -> int:
    """How many attempts of a task really ran (and ended by a cause), the newest included."""
    query = select(func.count()).where(
        t.attempt.c.task_id == task_id, t.attempt.c.outcome != "void"
    )
    if cause is not None:
        query = query.where(t.attempt.c.outcome == cause)
    return db.execute(query).scalar_one()
