"""Counts, significances and maps of public data of four telescopes against reference numbers.

The numbers come from an independent brute-force count and from gammapy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.aperture.counts import CutKind, RunCounts, ThetaCut, count_run
from astran.highlevel.aperture.statistics import stack
from astran.highlevel.dl3.run import Dl3Run, Excluded, read_run
from astran.highlevel.geometry import vector
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Background, Options
from astran.highlevel.output.assembly import assemble_results

CRAB, PKS = (83.63333, 22.01444), (329.71693826, -30.225589)
MSH = (228.529, -59.1575)
Data = Callable[[str], Path]


def find(
    folder: Path,
    position: tuple[float, float],
    theta: float | None,
    background: Background | None = None,
    **settings: float,
) -> FolderMeasurement:
    return measure_folder(
        Options(
            dl3=(folder,),
            output=Path("unused"),
            name="Source",
            position=position,
            settings=HighlevelSettings.model_validate(settings),
            theta_cut=theta,
            background=background,
            spectrum=False,
        )
    )


REFERENCE: dict[str, Any] = json.loads(
    Path(__file__).with_name("reference.json").read_text(encoding="utf-8")
)


def place(case: dict[str, Any]) -> tuple[float, float]:
    ra, dec = REFERENCE["positions"][case["source"]]
    return ra, dec


def called(case: dict[str, Any]) -> str:
    return "-".join(str(case[k]) for k in ("data", "source", "off_regions"))


@pytest.mark.parametrize("case", REFERENCE["counts"], ids=called)
def test_counts(public_data: Data, case: dict[str, Any]) -> None:
    found = find(
        public_data(case["data"]), place(case), case["theta"], off_regions=case["off_regions"]
    )
    stacked = found.stacked
    assert (stacked.n_on, stacked.n_off) == (case["n_on"], case["n_off"])
    assert stacked.alpha == pytest.approx(1 / case["off_regions"])
    assert stacked.excess == pytest.approx(case["excess"], abs=1e-5)
    assert stacked.significance == pytest.approx(case["significance"], rel=1e-5)
    assert stacked.livetime_s / 3600 == pytest.approx(case["livetime_h"], abs=1e-5)
    runs = sorted([p.run.obs_id, p.counts.n_on, p.counts.n_off] for p in found.runs)
    assert runs == sorted(case["runs"])
    # however a night is cut into steps, the last step is the night
    assert found.steps[-1].counts.n_on == case["n_on"]
    assert found.steps[-1].counts.significance == pytest.approx(case["significance"], rel=1e-5)


@pytest.mark.parametrize("case", REFERENCE["theta2"], ids=called)
def test_theta2(public_data: Data, case: dict[str, Any]) -> None:
    """Counts within the cut, and the ON histogram bin by bin."""
    found = find(
        public_data(case["data"]),
        place(case),
        float(np.sqrt(case["theta2"])),
        off_regions=case["off_regions"],
    )
    assert (found.stacked.n_on, found.stacked.n_off) == (case["n_on"], case["n_off"])
    edges = np.arange(len(case["counts"]) + 1) * case["width"]
    theta2 = np.concatenate([part.theta[0] for part in found.runs]) ** 2
    assert np.histogram(theta2, edges)[0] == pytest.approx(case["counts"], abs=1)


@pytest.mark.parametrize("case", REFERENCE["nights"], ids=lambda case: case["night"])
def test_nights(public_data: Data, case: dict[str, Any]) -> None:
    found = find(public_data("joint-crab/fact"), CRAB, 0.1732, off_regions=5)
    parts = [part.counts for part in found.runs if str(part.run.night) == case["night"]]
    night = stack(parts)
    assert (night.n_on, night.n_off) == (case["n_on"], case["n_off"])
    assert night.significance == pytest.approx(case["significance"], rel=1e-5)
    assert night.livetime_s / 3600 == pytest.approx(case["livetime_h"], abs=1e-5)
    assert night.rate == pytest.approx(case["rate"], rel=1e-5)


def test_fields_without_a_source(public_data: Data) -> None:
    """Each run of an empty field at the position in its header: counts, and no signal."""
    expected = REFERENCE["off_runs"]
    files = {
        int(path.name.split("_")[-1].split(".")[0]): path
        for path in (public_data("hess-dl3-dr1") / "data").glob("*.fits.gz")
    }
    cut = ThetaCut(CutKind.FIXED, 0.11, "as requested")
    parts = []
    for obs_id, n_on, n_off in expected["runs"]:
        run = read_run(files[obs_id], None)
        assert isinstance(run, Dl3Run)
        assert run.object_position is not None
        outcome = count_run(run, vector(*run.object_position), cut, 3)
        if n_on is None:
            assert isinstance(outcome, Excluded) or outcome.offset > 2.5
        else:
            assert isinstance(outcome, RunCounts)
            assert (outcome.counts.n_on, outcome.counts.n_off) == (n_on, n_off)
            parts.append(outcome.counts)
    total = stack(parts)
    assert len(parts) == expected["n_runs"]
    assert (total.n_on, total.n_off) == (expected["n_on"], expected["n_off"])
    assert total.significance == pytest.approx(expected["lima"], rel=1e-4)
    values = np.array([part.significance for part in parts])
    assert values.mean() == pytest.approx(expected["per_run_mean"], abs=1e-3)
    assert values.std() == pytest.approx(expected["per_run_std"], abs=0.02)


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
    ("name", "position", "energy_min", "method", "peak", "sigma"),
    [
        # where the independent map is narrower than 1 its acceptance holds the events it predicts
        ("magic/rad_max", CRAB, None, "2d", 30.607, 1.0205),
        ("magic/rad_max", CRAB, 0.15, "2d", 40.193, 1.0),
        ("joint-crab/magic", CRAB, None, "2d", 36.067, 1.0026),
        ("joint-crab/veritas", CRAB, None, "2d", 33.703, 0.9978),
        ("joint-crab/fact", CRAB, None, "2d", 20.059, 1.0),
        # gammapy's ring background with the files' model
        ("hess-dl3-dr1", CRAB, 0.5, "irf", 41.602, 1.0762),
        ("hess-dl3-dr1", MSH, 0.5, "irf", 18.849, 1.0624),
        ("hess-dl3-dr1", PKS, 0.5, "irf", 163.996, 1.0050),
    ],
)
def test_sky_map(
    public_data: Data,
    name: str,
    position: tuple[float, float],
    energy_min: float | None,
    method: str,
    peak: float,
    sigma: float,
) -> None:
    settings = {} if energy_min is None else {"energy_min": energy_min}
    found = find(public_data(name), position, 0.1, **settings)
    off = found.sky.significance[found.sky.off_source]
    assert found.sky.method == method
    assert found.peak is not None
    assert found.peak.significance == pytest.approx(peak, rel=0.02)
    assert found.peak.offset < 0.04
    assert off.std() == pytest.approx(sigma, abs=0.06)
    assert abs(off.mean()) < 0.15
    assert found.fit is not None
    assert found.fit.offset < 0.04
    assert np.isfinite(found.fit.x_error)


@pytest.mark.parametrize(
    ("name", "position", "method", "energy_min", "peak", "sigma"),
    [
        ("hess-dl3-dr1", CRAB, Background.TWO_D, 0.5, 42.879, 1.0385),
        ("hess-dl3-dr1", MSH, Background.TWO_D, 0.5, 19.339, 1.0),
        ("hess-dl3-dr1", CRAB, Background.RADIAL, 0.5, 42.736, 1.076),
        ("hess-dl3-dr1", MSH, Background.RADIAL, 0.5, 19.383, 1.031),
        ("magic/rad_max", CRAB, Background.RADIAL, 0.15, 39.003, 1.060),
        ("joint-crab/magic", CRAB, Background.RADIAL, None, 35.444, 1.297),
        ("joint-crab/veritas", CRAB, Background.RADIAL, None, 32.635, 1.049),
    ],
)
def test_sky_map_with_a_wanted_acceptance(
    public_data: Data,
    name: str,
    position: tuple[float, float],
    method: Background,
    energy_min: float | None,
    peak: float,
    sigma: float,
) -> None:
    settings = {} if energy_min is None else {"energy_min": energy_min}
    found = find(public_data(name), position, 0.1, method, **settings)
    assert found.sky.method == method
    assert found.peak is not None
    assert found.peak.significance == pytest.approx(peak, rel=0.02)
    assert found.sky.significance[found.sky.off_source].std() == pytest.approx(sigma, abs=0.05)


def test_a_camera_that_is_not_round_flags_the_map(public_data: Data) -> None:
    """A radial acceptance below 150 GeV: the width tells that the map is not to be trusted."""
    options = Options(
        dl3=(public_data("magic/rad_max"),),
        output=Path("unused"),
        name="Crab",
        position=CRAB,
        settings=HighlevelSettings(),
        theta_cut=0.1,
        background=Background.RADIAL,
        spectrum=False,
    )
    data = assemble_results(measure_folder(options), options, datetime(2024, 1, 1, tzinfo=UTC))
    assert data.map is not None and data.map.flagged
    assert data.map.off_sigma is not None and data.map.off_sigma > 1.4
    assert any("wider than it should be" in text for text in data.warnings)


def test_a_small_map_has_the_same_peak(public_data: Data) -> None:
    found = find(public_data("hess-dl3-dr1"), CRAB, 0.1, energy_min=0.5, map_width=2)
    assert found.peak is not None
    assert found.peak.significance == pytest.approx(41.602, rel=0.02)
    off = found.sky.significance[found.sky.off_source]
    assert off.std() == pytest.approx(1.0487, abs=0.05)


def test_off_runs_show_nothing(public_data: Data) -> None:
    """Fields without a source: no significance beyond chance, run by run."""
    found = find(public_data("hess-dl3-dr1"), (187.27915345, 2.05238857), 0.11)
    values = [part.counts.significance for part in found.runs]
    assert len(values) >= 4
    assert abs(found.stacked.significance) < 3
    assert max(abs(value) for value in values) < 4
