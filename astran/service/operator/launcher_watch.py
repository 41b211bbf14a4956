"""A look from outside at the launcher: it cannot tell by itself that it has stopped.

Needs neither the database nor the work folder, only a way to send mail: its state is a file of its
own, in the home of the user. The operator hears once that no tick has ended for a while, and once
that ticks end again. A letter that may have gone out already goes out again only under the same
Message-ID.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from astran.base.clock import Clock
from astran.base.files import try_lock, write_json
from astran.base.text import duration
from astran.config.site import SiteConfig
from astran.service.heartbeat import heartbeat_path

QUIET_MIN = 15.0
"""Without a tick for so long [minutes], the launcher counts as stopped."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """What the last look remembered. Times are ISO 8601, UTC."""

    first_look: str
    silent_since: str = ""
    """The last tick before the silence that is going on; empty: none is."""
    told: bool = False
    """The operator heard of it."""


@dataclass(frozen=True, slots=True)
class WatchResult:
    """What a look found."""

    quiet: bool
    """No tick has ended for too long."""
    words: str


def state_path(site: SiteConfig) -> Path:
    """Where the watch keeps its state: not in the work folder, which may be what is away."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    place = hashlib.sha256(str(site.workdir).encode()).hexdigest()[:12]
    return home / "astran" / f"launcher-watch-{place}.json"


def watch_launcher(
    site: SiteConfig,
    clock: Clock,
    send: Callable[[EmailMessage], None],
    compose: Callable[[str, str, str], EmailMessage],
    quiet: timedelta = timedelta(minutes=QUIET_MIN),
    state: Path | None = None,
) -> WatchResult:
    """Look whether ticks end, and tell the operator where that has changed.

    Parameters
    ----------
    send : sends a mail, or raises MailError; then the next look tries again
    compose : makes a letter to the operator of title, text and seed of its Message-ID
    state : file of the watch; None: `state_path`
    """
    path = state or state_path(site)
    path.parent.mkdir(parents=True, exist_ok=True)
    with try_lock(path.with_suffix(".lock")) as free:
        if not free:
            return WatchResult(False, "another look is under way")
        return _look(site, clock.now(), send, compose, quiet, path)


def last_tick(site: SiteConfig) -> datetime | None:
    """When the last tick ended; None where that cannot be read."""
    try:
        beat = json.loads(heartbeat_path(site).read_text(encoding="utf-8"))
        return datetime.fromisoformat(beat["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _look(
    site: SiteConfig,
    now: datetime,
    send: Callable[[EmailMessage], None],
    compose: Callable[[str, str, str], EmailMessage],
    quiet: timedelta,
    path: Path,
) -> WatchResult:
    known = _read(path) or WatchState(first_look=now.isoformat())
    tick = last_tick(site)
    # what was never seen to tick has as long as any other; a date to come is no sign of life
    since = tick or datetime.fromisoformat(known.silent_since or known.first_look)
    if -quiet < now - since <= quiet and tick is not None:
        if known.told:
            title, text = _back(site, datetime.fromisoformat(known.silent_since), now)
            send(compose(title, text, f"launcher-back {known.silent_since}"))
        write_json(path, asdict(WatchState(known.first_look)))
        return WatchResult(False, f"the last tick ended {_ago(now - since)}")
    if abs(now - since) <= quiet:
        write_json(path, asdict(known))
        return WatchResult(False, "no tick was seen yet")
    silent = replace(known, silent_since=known.silent_since or since.isoformat())
    if not silent.told:
        title, text = _stopped(site, since, now, tick is None)
        send(compose(title, text, f"launcher-silent {silent.silent_since}"))
    write_json(path, asdict(replace(silent, told=True)))
    return WatchResult(True, f"no tick has ended since {since:%Y-%m-%d %H:%M} UTC")


def _read(path: Path) -> WatchState | None:
    try:
        found = WatchState(**json.loads(path.read_text(encoding="utf-8")))
        for text in filter(None, (found.first_look, found.silent_since)):
            if datetime.fromisoformat(text).tzinfo is None:
                return None
    except (OSError, ValueError, TypeError):
        return None
    return found


def _stopped(site: SiteConfig, since: datetime, now: datetime, unread: bool) -> tuple[str, str]:
    beat = heartbeat_path(site)
    what = (
        f"{beat} cannot be read: the work folder is away, or the launcher has never run."
        if unread
        else f"The last tick ended at {since:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - since)}."
    )
    text = (
        f"{what}\n\n"
        "No mail is read, nothing is submitted and no report is sent until it runs again; jobs "
        "that run go on. Nothing is lost.\n\n"
        "Look whether cron runs (`crontab -l`), whether the machine has disk space and whether the "
        "database answers; the log of astran-launcher and `astran doctor` tell more. One more mail "
        "comes when ticks end again, none before."
    )
    return f"no tick of the launcher since {since:%Y-%m-%d %H:%M} UTC", text


def _back(site: SiteConfig, since: datetime, now: datetime) -> tuple[str, str]:
    text = (
        f"Ticks end again. None had ended since {since:%Y-%m-%d %H:%M} UTC, for "
        f"{duration((now - since).total_seconds())}. What came in meanwhile is dealt with now."
    )
    return "the launcher runs again", text


def _ago(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else "in the future, by the clock"
