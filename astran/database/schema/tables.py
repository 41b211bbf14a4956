"""The tables. Every package writes here what it did; none keeps state of its own.

Times are UTC. Text may come from anywhere. `astran.database.schema.column_types` makes both
storable.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from astran.database.schema.column_types import JSON, String, Text, UtcTime
from astran.database.schema.table_parts import id_column as _id
from astran.database.schema.table_parts import metadata as metadata
from astran.database.schema.table_parts import reference_to as _to

store_identity = Table(
    "store_identity",
    metadata,
    _id(),  # always 1: a database is one store
    Column("name", String(64), nullable=False),  # the same as in the marker of the work folder
)

sender = Table(
    "sender",
    metadata,
    _id(),
    Column("address", String(320), nullable=False, unique=True),
    Column("first_seen", UtcTime, nullable=False),
    Column("refused", UtcTime),  # last courtesy refusal: at most one a day
    Column("bounced", UtcTime),  # a mail to this address came back; cleared by a mail from it
)

mailbox_cursor = Table(
    "mailbox_cursor",
    metadata,
    _id(),
    Column("mailbox", String(320), nullable=False, unique=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
)

message = Table(
    "message",
    metadata,
    _id(),
    Column("mailbox", String(320), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("message_id", String(998), nullable=False),
    Column("sender", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("received", UtcTime, nullable=False),
    Column("raw", LargeBinary),
    Column("folder", String(255), nullable=False),  # where it is to be moved; "" leaves it
    Column("moved", Boolean, nullable=False, default=False),
    Column("move_tries", Integer, nullable=False, default=0, server_default="0"),
    Column("move_after", UtcTime),  # a refused move is not tried again before; none: at once
    # digest of Message-ID and sender of a mail that acted; a copy of it must not act again
    Column("act_key", String(64), unique=True),
    UniqueConstraint("mailbox", "uidvalidity", "uid"),
    Index(None, "moved"),
)

# mails that the cursor has passed although they were not dealt with: asked for again
put_off = Table(
    "put_off",
    metadata,
    _id(),
    Column("mailbox", String(320), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),  # in all, for the pauses
    Column("faults", Integer, nullable=False),  # those that are the fault of the mail
    Column("next_try", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("mailbox", "uidvalidity", "uid"),
)

request = Table(
    "request",
    metadata,
    _id(),
    _to("message", nullable=True),
    _to("sender", nullable=True),
    Column("command", String(20), nullable=False),
    Column("subject", Text, nullable=False, default=""),
    Column("in_reply_to", Text, nullable=False, default=""),
    Column("refs", JSON, nullable=False),
    Column("params", JSON, nullable=False),
    Column("created", UtcTime, nullable=False),
)

analysis = Table(
    "analysis",
    metadata,
    _id(),
    _to("request"),
    Column("label", String(120), nullable=False),
    Column("folder", String(1024), nullable=False, unique=True),
    Column("config", JSON, nullable=False),
    Column("requester", String(320), nullable=False, default=""),  # "": nobody gets a mail
    Column("priority", String(10), nullable=False, default="daily", server_default="daily"),
    Column("hand_key", String(64), unique=True),  # hand-run: same file, same analysis
    Column("state", String(20), nullable=False, index=True),
    Column("cancel_wanted", Boolean, nullable=False, default=False),
    Column("created", UtcTime, nullable=False),
    Column("started", UtcTime),
    Column("ended", UtcTime),
    Column("next_look", UtcTime),  # while waiting for data
    Column("next_step", UtcTime),  # nothing is to be done with its tasks before; none: at once
    Column("faults", Integer, nullable=False, default=0),  # internal errors in a row
    # of the site, that is being waited out: what, and since when
    Column("trouble", Text, nullable=False, default="", server_default=""),
    Column("trouble_since", UtcTime),
    Column("notes", JSON, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("left_out", JSON, nullable=False),
    Column("reason", Text, nullable=False, default=""),
)

stage = Table(
    "stage",
    metadata,
    _id(),
    _to("analysis"),
    Column("name", String(20), nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("analysis_id", "name"),
)

task = Table(
    "task",
    metadata,
    _id(),
    _to("analysis"),
    _to("stage"),
    _to("run", nullable=True),
    _to("software", nullable=True),
    Column("key", String(120), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("resources", JSON, nullable=False),  # as the next attempt will ask
    Column("exclude", JSON, nullable=False),  # nodes that failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("not_before", UtcTime),
    Column("reused_from_id", Integer, ForeignKey("task.id")),
    Column("kind", String(120), nullable=False, default="", server_default=""),  # see lessons
    Column("wish", String(10), nullable=False, default="", server_default=""),  # of a person
    UniqueConstraint("analysis_id", "key"),
    Index(None, "kind", "id"),
    # with the state, so that the many twins of a shared product need not be read
    Index(None, "fingerprint", "state"),
)

task_input = Table(
    "task_input",
    metadata,
    _id(),
    _to("task"),
    Column("path", String(1024), nullable=False, index=True),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("producer_id", Integer, ForeignKey("task.id"), index=True),
)

submission = Table(
    "submission",
    metadata,
    _id(),
    _to("analysis"),
    Column("token", String(64), nullable=False, unique=True),
    Column("scheduler", String(20), nullable=False),
    Column("job_id", String(64), nullable=False, default=""),
    Column("state", String(20), nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("folder", String(1024), nullable=False),
    Column("intent", UtcTime, nullable=False),
    Column("submitted", UtcTime),
    Column("missing_since", UtcTime),  # while it is looked for by its token
    Column("mark", Text, nullable=False, default="", server_default=""),  # of the last look
)

attempt = Table(
    "attempt",
    metadata,
    _id(),
    _to("task"),
    _to("submission", index=False),
    Column("number", Integer, nullable=False),
    Column("token", String(64), nullable=False, unique=True),
    Column("array_index", Integer, nullable=False),
    Column("requested", JSON, nullable=False),
    Column("sight", String(20), nullable=False, default=""),  # newest JobState
    Column("word", String(60), nullable=False, default=""),  # the scheduler's own word
    Column("reason", Text, nullable=False, default=""),
    Column("outcome", String(20), nullable=False, default=""),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("node", String(120), nullable=False, default=""),
    Column("max_rss_mb", Float),
    Column("elapsed_s", Float),
    Column("missing_since", UtcTime),
    Column("missing_looks", Integer, nullable=False, default=0, server_default="0"),
    Column("ended", UtcTime),  # when its end was first seen
    Column("began", UtcTime),  # by the clock of the node, as the task itself says
    Column("finished", UtcTime),
    Column("telling", JSON, nullable=False),
    UniqueConstraint("task_id", "number"),
    Index(None, "submission_id", "array_index"),
)

product = Table(
    "product",
    metadata,
    _id(),
    _to("task"),
    Column("path", String(1024), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("facts", JSON, nullable=False),
    # its place in the store of the site, where it outlives the folder of its analysis
    Column("stored", String(1024), nullable=False, default="", server_default="", index=True),
)

event = Table(
    "event",
    metadata,
    _id(),
    Column("at", UtcTime, nullable=False),
    _to("analysis", nullable=True),
    _to("task", nullable=True),
    Column("kind", String(40), nullable=False, index=True),
    Column("text", Text, nullable=False),
)

outgoing_mail = Table(
    "outgoing_mail",
    metadata,
    _id(),
    _to("analysis", nullable=True),
    Column("message_id", String(998), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("subject", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try", UtcTime, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("sent", UtcTime),
    Column("error", Text, nullable=False, default=""),
)

# --- what the service has to do at a time, and what it must not do before a time

standing_order = Table(
    "standing_order",
    metadata,
    _id(),
    _to("request"),
    Column("label", String(120), nullable=False),
    Column("config", JSON, nullable=False),  # of the night on which it was given
    Column("requester", String(320), nullable=False),
    Column("first_night", String(8), nullable=False),
    Column("last_night", String(8), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("created", UtcTime, nullable=False),
    Column("ended", UtcTime),
)

order_night = Table(
    "order_night",
    metadata,
    _id(),
    _to("standing_order"),
    _to("analysis"),
    Column("night", String(8), nullable=False),
    UniqueConstraint("standing_order_id", "night", name="uq_order_night_standing_order_id"),
)

# one request for several nights: the analysis of the whole, and those of its nights
data_set = Table(
    "data_set",
    metadata,
    Column("analysis_id", Integer, ForeignKey("analysis.id"), primary_key=True),
    Column("agreed", Boolean, nullable=False),
    Column("held", Boolean, nullable=False),
)

data_set_night = Table(
    "data_set_night",
    metadata,
    _id(),
    _to("analysis"),  # the whole
    Column("night", String(8), nullable=False),
    Column("target", String(60), nullable=False),  # "": each that was observed
    Column("runs", Integer),  # none: not counted yet
    Column("livetime_s", Float),
    Column("core_hours", Float),
    Column("remark", Text, nullable=False, default="", server_default=""),
    Column("child_id", Integer, ForeignKey("analysis.id"), unique=True),
    UniqueConstraint("analysis_id", "night", "target", name="uq_data_set_night_analysis_id"),
)

chore = Table(
    "chore",
    metadata,
    _id(),
    Column("name", String(60), nullable=False, unique=True),
    Column("due", UtcTime, nullable=False, index=True),
    Column("tries", Integer, nullable=False, default=0),
)

hold = Table(
    "hold",
    metadata,
    _id(),
    Column("name", String(60), nullable=False, unique=True),
    Column("until", UtcTime, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)

# --- the data: what was observed, and with which software it was analysed

source = Table(
    "source",
    metadata,
    _id(),
    Column("name", String(60), nullable=False, unique=True),
    Column("ra_deg", Float, nullable=False),
    Column("dec_deg", Float, nullable=False),
)

night = Table(
    "night",
    metadata,
    _id(),
    Column("date", String(8), nullable=False, unique=True),
)

run = Table(
    "run",
    metadata,
    _id(),
    _to("night"),
    _to("source"),
    Column("number", Integer, nullable=False, index=True),
    UniqueConstraint("number", "night_id", "source_id"),
)

software = Table(
    "software",
    metadata,
    _id(),
    Column("name", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    UniqueConstraint("name", "version"),
)

exit_code = Table(
    "exit_code",
    metadata,
    _id(),
    Column("tool", String(60), nullable=False),
    Column("code", Integer, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("transient", Boolean, nullable=False),
    UniqueConstraint("tool", "code"),
)
