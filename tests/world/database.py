"""The database in memory: each transaction is a call that may fail, be late, or be the last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from astran.database.connection import HEAD, Database
from astran.database.schema.upgrade import create_schema
from world.world_faults import Fault, Killed

if TYPE_CHECKING:
    from world.play import World


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
            process.struck += 1
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
            yield self._connection
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
