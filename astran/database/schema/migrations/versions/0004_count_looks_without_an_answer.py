"""Count the looks in a row in which the scheduler did not know an attempt"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    looks = sa.Column("missing_looks", sa.Integer(), nullable=False, server_default="0")
    op.add_column("attempt", looks)


def downgrade() -> None:
    op.drop_column("attempt", "missing_looks")
