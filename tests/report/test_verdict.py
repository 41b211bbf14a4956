"""The verdict: one sentence, its trials, its sensitivity and its flux."""

from __future__ import annotations

import math
from typing import Any

import pytest
from gammapy.stats import WStatCountsStatistic
from scipy.stats import norm

from astran.report.verdict import (
    SourceFinding,
    Verdict,
    after_trials,
    describe_flux,
    detectable_excess,
    make_verdict,
)
from astran.results.codec import results_from_json

COUNTS = {"n_on": 120, "n_off": 300, "alpha": 1 / 3, "livetime_h": 1.2}
SPECTRUM = {
    "model": "power-law",
    "energy_min_tev": 0.3,
    "energy_max_tev": 10.0,
    "n_on": 60,
    "n_off": 90,
    "excess": 30.0,
}


def judged(significance: float | None, **parts: Any) -> Verdict:
    results, _ = results_from_json({"stacked": {**COUNTS, "significance": significance}, **parts})
    return make_verdict(results, "Mrk 421", "2023-12-13")


@pytest.mark.parametrize(
    ("significance", "finding", "begin"),
    [
        (27.71, SourceFinding.DETECTED, "Mrk 421 is detected on 2023-12-13: 27.7 sigma in 1.20 h"),
        (4.96, SourceFinding.DETECTED, "Mrk 421 is detected on 2023-12-13: 5.0 sigma in 1.20 h"),
        (
            4.94,
            SourceFinding.HINT,
            "A hint of Mrk 421 on 2023-12-13, no detection: 4.9 sigma in 1.20 h",
        ),
        (0.4, SourceFinding.NOTHING, "Mrk 421 is not seen on 2023-12-13: 0.4 sigma in 1.20 h"),
        (-5.3, SourceFinding.DEFICIT, "Mrk 421 is not seen on 2023-12-13: -5.3 sigma in 1.20 h"),
        (None, SourceFinding.UNKNOWN, "Mrk 421 on 2023-12-13: the significance is not known."),
    ],
)
def test_one_sentence_says_what_was_found(
    significance: float | None, finding: SourceFinding, begin: str
) -> None:
    verdict = judged(significance)
    assert verdict.finding is finding
    assert verdict.sentence.startswith(begin)
    assert ("one trial" in verdict.sentence) == (finding is not SourceFinding.UNKNOWN)


@pytest.mark.parametrize(("n_off", "alpha"), [(300, 1 / 3), (12, 0.2), (9000, 1.0), (10, 1.0)])
def test_the_detectable_excess_is_that_of_gammapy(n_off: int, alpha: float) -> None:
    wanted = WStatCountsStatistic(n_on=1, n_off=n_off, alpha=alpha).n_sig_matching_significance(5)
    least = max(10.0, 0.05 * alpha * n_off)
    assert detectable_excess(n_off, alpha) == pytest.approx(max(float(wanted), least), rel=2e-3)


@pytest.mark.parametrize("counts", [(math.nan, 0.3), (10, 0.0), (10, math.inf), (-1, 0.3)])
def test_without_counts_no_sensitivity(counts: tuple[float, float]) -> None:
    assert detectable_excess(*counts) is None


def test_without_off_counts_ten_events_are_needed() -> None:
    assert detectable_excess(0, 0.001) == pytest.approx(10.0)


def test_where_nothing_was_found_it_says_what_would_have_been_seen() -> None:
    needed = detectable_excess(COUNTS["n_off"], COUNTS["alpha"])
    assert judged(0.4).sentence.endswith(f"; an excess of {needed:.0f} would have been 5 sigma.")
    crab = {"value": 0.01, "error": 0.02, "is_limit": True, "expected_excess": 400.0}
    needed = detectable_excess(90, 1 / 3) or 0.0
    said = judged(0.4, spectrum={**SPECTRUM, "crab": crab}).sentence
    assert said.endswith(f"; a source of {needed / 400:.2g} Crab would have been 5 sigma.")
    assert "would have been" not in judged(8.0).sentence


@pytest.mark.parametrize(("sigma", "trials"), [(3.0, 10), (4.1, 100), (0.5, 7), (6.5, 1)])
def test_trials_follow_from_the_normal_distribution(sigma: float, trials: int) -> None:
    chance = 1 - (1 - norm.sf(sigma)) ** trials
    assert after_trials(sigma, trials) == pytest.approx(norm.isf(chance), abs=1e-3)


def test_a_flare_of_one_night_counts_its_trials() -> None:
    nights = ["20231211", "20231212", "20231213"]
    rows = [
        {**COUNTS, "night": n, "significance": s}
        for n, s in zip(nights, (0.1, 4.4, -1.0), strict=True)
    ]
    said = judged(2.0, by_night=rows, nights=nights).sentence
    assert said.startswith("Mrk 421 is not seen on 3 nights, 2023-12-11 to 2023-12-13: 2.0 sigma")
    assert "the strongest of 3 nights, 2023-12-12, has 4.4 sigma, 4.2 sigma after 3 trials" in said
    rows[1]["significance"] = 3.2
    assert "strongest" not in judged(2.0, by_night=rows, nights=nights).sentence


@pytest.mark.parametrize(
    ("spectrum", "flux"),
    [
        (
            {
                **SPECTRUM,
                "flux": {"value": 2.3e-10, "error": 1.2e-11, "is_limit": False},
                "crab": {"value": 1.02, "error": 0.05, "is_limit": False},
            },
            "Flux 1.020 ± 0.050 Crab, (2.30 ± 0.12)e-10 cm-2 s-1 from 0.3 to 10 TeV.",
        ),
        (
            {
                **SPECTRUM,
                "flux": {"value": -1e-12, "error": 1e-12, "upper_limit": 3.1e-12, "is_limit": True},
                "crab": {"value": -0.01, "error": 0.02, "upper_limit": 0.031, "is_limit": True},
            },
            "Flux below 0.031 Crab, 3.1e-12 cm-2 s-1 from 0.3 to 10 TeV (95 % confidence).",
        ),
        ({"model": None, "reason": "no effective area"}, "No flux: no effective area"),
        ({"model": None}, ""),
        ({**SPECTRUM, "flux": {"value": math.nan, "is_limit": False}}, ""),
        ({**SPECTRUM, "flux": {"value": 1e-12, "upper_limit": None, "is_limit": True}}, ""),
    ],
)
def test_the_flux_is_a_value_or_a_limit(spectrum: dict[str, Any], flux: str) -> None:
    results, _ = results_from_json({"stacked": COUNTS, "spectrum": spectrum})
    assert describe_flux(results.spectrum) == flux
