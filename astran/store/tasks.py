"""Tasks and attempts, and their guarded transitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from astran.base.errors import StoreError
from astran.base.records import ProductRecord
from astran.base.states import TASK_MOVES, TaskState
from astran.base.tasks import Resources, Task
from astran.store import tables as t
from astran.store.events import note


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row of `task`."""

    id: int
    analysis_id: int
    state: TaskState
    spec: Task
    resources: Resources
    exclude: tuple[str, ...]
    attempts: int
    reason: str
    not_before: datetime | None


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
    sight: str
    word: str
    reason: str
    outcome: str
    exit_code: int | None
    signal: int | None
    node: str
    max_rss_mb: float | None
    elapsed_s: float | None
    missing_since: datetime | None
    ended: datetime | None
    telling: tuple[str, ...]


def task_row(row: RowMapping) -> TaskRow:
    return TaskRow(
        id=row["id"],
        analysis_id=row["analysis_id"],
        state=TaskState(row["state"]),
        spec=Task.from_json(row["spec"]),
        resources=Resources(**row["resources"]),
        exclude=tuple(row["exclude"]),
        attempts=row["attempts"],
        reason=row["reason"],
        not_before=row["not_before"],
    )


_ATTEMPT_COLUMNS = tuple(
    t.attempt.c[name] for name in AttemptRow.__dataclass_fields__ if name in t.attempt.c
)


def _attempt(row: RowMapping) -> AttemptRow:
    return AttemptRow(**{**row, "telling": tuple(row["telling"])})


def of_analysis(db: Connection, analysis_id: int) -> list[TaskRow]:
    """All tasks of an analysis in the order of the plan."""
    query = select(t.task).where(t.task.c.analysis_id == analysis_id).order_by(t.task.c.id)
    return [task_row(row) for row in db.execute(query).mappings()]


def states(db: Connection, analysis_id: int) -> list[tuple[str, TaskState]]:
    """(stage, state) of each task; cheap, for progress displays."""
    query = (
        select(t.stage.c.name, t.task.c.state)
        .join_from(t.task, t.stage)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.task.c.id)
    )
    return [(row.name, TaskState(row.state)) for row in db.execute(query)]


def move(
    db: Connection,
    now: datetime,
    task: TaskRow,
    to: TaskState,
    text: str = "",
    **values: Any,
) -> bool:
    """Guarded transition of a task; False where somebody else moved it first."""
    if to not in TASK_MOVES[task.state]:
        raise StoreError(f"Task {task.spec.key} cannot go from {task.state} to {to}.")
    done = db.execute(
        update(t.task)
        .where(t.task.c.id == task.id, t.task.c.state == task.state)
        .values(state=to, **values)
    )
    if done.rowcount != 1:
        return False
    words = f"{task.spec.key}: {text or f'{task.state} -> {to}'}"
    note(db, now, f"task-{to}", words, task.analysis_id, task.id)
    return True


def newest_attempts(db: Connection, analysis_id: int) -> dict[int, AttemptRow]:
    """The newest attempt of each task of an analysis, by task id."""
    query = (
        select(*_ATTEMPT_COLUMNS)
        .join_from(t.attempt, t.task)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.attempt.c.number)
    )
    return {row["task_id"]: _attempt(row) for row in db.execute(query).mappings()}


def change_attempt(db: Connection, attempt_id: int, **values: Any) -> None:
    """Write what was learnt about an attempt."""
    db.execute(update(t.attempt).where(t.attempt.c.id == attempt_id).values(**values))


def add_products(db: Connection, task_id: int, products: Iterable[ProductRecord]) -> None:
    """Record what a task left behind."""
    rows = [
        {
            "task_id": task_id,
            "path": p.path,
            "kind": p.check,
            "size": p.size,
            "mtime_ns": p.mtime_ns,
            "sha256": p.sha256,
            "facts": p.facts,
        }
        for p in products
    ]
    if rows:
        db.execute(t.product.insert(), rows)


@dataclass(frozen=True, slots=True)
class Product:
    """One row of `product`."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    sha256: str
    facts: Mapping[str, Any]


def products(db: Connection, task_id: int) -> list[Product]:
    """What a task left behind."""
    c = t.product.c
    query = select(c.path, c.kind, c.size, c.mtime_ns, c.sha256, c.facts).where(
        c.task_id == task_id
    )
    return [Product(*row) for row in db.execute(query.order_by(c.id))]


def finished_like(db: Connection, fingerprint: str) -> list[int]:
    """Ids of tasks that did the same work with success, newest first."""
    query = (
        select(t.task.c.id)
        .where(t.task.c.fingerprint == fingerprint, t.task.c.state == TaskState.DONE)
        .order_by(t.task.c.id.desc())
        .limit(5)
    )
    return [row.id for row in db.execute(query)]


def unfinished_like(db: Connection, fingerprint: str, other_than: int) -> bool:
    """Whether another analysis is doing this very work right now."""
    live = (TaskState.SUBMITTING, TaskState.SUBMITTED, TaskState.RUNNING, TaskState.CHECKING)
    query = select(t.task.c.id).where(
        t.task.c.fingerprint == fingerprint,
        t.task.c.analysis_id != other_than,
        t.task.c.state.in_(live),
    )
    return db.execute(query).first() is not None


def exit_meaning(db: Connection, tool: str, code: int) -> tuple[str, bool] | None:
    """What a return code of a tool means: (words, whether another attempt may help)."""
    c = t.exit_code.c
    query = select(c.meaning, c.transient).where(c.tool.in_((tool, "*")), c.code == code)
    row = db.execute(query.order_by(c.tool.desc())).first()  # a tool's own row before "*"
    return None if row is None else (row.meaning, row.transient)


def tries(db: Connection, task_id: int, cause: str | None = None) -> int:
    """How many attempts of a task really ran (and ended by a cause), the newest included."""
    query = select(func.count()).where(
        t.attempt.c.task_id == task_id, t.attempt.c.outcome != "void"
    )
    if cause is not None:
        query = query.where(t.attempt.c.outcome == cause)
    return db.execute(query).scalar_one()
