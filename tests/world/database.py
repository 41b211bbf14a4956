"""The database in memory: each transaction is a call that may fail, be late, or be the last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Connection, Select, Update, event
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.compiler import SQLCompiler

from astran.database.connection import HEAD, Database
from astran.database.schema.upgrade import create_schema
from world.world_faults import INTERLEAVED, Fault, Killed

if TYPE_CHECKING:
    from world.play import World


class _Prepared:
    """A compiled statement, and what becomes of its parameters and rows."""

    def __init__(self, compiled: SQLCompiler, dialect: Any) -> None:
        self.compiled = compiled
        columns = compiled._result_columns
        self.metadata = SimpleResultMetaData([column.keyname for column in columns])
        found = [column.type._cached_result_processor(dialect, None) for column in columns]
        self.converters = [(n, convert) for n, convert in enumerate(found) if convert]
        self.expands = bool(compiled.literal_execute_params or compiled.post_compile_params)

    def bind(self, values: dict[str, Any]) -> tuple[str, list[Any]]:
        """The text for the driver, and its values in their order."""
        compiled, processors = self.compiled, self.compiled._bind_processors
        order: Sequence[str]
        if not self.expands:
            text, order = compiled.string, compiled.positiontup or ()
        else:
            expanded = compiled._process_parameters_for_postcompile(values)
            text, order = expanded.statement, expanded.positiontup or ()
            processors = {**processors, **expanded.processors}
        return text, [
            processors[key](values[key]) if key in processors else values[key]  # type: ignore[operator]
            for key in order
        ]

    def convert(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for number, convert in self.converters:
            values[number] = convert(values[number])
        return tuple(values)


class _Changed:
    """What came of an update."""

    def __init__(self, rowcount: int) -> None:
        self.rowcount = rowcount


class QuickConnection:
    """A connection whose common statements take the short way to the driver.

    SQLAlchemy compiles them as ever and converts values and rows by its own types; what is left out
    is its bookkeeping about cursors, events and results, most of the time of a statement.
    """

    def __init__(self, connection: Connection, driver: sqlite3.Connection) -> None:
        self._connection = connection
        self._driver = driver
        self._compiled: dict[Any, SQLCompiler] = {}
        self._prepared: dict[SQLCompiler, _Prepared] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: Any, values: Any = None, **options: Any) -> Any:
        common = isinstance(statement, Select | Update) and not options
        if not common or (values is not None and not isinstance(values, Mapping)):
            return self._connection.execute(statement, values, **options)
        dialect = self._connection.dialect
        compiled, extracted, collected, _ = statement._compile_w_cache(
            dialect, compiled_cache=self._compiled, column_keys=sorted(values or ())
        )
        prepared = self._prepared.get(compiled)
        if prepared is None:
            prepared = self._prepared[compiled] = _Prepared(compiled, dialect)
        update = isinstance(statement, Update)
        if update and (compiled.update_prefetch or compiled._result_columns):
            return self._connection.execute(statement, values)
        text, bound = prepared.bind(
            compiled.construct_params(
                values, extracted_parameters=extracted, escape_names=False,
                _collected_params=collected,
            )
        )  # fmt: skip
        try:
            cursor = self._driver.execute(text, bound)
        except sqlite3.Error:
            # the long way raises the error in the words of SQLAlchemy
            return self._connection.execute(statement, values)
        if update:
            return _Changed(cursor.rowcount)
        rows = cursor.fetchall()
        if prepared.converters:
            rows = [prepared.convert(row) for row in rows]
        return IteratorResult(prepared.metadata, iter(rows))


class MemoryDatabase(Database):
    """One database for all schedules of this process: statements are compiled once."""

    def __init__(self) -> None:
        from sqlalchemy import create_engine

        self.url = "sqlite:///:memory:"
        self.world: World | None = None
        self._engine = create_engine("sqlite://", poolclass=StaticPool)

        @event.listens_for(self._engine, "connect")
        def _connect(connection: Any, record: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA foreign_keys=ON")

        @event.listens_for(self._engine, "begin")
        def _begin(connection: Connection) -> None:
            self.driver.execute("BEGIN")

        # one connection for all: a new one for each transaction costs more than its statements
        self._connection = self._engine.connect()
        self.driver: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
        """Past SQLAlchemy, for the invariants."""
        self._quick = QuickConnection(self._connection, self.driver)
        with self._connection.begin():
            create_schema(self._connection)
        self._empty = self.driver.serialize()

    def version(self) -> str | None:
        return HEAD

    def empty(self, world: World) -> None:
        """Begin anew."""
        self.world = world
        self.driver.deserialize(self._empty)
        self.driver.execute("PRAGMA foreign_keys=ON")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        world = self.world
        assert world is not None
        process = world.process
        if process.dead:
            raise Killed(process.name)
        fault = process.next_fault("database")
        if fault is not None:
            world.note(f"{process.name} database !{fault}")
            process.struck += fault not in INTERLEAVED
        if fault is Fault.OTHERS_BEFORE:
            world.tick_others()
        if fault is Fault.SLOW:
            world.clock.sleep(45)
        if process.inside:
            world.breaches.append("G15 a transaction was begun within another")
        if world.database_away:
            _away()
        if fault is Fault.KILLED_BEFORE:
            process.die()
        transaction = self._connection.begin()
        process.inside = True
        try:
            yield self._quick  # type: ignore[misc]
            if process.dead:
                raise Killed(process.name)
            if fault is Fault.REFUSED:
                _away()
        except BaseException:
            transaction.rollback()
            raise
        finally:
            process.inside = False
        transaction.commit()
        if fault is Fault.LATE:
            _away()
        if fault is Fault.KILLED_AFTER:
            process.die()
        if fault is Fault.OTHERS_AFTER:
            world.tick_others()


def _away() -> NoReturn:
    raise OperationalError("COMMIT", {}, sqlite3.OperationalError("server closed the connection"))


@cache
def shared_database() -> MemoryDatabase:
    return MemoryDatabase()
