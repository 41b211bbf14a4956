"""The intensity cut that a run's data ask for, against the installed lstchain and by its rules."""

from __future__ import annotations

import numpy as np
import pytest

from astran.telescopes.lst.catalogue.file_inspection.examine import half_peak_intensity
from astran.telescopes.lst.catalogue.file_inspection.facts import (
    CheckFacts,
    Dl1Facts,
    combine_facts,
)
from astran.telescopes.lst.catalogue.runs.intensity_cut import (
    choose_cut_pe,
    describe_advice,
    describe_cuts,
)
from astran.telescopes.lst.catalogue.runs.quality_cuts import KnownConditions
from astran.telescopes.lst.settings import Dl3Settings, LstConfig


def showers(edge_pe: float, number: int = 20_000) -> np.ndarray:
    """A power law of showers with a smooth edge, half at `edge_pe`."""
    rng = np.random.default_rng(int(edge_pe))
    intensity = 10 * (1 - rng.random(40 * number)) ** (-1 / 1.24)
    seen = rng.random(intensity.size) < 1 / (1 + (edge_pe / intensity) ** 12)
    return intensity[seen][:number]


@pytest.mark.parametrize("edge_pe", [40.0, 60.0, 90.0, 150.0])
def test_the_cut_is_that_of_lstchain(edge_pe: float) -> None:
    utils = pytest.importorskip("lstchain.reco.utils")
    pd = pytest.importorskip("pandas")
    intensity = showers(edge_pe)
    events = pd.DataFrame(
        {
            "intensity": intensity,
            "event_type": 32,
            "dragon_time": 1.7e9 + 2e-4 * np.arange(intensity.size),
            "delta_t": 2e-4,
        }
    )
    known = KnownConditions(1, Dl1Facts(half_peak=half_peak_intensity(intensity)))
    assert choose_cut_pe(known)[0] == pytest.approx(float(utils.get_intensity_cut(events)), abs=1)


def test_without_a_clear_peak_nothing_is_made_up() -> None:
    assert half_peak_intensity(showers(60.0, 9_000)) is None
    rng = np.random.default_rng(1)
    assert half_peak_intensity(10 * (1 - rng.random(50_000)) ** (-1 / 1.24)) is None


@pytest.mark.parametrize(
    ("seen", "checked", "cut", "why"),
    [
        (38.0, None, 50.0, "by DL1"),  # 50 up to 38.46
        (57.0, 56.0, 74.0, "by DL1"),
        (400.0, 45.0, 58.0, "contradicts"),  # light that is no shower's
        (None, 57.0, 74.0, "by the data check"),
        (None, None, 50.0, "default"),
    ],
)
def test_where_the_cut_comes_from(
    seen: float | None, checked: float | None, cut: float, why: str
) -> None:
    known = KnownConditions(
        7, Dl1Facts(half_peak=seen), CheckFacts(half_peak_seen=checked, subruns=3)
    )
    assert choose_cut_pe(known)[0] == cut
    (said,) = describe_cuts([7], {7: known})
    assert why in said and f"{cut:g} p.e." in said and said.endswith("run 7.")


def test_subruns_together() -> None:
    parts = [Dl1Facts(showers=100, half_peak=50.0), Dl1Facts(showers=300, half_peak=54.0)]
    assert combine_facts([*parts, Dl1Facts(showers=5)]).half_peak == pytest.approx(53.0)


def test_auto_is_a_word_of_the_configuration() -> None:
    assert Dl3Settings(intensity_min="auto").intensity_min is None
    assert Dl3Settings().intensity_min == 50.0
    config = LstConfig(
        target={"name": "Crab", "ra": 83.6, "dec": 22.0},
        date="20260116",
        dl3={"intensity_min": "auto"},
    )
    assert "intensity chosen for each run" in config.describe_cuts("")
    assert config.describe_absent("dl3.intensity_min") == "auto"


def test_a_fixed_cut_is_compared_with_what_lstchain_would_recommend() -> None:
    known = {
        run: KnownConditions(run, Dl1Facts(half_peak=half_peak))
        for run, half_peak in ((7, 57.0), (8, 38.0))
    }
    (said,) = describe_advice([7, 8], known, 50.0)
    assert "would recommend more for run 7 (74 p.e.)" in said
    assert describe_advice([7, 8], known, 80.0) == ()
