"""Reads rows as typed objects: fields name the columns, their types the conversions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import ColumnElement, Connection, Select, Table, select

T = TypeVar("T")


class RowReader(Generic[T]):
    """Columns to select, in the order of the fields of a dataclass or NamedTuple.

    A field reads the column of its name, from the first of the tables that has it.

    Parameters
    ----------
    renamed : columns of fields that bear another name
    """

    def __init__(self, row_type: type[T], *tables: Table, **renamed: ColumnElement[Any]) -> None:
        hints = get_type_hints(row_type)
        self.row_type = row_type
        self.columns = tuple(renamed.get(name, _column(name, tables)) for name in hints)
        self.query: Select[Any] = select(*self.columns)
        """Selects `columns` of all rows; made once, as that takes longer than most conditions."""
        found = [(index, _converter(kind)) for index, kind in enumerate(hints.values())]
        self._converters = [(index, convert) for index, convert in found if convert is not None]

    def read(self, row: Sequence[Any]) -> T:
        """The object of a row whose first columns are `columns`."""
        values = list(row[: len(self.columns)])
        for index, convert in self._converters:
            values[index] = convert(values[index])
        return self.row_type(*values)

    def all(self, db: Connection, query: Select[Any]) -> list[T]:
        """The objects of all rows of a query that selects `columns`."""
        return [self.read(row) for row in db.execute(query)]

    def first(self, db: Connection, query: Select[Any]) -> T | None:
        """The object of the first row, if there is one."""
        row = db.execute(query).first()
        return None if row is None else self.read(row)


def _column(name: str, tables: Sequence[Table]) -> Any:
    return next((table.c[name] for table in tables if name in table.c), None)


def _converter(kind: Any) -> Callable[[Any], Any] | None:
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return _nested_tuple if get_origin(item) is tuple else tuple
    if isinstance(kind, type) and issubclass(kind, Enum | Path):
        return kind
    return None


def _nested_tuple(rows: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in rows)
