"""A look at the database without SQLAlchemy: is there anything to do?

The minute tick finds nothing to do nearly always, and loading SQLAlchemy costs more than all the
rest of such a tick. This module only reads; a test holds its queries to the tables.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astran.base.states import AnalysisState

_SQLITE = "sqlite:///"
_POSTGRES = re.compile(r"postgres(ql)?(\+psycopg)?://")
_FINAL = tuple(state.value for state in AnalysisState if state.final)
_LIVE = f"select count(*) from analysis where state not in ({','.join('?' * len(_FINAL))})"
_DUE = "select count(*) from outgoing_mail where state not in ('sent', 'dead') and next_try <= ?"
_UNSENT = "select min(created) from outgoing_mail where state not in ('sent', 'dead')"
_CHORES = "select count(*) from chore where due <= ?"
_HOLD = "select until from hold where name = ?"
_MOVES = (
    "select count(*) from message where moved = ? and mailbox = ?"
    " and (move_after is null or move_after <= ?)"
)
_PUT_OFF = "select count(*) from put_off where mailbox = ? and next_try <= ?"
_CURSOR = "select uidvalidity, last_uid from mailbox_cursor where mailbox = ?"


@dataclass(frozen=True, slots=True)
class IdleSummary:
    """What the database says at a glance."""

    quiet: bool
    """No live analysis, no mail due, no mail to be moved or asked for again, no
    chore."""
    uidvalidity: int = 0
    last_uid: int = 0
    held: bool = False
    """The mailbox refused the log-in a while ago: it must not be asked again yet."""
    unsent_since: datetime | None = None
    """When the oldest mail that has not gone out was written."""


CONNECTION_LIMITS: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""How long PostgreSQL may stay silent, as libpq names it [s; tcp_user_timeout: ms]: without them a
line that swallows everything holds a tick for hours."""

_Ask = Callable[[str, Sequence[Any]], Any]
"""Runs a query with `?` for each value; its first row, or None."""


def summarise_idle(
    url: str, version: str, mailbox: str | None, now: datetime
) -> IdleSummary | None:
    """Look at the database; None where a glance cannot tell (another schema, out of reach, busy,
    mailbox never read): then look properly.

    Parameters
    ----------
    mailbox : its name in the store; None: the site has none
    """
    if url.startswith(_SQLITE):
        return _at_sqlite(Path(url.removeprefix(_SQLITE)), version, mailbox, now)
    if found := _POSTGRES.match(url):
        return _at_postgres("postgresql://" + url[found.end() :], version, mailbox, now)
    return None


def _at_sqlite(path: Path, version: str, mailbox: str | None, now: datetime) -> IdleSummary | None:
    if not path.is_file():
        return None
    moment = now.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _look(lambda *query: db.execute(*query).fetchone(), version, mailbox, moment)
    except sqlite3.Error:
        return None


def _at_postgres(url: str, version: str, mailbox: str | None, now: datetime) -> IdleSummary | None:
    try:
        import psycopg
    except ImportError:
        return None
    moment = now.astimezone(UTC).replace(tzinfo=None)

    def ask(query: str, values: Sequence[Any]) -> Any:
        return db.execute(query.replace("?", "%s").encode(), values).fetchone()

    try:
        # what the URL itself sets counts
        limits = {name: value for name, value in CONNECTION_LIMITS.items() if f"{name}=" not in url}
        with psycopg.connect(url, **limits) as db:
            db.execute("set statement_timeout = '10s'")
            db.read_only = True
            return _look(ask, version, mailbox, moment)
    except psycopg.Error:
        return None


def _look(ask: _Ask, version: str, mailbox: str | None, moment: Any) -> IdleSummary | None:
    """`moment` : the time now as the driver takes and gives it."""
    if ask("select version_num from alembic_version", ()) != (version,):
        return None
    counts = [ask(_LIVE, _FINAL), ask(_DUE, (moment,)), ask(_CHORES, (moment,))]
    unsent = _time(ask(_UNSENT, ())[0])
    if mailbox is None:
        return IdleSummary(all(count == (0,) for count in counts), unsent_since=unsent)
    cursor = ask(_CURSOR, (mailbox,))
    if cursor is None:
        return None
    counts.append(ask(_MOVES, (False, mailbox, moment)))
    counts.append(ask(_PUT_OFF, (mailbox, moment)))
    hold = ask(_HOLD, ("imap",))
    held = hold is not None and hold[0] > moment
    return IdleSummary(all(count == (0,) for count in counts), cursor[0], cursor[1], held, unsent)


def _time(value: str | datetime | None) -> datetime | None:
    """A time as a driver gives it: SQLite as text, PostgreSQL without a zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return None if value is None else value.replace(tzinfo=UTC)
