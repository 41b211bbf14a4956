"""Keep when an attempt began and finished, and where products are stored"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIMES = ("began", "finished")


def upgrade() -> None:
    for name in _TIMES:
        op.add_column("attempt", sa.Column(name, sa.DateTime(), nullable=True))
    stored = sa.Column("stored", sa.String(1024), nullable=False, server_default="")
    op.add_column("product", stored)
    op.create_index("ix_product_stored", "product", ["stored"])


def downgrade() -> None:
    op.drop_index("ix_product_stored", "product")
    op.drop_column("product", "stored")
    for name in _TIMES:
        op.drop_column("attempt", name)
