"""What every part of the service needs, handed down; the parts that are slow to load come late."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from astran.base.clock import Clock
from astran.base.errors import ConfigError
from astran.base.scheduler import Scheduler
from astran.config.site import MailSettings, Server, SiteConfig
from astran.database.connection import Database
from astran.mail.letters.service_letters import Letters
from astran.scheduler.registry import make_scheduler
from astran.telescopes.registry import register_chains

if TYPE_CHECKING:
    from astran.mail.letters.service_letters import Letters


@dataclass
class Context:
    """One process' view of the service."""

    site: SiteConfig
    db: Database
    clock: Clock
    python: str
    """Interpreter in which ASTRAN is installed, for job scripts."""
    make_scheduler: Callable[[], Scheduler] | None = field(default=None)
    """Injected by tests; otherwise the scheduler that the site names."""

    rng: random.Random = field(default_factory=random.Random)
    """For the pauses between two polls."""

    promised: float | None = None
    """What tasks under way will write to the disk [bytes]; None: not asked yet in this tick."""

    def __post_init__(self) -> None:
        register_chains(self.site.chains)

    @cached_property
    def scheduler(self) -> Scheduler:
        if self.make_scheduler is not None:
            return self.make_scheduler()
        return make_scheduler(self.site.scheduler, self.site.workdir, self.clock)

    @property
    def mail(self) -> MailSettings:
        """The mail settings (ConfigError where the site has none)."""
        if self.site.mail is None:
            raise ConfigError(
                "This site has no mailbox.", cure="Fill in `mail` in the site configuration."
            )
        return self.site.mail

    @cached_property
    def service_id(self) -> str:
        """The same for every process on one database, and for no other."""
        import hashlib
        import socket

        url = self.site.database_url
        place = socket.gethostname() if url.startswith("sqlite") else ""
        return hashlib.sha256(f"{place}\0{url}".encode()).hexdigest()[:12]

    @cached_property
    def letters(self) -> Letters:
        """Letters in the name of the mailbox (ConfigError where the site has none)."""
        return Letters(self.mail, self.site.site, self.site.simulated, self.clock)

    @property
    def letters_to_read(self) -> Letters:
        """Letters that are only looked at, also where the site has no mailbox."""
        if self.site.mail is not None:
            return self.letters
        nobody = Server(host="localhost", port=1)
        mail = MailSettings(address="astran@localhost", imap=nobody, smtp=nobody)
        return Letters(mail, self.site.site, self.site.simulated, self.clock, listens=False)
