"""Add to tasks their kind and what people wish for them; note when an analysis is due"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.Column("kind", sa.String(length=120), nullable=False, server_default="")
    wish = sa.Column("wish", sa.String(length=10), nullable=False, server_default="")
    op.add_column("task", kind)
    op.add_column("task", wish)
    op.create_index(op.f("ix_task_kind_id"), "task", ["kind", "id"])
    op.add_column("analysis", sa.Column("next_step", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("analysis", "next_step")
    op.drop_index(op.f("ix_task_kind_id"), "task")
    op.drop_column("task", "wish")
    op.drop_column("task", "kind")
