"""The tick that finds nothing to do, at the least cost.

It asks the same questions as `astran.service.tick`, in the same order and under the same lock, with
the lightest means; wherever the answer is not a plain "nothing", the real tick follows.
"""

from __future__ import annotations

from astran.base.clock import Clock
from astran.base.errors import ConfigError, MailError, ProcessError
from astran.base.files import try_lock
from astran.config.site import SiteConfig
from astran.database.idle_query import summarise_idle
from astran.database.schema.version import HEAD
from astran.mail.imap import Inbox
from astran.service.heartbeat import lock_path, mailbox_name, write_heartbeat


def nothing_to_do(site: SiteConfig, clock: Clock) -> bool:
    """Whether this tick is over: no new mail, nothing live, nothing to be sent."""
    with try_lock(lock_path(site)) as free:
        if not free:
            return False
        name = None if site.mail is None else mailbox_name(site.mail)
        seen = summarise_idle(site.database_url, HEAD, name, clock.now())
        if seen is None or not seen.quiet:
            return False
        if site.mail is None or seen.held:
            write_heartbeat(site, clock, (), unsent=seen.unsent_since)
            return True
        try:
            with Inbox(site.mail) as inbox:
                if inbox.uidvalidity != seen.uidvalidity or inbox.uids(seen.last_uid, 1):
                    return False
        except (MailError, ConfigError, ProcessError):
            return False  # the real tick meets the same error and reports it
        write_heartbeat(site, clock, (), unsent=seen.unsent_since)
        return True
