"""What only the site's lstchain can tell of a request: its releases, and their parameters."""

from __future__ import annotations

from dataclasses import replace

from astran.base.errors import ConfigError, Problem
from astran.config.analysis import AnalysisConfig, Start
from astran.config.site import SiteConfig
from astran.service.decide import Decision, Outcome


def judged(site: SiteConfig, decision: Decision, *, keep: bool = True) -> Decision:
    """The decision on a mail, turned into an answer with problems where the release that it names
    is not there, or does not know a parameter.

    An environment that was never asked is asked now, which takes some seconds once; `keep` False
    leaves no trace of that.
    """
    if decision.config is None:
        return decision
    found = problems(site, decision.config, keep=keep)
    if not found:
        return decision
    from astran.requests.resolve import example

    return replace(
        decision,
        outcome=Outcome.ERROR_REPLY,
        config=None,
        problems=found,
        example=example(),
    )


def problems(site: SiteConfig, config: AnalysisConfig, *, keep: bool = True) -> tuple[Problem, ...]:
    """What is wrong with the wanted release, or with the parameters that it shall get.

    An environment that cannot be asked is no fault of the request; planning will tell of it.
    """
    from astran.production.environments import NoSuchRelease, toolset
    from astran.production.lst import parameters
    from astran.production.toolset import Toolset

    if not (config.lstchain or config.lstchain_config or config.dl3.tool):
        return ()
    if config.start is Start.DL3:
        return parameters.problems(config, Toolset("", ""))  # needs no lstchain
    try:
        tools = toolset(site, config.lstchain, keep=keep)
    except NoSuchRelease as error:
        return (Problem("lstchain", error.message, error.cure),)
    except ConfigError:
        return ()
    return parameters.problems(config, tools)
