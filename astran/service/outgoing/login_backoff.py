"""Log-ins that were refused: waited for with growing pauses, so that no account gets locked.

Many servers lock an account after some wrong passwords. So after a refusal the same log-in is not
tried again at once, by no tick; the operator is told.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from astran.base.errors import MailAuthError
from astran.database import chores, events
from astran.database.chores import Hold
from astran.database.connection import HEAD, Database
from astran.service.context import Context
from astran.service.outgoing.enqueue import tell_operator

_log = logging.getLogger(__name__)

IMAP: Final = "imap"
SMTP: Final = "smtp"
PAUSES = tuple(timedelta(minutes=m) for m in (15, 60, 240))
"""Waits after the first, second, and each further refusal in a row."""


def login_hold(context: Context, db: Connection, name: str) -> bool:
    """Whether this log-in must not be tried now."""
    hold = chores.get_hold(db, name)
    return hold is not None and context.clock.now() < hold.until


def note_success(context: Context, name: str) -> None:
    """The log-in was taken: nothing holds it back any longer."""
    with context.db.begin() as db:
        if chores.get_hold(db, name) is not None:
            chores.release_hold(db, name)
            events.note_event(db, context.clock.now(), "login", f"{name}: the log-in works again")


def lift_hold(database_url: str, name: str) -> bool:
    """End the pause of a log-in that was just seen to work; False where there is none.

    Touches no database that is not there yet, out of reach or of another schema version.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    file = make_url(database_url).database
    if database_url.startswith("sqlite") and file and not Path(file).exists():
        return False
    try:
        store = Database(database_url)
        try:
            if store.version() != HEAD:
                return False
            with store.begin() as db:
                return chores.release_hold(db, name)
        finally:
            store.close()
    except (SQLAlchemyError, ImportError):
        # the examination of the database tells what is wrong with it
        return False


def note_refusal(context: Context, name: str, error: MailAuthError) -> None:
    """The log-in was refused: pause it, and tell the operator once for each such row of them."""
    now = context.clock.now()
    with context.db.begin() as db:
        before = chores.get_hold(db, name)
        failures = (before.failures if before else 0) + 1
        pause = PAUSES[min(failures, len(PAUSES)) - 1]
        chores.set_hold(db, name, Hold(now + pause, failures, str(error)))
        minutes = int(pause.total_seconds() // 60)
        events.note_event(db, now, "login", f"{name}: {error}; next try in {minutes} min")
        if failures == 1:
            text = (
                f"{error}\n\nThe next try is in {minutes} minutes, later ones in up to "
                f"{int(PAUSES[-1].total_seconds() // 3600)} hours, so that the account is not "
                "locked. `astran doctor` tries the log-in at once and, if it works, ends the pause."
            )
            key = f"login.{name}.{now:%Y%m%dT%H%M}"
            tell_operator(context, db, key=key, title=f"the {name} log-in is refused", text=text)
    _log.warning("%s: log-in refused, next try in %d min: %s", name, minutes, error)
