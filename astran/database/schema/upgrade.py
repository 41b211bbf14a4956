"""Making the tables in an empty database; upgrading a database of an earlier ASTRAN."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table

from astran.base.errors import StoreError
from astran.database.schema.tables import exit_code, metadata
from astran.database.schema.version import HEAD

# tool ("*": any), return code, meaning, whether another attempt may help
_EXIT_CODES = (
    ("lstchain_dl1_to_dl2", 1, "the tool met an error it did not expect", False),
    ("lstchain_dl1_to_dl2", 2, "the tool did not understand its options", False),
    ("lstchain_create_irf_files", 2, "the tool did not understand its options", False),
    ("lstchain_create_dl3_file", 2, "the output existed, or an option was not understood", False),
    ("*", 75, "a temporary failure", True),
    ("*", 126, "the command could not be executed", False),
    ("*", 127, "the command was not found", False),
    ("*", 134, "the tool aborted", False),
    ("*", 137, "the tool was killed, most often for want of memory", True),
    ("*", 139, "the tool crashed (segmentation fault)", False),
    ("*", 143, "the tool was asked to stop", True),
)
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As alembic makes it."""


def create_schema(db: Connection) -> None:
    """Make all tables, and mark them as being of the newest version."""
    metadata.create_all(db)
    names = ("tool", "code", "meaning", "transient")
    db.execute(exit_code.insert(), [dict(zip(names, row, strict=True)) for row in _EXIT_CODES])
    _VERSION.create(db)
    db.execute(_VERSION.insert().values(version_num=HEAD))


def upgrade_schema(db: Connection) -> None:
    """Run the migrations from the version of the database to the newest one.

    Raises
    ------
    StoreError : the database is older than the first migration, or of a later ASTRAN
    """
    # alembic is slow to import, and few databases are ever upgraded
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.attributes["connection"] = db
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            "This ASTRAN upgrades databases of ASTRAN 0.1.0 and later, and knows none that are "
            f"newer than itself: {error}.",
            "Upgrade an older database with ASTRAN 0.2.0 first; for a newer one, install the "
            "ASTRAN version that made it.",
        ) from error
