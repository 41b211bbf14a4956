"""Begin with the schema of ASTRAN 0.1.0. A new database is made from the tables instead."""

from __future__ import annotations

revision = "0007"
down_revision = None


def upgrade() -> None:
    """Leave a database of this version as it is."""
