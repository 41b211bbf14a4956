"""Counting statistics against gammapy, against limits, and against chance itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gammapy.stats import WStatCountsStatistic

from astran.highlevel.aperture.statistics import Counts, li_ma, stack


@pytest.mark.parametrize("n_on", [0, 1, 7, 120, 15443])
@pytest.mark.parametrize("n_off", [0, 1, 20, 1111])
@pytest.mark.parametrize("alpha", [1.0, 1 / 3, 0.05])
def test_li_ma_equals_gammapy(n_on: int, n_off: int, alpha: float) -> None:
    theirs = float(WStatCountsStatistic(n_on, n_off, alpha).sqrt_ts)
    assert float(li_ma(n_on, n_off, alpha)) == pytest.approx(theirs, abs=2e-5, rel=1e-6)


def test_without_off_counts_there_is_still_a_significance() -> None:
    assert float(li_ma(90, 0, 1.0)) == pytest.approx(math.sqrt(2 * 90 * math.log(2)))
    assert float(li_ma(0, 0, 0.5)) == 0.0


def test_a_deficit_is_negative() -> None:
    assert float(li_ma(10, 60, 0.5)) < 0
    assert float(li_ma(10, 60, 0.5)) == pytest.approx(
        float(WStatCountsStatistic(10, 60, 0.5).sqrt_ts), rel=1e-6
    )


def test_alpha_means_on_over_off_exposure() -> None:
    # inverted, alpha = 3 would make a clear source look like a deficit
    assert float(li_ma(1212, 1283, 1 / 3)) == pytest.approx(25.3335, abs=1e-3)


def test_without_a_source_it_is_a_standard_normal() -> None:
    rng = np.random.default_rng(1)
    draws = li_ma(rng.poisson(100, 20000), rng.poisson(300, 20000), 1 / 3)
    assert abs(float(draws.mean())) < 0.03
    assert float(draws.std()) == pytest.approx(1.0, abs=0.02)


def test_the_error_of_the_excess_is_its_spread() -> None:
    rng = np.random.default_rng(2)
    on, off = rng.poisson(150, 20000), rng.poisson(300, 20000)
    spread = float((on - off / 3).std())
    assert Counts(150, 300, 1 / 3, 60.0).excess_error == pytest.approx(spread, rel=0.03)


def test_rates_are_per_minute_of_livetime() -> None:
    counts = Counts(130, 90, 1 / 3, 600.0)
    assert counts.rate == pytest.approx(10.0)
    assert counts.background_rate == pytest.approx(3.0)
    assert counts.rate_error == pytest.approx(counts.excess_error / 10)


def test_stacking_adds_excesses_also_with_unlike_alpha() -> None:
    parts = [Counts(50, 40, 1.0, 600.0), Counts(80, 90, 1 / 3, 1200.0)]
    total = stack(parts)
    assert total.excess == pytest.approx(sum(part.excess for part in parts))
    assert total.excess_error == pytest.approx(
        math.hypot(parts[0].excess_error, parts[1].excess_error)
    )
    assert total.livetime_s == 1800.0


def test_stacking_without_off_counts_weighs_alpha_by_exposure() -> None:
    total = stack([Counts(5, 0, 1.0, 600.0), Counts(5, 0, 1 / 3, 600.0)])
    assert total.alpha == pytest.approx(1200 / (600 + 1800))
