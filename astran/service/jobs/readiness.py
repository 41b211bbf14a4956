"""Which tasks of an analysis can run, can no longer run, or need not run: done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from astran.base.product_store import link_product
from astran.base.states import TaskState
from astran.base.tasks import Stage
from astran.database import fingerprint_completion, tasks
from astran.database.analyses import Analysis
from astran.database.history import lineage
from astran.database.history.task_products import Product, products_of_task
from astran.database.tasks import TaskRow
from astran.production.job.products import measure_product
from astran.service.context import Context

_INNER = (Stage.DL2, Stage.IRF)
"""Stages whose products serve to make others."""

_Nodes = Mapping[str, tasks.PlanNode]
"""Stage and state of each task of an analysis by its key."""


def settle_dependencies(context: Context, analysis: Analysis) -> bool | None:
    """Fail what can no longer run and reuse what was done before.

    None: something changed, ask again. Otherwise whether every task has ended.
    """
    now = context.clock.now()
    with context.db.begin() as db:
        nodes = tasks.outline(db, analysis.id)
        rows = tasks.of_analysis(db, analysis.id, (TaskState.PLANNED,))
        ready = fingerprint_completion.complete_fingerprints(
            db, [row for row in rows if is_ready(row, nodes)]
        )
        # a fingerprint covers all that went before: what is done need not wait for what it needs
        whole = [row for row in rows if not row.depends_on_success]
        sources = reusable_tasks(db, [*whole, *(row for row in ready if row.depends_on_success)])
        unneeded = _unneeded(db, analysis, rows, nodes)
        changed = False
        for row in rows:
            if reason := _hopeless(row, nodes):
                changed |= tasks.move_task(db, now, row, TaskState.FAILED, reason, reason=reason)
            elif row.id in sources:
                changed |= _reuse(db, now, row, *sources[row.id])
            elif row.id in unneeded:
                text = "not needed: what is made of it is there"
                changed |= tasks.move_task(db, now, row, TaskState.REUSED, text, reason=text)
        if changed:
            return None
        return all(node.state.final for node in nodes.values())


def is_ready(row: TaskRow, nodes: _Nodes) -> bool:
    """Whether all that the task waits for is there."""
    if not all(nodes[key].state.succeeded for key in row.needs):
        return False
    after = [nodes[key].state for key in row.after]
    return not after or (all(s.final for s in after) and any(s.succeeded for s in after))


def _hopeless(row: TaskRow, nodes: _Nodes) -> str:
    for key in row.needs:
        if nodes[key].state in (TaskState.FAILED, TaskState.CANCELLED):
            return f"not run, because {key} {nodes[key].state}"
    after = [nodes[key].state for key in row.after]
    if after and all(s.final for s in after) and not any(s.succeeded for s in after):
        stage = nodes[row.after[0]].stage
        return f"not run, because no task of stage {stage} succeeded"
    return ""


_Source = tuple[int, list[Path]]
"""A task, and where its products are, still as it left them."""


def reusable_tasks(db: Connection, rows: Sequence[TaskRow]) -> dict[int, _Source]:
    """By task: a finished task that did this very work, and whose products are there."""
    like = tasks.finished_like(db, [row.fingerprint for row in rows])
    reusable: dict[int, _Source] = {}
    for row in rows:
        for task_id in like.get(row.fingerprint, ())[:5]:
            products = products_of_task(db, task_id)
            places = [place for product in products if (place := _intact(product)) is not None]
            if products and len(places) == len(products):
                reusable[row.id] = (task_id, places)
                break
    return reusable


def _unneeded(
    db: Connection, analysis: Analysis, rows: Sequence[TaskRow], nodes: _Nodes
) -> frozenset[int]:
    """Tasks whose products were only needed for others that have succeeded: DL2 of subruns, or
    DL2, that was cleaned away after it was put together or made into DL3."""
    needed = {key for row in rows for key in row.needs}
    asked = [row for row in rows if row.fingerprint and row.key not in needed]
    if not any(nodes[row.key].stage in _INNER for row in asked):
        return frozenset()
    users: dict[str, list[TaskState]] = {}
    for other in tasks.of_analysis(db, analysis.id):
        for key in other.needs:
            users.setdefault(key, []).append(other.state)
    return frozenset(
        row.id
        for row in asked
        if nodes[row.key].stage in _INNER
        and row.key in users
        and all(state.succeeded for state in users[row.key])
    )


def _intact(product: Product) -> Path | None:
    """Where a product is as its task left it: in the store, or in the folder of its analysis."""
    for path in filter(None, (product.stored, product.path)):
        try:
            if measure_product(Path(path)) == (product.size, product.mtime_ns):
                return Path(path)
        except OSError:
            continue
    return None


def _reuse(
    db: Connection, now: datetime, row: TaskRow, source: int, places: Sequence[Path]
) -> bool:
    """Take over the products of `source`: linked under the names that this plan expects."""
    outputs = [Path(output.path) for output in row.spec.outputs]
    if len(places) != len(outputs):
        return False
    for output, place in zip(outputs, places, strict=True):
        if output != place:
            link_product(place, output)
    text = f"done before, as {lineage.task_name(db, source)}"
    return tasks.move_task(db, now, row, TaskState.REUSED, text, reason=text, reused_from_id=source)
