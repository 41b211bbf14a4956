"""A mailbox that fails: no mail is lost by it, but somebody must hear of it.

Mails can go out while none comes in, so the operator is told by mail: when a trouble has lasted for
a while, then once a day, and when it is over.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from astran.base.text import duration
from astran.database import chores, events
from astran.database.chores import Hold
from astran.service.context import Context
from astran.service.outgoing.enqueue import tell_operator

_log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)
"""A trouble of this length is told to the operator."""
_AGAIN = timedelta(days=1)


class MailboxTrouble(StrEnum):
    """What may fail about a mailbox."""

    AWAY = "mailbox-away"
    UNREAD = "mailbox-unread"
    UNMOVED = "mailbox-unmoved"

    @property
    def headline(self) -> str:
        return _WORDS[self][0]

    @property
    def meaning(self) -> str:
        return _WORDS[self][1]

    @property
    def end(self) -> str:
        return _WORDS[self][2]


_WORDS = {
    MailboxTrouble.AWAY: (
        "the mailbox cannot be read",
        "No request is taken meanwhile, and none is lost: ASTRAN keeps looking and takes them when "
        "the mail server answers. The analyses under way go on. `astran doctor` tells more.",
        "the mailbox can be read again",
    ),
    MailboxTrouble.UNREAD: (
        "mails in the mailbox cannot be read",
        "All other mails are read. ASTRAN keeps asking for these. If one is damaged on the server, "
        "move it out of the folder that ASTRAN reads.",
        "all mails in the mailbox could be read",
    ),
    MailboxTrouble.UNMOVED: (
        "mails cannot be moved to their folders",
        "They were dealt with and do not act again; ASTRAN keeps trying to move them. Look whether "
        "the account has the right to move mails and to make folders, and whether its room is used "
        "up.",
        "all mails could be moved to their folders",
    ),
}


def note_outage(context: Context, db: Connection, trouble: MailboxTrouble, reason: str) -> None:
    """The mailbox fails in this way, still or for the first time."""
    now = context.clock.now()
    before = chores.get_hold(db, trouble)
    if before is None:
        chores.set_hold(db, trouble, Hold(now + PATIENCE, 1, reason))
        text = f"{trouble.headline}: {reason}"
        events.note_event(db, now, trouble, text)
        _log.warning("%s", text)
        return
    chores.set_hold(db, trouble, Hold(before.until, before.failures + 1, reason))
    if now < before.until:
        return
    told = chores.get_hold(db, _told(trouble))
    if told is not None and now < told.until:
        return
    number = (told.failures if told else 0) + 1
    chores.set_hold(db, _told(trouble), Hold(now + _AGAIN, number, reason))
    _alert(context, db, trouble, before.until - PATIENCE, number, reason)


def note_recovery(context: Context, db: Connection, trouble: MailboxTrouble) -> None:
    """The mailbox does not fail in this way, or no longer."""
    before = chores.get_hold(db, trouble)
    if before is None:
        return
    chores.release_hold(db, trouble)
    begin, now = before.until - PATIENCE, context.clock.now()
    text = f"{trouble.end}, after {duration((now - begin).total_seconds())}"
    events.note_event(db, now, trouble, text)
    _log.info("%s", text)
    if chores.release_hold(db, _told(trouble)):
        key = f"{trouble}.{begin:%Y%m%d%H%M%S}.end"
        _tell(context, db, key, trouble.end, f"{context.mail.address}: {text}.")


def _alert(
    context: Context,
    db: Connection,
    trouble: MailboxTrouble,
    begin: datetime,
    number: int,
    reason: str,
) -> None:
    length = duration((context.clock.now() - begin).total_seconds())
    text = (
        f"{context.mail.address}: {trouble.headline}, since {begin:%Y-%m-%d %H:%M} UTC.\n"
        f"The last word: {reason}\n\n{trouble.meaning}"
    )
    key = f"{trouble}.{begin:%Y%m%d%H%M%S}.{number}"
    _tell(context, db, key, f"{trouble.headline}, for {length}", text)


def _tell(context: Context, db: Connection, key: str, title: str, text: str) -> None:
    events.note_event(db, context.clock.now(), "alert", f"{title}: {text}")
    tell_operator(context, db, key=key, title=title, text=text)


def _told(trouble: MailboxTrouble) -> str:
    return f"{trouble}-told"
