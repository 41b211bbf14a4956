"""When a report is to be expected: calibrated in a world of which the truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from scipy.stats import t

from astran.database.history.finished_analyses import FinishedAnalysis
from astran.service.reporting.expected_end import (
    LEAST,
    SHARE,
    predict_duration,
    student_quantile,
)

World = Callable[[random.Random, int], float]
SAMPLES = 700


def whole(rng: random.Random, runs: int) -> float:
    """The time of an analysis is log-normal about a power of the number of its runs."""
    return 900.0 * runs**0.6 * math.exp(rng.gauss(0, 0.5))


def staged(rng: random.Random, runs: int) -> float:
    """Waits and stages are log-normal each; runs go side by side, on three cores."""
    wait = 300.0 * math.exp(rng.gauss(0, 0.8))
    rounds = -(-runs // 3)
    work = sum(1200.0 * math.exp(rng.gauss(0, 0.35)) for _ in range(rounds))
    return wait + work + 90.0 * math.exp(rng.gauss(0, 0.3))


def history(rng: random.Random, world: World, number: int) -> list[FinishedAnalysis]:
    runs = [rng.randint(1, 12) for _ in range(number)]
    return [FinishedAnalysis(frozenset({"dl2"}), n, world(rng, n)) for n in runs]


@pytest.mark.parametrize("number", [LEAST, 40])
@pytest.mark.parametrize("world", [whole, staged])
def test_the_interval_holds_as_often_as_it_says(world: World, number: int) -> None:
    rng = random.Random(f"{world.__name__}{number}")
    held = 0
    for _ in range(SAMPLES):
        past = history(rng, world, number)
        runs = rng.randint(1, 12)
        found = predict_duration(past, runs)
        assert found is not None and found.seen == number
        held += found.low_s <= world(rng, runs) <= found.high_s
    three_sigma = 3 * math.sqrt(SHARE * (1 - SHARE) / SAMPLES)
    assert held / SAMPLES == pytest.approx(SHARE, abs=three_sigma)


def test_the_interval_holds_for_one_that_is_under_way() -> None:
    rng = random.Random(7)
    held = asked = 0
    while asked < SAMPLES:
        past = history(rng, whole, 40)
        runs, gone = rng.randint(1, 12), rng.uniform(0, 3000)
        time = whole(rng, runs)
        if time > gone:
            asked += 1
            found = predict_duration(past, runs, gone)
            held += found is not None and max(gone, found.low_s) <= time <= found.high_s
            assert found is None or found.low_s > gone
    # the spread is only known from forty: what is long under way tells a little more of it
    assert held / SAMPLES == pytest.approx(SHARE, abs=3 * math.sqrt(0.16 / SAMPLES))


def test_from_few_nothing_is_foretold() -> None:
    past = history(random.Random(1), whole, LEAST)
    assert predict_duration(past[1:], 3) is None
    assert predict_duration(past, 3) is not None


def test_what_takes_longer_than_ever_is_not_foretold() -> None:
    past = [FinishedAnalysis(frozenset(), 3, 600.0 + k) for k in range(20)]
    assert predict_duration(past, 3, 60_000.0) is None


def test_equal_times_keep_some_width() -> None:
    past = [FinishedAnalysis(frozenset(), 3, 600.0) for _ in range(20)]
    found = predict_duration(past, 3)
    assert found is not None
    assert found.low_s < 600 < found.high_s < 700


@pytest.mark.parametrize("degrees", [6, 7, 13, 38, 198])
def test_quantiles_of_student_are_those_of_scipy(degrees: int) -> None:
    assert student_quantile(0.9, degrees) == pytest.approx(t.ppf(0.9, degrees), abs=1e-3)
