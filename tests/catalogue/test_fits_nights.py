"""Night and livetime of DL3 files, against the names of public files and against astropy."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from public_data import public_data

from astran.base.night import Night
from astran.base.night_data import FileRef
from astran.catalogue.fits_nights import files_of_night, livetime_of_file, night_of_file
from astran.catalogue.path_patterns import stat_file

__all__ = ["public_data"]


def ref(path: Path) -> FileRef:
    found = stat_file(path)
    assert found is not None
    return found


def write(path: Path, **cards: object) -> FileRef:
    path.parent.mkdir(parents=True, exist_ok=True)
    events = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=[1.0])], name="EVENTS")
    events.header.update({"TSTART": 1000.0, "MJDREFI": 60285, "MJDREFF": 0.875, **cards})
    fits.HDUList([fits.PrimaryHDU(), events]).writeto(path)
    return ref(path)


def test_public_files(public_data: Callable[[str], Path]) -> None:
    """Those of FACT have the night in their names."""
    files = sorted(public_data("joint-crab").rglob("2013*_dl3.fits*"))
    assert files
    for path in files:
        assert str(night_of_file(ref(path))) == path.name[:8]
    for path in public_data("joint-crab").rglob("*.fits*"):
        with fits.open(path) as hdus:
            if "EVENTS" not in hdus:
                continue
            right = hdus["EVENTS"].header["LIVETIME"]
        assert livetime_of_file(ref(path)) == pytest.approx(right)


def test_night_and_livetime(tmp_path: Path) -> None:
    # MJD 60285 is 2023-12-07; 0.875 d is 21 h
    file = write(tmp_path / "a.fits", LIVETIME=1140.5)
    assert night_of_file(file) == Night.parse("20231207")
    assert livetime_of_file(file) == 1140.5
    morning = write(tmp_path / "b.fits", TSTART=30_000.0)
    assert night_of_file(morning) == Night.parse("20231207"), "before noon: the same night"
    assert livetime_of_file(morning) is None


def test_what_does_not_tell(tmp_path: Path) -> None:
    cut = tmp_path / "cut.fits.gz"
    whole = gzip.compress(Path(write(tmp_path / "a.fits").path).read_bytes())
    cut.write_bytes(whole[: len(whole) // 2])
    text = tmp_path / "text.fits"
    text.write_text("no FITS at all")
    for path in (cut, text):
        assert night_of_file(ref(path)) is None
    assert night_of_file(FileRef(str(tmp_path / "gone.fits"), 1, 1)) is None
    assert night_of_file(write(tmp_path / "far.fits", MJDREFI=10**12)) is None


def test_files_of_a_night(tmp_path: Path) -> None:
    own, other = write(tmp_path / "a.fits"), write(tmp_path / "b.fits", MJDREFI=60290)
    silent = tmp_path / "Crab20231207" / "c.fits"
    silent.parent.mkdir()
    silent.write_text("x")
    loose = tmp_path / "d.fits"
    loose.write_text("x")
    files = [own, other, ref(silent), ref(loose)]
    assert files_of_night(files, "20231207") == (own, ref(silent))
