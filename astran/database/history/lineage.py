"""What was made from what, by which task, when and where: the questions of provenance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, cast, select

from astran.base.states import TaskState
from astran.base.tasks import ProductKind
from astran.database.history.task_products import PRODUCT, Product
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t
from astran.database.tasks import MAX_BOUND_ROWS, TaskRow, task_row


@dataclass(frozen=True, slots=True)
class MadeProduct:
    """A product and the task that made it."""

    id: int
    task_id: int
    product: Product


@dataclass(frozen=True, slots=True)
class MakingTask:
    """A task that succeeded, with its attempt that did."""

    task: TaskRow
    software: tuple[str, str] | None
    """(name, version) of its tool."""
    attempt: int
    began: datetime | None
    finished: datetime | None
    node: str
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class TaskInput:
    """What a task reads: a file as it was when it was planned, or what another task makes."""

    path: str
    size: int | None
    mtime_ns: int | None
    producer: int | None


_INPUT = RowReader(TaskInput, t.task_input, producer=t.task_input.c.producer_id)


def products_at(db: Connection, paths: Collection[str]) -> list[MadeProduct]:
    """Products recorded or stored under any of these paths, newest first."""
    wanted = sorted(paths)
    return _made(db, t.product.c.path.in_(wanted) | t.product.c.stored.in_(wanted))


def products_with_checksum(db: Connection, sha256: str) -> list[MadeProduct]:
    """Products of this content, newest first."""
    return _made(db, t.product.c.sha256 == sha256) if sha256 else []


def folders_with_checksum(db: Connection, sha256: str) -> list[MadeProduct]:
    """Folders of results with a file of this content, newest first."""
    text = cast(t.product.c.facts, String)
    return _made(db, (t.product.c.kind == ProductKind.RESULTS) & text.contains(f'"{sha256}"'))


def products_by_task(db: Connection, task_id: int) -> list[MadeProduct]:
    """What a task made, in the order of its plan."""
    return _made(db, t.product.c.task_id == task_id)[::-1]


def _made(db: Connection, where: object) -> list[MadeProduct]:
    query = (
        select(*PRODUCT.columns, t.product.c.id, t.product.c.task_id)
        .where(where)  # type: ignore[arg-type]
        .order_by(t.product.c.id.desc())
    )
    return [MadeProduct(row.id, row.task_id, PRODUCT.read(row)) for row in db.execute(query)]


def original_task(db: Connection, task_id: int) -> int:
    """The task that did the work: of a reused one that from which it was taken."""
    seen = {task_id}
    while True:
        query = select(t.task.c.state, t.task.c.reused_from_id).where(t.task.c.id == task_id)
        state, before = db.execute(query).one()
        if state != TaskState.REUSED or before is None or before in seen:
            return task_id
        task_id = before
        seen.add(task_id)


def making_task(db: Connection, task_id: int) -> MakingTask:
    """The task, with its newest attempt that succeeded."""
    row = db.execute(select(t.task).where(t.task.c.id == task_id)).mappings().one()
    software = db.execute(
        select(t.software.c.name, t.software.c.version).where(t.software.c.id == row["software_id"])
    ).first()
    a = t.attempt.c
    query = (
        select(a.number, a.began, a.finished, a.ended, a.node, a.exit_code)
        .where(a.task_id == task_id, a.outcome == "ok")
        .order_by(a.number.desc())
    )
    ran = db.execute(query).first()
    return MakingTask(
        task=task_row(row),
        software=(software[0], software[1]) if software else None,
        attempt=ran.number if ran else 0,
        began=ran.began if ran else None,
        finished=(ran.finished or ran.ended) if ran else None,
        node=ran.node if ran else "",
        exit_code=ran.exit_code if ran else None,
    )


def task_name(db: Connection, task_id: int) -> str:
    """`dl2-15864 of A12`."""
    query = select(t.task.c.key, t.task.c.analysis_id).where(t.task.c.id == task_id)
    key, analysis_id = db.execute(query).one()
    return f"{key} of A{analysis_id}"


def task_inputs(db: Connection, task_id: int) -> Sequence[TaskInput]:
    """What a task reads: files first, then other tasks, in the order of the plan."""
    query = _INPUT.query.where(t.task_input.c.task_id == task_id)
    return _INPUT.all(db, query.order_by(t.task_input.c.id))


def reading_analyses(db: Connection, path: str, limit: int = 3) -> list[int]:
    """Analyses with a task that reads this file, newest first."""
    query = (
        select(t.task.c.analysis_id)
        .join_from(t.task_input, t.task, t.task_input.c.task_id == t.task.c.id)
        .where(t.task_input.c.path == path)
        .distinct()
        .order_by(t.task.c.analysis_id.desc())
        .limit(limit)
    )
    return list(db.execute(query).scalars())


def succeeded_tasks(db: Connection, ids: Collection[int]) -> set[int]:
    """Those of the tasks that succeeded or were taken from elsewhere."""
    good = [state.value for state in TaskState if state.succeeded]
    query = select(t.task.c.id).where(t.task.c.id.in_(sorted(ids)), t.task.c.state.in_(good))
    return set(db.execute(query).scalars())


def original_tasks(
    db: Connection, analysis_ids: Sequence[int]
) -> tuple[frozenset[str], frozenset[str]]:
    """Of all tasks of analyses, and of those whose products they took over: the fingerprints, and
    the places of their products in the store."""
    prints: set[str] = set()
    places: set[str] = set()
    for start in range(0, len(analysis_ids), MAX_BOUND_ROWS):
        some = t.task.c.analysis_id.in_(analysis_ids[start : start + MAX_BOUND_ROWS])
        prints |= set(db.execute(select(t.task.c.fingerprint).where(some).distinct()).scalars())
        for makers in (t.task.c.id, t.task.c.reused_from_id):
            query = select(t.product.c.stored).where(
                t.product.c.task_id.in_(select(makers).where(some, makers.is_not(None)))
            )
            places |= set(db.execute(query).scalars())
    return frozenset(prints - {""}), frozenset(places - {""})
