"""Mark what a scheduler showed of a submission, and tell apart those that have ended"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_END = """
update submission set state = 'ended' where state = 'submitted' and not exists (
    select 1 from attempt join task on task.id = attempt.task_id
    where attempt.submission_id = submission.id and task.state in ('submitted', 'running')
)
"""


def upgrade() -> None:
    mark = sa.Column("mark", sa.Text(), nullable=False, server_default="")
    op.add_column("submission", mark)
    pair = ["submission_id", "array_index"]
    op.create_index("ix_attempt_submission_id_array_index", "attempt", pair)
    op.drop_index("ix_attempt_submission_id", "attempt")
    op.execute(_END)


def downgrade() -> None:
    op.execute("update submission set state = 'submitted' where state = 'ended'")
    op.create_index("ix_attempt_submission_id", "attempt", ["submission_id"])
    op.drop_index("ix_attempt_submission_id_array_index", "attempt")
    op.drop_column("submission", "mark")
