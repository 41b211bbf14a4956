"""From a mail to a configuration: sources, ranges, the future; the example; the help."""

from __future__ import annotations

import pytest

from astran.base.errors import CatalogueError, ConfigError
from astran.base.night import Night
from astran.config.analysis import EblModel, SpectralModel, Target
from astran.config.model import dotted_fields
from astran.launch_language.key_help import describe_keys
from astran.launch_language.keys import keys_of
from astran.launch_language.parser import parse
from astran.launch_language.resolve import example_launch, resolve_config
from astran.telescopes.lst.settings import LstConfig, StartLevel

TODAY = Night.parse("20240101")
CRAB = Target(name="Crab", ra=83.6331, dec=22.0145)


def known(name: str) -> Target:
    if name.lower().startswith("crab"):
        return CRAB
    raise CatalogueError(f"`{name}` is not in the source catalogue.", "Did you mean Crab?")


def config(text: str) -> LstConfig:
    return resolve_config(parse(text), known, TODAY)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_request_with_all_that_it_says_and_defaults_for_the_rest() -> None:
    made = config(
        "target: crab nebula\ndate: 2023-12-07\nruns: 15864\ntheta cut: 0.3\nstart: dl3\nfolder: m"
    )
    assert made.target == CRAB
    assert made.date == "20231207"
    assert made.runs == (15864,)
    assert made.dl3.theta_cut == 0.3
    assert made.dl3.gammaness_cut == LstConfig.model_fields["dl3"].default.gammaness_cut
    assert made.start is StartLevel.DL3
    assert made.label == "Crab20231207"


def test_a_source_by_its_coordinates() -> None:
    made = config("target: My Source\nra: 10.5\ndec: -3\ndate: 20231207")
    assert made.target == Target(name="My Source", ra=10.5, dec=-3.0)


def test_coordinates_beside_a_known_source_must_be_near_it() -> None:
    assert config("target: Crab\nra: 83.7\ndec: 22\ndate: 20231207").target.ra == 83.7
    [problem] = problems("target: Crab\nra: 166.1\ndec: 38.2\ndate: 20231207")
    assert "deg from Crab" in problem


def test_every_problem_at_once() -> None:
    found = problems(
        "target: Krab\ndate: 20991207\nruns: 2-1\ndl3.theta_cut: 7\ngammaness: -1\nfoo.bar: 1\n"
    )
    assert [problem[:7] for problem in found] == [f"line {n}:" for n in range(1, 7)]
    for text, problem in zip(
        ["Did you mean Crab?", "in the future", "backward", "ON region", "0 to 1", "unknown key"],
        found,
        strict=True,
    ):
        assert text in problem


def test_a_check_across_parameters_is_placed() -> None:
    [problem] = problems("target: Crab\ndate: 20231207\nemin: 2\nemax: 1\n")
    assert problem.startswith("line 3:")


@pytest.mark.parametrize("position", ["ra: 400\ndec: 0", "ra: 0\ndec: -91"])
def test_coordinates_off_the_sky(position: str) -> None:
    assert len(problems(f"target: X1\n{position}\ndate: 20231207")) == 1


def test_tonight_is_not_the_future() -> None:
    assert config("target: Crab\ndate: 20240101").date == "20240101"
    assert "in the future" in problems("target: Crab\ndate: 20240102")[0]


@pytest.mark.parametrize("text", ["", "start: dl3\nmap width: 3\nra: 1\nrepeat: x\ncuts: global"])
def test_the_example_is_correct_and_shows_the_keys_that_were_used(text: str) -> None:
    shown = example_launch(parse(text) if text else None)
    made = config(shown)
    assert made.target == CRAB
    assert ("highlevel.map_width" in shown) == bool(text)


def test_the_help_names_every_key_of_the_language() -> None:
    named = dict(describe_keys())
    assert set(named) == set(keys_of().keys)
    assert all(named.values())
    assert list(named)[:2] == ["target", "date"]


def test_every_parameter_of_the_configuration_can_be_given() -> None:
    for name in dotted_fields(LstConfig):
        found = keys_of().find(name)
        assert found is not None
        assert found.name == name.removeprefix("target.").replace("name", "target")


def test_parameters_of_lstchain_by_group_and_by_name() -> None:
    text = (
        "target: Crab\ndate: 20231207\nlstchain_config: {tailcut: {picture_thresh: 6}}\n"
        "lstchain_config.tailcut.delta_time: 3\nDL3Cuts.min_theta_cut: 0.2\n"
    )
    config = resolve_config(parse(text), known, TODAY)
    assert config.lstchain_config == {"tailcut": {"picture_thresh": 6, "delta_time": 3}}
    assert config.dl3.tool == {"DL3Cuts": {"min_theta_cut": 0.2}}


def test_a_value_and_a_group_of_the_same_name() -> None:
    text = "target: Crab\ndate: 20231207\nlstchain_config.a: 3\nlstchain_config.a.b: 4\n"
    with pytest.raises(ConfigError, match="as a value and as a group"):
        resolve_config(parse(text), known, TODAY)


def test_the_model_of_the_spectrum_is_a_wish_like_others() -> None:
    made = config(
        "target: Crab\ndate: 20231207\nspectral model: exponential cutoff\nindex: 2.2\n"
        "confidence level: 0.9"
    ).highlevel
    assert made.spectral_model is SpectralModel.EXPONENTIAL_CUTOFF
    assert (made.spectral_index, made.confidence) == (2.2, 0.9)
    [problem] = problems("target: Crab\ndate: 20231207\nindex: 2.2")
    assert "spectral_model" in problem
    [problem] = problems("target: Crab\ndate: 20231207\nredshift: 0.1")
    assert "ebl: dominguez-2011" in problem


def test_absorption_needs_a_redshift() -> None:
    text = "target: Crab\ndate: 20231207\nebl: dominguez-2011"
    [problem] = problems(text)
    assert "redshift of Crab" in problem and "`redshift: 0.05`" in problem
    assert config(f"{text}\nredshift: 0.1").highlevel.redshift == 0.1
    known_far = resolve_config(parse(text), known, TODAY, "", lambda name: 0.031)
    assert known_far.highlevel.ebl is EblModel.DOMINGUEZ_2011
    assert known_far.highlevel.redshift is None
