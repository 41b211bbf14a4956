"""When the subruns in the newest tasks of DL2 were done: what the packing of others learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from astran.base.states import TaskState
from astran.base.tasks import Stage
from astran.database.history.resource_usage import LARGEST, TaskKind
from astran.database.schema import tables as t

PACK = "pack-"
"""How the keys of tasks begin that make DL2 of several subruns."""
DL1 = ".h5"


@dataclass(frozen=True, slots=True)
class PackRun:
    """One task that made DL2 of several subruns."""

    models: str
    """Folder of its random forests."""
    done: tuple[tuple[float, float], ...]
    """Events of all subruns so far, and time since the task began [s], of each subrun."""


def newest_packs(db: Connection, version: str, newest: int) -> Iterator[PackRun]:
    """The newest tasks of an lstchain version that succeeded."""
    # of any size; named one by one, as what a text begins with depends on the database's language
    sizes = range(LARGEST + 1)
    kinds = [str(TaskKind(Stage.DL2, f"lstchain {version}", size)) for size in sizes]
    c, a = t.task.c, t.attempt.c
    query = (
        select(c.id, c.spec, a.began)
        .join_from(t.task, t.attempt)
        .where(c.kind.in_(kinds), c.key.startswith(PACK))
        .where(c.state == TaskState.DONE, a.number == c.attempts, a.began.is_not(None))
        .order_by(c.id.desc())
        .limit(newest)
    )
    for task_id, spec, began in db.execute(query).all():
        forests = [path for path in spec["inputs"] if not path.endswith(DL1)]
        if forests:
            zero = began.timestamp()
            done = tuple(_done(db, task_id, zero))
            yield PackRun(forests[0].rpartition("/")[0], done)


def _done(db: Connection, task_id: int, zero: float) -> Iterator[tuple[float, float]]:
    c = t.product.c
    query = select(c.mtime_ns, c.facts).where(c.task_id == task_id).order_by(c.mtime_ns)
    events = 0.0
    for mtime_ns, facts in db.execute(query):
        events += float(facts.get("rows") or 0)
        yield events, mtime_ns / 1e9 - zero
