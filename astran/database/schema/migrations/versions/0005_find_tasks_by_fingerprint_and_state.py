"""Find tasks by fingerprint and state at once"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_task_fingerprint_state"), "task", ["fingerprint", "state"])
    op.drop_index(op.f("ix_task_fingerprint"), "task")


def downgrade() -> None:
    op.create_index(op.f("ix_task_fingerprint"), "task", ["fingerprint"])
    op.drop_index(op.f("ix_task_fingerprint_state"), "task")
