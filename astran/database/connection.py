"""Opening the database: engine, schema version, transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from astran.base.errors import StoreError
from astran.base.permissions import PRIVATE
from astran.database.idle_query import CONNECTION_LIMITS
from astran.database.location.identity import NO_DATABASE
from astran.database.schema.upgrade import create_schema, upgrade_schema
from astran.database.schema.version import HEAD

__all__ = ["HEAD", "Database", "is_outage"]


class Database:
    """A database with the current schema."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = _engine(url)

    @classmethod
    def open(cls, url: str, *, make: bool = True) -> Database:
        """Open, and create the schema in an empty database.

        Parameters
        ----------
        make : make a database that is not there; False: that is an error

        Raises
        ------
        StoreError : not there, out of reach, or of another schema version
        """
        if make:
            make_file(url)
        elif (file := sqlite_file(url)) is not None and not file.is_file():
            raise _gone(url)
        database = cls(url)
        try:
            version = database.version()
        except OperationalError as error:
            raise StoreError(
                f"The database {make_url(url).render_as_string()} cannot be opened: "
                f"{str(error.orig).strip()}.",
                "Check `database` and `workdir` in the site configuration.",
            ) from error
        if version is None and not make:
            raise _gone(url)
        if version is None:
            database.upgrade()
        elif version != HEAD:
            raise StoreError(
                f"The database has schema version {version}, this ASTRAN needs {HEAD}.",
                "Run `astran db upgrade` (or install the ASTRAN version that made it).",
            )
        return database

    @classmethod
    def existing(cls, url: str, *, any_version: bool = False) -> Database | None:
        """Open only what is there, can be reached and has this version; nothing is made."""
        file = sqlite_file(url)
        if file is not None and not file.is_file():
            return None
        database = cls(url)
        try:
            version = database.version()
            return database if version == HEAD or (any_version and version) else None
        except OperationalError:
            return None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back on any error."""
        with self._engine.begin() as connection:
            yield connection

    def version(self) -> str | None:
        """Schema version, or None for an empty database."""
        with self._engine.connect() as connection:
            return _version(connection)

    def upgrade(self) -> None:
        """Make the tables, or bring them to the newest version."""
        with _open_for_rebuild(self._engine) as connection:
            if _version(connection) is None:
                create_schema(connection)
            else:
                upgrade_schema(connection)

    def identity(self, name: str = "") -> str:
        """Name of the store, empty where it has none; `name` is given to one without."""
        found = self._identity()
        if found or not name:
            return found
        try:
            with self.begin() as db:
                db.execute(text("insert into store_identity values (1, :name)"), {"name": name})
        except IntegrityError:
            pass  # another process named it in the meantime
        return self._identity()

    def rename(self, name: str) -> None:
        """Give the store another name."""
        with self.begin() as db:
            db.execute(text("delete from store_identity"))
            db.execute(text("insert into store_identity values (1, :name)"), {"name": name})

    def _identity(self) -> str:
        with self.begin() as db:
            return str(db.execute(text("select name from store_identity")).scalar() or "")

    def close(self) -> None:
        self._engine.dispose()


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("select version_num from alembic_version")).scalar()


def _gone(url: str) -> StoreError:
    shown = make_url(url).render_as_string()
    return StoreError(f"The database {shown} is not there any more.", NO_DATABASE)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for another kind, or one in memory."""
    parsed = make_url(url)
    place = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or place in ("", ":memory:"):
        return None
    return Path(place)


def make_file(url: str) -> None:
    """An empty file that nobody else can read, in place of an SQLite database that is not there."""
    file = sqlite_file(url)
    if file is None or file.exists():
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, PRIVATE))
    except OSError as error:
        raise StoreError(
            f"The database {file} cannot be made: {error.strerror}.",
            "Check `database` and `workdir` in the site configuration.",
        ) from error


def is_outage(error: BaseException) -> bool:
    """Whether it is the database that fails (away, locked), not what it was given."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    # class 54: a value is too large for an index, or the like
    return not (getattr(error.orig, "sqlstate", None) or "").startswith("54")


@contextmanager
def _open_for_rebuild(engine: Engine) -> Iterator[Connection]:
    """One transaction in which a table may be replaced by a changed copy of itself.

    SQLite can change a constraint in no other way. Dropping the old table would break the rows that
    refer to it, so references are checked at the end instead.
    """
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            with connection.begin():
                _upgrade_alone(connection)
                yield connection
            return
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {_UPGRADE_PATIENCE_MS}")
        driver.execute("PRAGMA foreign_keys=OFF")  # has no effect within a transaction
        try:
            with connection.begin():
                yield connection
                if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise StoreError(
                        f"The database was not brought up to date: {len(broken)} rows refer to "
                        f"rows that are not there, the first in table {broken[0][0]}.",
                        "Restore it from a backup, or ask ASTRAN's developers.",
                    )
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


_STATEMENT_LIMITS = (
    "set statement_timeout = '120s'",
    # waiting for another launcher included
    "set lock_timeout = '60s'",
    # a launcher that hangs must not hold its locks for ever
    "set idle_in_transaction_session_timeout = '10min'",
)
_UPGRADE = 0x415354524F
"""Number of the lock of those who change the schema."""


_UPGRADE_PATIENCE_MS = 600_000


def _upgrade_alone(connection: Connection) -> None:
    """Wait until nobody else changes the schema; a change may take as long as it needs."""
    if connection.dialect.name != "postgresql":
        return
    for name in ("statement_timeout", "lock_timeout"):
        connection.execute(text(f"set local {name} = 0"))
    connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _UPGRADE})


def _limited(url: URL) -> Engine:
    """A server that may be silent for a limited time only; what the URL itself sets counts."""
    own = {name: value for name, value in CONNECTION_LIMITS.items() if name not in url.query}
    postgres = url.get_backend_name() == "postgresql"
    engine = create_engine(url, pool_pre_ping=True, connect_args=own if postgres else {})
    if postgres and "options" not in url.query:

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, record: object) -> None:
            with connection.cursor() as cursor:
                for statement in _STATEMENT_LIMITS:
                    cursor.execute(statement)
            connection.commit()

    return engine


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return _limited(parsed)
    engine = create_engine(parsed, connect_args={"timeout": 30})
    file = sqlite_file(url)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are begun by _begin below
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "do_connect")
    def _no_new_file(dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        # SQLite would make an empty database in place of one that is not there any more
        if file is not None and not str(file).startswith("file:"):
            arguments[0] = f"file:{quote(str(file.absolute()))}?mode=rw"
            options["uri"] = True

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # take the write lock at once: two writers then queue instead of failing half-way
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
