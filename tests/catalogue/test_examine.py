"""What is found in DL1 and data-check files, good and damaged ones."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables

from astran.telescopes.lst.catalogue.file_inspection import examine
from astran.telescopes.lst.catalogue.file_inspection.examine import examine_file
from astran.telescopes.lst.catalogue.file_inspection.facts import (
    CheckFacts,
    Dl1Facts,
    FileKind,
    combine_facts,
)
from astran.telescopes.lst.hdf5_open import DL1_TABLE as TABLE

START = 1702521180.0
EVENTS = np.dtype(
    [
        ("event_type", "i8"),
        ("intensity", "f8"),
        ("alt_tel", "f8"),
        ("az_tel", "f8"),
        ("dragon_time", "f8"),
    ]
)


def dl1(path: Path, rows: int = 10_000, rate: float = 1000.0, **changes: object) -> Path:
    """A file with what is needed of DL1: a tenth of pedestals, a twentieth of bright showers."""
    table = np.zeros(rows, EVENTS)
    table["event_type"] = np.where(np.arange(rows) % 10, 32, 2)
    table["intensity"] = np.where(np.arange(rows) % 20 == 7, 422.0, 80.0)
    table["alt_tel"], table["az_tel"] = np.radians(70.0), np.radians(0.5)
    table["az_tel"][::2] = np.radians(359.5)
    table["dragon_time"] = START + np.arange(rows) / rate
    for name, value in changes.items():
        table[name] = value
    folder, _, name = TABLE.rpartition("/")
    with tables.open_file(str(path), "w") as handle:
        handle.create_table(folder, name, table, createparents=True)
    return path


def facts(path: Path, sky: bool = False) -> Dl1Facts:
    return Dl1Facts(**examine_file(path, FileKind.DL1, sky))


def test_rates_times_and_pointing(tmp_path: Path) -> None:
    found = facts(dl1(tmp_path / "a.h5"))
    assert found.problem == ""
    assert (found.events, found.showers, found.bright) == (10_000, 9000, 500)
    assert found.start == START
    assert found.seconds == pytest.approx(10, abs=0.01)
    assert found.livetime == pytest.approx(10 - 10_000 * 7.1e-6, abs=0.01)
    assert found.zenith == pytest.approx(20)
    assert min(found.az or 0, 360 - (found.az or 0)) < 1e-6, "north lies between 359.5 and 0.5 deg"
    assert found.rate == pytest.approx(900, rel=0.01)
    at_zenith = 500 / 10 / (562.3 - 316.2)
    assert found.rate_422 is not None
    assert 1.0 < found.rate_422 / at_zenith < 1.1


def test_samples_of_a_large_file_tell_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dl1(tmp_path / "a.h5", rows=50_000)
    all_of_it = facts(path)
    for name, value in (("SAMPLES", 5), ("SAMPLE_ROWS", 400)):
        monkeypatch.setattr(examine, name, value)
    sampled = facts(path)
    assert (sampled.events, sampled.start, sampled.stop) == (
        all_of_it.events,
        all_of_it.start,
        all_of_it.stop,
    )
    assert sampled.rate == pytest.approx(all_of_it.rate, rel=0.01)
    assert sampled.rate_422 == pytest.approx(all_of_it.rate_422, rel=0.05)


@pytest.mark.parametrize("rows", [0, 1, 3_999, 4_001, 49_000, 100_000, 100_001, 123_457, 5_000_000])
def test_no_row_is_read_twice(rows: int) -> None:
    """Events that are there twice are looked for in what is read."""
    parts = examine._ranges(rows)
    assert parts[0][0] == 0
    assert parts[-1][1] == rows
    assert all(end <= begin for (_, end), (begin, _) in pairwise(parts))


def test_the_pointing_on_the_sky_and_the_moon(tmp_path: Path) -> None:
    """Altitude and azimuth of the Crab that night, from an independent look-up by astropy."""
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False):
        place = EarthLocation.from_geodetic(-17.89139 * u.deg, 28.76139 * u.deg, 2184 * u.m)
        when = Time(START + 5, format="unix")
        crab = SkyCoord(83.6331 * u.deg, 22.0145 * u.deg)
        there = crab.transform_to(AltAz(obstime=when, location=place))
    path = dl1(tmp_path / "a.h5", alt_tel=there.alt.rad, az_tel=there.az.rad)
    found = facts(path, sky=True)
    assert found.ra == pytest.approx(83.6331, abs=0.01)
    assert found.dec == pytest.approx(22.0145, abs=0.01)
    assert found.dec_spread is not None
    assert found.dec_spread < 0.01
    assert found.moon_lit is not None
    assert found.moon_lit < 0.03, "new moon was on 2023-12-12"


def test_an_empty_table_is_told_from_a_broken_file(tmp_path: Path) -> None:
    found = facts(dl1(tmp_path / "a.h5", rows=0))
    assert (found.problem, found.events) == ("", 0)


def test_damaged_files_are_named_in_plain_words(tmp_path: Path) -> None:
    good = dl1(tmp_path / "good.h5").read_bytes()
    cases = {
        "it is truncated": good[: len(good) // 2],
        "it is no HDF5 file": b"no HDF5 at all",
    }
    for words, content in cases.items():
        path = tmp_path / "bad.h5"
        path.write_bytes(content)
        assert facts(path).problem == words
    assert "cannot be read" in facts(tmp_path / "nowhere.h5").problem
    with tables.open_file(str(tmp_path / "other.h5"), "w") as handle:
        handle.create_array("/", "x", [1])
    assert "holds no table of events" in facts(tmp_path / "other.h5").problem
    folder, _, name = TABLE.rpartition("/")
    with tables.open_file(str(tmp_path / "less.h5"), "w") as handle:
        rows = np.zeros(5, [("event_type", "i8"), ("intensity", "f8")])
        handle.create_table(folder, name, rows, createparents=True)
    assert "lacks the columns alt_tel, az_tel, dragon_time" in facts(tmp_path / "less.h5").problem


def test_subruns_together_are_the_run(tmp_path: Path) -> None:
    whole = facts(dl1(tmp_path / "whole.h5"))
    first = facts(dl1(tmp_path / "a.h5", rows=5000))
    last = facts(dl1(tmp_path / "b.h5", rows=5000, dragon_time=START + 5 + np.arange(5000) / 1000))
    both = combine_facts([first, last])
    assert (both.events, both.showers, both.start) == (whole.events, whole.showers, whole.start)
    assert both.rate == pytest.approx(whole.rate, rel=0.01)
    later = facts(
        dl1(tmp_path / "c.h5", rows=5000, dragon_time=START + 99 + np.arange(5000) / 1000)
    )
    gap = combine_facts([first, later])
    assert gap.seconds == pytest.approx(10, abs=0.01), "a missing subrun is no time of observation"


@pytest.mark.parametrize(
    "form",
    [{"format": "fixed"}, {"format": "table"}, {"format": "table", "data_columns": True}],
    ids=str,
)
def test_data_check_of_a_night(tmp_path: Path, form: dict[str, Any]) -> None:
    pd = pytest.importorskip("pandas")
    path = tmp_path / "DL1_datacheck_20231213.h5"
    runs = [1, 1, 2, 2, 3]
    spectrum = {
        "runnumber": runs,
        "diffuse_nsb_std": [1.5, 1.7, 2.5, np.nan, np.nan],
        "ZD_corrected_cosmics_rate_at_422_pe": [1.8, 1.6, 0.5, 0.7, np.nan],
        "anomalous_low_intensity_peak": [False] * 5,
    }
    pd.DataFrame(spectrum).to_hdf(path, key="cosmics_intensity_spectrum", mode="w", **form)
    summary = {"runnumber": [1, 2, 3, 4], "ped_charge_stddev": [9.0, 9.0, 1.9, 2.0]}
    pd.DataFrame(summary).to_hdf(path, key="runsummary", **form)
    found = {
        int(r): CheckFacts.from_json(f) for r, f in examine_file(path, FileKind.DATACHECK).items()
    }
    assert (found[1].nsb, found[1].rate_422) == (pytest.approx(1.6), pytest.approx(1.7))
    assert (found[2].nsb, found[2].rate_422) == (2.5, pytest.approx(0.6))
    assert (found[3].nsb, found[3].rate_422) == (1.9, None), "the run's own where stars are in"
    assert (found[4].nsb, found[4].rate_422) == (2.0, None)
    assert [found[run].subruns for run in found] == [2, 2, 1, 0]
    assert [found[run].absent for run in found] == [False, False, False, True]
    assert set(found[3].undefined) == {"rate_422", "steady"}
    assert found[1].index is None, "a file without a column does not tell"


def test_a_data_check_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "check.h5"
    path.write_bytes(b"nothing")
    assert examine_file(path, FileKind.DATACHECK) == {}


def test_the_zenith_of_a_run_is_that_of_its_mean_event() -> None:
    parts = [Dl1Facts(events=300, alt=70.0), Dl1Facts(events=100, alt=66.0), Dl1Facts(events=9)]
    assert combine_facts(parts).zenith == pytest.approx(21.0)
