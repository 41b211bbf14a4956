"""What only the installed software of a telescope's chain can tell of a request."""

from __future__ import annotations

from dataclasses import replace

from astran.config.site import SiteConfig
from astran.launch_language.resolve import example_launch
from astran.service.intake.decision import Decision, MailOutcome
from astran.telescopes.registry import find_chain


def check_with_software(site: SiteConfig, decision: Decision, *, keep: bool = True) -> Decision:
    """The decision on a mail, turned into an answer with problems where the software that it names
    is not there, or does not know a parameter.

    An environment that was never asked is asked now, which takes some seconds once; `keep` False
    leaves no trace of that.
    """
    if decision.config is None:
        return decision
    found = find_chain(decision.config.telescope).request_problems(site, decision.config, keep=keep)
    if not found:
        return decision
    return replace(
        decision,
        outcome=MailOutcome.ERROR_REPLY,
        config=None,
        problems=found,
        example=example_launch(),
    )
