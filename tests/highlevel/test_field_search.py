"""Sources elsewhere in the field, the acceptance of the data, and trials: simulated truth."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.signal import fftconvolve
from scipy.stats import norm
from simulated_field import TARGET, PointSource, count, search, simulate_night
from synthetic_dl3 import write_run

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.geometry import deproject, radec, separation, vector
from astran.highlevel.maps.ring import _kernel
from astran.highlevel.maps.trials import after_trials, effective_trials, exact_significance
from astran.highlevel.options import Background, Options
from astran.highlevel.output.assembly import assemble_results
from astran.report.tables import number_rows
from astran.telescopes.lst.settings import LstConfig

NOW = datetime(2026, 1, 17, tzinfo=UTC)
CRAB = 400
"""Gammas per run of a source as bright as the Crab: some 20 sigma in a run."""


@pytest.mark.parametrize(
    ("away", "turn", "brightness"),
    [(0.4, 30.0, 1.0), (0.6, 200.0, 0.3), (0.9, 80.0, 1.0), (1.3, 310.0, 0.3), (2.2, 120.0, 1.0)],
)
def test_a_second_source_is_found_and_kept_out(away: float, turn: float, brightness: float) -> None:
    x, y = away * np.sin(np.radians(turn)), away * np.cos(np.radians(turn))
    source = PointSource(float(x), float(y), brightness * CRAB)
    runs = simulate_night(int(100 * away), sources=[source])
    found = search(runs)
    (one,) = found.sources
    assert np.hypot(one.peak.x - x, one.peak.y - y) < 0.05
    assert one.detected and one.peak.after_trials < one.peak.significance
    assert one.peak.trials > 1000, "a map of 4 deg has many places"
    parts, counts = count(runs, found)
    assert len(parts) == 4
    assert abs(counts.significance) < 2.6
    off = found.sky.significance[found.sky.off_source & (found.sky.alpha * found.sky.n_off > 10)]
    assert abs(off.mean()) < 0.15
    assert off.std() == pytest.approx(1.0, abs=0.12)


def test_a_target_beside_a_source_is_unbiased() -> None:
    """At every place of the source; without its exclusion the mean is below -1 sigma."""
    values = []
    for seed in range(8):
        turn = np.radians(45.0 * seed)
        source = PointSource(0.5 * np.sin(turn), 0.5 * np.cos(turn), CRAB)
        runs = simulate_night(seed, sources=[source])
        values.append(count(runs, search(runs))[1].significance)
    assert abs(np.mean(values)) < 3 / np.sqrt(len(values))


def test_two_sources_of_which_one_hides_the_other() -> None:
    sources = [PointSource(0.9, 0.0, CRAB), PointSource(-0.2, 0.9, 0.25 * CRAB)]
    found = search(simulate_night(3, sources=sources))
    places = sorted((round(one.peak.x, 1), round(one.peak.y, 1)) for one in found.sources)
    assert places == [(-0.2, 0.9), (0.9, 0.0)]


def test_the_target_itself_is_no_second_source() -> None:
    """Nor is the tail of its point spread, which reaches beyond its circle."""
    rng = np.random.default_rng(1)
    runs = simulate_night(1, sources=[PointSource(0, 0, 20 * CRAB)])
    for run in runs:
        tail = deproject(*rng.normal(0, 0.3, (2, 250)), vector(*TARGET))
        run.direction[: len(tail)] = tail
    assert search(runs).sources == ()


def test_an_empty_field_holds_no_source_and_is_a_standard_normal() -> None:
    means, widths = [], []
    for seed in range(8):
        found = search(simulate_night(seed))
        assert found.sky.method is Background.TWO_D
        assert found.sources == ()
        sky = found.sky
        off = sky.significance[sky.off_source & (sky.alpha * sky.n_off >= 10)]
        means.append(off.mean())
        widths.append(off.std())
    assert abs(np.mean(means)) < 0.05 + 3 * np.std(means) / np.sqrt(8)
    assert np.mean(widths) == pytest.approx(1.0, abs=0.05 + 3 * np.std(widths) / np.sqrt(8))


def test_more_events_do_not_shift_an_empty_map() -> None:
    """The smoothed acceptance follows the curve of the true one: no bias that grows with events."""
    sky = search(simulate_night(5, background=200_000)).sky
    off = sky.significance[sky.off_source]
    assert abs(off.mean()) < 0.05
    assert off.std() < 1.12


@pytest.mark.parametrize("gammas", [0.0, 0.5 * CRAB])
def test_runs_at_the_target_are_counted_and_mapped(gammas: float) -> None:
    runs = simulate_night(7, offset=0.0, sources=[PointSource(0, 0, gammas)])
    found = search(runs)
    parts, counts = count(runs, found)
    assert len(parts) == 4 and parts[0].off_regions == 6
    # a circle of 0.15 deg at the axis holds r^2/2 of a Gaussian of 1 deg
    background = 4 * 8000 * (1 - np.exp(-(0.15**2) / 2))
    assert counts.background == pytest.approx(background, rel=0.08)
    held = 1 - np.exp(-(0.15**2) / 2 / 0.08**2)
    assert counts.excess == pytest.approx(4 * gammas * held, abs=4 * counts.excess_error)
    assert found.sky.significance[found.sky.valid].size > 1000


def test_runs_beside_and_at_the_target_go_together(tmp_path: Path) -> None:
    write_run(tmp_path, 1, start="2023-12-07T20:00:00", angle=90.0)
    write_run(tmp_path, 2, start="2023-12-07T21:00:00", angle=270.0)
    write_run(tmp_path, 3, start="2023-12-07T22:00:00", offset=0.0)
    place = (83.6331, 22.0145)
    settings = HighlevelSettings(map_bin=0.05)
    options = Options((tmp_path,), tmp_path, "Crab", place, settings, spectrum=False)
    results = assemble_results(measure_folder(options), options, NOW)
    assert [run.obs_id for run in results.runs] == [1, 2, 3]
    assert any("point at the target (3)" in text for text in results.warnings)
    assert results.map is not None and results.map.target_significance > 10


def test_results_and_letter_name_it(tmp_path: Path) -> None:
    def second(hdus: fits.HDUList) -> None:
        header, events = hdus["EVENTS"].header, hdus["EVENTS"].data
        rng = np.random.default_rng(int(header["OBS_ID"]))
        centre = vector(83.6331, 22.0145 + 0.9)
        for row, place in enumerate(deproject(*rng.normal(0, 0.08, (2, 300)), centre)):
            events["RA"][row], events["DEC"][row] = radec(place)

    for k in range(2):
        write_run(
            tmp_path,
            15860 + k,
            start=f"2023-12-07T2{k}:00:00",
            angle=90.0 + 180 * k,
            signal=0,
            background=8000,
            change=second,
        )
    place = (83.6331, 22.0145)
    settings = HighlevelSettings(map_bin=0.05)
    options = Options((tmp_path,), tmp_path, "Crab", place, settings, spectrum=False)
    results = assemble_results(measure_folder(options), options, NOW)
    assert results.map is not None
    (source,) = results.map.sources
    there = vector(source.ra_deg, source.dec_deg)
    assert float(separation(there, vector(83.6331, 22.9145))) < 0.05
    assert source.name.startswith("J0534+22")
    assert 5 < source.significance_after_trials < source.significance
    assert source.counterparts == ()
    assert abs(results.stacked.significance) < 3
    (said,) = (text for text in results.warnings if text.startswith("A source 0.9"))
    assert "the catalogue knows none there" in said and "trials" in said
    config = LstConfig(target={"name": "Crab", "ra": place[0], "dec": place[1]}, date="20231207")
    facts = {fact.label: fact.value for fact in number_rows(results, config)}
    assert source.name in facts["Source in the field"]
    assert "trials" in facts["Sky-map peak"]


@pytest.mark.parametrize(("bin_deg", "number"), [(0.02, 150), (0.05, 300)])
def test_trials_are_those_of_white_noise(bin_deg: float, number: int) -> None:
    """How often a map of independent Gaussian pixels, summed in circles, has a peak above 4.2."""
    rng, size, level = np.random.default_rng(1), round(2 / bin_deg), 4.2
    kernel = _kernel(0.0, 0.1, bin_deg)
    rim = len(kernel)
    highest = [
        fftconvolve(rng.normal(size=(size + rim - 1,) * 2), kernel, mode="valid").max()
        for _ in range(number)
    ] / np.sqrt(kernel.sum())
    seen = float((highest > level).mean())
    expected = 1 - np.exp(-effective_trials(level, size**2, bin_deg, 0.1) * norm.sf(level))
    assert seen == pytest.approx(expected, abs=3.5 * np.sqrt(expected * (1 - expected) / number))


def test_significance_after_trials() -> None:
    # 1 - (1 - p)^n; 5 sigma is 2.867e-7
    assert after_trials(5.0, 1.0) == pytest.approx(5.0, abs=1e-6)
    assert after_trials(5.0, 1000.0) == pytest.approx(norm.isf(2.867e-4), abs=1e-3)
    assert after_trials(1.0, 1e4) < -5
    assert after_trials(40.0, 1e4) == pytest.approx(np.sqrt(40**2 - 2 * np.log(1e4)), abs=0.02)


def test_few_counts_are_judged_exactly() -> None:
    """Six counts where 0.5 are expected: Poisson 1.42e-5, 4.19 sigma."""
    assert exact_significance(4.34, 6, 5_000_000, 1e-7) == pytest.approx(4.19, abs=0.01)
    assert exact_significance(-1.0, 0, 10, 0.1) == -1.0
