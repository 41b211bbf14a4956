"""Keep with an analysis what trouble of the site it waits out"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("analysis", sa.Column("trouble", sa.Text(), nullable=False, server_default=""))
    op.add_column("analysis", sa.Column("trouble_since", sa.DateTime()))


def downgrade() -> None:
    op.drop_column("analysis", "trouble_since")
    op.drop_column("analysis", "trouble")
