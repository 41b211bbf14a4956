"""What only the site's lstchain can tell of a request is told in the answer to the mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from astran.base.errors import ConfigError
from astran.config.site import SiteConfig
from astran.mail.letters.content import describe_settings
from astran.telescopes.lst.chain import CHAIN
from astran.telescopes.lst.environment.releases import NoSuchRelease
from astran.telescopes.lst.environment.toolset import Toolset
from astran.telescopes.lst.settings import LstConfig

STANDARD = {"random_forest_zd_interpolation": {"interpolate_energy": True}}
SITE = SiteConfig.model_validate({"site": "test", "workdir": "/nowhere"})


def request(**more: Any) -> LstConfig:
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    return LstConfig.model_validate({"target": target, "date": "20231213", **more})


@pytest.fixture
def lstchain(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], list[str]]:
    """Sets what the question for an environment ends with; returns what was asked for."""

    def answering(error: Exception | None) -> list[str]:
        asked: list[str] = []

        def toolset(site: SiteConfig, wanted: str, *, keep: bool) -> Toolset:
            asked.append(wanted)
            if error is not None:
                raise error
            return Toolset("new", "0.12.3", standard=STANDARD, traits={"DL3Cuts": {}})

        monkeypatch.setattr("astran.telescopes.lst.chain.find_toolset", toolset)
        return asked

    return answering


Answering = Callable[[Exception | None], list[str]]


def test_a_release_that_is_not_there(lstchain: Answering) -> None:
    lstchain(NoSuchRelease("This site has no lstchain 0.9.", cure="Leave it out."))
    (problem,) = CHAIN.request_problems(SITE, request(lstchain="0.9"))
    assert str(problem) == "lstchain: This site has no lstchain 0.9. Leave it out."


def test_parameters_that_it_does_not_know(lstchain: Answering) -> None:
    asked = lstchain(None)
    zd = {"random_forest_zd_interpolation.interpolate_enrgy": False}
    found = CHAIN.request_problems(
        SITE, request(lstchain="0.12.x", lstchain_config=zd, dl3={"tool": {"DL3Cuts.x": 1}})
    )
    assert ["interpolate_energy" in str(found[0]), "DL3Cuts.x" in str(found[1])] == [True, True]
    assert asked == ["0.12.x"]


def test_an_environment_that_is_broken_is_no_fault_of_the_request(lstchain: Answering) -> None:
    lstchain(ConfigError("The lstchain environment 'new' could not be asked: no room."))
    assert CHAIN.request_problems(SITE, request(lstchain="0.12.x")) == ()


def test_a_plain_request_asks_nothing(lstchain: Answering) -> None:
    asked = lstchain(ConfigError("not reached"))
    assert CHAIN.request_problems(SITE, request()) == ()
    assert CHAIN.request_problems(SITE, request(start="dl3", folder="x", lstchain="0.9")) == ()
    assert asked == []


def test_letters_show_what_was_set_alone() -> None:
    zd = {"random_forest_zd_interpolation.interpolate_energy": False}
    filters = {"EventSelector.filters.length": [0.1, float("inf")]}
    config = request(lstchain_config=zd, dl3={"tool": filters})
    rows = {row.key: row for row in describe_settings(config, ())}
    name = "lstchain_config.random_forest_zd_interpolation.interpolate_energy"
    assert (rows[name].value, rows[name].chosen) == ("false", True)
    assert rows["dl3.tool.EventSelector.filters.length"].value == "[0.1, inf]"
    assert not [row for row in describe_settings(request(), ()) if "tool" in row.key]
