"""Let only mails that acted count as known; ask again for mails, and for moves, that failed"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message") as table:
        table.drop_constraint("uq_message_message_id_sender", type_="unique")
        table.add_column(sa.Column("act_key", sa.String(length=64), nullable=True))
        tries = sa.Column("move_tries", sa.Integer(), nullable=False, server_default="0")
        table.add_column(tries)
        table.add_column(sa.Column("move_after", sa.DateTime(), nullable=True))
        table.create_unique_constraint("uq_message_act_key", ["act_key"])
    _keep_known()
    op.create_table(
        "put_off",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox", sa.String(length=320), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_put_off"),
        sa.UniqueConstraint(
            "mailbox", "uidvalidity", "uid", name="uq_put_off_mailbox_uidvalidity_uid"
        ),
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


def downgrade() -> None:
    op.drop_table("put_off")
    # of several mails with one Message-ID and sender, the one that acted is kept, or the first
    op.execute(
        "update message set message_id = 'copy.' || id where exists (select 1 from message other"
        " where other.message_id = message.message_id and other.sender = message.sender"
        " and other.id <> message.id and message.act_key is null"
        " and (other.act_key is not null or other.id < message.id))"
    )
    with op.batch_alter_table("message") as table:
        table.drop_constraint("uq_message_act_key", type_="unique")
        table.drop_column("act_key")
        table.drop_column("move_tries")
        table.drop_column("move_after")
        table.create_unique_constraint("uq_message_message_id_sender", ["message_id", "sender"])
