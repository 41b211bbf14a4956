"""Run selection: each cut, what is not known, and where the night is the measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from astran.base.night_data import FileRef, RunFile
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts, Dl1Facts
from astran.telescopes.lst.catalogue.runs.quality_cuts import KnownConditions, apply_quality_cuts
from astran.telescopes.lst.settings import QualitySettings

GOOD = Dl1Facts(
    events=1_000_000,
    showers=900_000,
    bright=60_000,
    start=0.0,
    stop=150.0,
    alt=70.0,
    dec_spread=0.001,
    moon_alt=-20.0,
)
CHECKED = CheckFacts(nsb=1.7, rate_422=1.8)


def runs(count: int) -> list[RunFile]:
    return [RunFile(run, FileRef(f"/dl1_{run}.h5", 1, 1)) for run in range(1, count + 1)]


def one(dl1: Dl1Facts = GOOD, check: CheckFacts = CHECKED, **settings: Any) -> tuple[str, str]:
    """Why a run is left out, and the notes."""
    found = apply_quality_cuts(
        runs(1), {1: KnownConditions(1, dl1, check)}, QualitySettings(**settings)
    )
    assert len(found.runs) + len(found.left_out) == 1
    reasons = [gap.reason for gap in found.left_out]
    assert not any(gap.may_come for gap in found.left_out)
    return " ".join(reasons), " ".join(found.notes)


def test_a_good_run_is_kept() -> None:
    reason, notes = one()
    assert reason == ""
    assert "Runs left after each quality cut, of 1 found; " in notes
    assert "left out" not in notes


@pytest.mark.parametrize(
    ("dl1", "check", "name"),
    [
        (replace(GOOD, alt=14.9), CHECKED, "quality.zenith_max"),
        (replace(GOOD, showers=149_000), CHECKED, "quality.rate_min"),
        (replace(GOOD, dec_spread=0.011), CHECKED, "quality.pointing_max"),
        (GOOD, replace(CHECKED, rate_422=1.49), "quality.rate_422_min"),
    ],
)
def test_each_cut(dl1: Dl1Facts, check: CheckFacts, name: str) -> None:
    reason, notes = one(dl1, check)
    assert reason.startswith("left out by the quality cuts: ")
    assert f"({name})" in reason
    assert "`quality.apply: no`" in notes
    key = name.removeprefix("quality.")
    assert one(dl1, check, **{key: None})[0] == "", "none switches the cut off"
    reason, notes = one(dl1, check, apply=False)
    assert reason == ""
    assert f"({name}); kept" in notes


def test_a_value_at_the_limit() -> None:
    """As the notebook compares: rates strictly; NSB by `not (value > limit)`."""
    assert one(GOOD, replace(CHECKED, nsb=2.3), nsb_max=2.3)[0] == ""
    assert "quality.nsb_max" in one(GOOD, replace(CHECKED, nsb=2.31), nsb_max=2.3)[0]
    reason = one(GOOD, replace(CHECKED, rate_422=1.5))[0]
    assert "rate at 422 p.e. 1.50 /s/p.e. is not above 1.5" in reason


def test_moonlit_runs_are_kept_by_default() -> None:
    assert one(GOOD, replace(CHECKED, nsb=5.0))[0] == ""


def test_rates_that_are_not_corrected_for_their_cleaning_are_not_judged() -> None:
    """lstchain before 0.11.4 does not correct them, and writes no picture_thresh."""
    for tailcut, cleaned, fails in (
        ("tailcut126", None, False),
        ("tailcut84", None, True),
        ("tailcut126", 12.0, True),
    ):
        check = replace(CHECKED, rate_422=0.9, cleaned=cleaned)
        found = apply_quality_cuts(
            runs(1), {1: KnownConditions(1, GOOD, check, tailcut)}, QualitySettings()
        )
        assert bool(found.left_out) is fails


def test_the_moon_counts_only_if_asked() -> None:
    moon = replace(GOOD, moon_alt=12.0)
    assert one(moon)[0] == ""
    assert "altitude of the moon 12 deg is above 0 (quality.moon)" in one(moon, moon="dark")[0]
    assert "moon" in one(replace(GOOD, moon_alt=None), moon="dark")[1]


def test_what_is_not_known_is_said_and_not_held_against_the_run() -> None:
    reason, notes = one(Dl1Facts(events=5), CheckFacts())
    assert reason == ""
    for word in ("zenith distance", "shower rate", "index of dR/dI", "spread of the"):
        assert word in notes
    assert notes.startswith("Quality not known, and not judged, of any run: ")


def test_without_data_check_the_night_is_the_measure_of_clouds() -> None:
    dark = CheckFacts(nsb=1.7)
    known = {run: KnownConditions(run, GOOD, dark) for run in (1, 2, 3)}
    known[4] = KnownConditions(4, replace(GOOD, bright=29_000), dark)
    known[5] = KnownConditions(5, replace(GOOD, bright=31_000), dark)
    found = apply_quality_cuts(runs(5), known, QualitySettings())
    assert [run.run for run in found.runs] == [1, 2, 3, 5]
    assert "relative to the night 0.48 is below 0.5" in found.left_out[0].reason
    # the data check knows better
    known[4] = replace(known[4], check=CHECKED)
    assert len(apply_quality_cuts(runs(5), known, QualitySettings()).runs) == 5


def test_a_single_run_has_no_other_beside_it() -> None:
    reason, notes = one(GOOD, CheckFacts(nsb=1.7))
    assert reason == ""
    assert "rate around 422 p.e. relative to the night" in notes
