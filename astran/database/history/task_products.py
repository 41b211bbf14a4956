"""What tasks left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, select

from astran.base.exit_record import ProductRecord
from astran.database.row_reader import RowReader
from astran.database.schema import tables as t


@dataclass(frozen=True, slots=True)
class Product:
    """One row of `product`."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    sha256: str
    facts: Mapping[str, Any]
    stored: str


PRODUCT = RowReader(Product, t.product)


def add_products(db: Connection, products: Iterable[tuple[int, ProductRecord]]) -> None:
    """Record what tasks (by id) left behind."""
    rows = []
    for task_id, product in products:
        values = {field.name: getattr(product, field.name) for field in fields(product)}
        rows.append({"task_id": task_id, "kind": values.pop("check"), **values})
    if rows:
        db.execute(t.product.insert(), rows)


def products_of_task(db: Connection, task_id: int) -> list[Product]:
    """What a task left behind."""
    query = PRODUCT.query.where(t.product.c.task_id == task_id)
    return PRODUCT.all(db, query.order_by(t.product.c.id))


def products_by_task(db: Connection, analysis_id: int) -> dict[int, list[Product]]:
    """What all tasks of an analysis left behind, by task id."""
    query = (
        select(*PRODUCT.columns, t.product.c.task_id)
        .join_from(t.product, t.task)
        .where(t.task.c.analysis_id == analysis_id)
        .order_by(t.product.c.id)
    )
    found: dict[int, list[Product]] = {}
    for row in db.execute(query):
        found.setdefault(row.task_id, []).append(PRODUCT.read(row))
    return found
