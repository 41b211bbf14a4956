"""From 0.1.0 to 0.2.0: only mails that acted count as known, troubles of the site, a store name"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("message") as table:
        table.drop_constraint("uq_message_message_id_sender", type_="unique")
        table.add_column(sa.Column("act_key", sa.String(64)))
        table.add_column(sa.Column("move_tries", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("move_after", sa.DateTime))
        table.create_unique_constraint("uq_message_act_key", ["act_key"])
    _keep_known()
    op.create_table(
        "put_off",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mailbox", sa.String(320), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("uidvalidity", "uid")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("tries", "faults")),
        sa.Column("next_try", sa.DateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("mailbox", "uidvalidity", "uid"),
    )
    op.add_column("analysis", sa.Column("trouble", sa.Text, nullable=False, server_default=""))
    op.add_column("analysis", sa.Column("trouble_since", sa.DateTime))
    op.create_table(
        "store_identity",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
    )


def _keep_known() -> None:
    """What was taken so far may have acted: its copies still must not."""
    db = op.get_bind()
    found = db.execute(sa.text("select id, message_id, sender from message where verdict = 'take'"))
    keys = [
        {"row": row, "key": hashlib.sha256(f"{name}\0{sender.lower()}".encode()).hexdigest()}
        for row, name, sender in found.all()
    ]
    if keys:
        db.execute(sa.text("update message set act_key = :key where id = :row"), keys)
