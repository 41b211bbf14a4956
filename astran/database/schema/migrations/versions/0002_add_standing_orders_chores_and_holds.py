"""Add standing orders, chores and holds; note addresses whose mail comes back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chore",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("due", sa.DateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chore")),
        sa.UniqueConstraint("name", name=op.f("uq_chore_name")),
    )
    op.create_index(op.f("ix_chore_due"), "chore", ["due"])
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sa.UniqueConstraint("name", name=op.f("uq_hold_name")),
    )
    op.create_table(
        "standing_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("requester", sa.String(length=320), nullable=False),
        sa.Column("first_night", sa.String(length=8), nullable=False),
        sa.Column("last_night", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["request.id"], name=op.f("fk_standing_order_request_id_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_order")),
    )
    op.create_index(op.f("ix_standing_order_request_id"), "standing_order", ["request_id"])
    op.create_index(op.f("ix_standing_order_state"), "standing_order", ["state"])
    op.create_table(
        "order_night",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("standing_order_id", sa.Integer(), nullable=False),
        sa.Column("analysis_id", sa.Integer(), nullable=False),
        sa.Column("night", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["standing_order_id"],
            ["standing_order.id"],
            name=op.f("fk_order_night_standing_order_id_standing_order"),
        ),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analysis.id"], name=op.f("fk_order_night_analysis_id_analysis")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_night")),
        sa.UniqueConstraint(
            "standing_order_id", "night", name=op.f("uq_order_night_standing_order_id")
        ),
    )
    op.create_index(op.f("ix_order_night_standing_order_id"), "order_night", ["standing_order_id"])
    op.create_index(op.f("ix_order_night_analysis_id"), "order_night", ["analysis_id"])
    op.add_column("sender", sa.Column("bounced", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("sender", "bounced")
    for table in ("order_night", "standing_order", "hold", "chore"):
        op.drop_table(table)
