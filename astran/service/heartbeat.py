"""Names and signs that every tick shares: lock, heartbeat, mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from astran.base.clock import Clock
from astran.base.files import write_atomic, write_json
from astran.config.site import MailSettings, SiteConfig
from astran.report.pages.tick_script import TICK_SCRIPT, tick_script


def lock_path(site: SiteConfig) -> Path:
    """Held by the tick that is under way."""
    return site.workdir / ".astran.lock"


def hand_lock_path(site: SiteConfig, analysis_id: int) -> Path:
    """Held by the hand-run that moves this analysis on, beside all others on a shared database."""
    return site.workdir / f".astran.A{analysis_id}.lock"


def use_lock_path(site: SiteConfig) -> Path:
    """Shared by hand-runs that use files of analyses, held alone by who removes them."""
    return site.workdir / ".astran.use.lock"


def mailbox_name(mail: MailSettings) -> str:
    """The mailbox in the store."""
    return f"{mail.address}/{mail.folder}"


def heartbeat_path(site: SiteConfig) -> Path:
    """When the last step of the service was, and what went wrong then."""
    return site.workdir / "heartbeat.json"


def write_tick_script(site: SiteConfig, now: datetime) -> None:
    """Tell the readers of the pages that the launcher runs, where there are pages."""
    output = site.pages.output
    if output is None:
        return
    place = output / TICK_SCRIPT
    if not place.parent.is_dir():
        return
    try:
        write_atomic(place, tick_script(now), durable=False)
        place.chmod(0o644)
    except OSError:
        # a page never stops a tick; where none can be written, the update of the pages tells
        return


def write_heartbeat(
    site: SiteConfig,
    clock: Clock,
    faults: Sequence[str],
    silent: datetime | None = None,
    unsent: datetime | None = None,
) -> None:
    """Write `heartbeat.json`, for monitoring: time, faults of the tick, since when the scheduler
    has not answered (null: it has), and when the oldest mail that has not gone out was written
    (null: all have)."""
    value = {
        "at": clock.now().isoformat(),
        "faults": list(faults),
        "scheduler_silent_since": None if silent is None else silent.isoformat(),
        "mail_unsent_since": None if unsent is None else unsent.isoformat(),
    }
    write_json(heartbeat_path(site), value)
    write_tick_script(site, clock.now())
