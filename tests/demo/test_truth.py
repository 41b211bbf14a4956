"""Counting the simulated gammas that an analysis kept."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astran.base.errors import ProductError
from astran.demo.truth import count_gammas

RA, DEC = 83.6331, 22.0145


def event_list(path, run, rows):
    """A DL3 file with rows of (event id, offset in declination [deg])."""
    ids, offsets = zip(*rows, strict=True)
    table = Table({"EVENT_ID": ids, "RA": np.full(len(ids), RA), "DEC": DEC + np.array(offsets)})
    hdu = fits.BinTableHDU(table, name="EVENTS")
    hdu.header["OBS_ID"] = run
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


@pytest.fixture
def truth(tmp_path):
    runs = []
    for run, gammas in ((1, [10, 20, 30]), (2, [10])):
        name = f"gammas_{run}.json"
        (tmp_path / name).write_text(json.dumps({"run": run, "event_id": gammas}))
        runs.append({"run": run, "gammas_file": name})
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"target": {"ra_deg": RA, "dec_deg": DEC}, "runs": runs}))
    return path


def test_gammas_are_counted_by_event_id_of_their_run(truth, tmp_path):
    one = event_list(tmp_path / "1.fits", 1, [(10, 0.0), (20, 0.19), (30, 0.21), (40, 0.0)])
    two = event_list(tmp_path / "2.fits", 2, [(10, 0.1), (20, 0.0)])
    counts = count_gammas(truth, [one, two], 0.2)
    assert counts.selected == 4
    assert counts.on == 3


def test_theta_decides(truth, tmp_path):
    one = event_list(tmp_path / "1.fits", 1, [(10, 0.0), (20, 0.19), (30, 0.21)])
    assert [count_gammas(truth, [one], theta).on for theta in (0.1, 0.2, 0.3)] == [1, 2, 3]


def test_a_strange_run_is_refused(truth, tmp_path):
    strange = event_list(tmp_path / "3.fits", 3, [(10, 0.0)])
    with pytest.raises(ProductError, match="run 3"):
        count_gammas(truth, [strange], 0.2)


def test_a_run_counts_once(truth, tmp_path):
    one = event_list(tmp_path / "1.fits", 1, [(10, 0.0)])
    with pytest.raises(ProductError, match="twice"):
        count_gammas(truth, [one, one], 0.2)
