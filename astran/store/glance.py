"""A look at an SQLite database without SQLAlchemy: is there anything to do?

The minute tick finds nothing to do nearly always, and loading SQLAlchemy costs more than all the
rest of such a tick. This module only reads; a test holds its queries to the tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from astran.base.states import AnalysisState

_PREFIX = "sqlite:///"
_FINAL = tuple(state.value for state in AnalysisState if state.final)
_LIVE = f"select count(*) from analysis where state not in ({','.join('?' * len(_FINAL))})"
_DUE = "select count(*) from outgoing_mail where state not in ('sent', 'dead') and next_try <= ?"
_CHORES = "select count(*) from chore where due <= ?"
_HOLD = "select until from hold where name = ?"
_MOVES = "select count(*) from message where moved = 0 and mailbox = ?"
_CURSOR = "select uidvalidity, last_uid from mailbox_cursor where mailbox = ?"


@dataclass(frozen=True, slots=True)
class Glance:
    """What the database says at a glance."""

    quiet: bool
    """No live analysis, no mail due, no mail to be moved, no chore."""
    uidvalidity: int
    last_uid: int
    held: bool = False
    """The mailbox refused the log-in a while ago: it must not be asked again yet."""


def glance(url: str, version: str, mailbox: str, now: datetime) -> Glance | None:
    """Look at the database; None where a glance cannot tell (another database, another schema,
    busy, mailbox never read): then look properly."""
    path = Path(url.removeprefix(_PREFIX))
    if not url.startswith(_PREFIX) or not path.is_file():
        return None
    moment = now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            if db.execute("select version_num from alembic_version").fetchone() != (version,):
                return None
            cursor = db.execute(_CURSOR, (mailbox,)).fetchone()
            if cursor is None:
                return None
            counts = (
                db.execute(_LIVE, _FINAL).fetchone(),
                db.execute(_DUE, (moment,)).fetchone(),
                db.execute(_MOVES, (mailbox,)).fetchone(),
                db.execute(_CHORES, (moment,)).fetchone(),
            )
            hold = db.execute(_HOLD, ("imap",)).fetchone()
    except sqlite3.Error:
        return None
    held = hold is not None and str(hold[0]) > moment
    quiet = all(count == (0,) for count in counts)
    return Glance(quiet, cursor[0], cursor[1], held)
