"""The map and its acceptance on made-up nights, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, RA, write_night, write_run

from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Background, Options


def find(
    folder: Path, target: tuple[float, float] = (RA, DEC), **settings: float
) -> FolderMeasurement:
    return measure_folder(
        Options((folder,), folder, "Crab", target, HighlevelSettings.model_validate(settings))
    )


def off(found: FolderMeasurement) -> np.ndarray:
    return found.sky.significance[found.sky.off_source]


def test_the_source_is_where_it_was_put(tmp_path: Path) -> None:
    write_night(tmp_path, background=8000, signal=400)
    found = find(tmp_path)
    assert found.sky.method is Background.TWO_D
    assert found.peak is not None
    assert found.peak.significance > 15
    assert found.peak.offset < 0.05
    assert found.fit is not None
    assert abs(found.fit.x) < 4 * found.fit.x_error
    assert abs(found.fit.y) < 4 * found.fit.y_error
    assert found.fit.width == pytest.approx(0.08, rel=0.15)
    assert found.fit.excess == pytest.approx(1600, rel=0.15)


def test_a_source_off_target_is_found_there(tmp_path: Path) -> None:
    write_night(tmp_path, background=8000, signal=400)
    found = find(tmp_path, target=(RA, DEC + 0.2))
    assert found.fit is not None
    assert found.fit.y == pytest.approx(-0.2, abs=0.02)
    assert found.sky.direction(found.fit.x, found.fit.y)[1] == pytest.approx(DEC, abs=0.02)


def test_east_is_positive_x(tmp_path: Path) -> None:
    write_night(tmp_path, background=8000, signal=400)
    found = find(tmp_path, target=(RA - 0.2 / np.cos(np.radians(DEC)), DEC))
    assert found.fit is not None
    assert found.fit.x == pytest.approx(0.2, abs=0.02)


def test_outside_of_the_source_it_is_a_standard_normal(tmp_path: Path) -> None:
    write_night(tmp_path, background=20000, signal=300)
    values = off(find(tmp_path))
    assert abs(values.mean()) < 0.12
    assert values.std() == pytest.approx(1.0, abs=0.1)


def test_an_uneven_camera_needs_two_dimensions(tmp_path: Path) -> None:
    """A gradient of 40 % over the field: flat in the map only with the 2-d acceptance."""

    def tilt(hdus: fits.HDUList) -> None:
        events = hdus["EVENTS"]
        x = (events.data["RA"] - events.header["RA_PNT"]) * np.cos(np.radians(DEC))
        rng = np.random.default_rng(int(events.header["OBS_ID"]))
        keep = rng.random(len(x)) < np.clip(0.6 + 0.35 * x, 0, 1)
        events.data = events.data[keep]

    write_night(tmp_path, background=40000, signal=0, change=tilt)
    assert find(tmp_path).sky.method is Background.TWO_D
    both = off(find(tmp_path))
    for run in (15861, 15863):
        (tmp_path / f"dl3_LST-1.Run{run}.fits").unlink()
    one = find(tmp_path)
    assert one.sky.method is Background.RADIAL
    assert both.std() < 1.12
    assert off(one).std() > both.std() + 0.1


def test_one_wobble_position_has_a_radial_acceptance(tmp_path: Path) -> None:
    write_run(tmp_path, 15860)
    assert find(tmp_path).sky.method is Background.RADIAL


@pytest.mark.parametrize("bin_deg", [0.02, 0.05, 0.07])
def test_the_target_is_the_middle_of_an_odd_map(tmp_path: Path, bin_deg: float) -> None:
    write_night(tmp_path, background=2000, signal=600)
    sky = find(tmp_path, map_bin=bin_deg, map_width=3.0).sky
    size = len(sky.counts)
    assert size % 2 == 1
    assert sky.significance.shape == (size, size)
    assert sky.direction(0.0, 0.0) == pytest.approx((RA, DEC))
    row, column = np.unravel_index(int(np.nanargmax(sky.significance)), sky.counts.shape)
    assert np.hypot(row - size // 2, column - size // 2) * bin_deg < 0.12


def test_pixels_without_exposure_have_no_significance(tmp_path: Path) -> None:
    write_night(tmp_path, background=2000)
    sky = find(tmp_path, map_width=10.0).sky
    assert np.isnan(sky.significance[0, 0])
    assert not sky.valid[0, 0]
    assert sky.valid[len(sky.counts) // 2, len(sky.counts) // 2]


def test_a_handful_of_events_gives_a_map_without_numbers_not_an_error(tmp_path: Path) -> None:
    write_run(tmp_path, 15860, background=3, signal=2)
    found = find(tmp_path)
    assert found.stacked.n_on >= 1
    assert found.fit is None
