"""Broken files: each is left out with a reason that names the fault, and the night goes on."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, RA, Made, write_night, write_run

from astran.base.errors import ProductError
from astran.config.analysis import HighlevelSettings
from astran.highlevel.analysis import measure_folder
from astran.highlevel.measurement import FolderMeasurement
from astran.highlevel.options import Options

BAD = 15999


def find(folder: Path, **values: Any) -> FolderMeasurement:
    settings = {"map_bin": 0.1, "map_width": 2.0, **values.pop("settings", {})}
    return measure_folder(
        Options(
            dl3=(folder,),
            output=folder,
            name="Crab",
            position=(RA, DEC),
            settings=HighlevelSettings(**settings),
            **values,
        )
    )


def drop(name: str) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        del hdus[name]

    return change


def header(key: str, value: Any, hdu: str = "EVENTS") -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        if value is None:
            hdus[hdu].header.remove(key)
        else:
            hdus[hdu].header[key] = value

    return change


def column(name: str, value: Any, hdu: str = "EVENTS") -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus[hdu].data[name] = value(hdus) if callable(value) else value

    return change


def both(
    first: Callable[[fits.HDUList], None], second: Callable[[fits.HDUList], None]
) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        first(hdus)
        second(hdus)

    return change


def no_rows(name: str) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus[name].data = hdus[name].data[:0]

    return change


def without_column(name: str) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus["EVENTS"].columns.del_col(name)

    return change


def only_primary(hdus: fits.HDUList) -> None:
    del hdus[1:]


def source_dependent(hdus: fits.HDUList) -> None:
    events = hdus["EVENTS"].data
    side = np.arange(len(events)) % 2
    events["RA"], events["DEC"] = RA - 0.8 * side, DEC


def unit(name: str, value: str) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        hdus["EVENTS"].columns[name].unit = value

    return change


def some(name: str, values: Callable[[Any], Any], hdu: str = "EVENTS") -> Any:
    """Change a column by a function of its values."""
    return column(name, lambda hdus: values(hdus[hdu].data[name].copy()), hdu)


def first(number: int, value: float) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        values[:number] = value
        return values

    return change


def add_good_time(start: float, stop: float) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        gti = hdus["GTI"]
        columns = [
            fits.Column(name, "D", unit="s", array=[gti.data[name][0], value])
            for name, value in (("START", start), ("STOP", stop))
        ]
        hdus["GTI"] = fits.BinTableHDU.from_columns(columns, gti.header, name="GTI")

    return change


def overlap(hdus: fits.HDUList) -> None:
    start, stop = float(hdus["GTI"].data["START"][0]), float(hdus["GTI"].data["STOP"][0])
    add_good_time(start + 500, stop)(hdus)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop("EVENTS"), "no EVENTS"),
        (no_rows("EVENTS"), "no event"),
        (without_column("ENERGY"), "lacks the event columns ENERGY"),
        (without_column("TIME"), "lacks the event columns TIME"),
        (unit("ENERGY", "m"), "unit 'm'"),
        (drop("GTI"), "no GTI"),
        (no_rows("GTI"), "no good time interval"),
        (column("STOP", lambda h: h["GTI"].data["START"], "GTI"), "do not end after"),
        (column("STOP", np.nan, "GTI"), "no finite time"),
        (both(header("DEADC", None), header("LIVETIME", None)), "DEADC is missing"),
        (header("DEADC", 0.0), "DEADC is 0"),
        (header("DEADC", 1.7), "DEADC is 1.7"),
        (header("DEADC", "unknown"), "DEADC is no number"),
        (header("MJDREFI", None), "MJDREFI is missing"),
        (header("MJDREFI", 0), "good time intervals"),
        (both(header("MJDREFI", 0), header("MJDREFI", 0, "GTI")), "MJDREF or TIME is wrong"),
        (header("TIMESYS", "SUN"), "TIMESYS"),
        (header("RA_PNT", None), "RA_PNT is missing"),
        (header("RA_PNT", "east"), "RA_PNT is no number"),
        (header("DEC_PNT", 200.0), "impossible"),
        (both(drop("POINTING"), header("DEC_PNT", DEC + 1.9)), "scatter around"),
        (both(drop("POINTING"), header("DEC_PNT", DEC + 0.9)), "scatter around"),
        (header("DEC_PNT", DEC + 8.0), "away from the target"),
        (header("DEC_PNT", DEC + 0.4), "POINTING table and its header differ"),
        (header("OBS_MODE", "DRIFT"), "no fixed pointing"),
        (column("ENERGY", np.nan), "no finite ENERGY"),
        (column("RA", np.nan), "no finite RA"),
        (column("ENERGY", -1.0), "no energy above zero"),
        (some("ENERGY", first(7, np.inf)), "7 of 4,300 (0.16 %) of the events have no finite"),
        (some("ENERGY", first(4, 0.0)), "no energy above zero"),
        (some("DEC", first(3, 95.0)), "DEC beyond its range"),
        (some("TIME", first(6, np.nan)), "no finite TIME"),
        (add_good_time(np.nan, 5.0), "begin or end at no finite time"),
        (add_good_time(10.0, 5.0), "do not end after they begin"),
        (overlap, "begin before the one before has ended"),
        (header("LIVETIME", 1300.0), "is above its time"),
        (column("GAMMANESS", 0.1), "below the gammaness cut of its IRF"),
        (column("TIME", lambda h: h["EVENTS"].data["TIME"] + 1e5), "good time intervals"),
        (source_dependent, "source-dependent"),
        (header("AL_CUT", 10.0, "EFFECTIVE AREA"), "source-dependent"),
        (header("RAD_MAX", -1.0, "EFFECTIVE AREA"), "RAD_MAX = -1"),
        (header("DATASUM", "123456"), "not what it was written as"),
        (lambda hdus: hdus.append(hdus["EVENTS"].copy()), "2 EVENTS tables"),
        (column("DEC", lambda h: h["EVENTS"].data["RA"]), "scatter around"),
        (unit("RA", "rad"), "scatter around"),
        (without_column("RA"), "lacks the event columns RA"),
        (unit("TIME", "d"), "good time intervals"),
        (only_primary, "no EVENTS"),
    ],
)
def test_a_broken_run_is_left_out_and_the_night_goes_on(
    tmp_path: Path, change: Callable[[fits.HDUList], None], reason: str
) -> None:
    good = write_night(tmp_path)
    write_run(tmp_path, BAD, change=change)
    found = find(tmp_path)
    assert [part.run.obs_id for part in found.runs] == [15860, 15861, 15862, 15863]
    assert len(found.excluded) == 1
    assert reason in found.excluded[0].reason
    assert f"{BAD}" in found.excluded[0].file
    assert found.stacked.livetime_s == pytest.approx(sum(r.ontime * r.deadc for r in good))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_left_out(tmp_path: Path, part: float, packed: bool) -> None:
    write_night(tmp_path)
    path = write_run(tmp_path, BAD).path
    content = path.read_bytes()
    if packed:
        path.unlink()
        path, content = path.with_name(path.name + ".gz"), gzip.compress(content)
    path.write_bytes(content[: int(part * len(content))])
    found = find(tmp_path)
    assert len(found.runs) == 4
    assert [item.file for item in found.excluded] == [path.name]
    assert "cannot be read" in found.excluded[0].reason


def test_garbage_is_left_out(tmp_path: Path) -> None:
    write_night(tmp_path)
    (tmp_path / "dl3_LST-1.Run00001.fits").write_bytes(b"no FITS at all" * 1000)
    found = find(tmp_path)
    assert len(found.runs) == 4
    assert "cannot be read" in found.excluded[0].reason


def repeat(hdus: fits.HDUList) -> None:
    for name in hdus["EVENTS"].columns.names:
        hdus["EVENTS"].data[name][:50] = hdus["EVENTS"].data[name][50:100]


def shutter(hdus: fits.HDUList) -> None:
    """No events in the second half of the good time."""
    start = hdus["GTI"].data["START"][0]
    hdus["EVENTS"].data["TIME"] = start + (hdus["EVENTS"].data["TIME"] - start) / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (some("TIME", first(8, 1.0)), "8 of 4,300 (0.19 %) of the events are outside"),
        (some("ENERGY", lambda values: values * 1e4), "unit of ENERGY"),
        (repeat, "50 events that are in its list twice"),
        (shutter, "no events in"),
        (header("DEADC", None), "LIVETIME / ONTIME is used"),
        (header("LIVETIME", 5.0), "LIVETIME keyword says 5 s"),
        (header("RAD_MAX", None, "EFFECTIVE AREA"), "do not state their theta cut"),
        (header("RAD_MAX", 0.3, "EFFECTIVE AREA"), "different theta cuts"),
    ],
)
def test_what_is_odd_is_told(
    tmp_path: Path, change: Callable[[fits.HDUList], None], words: str
) -> None:
    write_night(tmp_path, runs=2)
    write_run(tmp_path, BAD, change=change)
    found = find(tmp_path)
    assert len(found.runs) == 3
    assert any(words in text for text in found.warnings), found.warnings


def test_the_livetime_is_good_time_times_deadc(tmp_path: Path) -> None:
    write_run(tmp_path, 15860, ontime=1000.0, deadc=0.9, change=header("LIVETIME", 5.0))
    found = find(tmp_path)
    assert found.stacked.livetime_s == pytest.approx(900.0)
    assert any("LIVETIME keyword says 5 s" in text for text in found.warnings)


def test_energies_in_another_unit_are_converted(tmp_path: Path) -> None:
    def change(hdus: fits.HDUList) -> None:
        hdus["EVENTS"].data["ENERGY"] *= 1000.0
        hdus["EVENTS"].columns["ENERGY"].unit = "GeV"

    one = find(write_run(tmp_path / "tev", 15860).path.parent, settings={"energy_min": 0.1})
    other = find(
        write_run(tmp_path / "gev", 15860, change=change).path.parent,
        settings={"energy_min": 0.1},
    )
    assert one.stacked.n_on == other.stacked.n_on > 0


def test_a_right_ascension_beyond_360_is_the_same_place(tmp_path: Path) -> None:
    turned = column("RA", lambda hdus: hdus["EVENTS"].data["RA"] + 360.0)
    one = find(write_run(tmp_path / "a", 15860).path.parent)
    other = find(write_run(tmp_path / "b", 15860, change=turned).path.parent)
    assert one.stacked.n_on == other.stacked.n_on > 0


def test_the_same_run_twice_counts_once(tmp_path: Path) -> None:
    first = write_run(tmp_path, 15860)
    write_run(tmp_path, 15860, name="dl3_LST-1.Run15860_copy.fits")
    found = find(tmp_path)
    assert found.stacked.livetime_s == pytest.approx(first.ontime * first.deadc)
    assert "the same run" in found.excluded[0].reason


def test_a_missing_run_number_is_read_from_the_name(tmp_path: Path) -> None:
    write_run(tmp_path, 15864, change=header("OBS_ID", None))
    assert find(tmp_path).runs[0].run.obs_id == 15864


def test_irf_and_index_files_in_the_folder_are_not_runs(tmp_path: Path) -> None:
    def only_irfs(hdus: fits.HDUList) -> None:
        for name in ("EVENTS", "GTI", "POINTING"):
            del hdus[name]

    write_night(tmp_path)
    write_run(tmp_path, 1, name="irf.fits", change=only_irfs)
    assert find(tmp_path).excluded == ()


def test_a_file_that_the_index_names_and_that_is_gone_is_told(tmp_path: Path) -> None:
    write_night(tmp_path)
    columns = [
        fits.Column("OBS_ID", "K", array=[15860, 15890]),
        fits.Column("HDU_TYPE", "20A", array=["events", "events"]),
        fits.Column("FILE_DIR", "20A", array=[".", "."]),
        fits.Column(
            "FILE_NAME", "60A", array=["dl3_LST-1.Run15860.fits", "dl3_LST-1.Run15890.fits"]
        ),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="HDU_INDEX")
    table.writeto(tmp_path / "hdu-index.fits.gz")
    found = find(tmp_path)
    assert [item.obs_id for item in found.excluded] == [15890]
    assert "not there" in found.excluded[0].reason


def test_when_nothing_is_left_the_error_names_every_reason(tmp_path: Path) -> None:
    write_run(tmp_path, 1, change=header("DEADC", 0.0))
    write_run(tmp_path, 2, change=drop("GTI"))
    with pytest.raises(ProductError, match=r"No usable run: 1: its DEADC is 0.*; 2: it has no GTI"):
        find(tmp_path)


def test_an_empty_or_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="no FITS file"):
        find(tmp_path)
    with pytest.raises(ProductError, match="no folder"):
        find(tmp_path / "nowhere")


def test_the_run_is_what_the_maker_put_in(tmp_path: Path) -> None:
    made: Made = write_run(tmp_path, 15864, signal=500, background=6000)
    run = find(tmp_path).runs[0].run
    assert run.object == "Crab"
    assert run.zenith == pytest.approx(20.0)
    assert run.start.isoformat() == "2023-12-07T22:00:00+00:00"
    assert str(run.night) == "20231207"
    assert run.energy.size == made.signal + made.background
