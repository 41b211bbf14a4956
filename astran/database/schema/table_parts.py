"""What all tables share: their metadata, with the names of constraints, and their keys."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_column() -> Column[int]:
    """The key of a row."""
    return Column("id", Integer, primary_key=True)


def reference_to(table: str, nullable: bool = False, index: bool = True) -> Column[int]:
    """The key of a row in another table."""
    return Column(f"{table}_id", Integer, ForeignKey(f"{table}.id"), nullable=nullable, index=index)
