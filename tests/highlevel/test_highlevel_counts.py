"""Which cut, how many OFF regions, and the sums of made-up runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as fitsio
from gammapy.irf import RadMax2D
from synthetic_dl3 import DEC, RA, write_night, write_run

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.aperture.counts import CutKind, fits_off_regions, max_off_regions
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options


def find(folder: Path, **values: Any) -> FolderMeasurement:
    settings = values.pop("settings", {})
    options = {"output": folder, "name": "Crab", "position": (RA, DEC), **values}
    return measure_folder(Options(dl3=(folder,), settings=HighlevelSettings(**settings), **options))


def test_the_injected_source_is_found_again(tmp_path: Path) -> None:
    made = write_night(tmp_path, background=8000, signal=400)
    found = find(tmp_path)
    truth = sum(run.signal for run in made) * (1 - np.exp(-(0.2**2) / (2 * 0.08**2)))
    assert found.cut.theta_deg == 0.2
    assert found.cut.origin == "RAD_MAX of the IRFs"
    assert found.stacked.excess == pytest.approx(truth, abs=3 * found.stacked.excess_error)
    assert found.stacked.livetime_s == pytest.approx(sum(r.ontime * r.deadc for r in made))


def test_without_a_source_there_is_none(tmp_path: Path) -> None:
    write_night(tmp_path, background=8000, signal=0)
    assert abs(find(tmp_path).stacked.significance) < 3.5


def test_a_requested_cut_wins_over_the_irfs(tmp_path: Path) -> None:
    write_night(tmp_path, table=(0.3, 0.2, 0.1))
    found = find(tmp_path, theta_cut=0.1)
    assert (found.cut.kind, found.cut.theta_deg) == (CutKind.FIXED, 0.1)


def test_the_fallback_serves_where_the_irfs_say_nothing(tmp_path: Path) -> None:
    write_night(tmp_path, rad_max=None)
    found = find(tmp_path, fallback_theta=0.17, fallback_origin="configuration")
    assert (found.cut.theta_deg, found.cut.origin) == (0.17, "configuration")


def test_irfs_of_unlike_cuts_are_told(tmp_path: Path) -> None:
    write_night(tmp_path, runs=3)
    write_run(tmp_path, 15870, rad_max=0.15)
    found = find(tmp_path)
    assert found.cut.theta_deg == 0.2
    assert any("different theta cuts (0.15, 0.2 deg)" in text for text in found.warnings)


def test_the_energy_dependent_cut_is_that_of_gammapy(tmp_path: Path) -> None:
    made = write_run(tmp_path, 15860, table=(0.25, 0.2, 0.1))
    found = find(tmp_path)
    theirs = RadMax2D.read(made.path, hdu="RAD_MAX")
    part = found.runs[0]
    expected = theirs.evaluate(
        energy=part.run.energy * theirs.axes["energy"].unit,
        offset=part.offset * theirs.axes["offset"].unit,
        method="nearest",
    ).to_value("deg")
    np.testing.assert_allclose(part.limit, expected.ravel(), rtol=1e-6)
    assert found.stacked.n_on == int((part.theta[0] <= part.limit).sum())


def test_a_source_beside_the_rad_max_table_is_not_silently_zero(tmp_path: Path) -> None:
    write_night(tmp_path, runs=2, table=(0.25, 0.2, 0.1))
    write_run(tmp_path, 15870, offset=0.7, table=(0.25, 0.2, 0.1))
    found = find(tmp_path)
    assert [item.obs_id for item in found.excluded] == [15870]
    assert "outside of its RAD_MAX table" in found.excluded[0].reason


def test_a_run_without_the_table_of_the_others_is_left_out(tmp_path: Path) -> None:
    write_night(tmp_path, runs=2, table=(0.25, 0.2, 0.1))
    write_run(tmp_path, 15870)
    assert "no RAD_MAX table" in find(tmp_path).excluded[0].reason


@pytest.mark.parametrize(
    ("offset", "radius", "number"),
    [(0.4, 0.2, 3), (0.4, 0.29, 2), (0.4, 0.35, 1), (0.4, 0.41, 0), (0.0, 0.1, 0), (0.5, 0.2, 3)],
)
def test_as_many_off_regions_as_fit(offset: float, radius: float, number: int) -> None:
    assert max_off_regions(offset, radius, 3) == number


def test_touching_circles_do_not_overlap() -> None:
    assert fits_off_regions(0.4, 1, 0.4)
    assert not fits_off_regions(0.4, 1, 0.401)


def test_off_events_are_never_on_events(tmp_path: Path) -> None:
    write_night(tmp_path, background=20000)
    for part in find(tmp_path, settings={"off_regions": 5}).runs:
        assert part.off_regions < 5  # five do not fit beside 0.2 deg at 0.4 deg
        assert part.passed.sum(axis=0).max() == 1


def test_the_energy_range_is_half_open(tmp_path: Path) -> None:
    def flat(hdus: fitsio.HDUList) -> None:
        hdus["EVENTS"].data["ENERGY"] = 0.5
        hdus["EVENTS"].data["ENERGY"][:10] = 0.1

    write_run(tmp_path, 15860, change=flat)
    low = find(tmp_path, settings={"energy_min": 0.1, "energy_max": 0.5})
    assert low.runs[0].run.energy.size == 10


def test_theta2_adds_up_to_the_counts(tmp_path: Path) -> None:
    write_night(tmp_path)
    found = find(tmp_path)
    inside = found.theta2.edges[1:] <= found.radius**2 + 1e-9
    assert found.theta2.on[inside].sum() == found.stacked.n_on
    assert found.theta2.off[inside].sum() == found.stacked.n_off
    assert found.theta2.background[inside].sum() == pytest.approx(found.stacked.background)


def test_steps_grow_in_livetime_to_the_whole(tmp_path: Path) -> None:
    write_night(tmp_path)
    found = find(tmp_path)
    times = [step.counts.livetime_s for step in found.steps]
    assert (np.diff(times) > 0).all()
    assert len(times) > len(found.runs)
    assert times[-1] == pytest.approx(found.stacked.livetime_s)
    assert found.steps[-1].counts.n_off == found.stacked.n_off
