"""The one table of what follows from the cause of a failed attempt.

Each cause has a budget of its own: attempts that ended by another cause do not use it up. The table
in docs/architecture.md says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from astran.base.tasks import Resources
from astran.config.site import ResourceLimits


class FailureCause(StrEnum):
    """Why an attempt ended as it did. The values are stored with the attempts."""

    OK = "ok"
    TOOL = "tool"
    CHECK = "check"
    INPUT = "input"
    MEMORY = "memory"
    TIME = "time"
    NODE = "node"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    LOST = "lost"
    NO_RECORD = "no-record"
    PRODUCT = "product"
    TRANSIENT = "transient"
    DISK_FULL = "room"


TOTAL_ATTEMPTS = 12
"""Attempts per task over all causes; no more than this whatever the budgets leave."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What follows from one cause."""

    attempts: int | None
    """Attempts that may end by this cause, if the site allows as many; None: as many as the site
    allows (`scheduler.attempts`)."""
    site_limit: bool = True
    """Whether a site that allows fewer attempts gets fewer."""
    pause: timedelta = timedelta()
    """Wait before the next attempt."""
    memory_factor: float = 1.0
    time_factor: float = 1.0
    exclude_node: bool = False
    advice: str = ""
    """What to do where the task had as much already as the site allows."""

    @property
    def final(self) -> bool:
        """Whether the first attempt that ends by this cause is the last."""
        return self.attempts == 1

    def max_attempts(self, site_limit: int) -> int:
        """How many attempts may end by this cause."""
        if self.attempts is None:
            return site_limit
        return min(self.attempts, site_limit) if self.site_limit else self.attempts


_FINAL = RetryRule(1)

RETRY_POLICY: Mapping[FailureCause, RetryRule] = {
    FailureCause.MEMORY: RetryRule(
        None,
        memory_factor=2.0,
        advice="it had the most memory that this site allows (scheduler.limits.memory_mb)",
    ),
    FailureCause.TIME: RetryRule(
        None,
        time_factor=1.5,
        advice="it had the most time that this site allows (scheduler.limits.time_min)",
    ),
    FailureCause.NODE: RetryRule(None, pause=timedelta(minutes=1), exclude_node=True),
    FailureCause.DISK_FULL: RetryRule(None, pause=timedelta(minutes=30)),
    FailureCause.PREEMPTED: RetryRule(6, site_limit=False),
    FailureCause.LOST: RetryRule(2),
    FailureCause.NO_RECORD: RetryRule(2),
    FailureCause.PRODUCT: RetryRule(2),
    FailureCause.TRANSIENT: RetryRule(2, pause=timedelta(minutes=5)),
    FailureCause.TOOL: _FINAL,
    FailureCause.CHECK: _FINAL,
    FailureCause.INPUT: _FINAL,
    FailureCause.CANCELLED: _FINAL,
}
"""Every cause but OK."""


def may_retry(
    cause: FailureCause, *, tries_by_cause: int, tries: int, attempts_per_cause: int
) -> bool:
    """Whether another attempt may follow.

    Parameters
    ----------
    tries_by_cause : attempts that ended by this cause, the newest included
    tries : attempts by any cause, the newest included
    attempts_per_cause : the site's `scheduler.attempts`
    """
    return (
        tries_by_cause < RETRY_POLICY[cause].max_attempts(attempts_per_cause)
        and tries < TOTAL_ATTEMPTS
    )


def escalate_resources(
    resources: Resources, cause: FailureCause, limits: ResourceLimits
) -> Resources | None:
    """What the next attempt asks for.

    Never more than the site allows; None where the last attempt had that much already.
    """
    rule = RETRY_POLICY[cause]
    if rule.memory_factor == rule.time_factor == 1.0:
        return resources
    memory_mb, time_min = resources.memory_mb, resources.time_min
    if rule.memory_factor > 1:
        memory_mb = limits.memory(math.ceil(memory_mb * rule.memory_factor))
    if rule.time_factor > 1:
        time_min = limits.time(math.ceil(time_min * rule.time_factor))
    if memory_mb <= resources.memory_mb and time_min <= resources.time_min:
        return None
    return Resources(resources.cpus, memory_mb, time_min)
