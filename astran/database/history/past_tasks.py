"""The newest tasks of a kind that succeeded: what chains learn from for what comes."""

from __future__ import annotations

from sqlalchemy import Connection, select

from astran.base.states import TaskState
from astran.base.tasks import PastProduct, PastTask
from astran.database.history.resource_usage import LARGEST, TaskKind
from astran.database.schema import tables as t


def newest_tasks(
    db: Connection, stage: str, software: str, key_begin: str, newest: int
) -> list[PastTask]:
    """The newest tasks that succeeded.

    Parameters
    ----------
    software : name and version, parted by a blank
    key_begin : how their keys begin
    newest : how many at most
    """
    # of any size; named one by one, as what a text begins with depends on the database's language
    kinds = [str(TaskKind(stage, software, size)) for size in range(LARGEST + 1)]
    c, a = t.task.c, t.attempt.c
    query = (
        select(c.id, c.spec, a.began)
        .join_from(t.task, t.attempt)
        .where(c.kind.in_(kinds), c.key.startswith(key_begin))
        .where(c.state == TaskState.DONE, a.number == c.attempts, a.began.is_not(None))
        .order_by(c.id.desc())
        .limit(newest)
    )
    return [
        PastTask(tuple(spec["inputs"]), _products(db, task_id, began.timestamp()))
        for task_id, spec, began in db.execute(query).all()
    ]


def _products(db: Connection, task_id: int, began: float) -> tuple[PastProduct, ...]:
    c = t.product.c
    query = select(c.mtime_ns, c.facts).where(c.task_id == task_id).order_by(c.mtime_ns)
    return tuple(
        PastProduct(mtime_ns / 1e9 - began, facts) for mtime_ns, facts in db.execute(query)
    )
