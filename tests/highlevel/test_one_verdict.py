"""The check of a product, the audit and the high-level analysis judge a DL3 file alike."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from synthetic_dl3 import write_run

from astran.base.errors import ProductError
from astran.base.tasks import ProductKind
from astran.highlevel.dl3.run import Dl3Run, Excluded, read_run
from astran.production.audit.dl3_audit import audit_dl3
from astran.production.audit.findings import State
from astran.telescopes.lst.checks.product_checks import check_product

Change = Callable[[fits.HDUList], Any]


def judge_as_check(path: Path) -> tuple[State, str]:
    try:
        notes = check_product(path, ProductKind.DL3, {})["warnings"]
    except ProductError as error:
        return State.BROKEN, str(error)
    return State.SUSPICIOUS if notes else State.OK, " ".join(notes)


def judge_as_audit(path: Path) -> tuple[State, str]:
    audit = audit_dl3(path)
    return audit.state, " ".join(audit.problems or audit.warnings)


def judge_as_highlevel(path: Path) -> tuple[State, str]:
    run = read_run(path, None)
    if isinstance(run, Excluded):
        return State.BROKEN, run.reason
    assert isinstance(run, Dl3Run)
    return State.SUSPICIOUS if run.notes else State.OK, " ".join(run.notes)


def word(key: str, value: Any, *hdus: str) -> Change:
    def change(file: fits.HDUList) -> None:
        for name in hdus or ("EVENTS",):
            if value is None:
                file[name].header.remove(key)
            else:
                file[name].header[key] = value

    return change


def values(name: str, number: int, value: float) -> Change:
    def change(file: fits.HDUList) -> None:
        file["EVENTS"].data[name][:number] = value

    return change


def good_time(*intervals: tuple[float, float]) -> Change:
    """Intervals [s after the first begins]."""

    def change(file: fits.HDUList) -> None:
        old = file["GTI"]
        rows = old.data["START"][0] + np.array(intervals).reshape(-1, 2)
        columns = [
            fits.Column(name, "D", unit="s", array=column)
            for name, column in zip(("START", "STOP"), rows.T, strict=True)
        ]
        file["GTI"] = fits.BinTableHDU.from_columns(columns, old.header, name="GTI")

    return change


def in_days(file: fits.HDUList) -> None:
    file["GTI"].data["START"] /= 86400.0
    file["GTI"].data["STOP"] /= 86400.0
    for name in ("START", "STOP"):
        file["GTI"].columns[name].unit = "d"


def other_zero(file: fits.HDUList) -> None:
    """The good time counts from a day later than the events; both say so."""
    file["GTI"].data["START"] -= 86400.0
    file["GTI"].data["STOP"] -= 86400.0
    file["GTI"].header["MJDREFI"] += 1


def pointing_in_rad(file: fits.HDUList) -> None:
    for name in ("RA_PNT", "DEC_PNT"):
        file["POINTING"].data[name] = np.radians(file["POINTING"].data[name])
        file["POINTING"].columns[name].unit = "rad"


def twice(file: fits.HDUList) -> None:
    """The second half repeats the first, with energies 1 % apart."""
    table = file["EVENTS"].data
    half = len(table) // 2
    for name in table.names:
        table[name][half : 2 * half] = table[name][:half]
    table["ENERGY"][half:] *= 1.01


def add_table(name: str) -> Change:
    return lambda file: file.append(file[name].copy())


def no_events(file: fits.HDUList) -> None:
    file["EVENTS"].data = file["EVENTS"].data[:0]


def several(*changes: Change) -> Change:
    def change(file: fits.HDUList) -> None:
        for one in changes:
            one(file)

    return change


def write(folder: Path, change: Change) -> Path:
    def whole(file: fits.HDUList) -> None:
        columns = [fits.Column("MATRIX", "3E", array=np.ones((1, 3)))]
        header = fits.Header({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EDISP"})
        file.append(fits.BinTableHDU.from_columns(columns, header, name="ENERGY DISPERSION"))
        change(file)

    return write_run(folder, 15860, change=whole).path


OK, NOTED, REFUSED = State.OK, State.SUSPICIOUS, State.BROKEN
CASES: dict[str, tuple[Change, State, str]] = {
    "good": (lambda _: None, OK, ""),
    "good time in days": (in_days, OK, ""),
    "good time counts from another zero": (other_zero, OK, ""),
    "pointing table in rad": (pointing_in_rad, OK, ""),
    "good times that touch": (good_time((0, 600), (600, 1200)), OK, ""),
    "good time overlapping": (good_time((0, 700), (500, 1200)), REFUSED, "has ended"),
    "good time out of order": (good_time((600, 1200), (0, 600)), REFUSED, "has ended"),
    "good time NaN": (good_time((0, 1200), (np.nan, 1300)), REFUSED, "no finite time"),
    "good time swapped": (good_time((0, 1200), (1300, 1250)), REFUSED, "do not end after"),
    "good time empty": (good_time(), REFUSED, "no good time interval"),
    "good time of no length": (good_time((0, 0)), REFUSED, "do not end after"),
    "good time in part": (good_time((0, 600)), REFUSED, "outside of its good time"),
    "no good time": (lambda file: file.pop("GTI"), REFUSED, "no GTI table"),
    "events of another day": (word("MJDREFI", 58393), REFUSED, "outside of its good time"),
    "no reference time": (word("MJDREFI", None), REFUSED, "MJDREFI is missing"),
    "in another century": (word("MJDREFI", 0, "EVENTS", "GTI"), REFUSED, "MJDREF or TIME"),
    "unknown time scale": (word("TIMESYS", "SUN"), REFUSED, "TIMESYS"),
    "a few events outside": (values("TIME", 8, 1.0), NOTED, "8 of 4,300 (0.19 %)"),
    "many events outside": (values("TIME", 80, 1.0), REFUSED, "80 of 4,300 (1.9 %)"),
    "livetime above ontime": (word("LIVETIME", 1300.0), REFUSED, "above its time"),
    "livetime of 0": (word("LIVETIME", 0.0), REFUSED, "livetime is 0 s"),
    "livetime that disagrees": (word("LIVETIME", 1000.0), NOTED, "LIVETIME keyword says 1000 s"),
    "ontime above good time": (word("ONTIME", 1300.0), NOTED, "than its good time intervals"),
    "no LIVETIME": (word("LIVETIME", None), OK, ""),
    "no DEADC": (word("DEADC", None), NOTED, "LIVETIME / ONTIME is used"),
    "no DEADC and no LIVETIME": (
        several(word("DEADC", None), word("LIVETIME", None)),
        REFUSED,
        "DEADC is missing",
    ),
    "DEADC of 1.7": (word("DEADC", 1.7), REFUSED, "DEADC is 1.7"),
    "events twice": (twice, NOTED, "2150 events that are in its list twice were dropped"),
    "numbers twice": (values("EVENT_ID", 2, 7), NOTED, "2 events have a number that another"),
    "no events": (no_events, REFUSED, "no event"),
    "energies NaN": (values("ENERGY", 4300, np.nan), REFUSED, "no finite ENERGY"),
    "an energy NaN": (values("ENERGY", 1, np.nan), REFUSED, "1 of 4,300 (0.023 %)"),
    "times NaN": (values("TIME", 4300, np.nan), REFUSED, "no finite TIME"),
    "an energy of 0": (values("ENERGY", 1, 0.0), REFUSED, "no energy above zero"),
    "a declination of 95": (values("DEC", 1, 95.0), REFUSED, "DEC beyond its range"),
    "right ascension of 443": (values("RA", 1, 443.0), OK, ""),
    "gammaness below the cut": (values("GAMMANESS", 1, 0.1), REFUSED, "below the gammaness cut"),
    "another run": (word("OBS_ID", 15861), REFUSED, "its name says 15860"),
    "no run number": (word("OBS_ID", None), NOTED, "run number (OBS_ID)"),
    "run number of words": (word("OBS_ID", "abc"), REFUSED, "is damaged"),
    "no pointing": (word("RA_PNT", None), REFUSED, "RA_PNT is missing"),
    "pointing that moves": (word("OBS_MODE", "DRIFT"), REFUSED, "no fixed pointing"),
    "pointing below the horizon": (word("ALT_PNT", -5.0), REFUSED, "zenith distance"),
    "two event lists": (add_table("EVENTS"), REFUSED, "2 EVENTS tables"),
    "wrong checksum": (word("DATASUM", "1", "EFFECTIVE AREA"), REFUSED, "was written as"),
    "theta cut below 0": (word("RAD_MAX", -1.0, "EFFECTIVE AREA"), REFUSED, "RAD_MAX = -1"),
    "source-dependent": (word("AL_CUT", 10.0, "EFFECTIVE AREA"), REFUSED, "source-dependent"),
}


@pytest.mark.parametrize("case", CASES)
def test_all_readers_give_the_same_verdict(tmp_path: Path, case: str) -> None:
    change, verdict, text = CASES[case]
    path = write(tmp_path, change)
    for judge in (judge_as_check, judge_as_audit, judge_as_highlevel):
        found_verdict, said = judge(path)
        assert (found_verdict, text in said) == (verdict, True), (judge.__name__, said)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_files(tmp_path: Path, part: float, packed: bool) -> None:
    path = write(tmp_path, lambda _: None)
    content = path.read_bytes()
    if packed:
        path, content = path.with_name(f"{path.name}.gz"), gzip.compress(content)
    path.write_bytes(content[: int(part * len(content))])
    for judge in (judge_as_check, judge_as_audit, judge_as_highlevel):
        assert judge(path)[0] is REFUSED, judge.__name__
