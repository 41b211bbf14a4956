"""Priorities of analyses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "analysis", sa.Column("priority", sa.String(10), nullable=False, server_default="daily")
    )
