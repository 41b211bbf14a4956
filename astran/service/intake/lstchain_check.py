"""What only the site's lstchain can tell of a request: its releases, and their parameters."""

from __future__ import annotations

from dataclasses import replace

from astran.base.errors import ConfigError, Problem
from astran.config.analysis import AnalysisConfig, StartLevel
from astran.config.site import SiteConfig
from astran.launch_language.resolve import example_launch
from astran.production.environment.releases import NoSuchRelease, find_toolset
from astran.production.environment.toolset import Toolset
from astran.service.intake.decision import Decision, MailOutcome
from astran.telescopes.lst.planning import lstchain_parameters


def check_with_lstchain(site: SiteConfig, decision: Decision, *, keep: bool = True) -> Decision:
    """The decision on a mail, turned into an answer with problems where the release that it names
    is not there, or does not know a parameter.

    An environment that was never asked is asked now, which takes some seconds once; `keep` False
    leaves no trace of that.
    """
    if decision.config is None:
        return decision
    found = lstchain_problems(site, decision.config, keep=keep)
    if not found:
        return decision
    return replace(
        decision,
        outcome=MailOutcome.ERROR_REPLY,
        config=None,
        problems=found,
        example=example_launch(),
    )


def lstchain_problems(
    site: SiteConfig, config: AnalysisConfig, *, keep: bool = True
) -> tuple[Problem, ...]:
    """What is wrong with the wanted release, or with the parameters that it shall get.

    An environment that cannot be asked is no fault of the request; planning will tell of it.
    """
    if not (config.lstchain or config.lstchain_config or config.dl3.tool):
        return ()
    if config.start is StartLevel.DL3:
        return lstchain_parameters.parameter_problems(config, Toolset("", ""))  # needs no lstchain
    try:
        tools = find_toolset(site, config.lstchain, keep=keep)
    except NoSuchRelease as error:
        return (Problem("lstchain", error.message, error.cure),)
    except ConfigError:
        return ()
    return lstchain_parameters.parameter_problems(config, tools)
