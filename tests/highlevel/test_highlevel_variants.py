"""Sound files that look different: clocks, units, places on the sky, folders, IRFs."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, MJDREFI, RA, write_night, write_run

from astran.base.errors import ProductError
from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import FolderMeasurement, analyse, measure_folder
from astran.highlevel.options import Options
from astran.highlevel.output.assembly import assemble_results

FAST = {"map_bin": 0.1, "map_width": 2.0}


def find(
    folder: Path,
    position: tuple[float, float] | None = (RA, DEC),
    name: str = "Crab",
    **settings: Any,
) -> FolderMeasurement:
    return measure_folder(
        Options(
            dl3=(folder,),
            output=folder / "out",
            name=name,
            position=position,
            settings=HighlevelSettings.model_validate({**FAST, **settings}),
        )
    )


def numbers(found: FolderMeasurement) -> tuple[int, int, float]:
    counts = found.stacked
    return counts.n_on, counts.n_off, round(counts.livetime_s, 3)


def clock(hdus: fits.HDUList) -> list[Any]:
    return [hdus["EVENTS"].header, hdus["GTI"].header]


def other_epoch(hdus: fits.HDUList) -> None:
    """MJDREF of Fermi, and a fraction of a day."""
    shift = (MJDREFI - 51910 - 0.00074287037) * 86400
    hdus["EVENTS"].data["TIME"] += shift
    for name in ("START", "STOP"):
        hdus["GTI"].data[name] += shift
    for header in clock(hdus):
        header["MJDREFI"], header["MJDREFF"] = 51910, 0.00074287037


def one_keyword(hdus: fits.HDUList) -> None:
    for header in clock(hdus):
        header["MJDREF"] = float(MJDREFI)
        del header["MJDREFI"], header["MJDREFF"]


def days(hdus: fits.HDUList) -> None:
    hdus["EVENTS"].data["TIME"] /= 86400
    hdus["EVENTS"].columns["TIME"].unit = "d"
    for name in ("START", "STOP"):
        hdus["GTI"].data[name] /= 86400
        hdus["GTI"].columns[name].unit = "d"


def days_by_keyword(hdus: fits.HDUList) -> None:
    days(hdus)
    hdus["EVENTS"].columns["TIME"].unit = None
    for name in ("START", "STOP"):
        hdus["GTI"].columns[name].unit = None
    for header in clock(hdus):
        header["TIMEUNIT"] = "d"


def gti_of_another_epoch(hdus: fits.HDUList) -> None:
    for name in ("START", "STOP"):
        hdus["GTI"].data[name] += 10 * 86400
    hdus["GTI"].header["MJDREFI"] = MJDREFI - 10


def lower_case_clock(hdus: fits.HDUList) -> None:
    for header in clock(hdus):
        header["TIMESYS"] = "utc"


def radians(hdus: fits.HDUList) -> None:
    for name in ("RA", "DEC"):
        hdus["EVENTS"].data[name] = np.radians(hdus["EVENTS"].data[name])
        hdus["EVENTS"].columns[name].unit = "rad"


CHANGES = [
    other_epoch,
    one_keyword,
    days,
    days_by_keyword,
    gti_of_another_epoch,
    lower_case_clock,
    radians,
]


@pytest.mark.parametrize("change", CHANGES)
def test_clocks_and_units_do_not_change_numbers(tmp_path: Path, change: Any) -> None:
    write_run(tmp_path / "plain", 15860)
    write_run(tmp_path / "other", 15860, change=change)
    plain, other = find(tmp_path / "plain"), find(tmp_path / "other")
    assert numbers(plain) == numbers(other)
    assert plain.runs[0].run.night == other.runs[0].run.night
    assert not other.warnings


def test_a_clock_in_another_scale_moves_the_start(tmp_path: Path) -> None:
    def tt(hdus: fits.HDUList) -> None:
        for header in clock(hdus):
            header["TIMESYS"] = "TT"

    write_run(tmp_path, 15860, change=tt)
    start = find(tmp_path).runs[0].run.start
    assert start.isoformat(timespec="seconds") == "2023-12-07T21:58:50+00:00"  # TT - UTC: 69.2 s


@pytest.mark.parametrize(
    "place",
    [(0.02, 10.0), (359.97, -30.0), (180.0, 0.0), (228.5, -59.2), (37.95, 89.2), (120.0, -89.9)],
)
def test_the_place_on_the_sky_does_not_matter(tmp_path: Path, place: tuple[float, float]) -> None:
    write_night(tmp_path / "crab", signal=250, background=3000)
    write_night(tmp_path / "there", signal=250, background=3000, place=place)
    crab, there = find(tmp_path / "crab"), find(tmp_path / "there", place)
    assert there.stacked.n_on == pytest.approx(crab.stacked.n_on, abs=8)
    assert there.stacked.n_off == pytest.approx(crab.stacked.n_off, rel=0.05)
    assert there.peak is not None and crab.peak is not None
    assert there.peak.significance == pytest.approx(crab.peak.significance, rel=0.05)
    assert there.peak.offset < 0.1
    assert there.fit is not None
    assert there.fit.offset < 0.03


def test_results_and_plots_of_a_field_at_the_pole(tmp_path: Path) -> None:
    write_night(tmp_path / "dl3", runs=2, signal=200, background=2000, place=(37.95, 89.6))
    options = Options(
        dl3=(tmp_path / "dl3",),
        output=tmp_path / "out",
        name="Polaris",
        position=(37.95, 89.6),
        settings=HighlevelSettings.model_validate(FAST),
    )
    data = analyse(options)
    assert data.map.peak_dec_deg == pytest.approx(89.6, abs=0.1)
    assert (tmp_path / "out" / "skymap.png").is_file()


@pytest.mark.parametrize("scale", [0.05, 300.0])
def test_events_of_unusual_energy_count(tmp_path: Path, scale: float) -> None:
    write_night(tmp_path, runs=2, scale=scale)
    assert find(tmp_path).stacked.significance > 5


def test_packed_files_without_index(tmp_path: Path) -> None:
    for made in write_night(tmp_path / "plain"):
        packed = tmp_path / "packed" / (made.path.name + ".gz")
        packed.parent.mkdir(exist_ok=True)
        packed.write_bytes(gzip.compress(made.path.read_bytes()))
    assert numbers(find(tmp_path / "plain")) == numbers(find(tmp_path / "packed"))


def two_sources(folder: Path) -> None:
    write_night(folder, runs=2)
    for k in range(2):
        write_run(folder, 16000 + k, object_name="1ES1959+650", place=(299.9994, 65.1485))


def test_the_target_is_found_among_others_by_place_or_name(tmp_path: Path) -> None:
    two_sources(tmp_path)
    by_place = find(tmp_path, (299.9994, 65.1485), "")
    assert [part.run.obs_id for part in by_place.runs] == [16000, 16001]
    assert by_place.target.name == "1ES1959+650"
    assert {item.obs_id for item in by_place.excluded} == {15860, 15861}
    for name in ("1ES 1959+650", "1es1959+650", "Crab Nebula", "crab", "M1"):
        found = find(tmp_path, None, name)
        assert len(found.runs) == 2
        assert (found.runs[0].run.obs_id < 15900) is ("1" not in name or name == "M1")
    with pytest.raises(ProductError, match="1ES1959"):
        find(tmp_path, None, "")
    with pytest.raises(ProductError, match="position of the target is not known"):
        find(tmp_path, None, "Somewhere")


def test_a_name_that_only_the_files_know(tmp_path: Path) -> None:
    write_night(tmp_path, runs=2, object_name="My star", place=(10.0, 41.0))
    write_run(tmp_path, 15900)
    found = find(tmp_path, None, "my_star")
    assert len(found.runs) == 2
    assert found.target.ra == pytest.approx(10.0)


def test_a_name_in_the_files_without_a_position(tmp_path: Path) -> None:
    def nowhere(hdus: fits.HDUList) -> None:
        del hdus["EVENTS"].header["RA_OBJ"], hdus["EVENTS"].header["DEC_OBJ"]

    write_run(tmp_path, 15860, object_name="Crab Nebula", change=nowhere)
    assert find(tmp_path, None, "").target.ra == pytest.approx(83.63333)


def test_files_that_the_index_places_elsewhere(tmp_path: Path) -> None:
    made = write_run(tmp_path / "data", 15860)
    (tmp_path / "index").mkdir()
    columns = [
        fits.Column("OBS_ID", "K", array=[15860]),
        fits.Column("HDU_TYPE", "20A", array=["events"]),
        fits.Column("FILE_DIR", "20A", array=["../data"]),
        fits.Column("FILE_NAME", "60A", array=[made.path.name]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "index" / "hdu-index.fits.gz")
    assert [part.run.obs_id for part in find(tmp_path / "index").runs] == [15860]


def test_irfs_that_the_index_names_and_that_are_gone_cost_no_run(tmp_path: Path) -> None:
    made = write_run(tmp_path, 15860)
    columns = [
        fits.Column("OBS_ID", "K", array=[15860, 15860]),
        fits.Column("HDU_TYPE", "20A", array=["events", "aeff"]),
        fits.Column("FILE_DIR", "40A", array=[".", "$CALDB/data/lst"]),
        fits.Column("FILE_NAME", "60A", array=[made.path.name, "irf.fits"]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "hdu-index.fits.gz")
    assert len(find(tmp_path).runs) == 1


def test_off_regions_next_to_a_source_are_told(tmp_path: Path) -> None:
    write_night(tmp_path, runs=2, rad_max=0.05, background=6000)
    options = Options(
        dl3=(tmp_path,),
        output=tmp_path,
        name="Crab",
        position=(RA, DEC),
        settings=HighlevelSettings.model_validate({**FAST, "off_regions": 12}),
    )
    results = assemble_results(measure_folder(options), options, datetime(2024, 1, 1, tzinfo=UTC))
    said = results.warnings
    assert any("OFF regions begin 0.14 deg from the target" in text for text in said), said


def test_earlier_results_in_the_folder_are_no_runs(tmp_path: Path) -> None:
    write_night(tmp_path, runs=2)
    options = Options(
        dl3=(tmp_path,),
        output=tmp_path,
        name="Crab",
        position=(RA, DEC),
        settings=HighlevelSettings.model_validate(FAST),
    )
    first = analyse(options)
    again = measure_folder(options)
    assert again.excluded == first.excluded == ()
    assert again.stacked.n_on == first.stacked.n_on


def test_rad_max_tables_in_other_units(tmp_path: Path) -> None:
    def other(hdus: fits.HDUList) -> None:
        table = hdus["RAD_MAX"]
        for name in ("ENERG_LO", "ENERG_HI"):
            table.data[name] *= 1000
            table.columns[name].unit = "GeV"
        for name in ("THETA_LO", "THETA_HI", "RAD_MAX"):
            table.data[name] *= 60
            table.columns[name].unit = "arcmin"

    table = (0.3, 0.2, 0.1)
    write_run(tmp_path / "plain", 15860, table=table)
    write_run(tmp_path / "other", 15860, table=table, change=other)
    plain, other_units = find(tmp_path / "plain"), find(tmp_path / "other")
    assert plain.cut.theta_deg is None
    assert numbers(plain) == numbers(other_units)


def test_a_rad_max_table_of_zeros_is_no_cut(tmp_path: Path) -> None:
    write_run(tmp_path, 15860, table=(0.3, 0.2, 0.1))
    write_run(tmp_path, 15861, table=(0.0, 0.0, 0.0))
    found = find(tmp_path)
    assert [item.obs_id for item in found.excluded] == [15861]
    assert "no positive value" in found.excluded[0].reason
