"""Requests for several nights"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "data_set",
        sa.Column("analysis_id", sa.Integer, sa.ForeignKey("analysis.id"), primary_key=True),
        sa.Column("agreed", sa.Boolean, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
    )
    op.create_table(
        "data_set_night",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("analysis_id", sa.Integer, sa.ForeignKey("analysis.id"), nullable=False),
        sa.Column("night", sa.String(8), nullable=False),
        sa.Column("target", sa.String(60), nullable=False),
        sa.Column("runs", sa.Integer),
        sa.Column("livetime_s", sa.Float),
        sa.Column("core_hours", sa.Float),
        sa.Column("remark", sa.Text, nullable=False, server_default=""),
        sa.Column("child_id", sa.Integer, sa.ForeignKey("analysis.id"), unique=True),
        sa.UniqueConstraint("analysis_id", "night", "target", name="uq_data_set_night_analysis_id"),
    )
    op.create_index("ix_data_set_night_analysis_id", "data_set_night", ["analysis_id"])
