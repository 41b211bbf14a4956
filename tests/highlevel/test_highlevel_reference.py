"""Counts, significances and maps of public data of four telescopes against reference numbers.

The numbers come from an independent brute-force count and from gammapy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import Findings, measure
from astran.highlevel.options import Options

CRAB, PKS = (83.63333, 22.01444), (329.71693826, -30.225589)
MSH = (228.529, -59.1575)
Data = Callable[[str], Path]


def find(
    folder: Path, position: tuple[float, float], theta: float | None, **settings: float
) -> Findings:
    return measure(
        Options(
            dl3=folder,
            output=Path("unused"),
            name="Source",
            position=position,
            settings=HighlevelSettings.model_validate(settings),
            theta_cut=theta,
        )
    )


@pytest.mark.parametrize(
    ("name", "position", "theta", "regions", "n_on", "n_off", "sigma", "hours"),
    [
        ("magic/rad_max", CRAB, 0.1414, 1, 1212, 422, 19.9605, 0.65359),
        ("magic/rad_max", CRAB, 0.1414, 3, 1212, 1283, 25.3335, 0.65359),
        ("joint-crab/magic", CRAB, 0.1414, 1, 923, 173, 23.7379, 0.65479),
        ("joint-crab/magic", CRAB, 0.1414, 3, 923, 608, 29.1853, 0.65479),
        ("joint-crab/veritas", CRAB, 0.10, 1, 294, 17, 17.2991, 0.60597),
        ("joint-crab/veritas", CRAB, 0.10, 3, 294, 40, 24.3592, 0.60597),
        ("joint-crab/veritas", CRAB, 0.10, 5, 294, 72, 26.7744, 0.60597),
        ("joint-crab/fact", CRAB, 0.1732, 1, 691, 291, 12.9525, 10.12769),
        ("joint-crab/fact", CRAB, 0.1732, 5, 691, 1349, 18.8721, 10.12769),
        ("hess-dl3-dr1", CRAB, 0.11, 1, 698, 51, 25.8036, 1.75384),
        ("hess-dl3-dr1", CRAB, 0.11, 3, 698, 190, 33.5046, 1.75384),
        ("hess-dl3-dr1", CRAB, 0.11, 5, 698, 261, 38.3886, 1.75384),
        ("hess-dl3-dr1", PKS, 0.11, 3, 15443, 1111, 187.9047, 6.57956),
    ],
)
def test_counts(
    public_data: Data,
    name: str,
    position: tuple[float, float],
    theta: float,
    regions: int,
    n_on: int,
    n_off: int,
    sigma: float,
    hours: float,
) -> None:
    found = find(public_data(name), position, theta, off_regions=regions)
    assert (found.stacked.n_on, found.stacked.n_off) == (n_on, n_off)
    assert found.stacked.alpha == pytest.approx(1 / regions)
    assert found.stacked.significance == pytest.approx(sigma, abs=1e-3)
    assert found.stacked.livetime_s / 3600 == pytest.approx(hours, abs=1e-5)
    # however a night is cut into steps, the last step is the night
    assert found.steps[-1].counts.n_on == n_on
    assert found.steps[-1].counts.significance == pytest.approx(sigma, abs=1e-3)


def test_energy_dependent_cut(public_data: Data) -> None:
    """gammapy with RAD_MAX_2D and three OFF points, in the energy bins of the fit."""
    found = find(
        public_data("magic/rad_max"),
        CRAB,
        None,
        off_regions=3,
        energy_min=0.12227184,
        energy_max=16.721955,
    )
    assert (found.stacked.n_on, found.stacked.n_off) == (635, 226)
    assert found.stacked.excess == pytest.approx(559.667, abs=1e-3)
    assert found.stacked.significance == pytest.approx(29.9895, abs=1e-3)
    assert found.cut.theta_deg is None


def test_without_a_wish_a_wide_cut_at_low_energies_does_not_cost_the_off_regions(
    public_data: Data,
) -> None:
    # the widest energy-dependent cut, 0.387 deg, leaves room for the opposite position only
    everything = find(public_data("magic/rad_max"), CRAB, None)
    assert {part.off_regions for part in everything.runs} == {3}
    assert everything.energy_min == pytest.approx(0.0398107, rel=1e-5)
    only = find(public_data("magic/rad_max"), CRAB, None, off_regions=1)
    assert {part.off_regions for part in only.runs} == {1}
    assert only.energy_min is None
    high = find(public_data("magic/rad_max"), CRAB, None, energy_min=0.1)
    assert {part.off_regions for part in high.runs} == {3}


def test_a_wish_for_off_regions_limits_the_energy_range_to_where_they_fit(
    public_data: Data,
) -> None:
    found = find(public_data("magic/rad_max"), CRAB, None, off_regions=3)
    assert {part.off_regions for part in found.runs} == {3}
    assert found.energy_min == pytest.approx(0.0398107, rel=1e-5)
    assert any("fit only above" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("name", "theta"), [("joint-crab/magic", 0.1414213), ("joint-crab/fact", 0.17320508)]
)
def test_the_cut_of_the_irfs_is_found_also_in_a_shared_file(
    public_data: Data, name: str, theta: float
) -> None:
    found = find(public_data(name), CRAB, None)
    assert found.cut.theta_deg == pytest.approx(theta, rel=1e-6)
    assert found.cut.origin == "RAD_MAX of the IRFs"


@pytest.mark.parametrize(
    ("name", "position", "energy_min", "peak", "sigma"),
    [
        ("magic/rad_max", CRAB, None, 30.61, 1.02),
        ("magic/rad_max", CRAB, 0.15, 40.19, 0.97),
        ("joint-crab/magic", CRAB, None, 36.07, 1.00),
        ("joint-crab/veritas", CRAB, None, 33.70, 1.00),
        ("joint-crab/fact", CRAB, None, 20.06, 0.96),
        ("joint-crab/hess", CRAB, 0.5, 42.88, 1.04),
        ("hess-dl3-dr1", MSH, 0.5, 19.34, 0.96),
    ],
)
def test_sky_map(
    public_data: Data,
    name: str,
    position: tuple[float, float],
    energy_min: float | None,
    peak: float,
    sigma: float,
) -> None:
    settings = {"map_bin": 0.02, "map_radius": 0.1}
    if energy_min is not None:
        settings["energy_min"] = energy_min
    found = find(public_data(name), position, 0.1, **settings)
    off = found.sky.significance[found.sky.off_source]
    assert found.sky.method == "2d"
    assert found.peak is not None
    assert found.peak.significance == pytest.approx(peak, rel=0.035)
    assert found.peak.offset < 0.05
    assert off.std() == pytest.approx(sigma, abs=0.05)
    assert abs(off.mean()) < 0.15
    assert found.fit is not None
    assert found.fit.offset < 0.04
    assert np.isfinite(found.fit.x_error)


def test_off_runs_show_nothing(public_data: Data) -> None:
    """Fields without a source: no significance beyond chance, run by run."""
    found = find(public_data("hess-dl3-dr1"), (187.27915345, 2.05238857), 0.11)
    values = [part.counts.significance for part in found.runs]
    assert len(values) >= 4
    assert abs(found.stacked.significance) < 3
    assert max(abs(value) for value in values) < 4
