"""The error tree.

    AstranError
     ├─ ConfigError            a setting or request that cannot be used; carries every problem
     │   └─ SiteNotReady       a setting or environment of the site that cannot be used now
     ├─ ProcessError           an external command
     │   ├─ ToolMissing        ... is not on this machine
     │   ├─ ToolTimeout        ... did not answer in time
     │   └─ ToolFailed         ... ended with a non-zero return code
     ├─ SchedulerError
     │   ├─ SubmitRefused      the scheduler said no: nothing was submitted
     │   ├─ SubmitUnknown      no answer: the job may exist, look it up by its token
     │   └─ SchedulerUnavailable   asked, not answered; says nothing about any job
     ├─ MailError
     │   ├─ MailUnavailable    server out of reach or answering nonsense: try again later
     │   │   └─ MailDeferred   the server answers, and cannot take this very message now
     │   ├─ MailAuthError      log-in refused: do not hammer
     │   ├─ MailGone           the mail is no longer in the folder
     │   └─ MailRejected       the server refused this very message for good
     ├─ DecisionTimeout        a mail that cannot be read in the time it may take
     ├─ DnsUnavailable         the DNS does not answer: who sent a mail cannot be told now
     ├─ CatalogueError         data or models that cannot be found
     │   └─ DataUnavailable    ... now, through trouble of the site: it may pass
     ├─ SiteTrouble            trouble of the site itself: base of DataUnavailable, SiteNotReady
     ├─ ProductError           an output that does not open or does not pass its check
     └─ StoreError             the database is missing, too old, or refused a transition

Every message is one a user may read; `cure` names what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AstranError(Exception):
    """Base of all errors that ASTRAN raises on purpose."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".strip()


def in_a_sentence(error: AstranError) -> str:
    """An error as the second half of a sentence: begins small, ends without a full stop."""
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a request or a configuration."""

    where: str
    """Key or line, as the author wrote it."""
    reason: str
    suggestion: str = ""
    """What would be right, for example the nearest valid spelling."""
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        hint = f" {self.suggestion}" if self.suggestion else ""
        return f"{place}{self.where}: {self.reason}{hint}"


class ConfigError(AstranError):
    """A configuration or request that cannot be used; `problems` lists everything at once."""

    def __init__(self, message: str, problems: Sequence[Problem] = (), cure: str = "") -> None:
        super().__init__(message, cure)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {problem}" for problem in self.problems)])


class ProcessError(AstranError):
    """An external command could not do its work."""


class ToolMissing(ProcessError):
    """The command is not installed, or not on PATH."""


class ToolTimeout(ProcessError):
    """The command did not end in time; whether it acted is unknown."""


class ToolFailed(ProcessError):
    """The command ended with a non-zero return code."""

    def __init__(self, message: str, returncode: int, stdout: str, stderr: str) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class SchedulerError(AstranError):
    """Base of what can go wrong with a scheduler."""


class SubmitRefused(SchedulerError):
    """The scheduler refused the job: it certainly does not exist."""

    def __init__(
        self, message: str, cure: str = "", transient: bool = False, too_many: bool = False
    ) -> None:
        super().__init__(message, cure)
        self.transient = transient
        """True for limits that pass with time (queue full, association limits)."""
        self.too_many = too_many
        """True where fewer jobs at once may be taken (limits of jobs submitted)."""


class SubmitUnknown(SchedulerError):
    """The submission got no clear answer: the job may or may not exist."""


class SchedulerUnavailable(SchedulerError):
    """The scheduler did not answer; nothing follows for any job."""


class MailError(AstranError):
    """Base of what can go wrong with mail."""


class MailUnavailable(MailError):
    """Out of reach or not answering properly: try again later."""


class MailDeferred(MailUnavailable):
    """The server answers, and cannot take this very message now."""


class MailAuthError(MailError):
    """The log-in was refused."""


class MailGone(MailError):
    """The mail is no longer in the folder: somebody moved or deleted it."""


class MailRejected(MailError):
    """The server refused this message for good."""


class DnsUnavailable(AstranError):
    """The DNS does not answer, or its servers fail (RFC 6376 calls it TEMPFAIL): it may pass."""


class DecisionTimeout(AstranError):
    """A mail took too much computing time to be read: it was made to, or ASTRAN has a fault."""


class CatalogueError(AstranError):
    """Data, models or sources that cannot be found."""


class SiteTrouble(AstranError):
    """Trouble of the site itself (files, models, software), not of the request: it may pass."""


class DataUnavailable(SiteTrouble, CatalogueError):
    """Data or models of the site that are not there, or cannot be read, now."""


class SiteNotReady(SiteTrouble, ConfigError):
    """A setting or an environment of the site that cannot be used now."""


class ProductError(AstranError):
    """A product that does not open or does not pass its check."""


class StoreError(AstranError):
    """The database is missing, too old, or refused."""
