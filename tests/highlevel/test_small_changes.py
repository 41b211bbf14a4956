"""Small changes of a DL3 file: each is taken as it is meant, or said, or refused; none changes a
number in silence."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import DEC, RA, write_run

from astran.base.errors import ProductError
from astran.base.night import Night
from astran.config.analysis import HighlevelSettings
from astran.highlevel.aperture.counts import choose_cut, count_run
from astran.highlevel.dl3.folder import scan_folder
from astran.highlevel.dl3.run_selection import select_runs
from astran.highlevel.geometry import vector
from astran.highlevel.options import Options, Threshold
from astran.highlevel.spectral.irfs import NoResponse
from astran.highlevel.spectral.reflected import off_events
from astran.highlevel.spectral.spectra import energy_edges, run_spectrum

Change = Callable[[fits.HDUList], Any]
SAME = ""
"""Taken as it is meant: no number changes."""


def add_dispersion(hdus: fits.HDUList) -> None:
    """An energy dispersion without much of it."""
    true, migra = np.geomspace(0.005, 50, 17), np.linspace(0.2, 1.8, 17)
    value = np.exp(-0.5 * (((migra[1:] + migra[:-1]) / 2 - 1) / 0.15) ** 2)
    parts = [("ENERG", true, "TeV"), ("MIGRA", migra, ""), ("THETA", np.array([0.3, 0.5]), "deg")]
    columns = []
    for name, edges, unit in parts:
        for end, half in (("LO", edges[:-1]), ("HI", edges[1:])):
            columns.append(fits.Column(f"{name}_{end}", f"{half.size}E", unit=unit, array=[half]))
    matrix = np.broadcast_to(value[None, :, None], (1, 16, 16)).astype(float)
    columns.append(fits.Column("MATRIX", "256E", dim="(16,16,1)", array=[matrix]))
    header = {
        "HDUCLASS": "GADF",
        "HDUCLAS1": "RESPONSE",
        "HDUCLAS2": "EDISP",
        "HDUCLAS3": "POINT-LIKE",
        "HDUCLAS4": "EDISP_2D",
        "RAD_MAX": 0.2,
    }
    hdus.append(
        fits.BinTableHDU.from_columns(columns, fits.Header(header), name="ENERGY DISPERSION")
    )


def measure(folder: Path, **values: Any) -> tuple[list[Any], list[str]]:
    """The numbers of a folder, and all that is said about it."""
    options = Options(
        dl3=(folder,),
        output=folder,
        name="Crab",
        position=(RA, DEC),
        settings=HighlevelSettings(),
        **values,
    )
    try:
        chosen = select_runs(scan_folder(folder), options)
    except ProductError as error:
        return [], [error.message]
    target = vector(RA, DEC)
    choice = choose_cut(chosen.runs, target, None, 0.2, "default")
    said = [*chosen.warnings, *choice.warnings]
    said += [item.reason for item in (*chosen.excluded, *choice.excluded)]
    edges = energy_edges(None, None)
    numbers: list[Any] = []
    for run in choice.runs:
        counts: Any = count_run(run, target, choice.cut, None)
        numbers += [str(run.night), run.start.timestamp(), run.livetime_s, run.energy.sum()]
        numbers += [counts.counts.n_on, counts.counts.n_off, counts.counts.alpha]
        try:
            off = off_events(counts, choice.cut, (), None)
            found = run_spectrum(counts, choice.cut, edges, False, Threshold.LOWEST, off)
        except NoResponse as error:
            said.append(str(error))
            continue
        said += [found.response.note] if found.response.note else []
        numbers += [found.threshold.energy_tev, found.spectrum.matrix.sum() * 1e-10]
        said += [found.threshold.origin] if "LO_THRES" in found.threshold.origin else []
    return numbers, said


def write_pair(folder: Path, change: Change | None = None) -> None:
    """Two runs, of which the second is changed."""

    def second(hdus: fits.HDUList) -> None:
        add_dispersion(hdus)
        if change is not None:
            change(hdus)

    write_run(folder, 1, start="2023-12-07T21:00:00", change=add_dispersion, background=600)
    write_run(folder, 2, start="2023-12-07T22:00:00", change=second, background=600, angle=270.0)


def key(word: str, value: Any, hdu: str = "EVENTS") -> Change:
    def change(hdus: fits.HDUList) -> None:
        if value is None:
            del hdus[hdu].header[word]
        else:
            hdus[hdu].header[word] = value

    return change


def times(factor: float, unit: str | None, column: str = "ENERGY", hdu: str = "EVENTS") -> Change:
    """Values in another unit, that is told or (None) not."""

    def change(hdus: fits.HDUList) -> None:
        hdus[hdu].data[column] = hdus[hdu].data[column] * factor
        if unit is not None:
            hdus[hdu].columns[column].unit = unit

    return change


def all_of(*changes: Change) -> Change:
    def change(hdus: fits.HDUList) -> None:
        for one in changes:
            one(hdus)

    return change


def twice(shift_s: float = 0.0, energy: float = 1.01, number: int = 0) -> Change:
    """Each event twice, the second time with another energy, and perhaps time or number."""

    def change(hdus: fits.HDUList) -> None:
        table = hdus["EVENTS"]
        data = np.concatenate([table.data, table.data])
        half = len(table.data)
        data["ENERGY"][half:] *= energy
        data["TIME"][half:] += shift_s
        data["EVENT_ID"][half:] += number
        hdus["EVENTS"] = fits.BinTableHDU(data, table.header, name="EVENTS")

    return change


def rearranged(hdus: fits.HDUList) -> None:
    data = hdus["EVENTS"].data
    hdus["EVENTS"].data = data[np.random.default_rng(1).permutation(len(data))]


def area_not_a_number(hdus: fits.HDUList) -> None:
    hdus["EFFECTIVE AREA"].data["EFFAREA"][..., -1] = np.nan


def clock_of_2001(hdus: fits.HDUList) -> None:
    for name, columns in {"EVENTS": ["TIME"], "GTI": ["START", "STOP"]}.items():
        for column in columns:
            hdus[name].data[column] += (58392 - 51910) * 86400.0
        hdus[name].header["MJDREFI"] = 51910


def in_radians(hdus: fits.HDUList) -> None:
    for name in ("EVENTS", "POINTING"):
        for column in {"RA", "DEC", "RA_PNT", "DEC_PNT"} & set(hdus[name].columns.names):
            times(np.pi / 180, "rad", column, name)(hdus)


def gti_in_days(hdus: fits.HDUList) -> None:
    for column in ("START", "STOP"):
        times(1 / 86400, "d", column, "GTI")(hdus)


def shifted_pointing(hdus: fits.HDUList) -> None:
    hdus["EVENTS"].header["RA_PNT"] += 3.0


CHANGES: dict[str, tuple[Change, str]] = {
    # events
    "events in another order": (rearranged, SAME),
    "each event twice": (twice(), "twice were dropped"),
    "each event twice, later": (twice(1e-3), "twice were dropped"),
    "each event twice, renumbered": (twice(number=10**6), "twice were dropped"),
    "energies in GeV, told": (times(1e3, "GeV"), SAME),
    "energies in MeV, told": (times(1e6, "MeV"), SAME),
    "energies in GeV, not told": (times(1e3, None), "unit of ENERGY"),
    "energies in MeV, not told": (times(1e6, None), "unit of ENERGY"),
    "energies in TeV, said GeV": (times(1.0, "GeV"), "unit of ENERGY"),
    "energies in metres": (times(1.0, "m"), "has the unit 'm'"),
    "an energy of zero": (lambda h: h["EVENTS"].data["ENERGY"].__setitem__(3, 0.0), "above zero"),
    "an energy that is none": (
        lambda h: h["EVENTS"].data["ENERGY"].__setitem__(3, np.nan),
        "no finite ENERGY",
    ),
    "a declination of 95 deg": (
        lambda h: h["EVENTS"].data["DEC"].__setitem__(3, 95.0),
        "beyond its range",
    ),
    "right ascensions plus 360": (lambda h: h["EVENTS"].data["RA"].__iadd__(360.0), SAME),
    "directions in rad, told": (in_radians, SAME),
    "directions in rad, not told": (
        all_of(times(np.pi / 180, None, "RA"), times(np.pi / 180, None, "DEC")),
        "away from the pointing",
    ),
    "times in ms, told": (times(1e3, "ms", "TIME"), SAME),
    "times in days, not told": (times(1 / 86400, None, "TIME"), "outside of its good time"),
    "no EVENT_ID": (lambda h: h["EVENTS"].columns.del_col("EVENT_ID"), "EVENT_ID"),
    "gammaness below the cut": (
        lambda h: h["EVENTS"].data["GAMMANESS"].__imul__(0.5),
        "below the gammaness cut",
    ),
    "events of a later hour": (
        lambda h: h["EVENTS"].data["TIME"].__iadd__(3600.0),
        "outside of its good time",
    ),
    # header
    "DEADC missing": (key("DEADC", None), "LIVETIME / ONTIME"),
    "DEADC and LIVETIME missing": (
        all_of(key("DEADC", None), key("LIVETIME", None)),
        "DEADC is missing",
    ),
    "LIVETIME missing": (key("LIVETIME", None), SAME),
    "ONTIME missing": (key("ONTIME", None), SAME),
    "livetime as long as the time": (
        all_of(key("DEADC", 1.0), key("LIVETIME", 1200.0)),
        "No dead time",
    ),
    "LIVETIME as long as ONTIME": (key("LIVETIME", 1200.0), "as long as its time"),
    "LIVETIME half": (key("LIVETIME", 570.0), "LIVETIME keyword"),
    "DEADC 0": (key("DEADC", 0.0), "DEADC is 0"),
    "DEADC in percent": (key("DEADC", 95.0), "DEADC is 95"),
    "ONTIME twice": (key("ONTIME", 2400.0), "more than its good time"),
    "frame FK4": (key("RADECSYS", "FK4"), "frame FK4"),
    "frame FK5 of J2000": (all_of(key("RADECSYS", "FK5"), key("EQUINOX", 2000.0)), SAME),
    "frame FK5 of B1950": (all_of(key("RADECSYS", "FK5"), key("EQUINOX", 1950.0)), "equinox 1950"),
    "frame galactic": (key("RADESYS", "GALACTIC"), "frame GALACTIC"),
    "pointing 3 deg away": (shifted_pointing, "POINTING table"),
    "pointing in rad, header": (
        all_of(key("RA_PNT", np.radians(RA)), key("DEC_PNT", np.radians(DEC))),
        "away from the target",
    ),
    "no pointing": (key("RA_PNT", None), "RA_PNT is missing"),
    "drift scan": (key("OBS_MODE", "DRIFT"), "no fixed pointing"),
    "clock of 2001": (clock_of_2001, SAME),
    "MJDREFI missing": (key("MJDREFI", None), "MJDREFI"),
    "MJDREFI wrong": (key("MJDREFI", 98392), "outside of its good time"),
    "time scale TT": (key("TIMESYS", "TT"), ""),
    "time scale unknown": (key("TIMESYS", "MARS"), "TIMESYS"),
    "OBS_ID of another file": (key("OBS_ID", 7), "run number 7"),
    "object of another name": (key("OBJECT", "Mrk 421"), SAME),
    "no telescope": (key("TELESCOP", None), SAME),
    # good time
    "good time in days, told": (gti_in_days, SAME),
    "good time longer by an hour": (
        lambda h: h["GTI"].data["STOP"].__iadd__(3600.0),
        "no events in",
    ),
    "good time half": (lambda h: h["GTI"].data["STOP"].__isub__(600.0), "outside of its good time"),
    "good time ends before it begins": (
        lambda h: h["GTI"].data["STOP"].__isub__(9000.0),
        "do not end after",
    ),
    "no good time": (lambda h: h.__delitem__("GTI"), "no GTI"),
    # response
    "area in cm2, told": (times(1e4, "cm2", "EFFAREA", "EFFECTIVE AREA"), SAME),
    "area in cm2, not told": (times(1e4, None, "EFFAREA", "EFFECTIVE AREA"), "is its unit right"),
    "area in km2, not told": (times(1e-6, None, "EFFAREA", "EFFECTIVE AREA"), "is its unit right"),
    "area not a number above 1 TeV": (area_not_a_number, "finite only from"),
    "area for another theta cut": (
        all_of(key("RAD_MAX", 0.1, "EFFECTIVE AREA"), key("RAD_MAX", 0.1, "ENERGY DISPERSION")),
        "different theta cuts",
    ),
    "area for other offsets": (
        all_of(
            times(4.0, None, "THETA_LO", "EFFECTIVE AREA"),
            times(4.0, None, "THETA_HI", "EFFECTIVE AREA"),
        ),
        "zero at an offset of 0.40 deg",
    ),
    "LO_THRES far below the data": (key("LO_THRES", 0.001, "EFFECTIVE AREA"), "below the data"),
    "area gone": (lambda h: h.__delitem__("EFFECTIVE AREA"), "no effective area"),
    "dispersion gone": (lambda h: h.__delitem__("ENERGY DISPERSION"), "no energy dispersion"),
}


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("unchanged")
    write_pair(folder)
    numbers, said = measure(folder)
    assert said == [] and len(numbers) == 18
    return numbers


def equal(numbers: list[Any], others: list[Any]) -> bool:
    return len(numbers) == len(others) and all(
        one == other or (isinstance(one, float) and other == pytest.approx(one, rel=1e-5))
        for one, other in zip(numbers, others, strict=True)
    )


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_changes_in_silence(tmp_path: Path, name: str, unchanged: list[Any]) -> None:
    change, word = CHANGES[name]
    write_pair(tmp_path, change)
    numbers, said = measure(tmp_path)
    if word == SAME and name != "time scale TT":
        assert equal(numbers, unchanged)
    elif name == "time scale TT":
        numbers[10] += 69.184  # TT is ahead of UTC by so many seconds
        assert equal(numbers, unchanged)
    else:
        assert any(word in text for text in said), said


def packed_with(write: Callable[[Path, bytes], Any], suffix: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(folder.glob("*Run00002.fits"))
        write(path.with_name(path.name + suffix), path.read_bytes())
        path.unlink()

    return change


def zipped(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.fits", content)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "gz": (packed_with(lambda p, c: p.write_bytes(gzip.compress(c)), ".gz"), SAME),
    "bz2": (packed_with(lambda p, c: p.write_bytes(bz2.compress(c)), ".bz2"), SAME),
    "xz": (packed_with(lambda p, c: p.write_bytes(lzma.compress(c)), ".xz"), "not read"),
    "capital letters": (
        lambda f: next(f.glob("*00002.fits")).rename(f / "dl3_LST-1.Run00002.FITS"),
        SAME,
    ),
    "zip": (packed_with(zipped, ".zip"), "not read"),
    "a copy": (
        lambda f: shutil.copy(next(f.glob("*00002.fits")), f / "copy.fits"),
        "count twice",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_half_a_folder_is_not_lost_in_silence(
    tmp_path: Path, name: str, unchanged: list[Any]
) -> None:
    change, word = FILES[name]
    write_pair(tmp_path)
    change(tmp_path)
    numbers, said = measure(tmp_path)
    if word == SAME:
        assert said == [] and equal(numbers, unchanged)
    else:
        assert any(word in text for text in said), said


def renumbered(number: int) -> Change:
    return all_of(add_dispersion, key("OBS_ID", number))


def test_a_copy_under_another_number_does_not_count(tmp_path: Path) -> None:
    for number, name in ((1, "a.fits"), (2, "b.fits")):
        write_run(tmp_path, number, seed=5, name=name, change=add_dispersion, background=400)
    numbers, said = measure(tmp_path)
    assert len(numbers) == 9
    assert any("count twice" in text for text in said)


def test_subruns_are_put_together(tmp_path: Path) -> None:
    for part in range(3):
        start = str(np.datetime64("2023-12-07T22:00:00") + np.timedelta64(1200 * part, "s"))
        change = renumbered(9)
        write_run(tmp_path, part, start=start, name=f"{part}.fits", change=change, background=400)
    numbers, said = measure(tmp_path)
    assert len(numbers) == 9
    assert numbers[2] == pytest.approx(3 * 1200 * 0.95)
    assert said == ["Run 9: its 3 files hold different times (subruns): they were put together."]


def test_two_nights_with_one_number_are_two_runs(tmp_path: Path) -> None:
    for day in (7, 8):
        start = f"2023-12-0{day}T22:00:00"
        write_run(
            tmp_path, day, start=start, name=f"{day}.fits", change=renumbered(9), background=400
        )
    numbers, said = measure(tmp_path)
    assert [numbers[0], numbers[9]] == ["20231207", "20231208"]
    assert any("carry the number 9" in text for text in said)


@pytest.mark.parametrize("longitude", [None, -17.9, 135.0])
def test_a_night_across_noon_utc_is_one(tmp_path: Path, longitude: float | None) -> None:
    place = [] if longitude is None else [key("GEOLON", longitude), key("GEOLAT", 28.0)]
    for number, start in ((1, "2023-12-08T11:00:00"), (2, "2023-12-08T12:30:00")):
        change = all_of(add_dispersion, *place)
        write_run(tmp_path, number, start=start, change=change, background=400)
    numbers, _ = measure(tmp_path)
    evening = "20231208" if longitude == 135.0 else "20231207"
    assert [numbers[0], numbers[9]] == [evening, evening]


def test_a_date_without_runs_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    numbers, said = measure(tmp_path, night=Night.parse("20240101"))
    assert numbers == []
    assert "2024-01-01" in said[0] and "2023-12-07" in said[0]
