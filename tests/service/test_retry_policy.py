"""What follows from each cause of failure, as docs/architecture.md says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from chaoslib.documented import (
    ATTEMPTS_IN_ALL,
    DOCUMENT,
    SITE_DEFAULT,
    DocumentedRule,
    documented_attempts,
    documented_rules,
)

from astran.config.site import SchedulerSettings
from astran.service.jobs.retry_policy import (
    RETRY_POLICY,
    TOTAL_ATTEMPTS,
    FailureCause,
    RetryRule,
    may_retry,
)

CAUSES = [cause for cause in FailureCause if cause is not FailureCause.OK]


def documented(rule: RetryRule) -> DocumentedRule:
    text = "the same"
    if rule.final:
        text = "none"
    elif rule.memory_factor > 1:
        text = f"{rule.memory_factor:g} times the memory, up to `scheduler.limits`"
    elif rule.time_factor > 1:
        text = f"{rule.time_factor:g} times the time, up to `scheduler.limits`"
    elif rule.exclude_node:
        text = "without that node"
    return DocumentedRule(rule.attempts, rule.pause // timedelta(minutes=1), text)


def test_the_documentation_has_the_same_table() -> None:
    assert documented_rules() == {
        cause.value: documented(rule) for cause, rule in RETRY_POLICY.items()
    }
    assert f"at most {TOTAL_ATTEMPTS} attempts" in DOCUMENT.read_text()
    assert TOTAL_ATTEMPTS == ATTEMPTS_IN_ALL
    assert SchedulerSettings().attempts == SITE_DEFAULT


def test_every_cause_has_a_rule() -> None:
    assert set(RETRY_POLICY) == set(CAUSES)


@pytest.mark.parametrize("cause", CAUSES)
def test_the_budget_of_a_cause_is_its_own(cause: FailureCause) -> None:
    budget = documented_attempts()[cause]
    others = ATTEMPTS_IN_ALL - budget - 1
    for tries in range(1, budget + 1):
        expected = tries < budget
        for total in (tries, tries + others):
            assert expected is may_retry(
                cause, tries_by_cause=tries, tries=total, attempts_per_cause=SITE_DEFAULT
            )
    assert not may_retry(
        cause, tries_by_cause=1, tries=ATTEMPTS_IN_ALL, attempts_per_cause=SITE_DEFAULT
    )


@pytest.mark.parametrize("cause", CAUSES)
def test_a_site_may_want_no_second_attempts(cause: FailureCause) -> None:
    again = may_retry(cause, tries_by_cause=1, tries=1, attempts_per_cause=1)
    assert again is (cause is FailureCause.PREEMPTED)
