"""Rows as typed objects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, create_engine, select

from astran.database.row_reader import RowReader


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Box:
    number: int
    colour: Colour
    folder: Path
    labels: tuple[str, ...]
    pairs: tuple[tuple[str, int], ...]
    remark: str | None


class Pair(NamedTuple):
    number: int
    colour: Colour


TABLE = Table(
    "box",
    MetaData(),
    Column("number", Integer),
    Column("paint", String(10)),
    Column("folder", String(10)),
    Column("labels", JSON),
    Column("pairs", JSON),
    Column("remark", String(10)),
)


def test_fields_name_columns_and_types_convert() -> None:
    engine = create_engine("sqlite://")
    reader = RowReader(Box, TABLE, colour=TABLE.c.paint)
    pairs = RowReader(Pair, TABLE, colour=TABLE.c.paint)
    with engine.begin() as db:
        TABLE.create(db)
        assert reader.first(db, select(*reader.columns)) is None
        values = {"number": 1, "paint": "red", "folder": "/a", "labels": ["x"], "pairs": [["y", 2]]}
        db.execute(TABLE.insert().values(**values))
        expected = Box(1, Colour.RED, Path("/a"), ("x",), (("y", 2),), None)
        assert reader.all(db, select(*reader.columns)) == [expected]
        (row,) = db.execute(select(*pairs.columns, TABLE.c.folder))
        assert pairs.read(row) == Pair(1, Colour.RED)
        assert isinstance(pairs.read(row).colour, Colour)
