"""The thorough look at products: good ones, and ones broken in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from astropy.io import fits
from product_samples import (
    BY_ENERGY,
    GLOBAL,
    RATE,
    dl1_of,
    natural,
    whole_dl2,
    write_dl2,
    write_dl3,
)

from astran.production.audit.dl3_audit import audit_dl3
from astran.production.audit.findings import Dl2Audit, Dl3Audit, State
from astran.telescopes.lst.checks.dl2_audit import audit_dl2
from astran.telescopes.lst.dl2_file import ALWAYS

NAME = "dl2_LST-1.Run15861.h5"
N = 3000


# ---- DL2 -----------------------------------------------------------------------------------------


def test_good_dl2(tmp_path: Path) -> None:
    path = whole_dl2(tmp_path / NAME)
    audit = audit_dl2(path, [dl1_of(tmp_path / "dl1_LST-1.Run15861.h5", N + 40, bad=40)])
    assert (audit.state, audit.problems, audit.warnings) == (State.OK, [], [])
    assert (audit.run, audit.rows, audit.dl1_rows, audit.expected_rows) == (15861, N, N + 40, N)
    assert audit.events_by_type == {"shower": N}
    assert audit.livetime_s == pytest.approx(N / RATE, rel=0.05), "true time without dead time"
    assert audit.deadc == pytest.approx(1 - RATE * 7e-6, abs=0.002)
    assert audit.versions == {"lstchain": "0.12.3"}
    json.dumps(asdict(audit), allow_nan=False)


def some(value: float, number: int, fill: float = 0.7) -> np.ndarray:
    column = np.full(N, fill)
    column[:number] = value
    return column


def swapped_times() -> np.ndarray:
    times = natural()["dragon_time"]
    times[[100, 101]] = times[[101, 100]]
    return times


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({"gammaness": some(np.nan, 3)}, State.SUSPICIOUS, "3 of 3,000 (0.1 %)"),
        ({"reco_energy": some(np.nan, 300)}, State.BROKEN, "300 of 3,000 (10 %)"),
        ({"gammaness": some(1.2, 3)}, State.BROKEN, "outside of 0 to 1"),
        ({"event_id": np.minimum(np.arange(N), N - 3)}, State.BROKEN, "2 events are there twice"),
        ({"event_type": np.full(N, 2)}, State.BROKEN, "no shower event"),
        ({"obs_id": np.full(N, 15862)}, State.BROKEN, "of run 15862, not of 15861"),
        ({"delta_t": None}, State.BROKEN, "lacks the columns delta_t"),
        ({"n": 0}, State.BROKEN, "holds no event"),
        ({"rate": 200.0}, State.SUSPICIOUS, " shower events per second: lstchain"),
        ({"dragon_time": swapped_times()}, State.SUSPICIOUS, "not in order of time"),
    ],
)
def test_odd_dl2(tmp_path: Path, change: dict[str, Any], state: State, said: str) -> None:
    audit = audit_dl2(whole_dl2(tmp_path / NAME, natural(**change)))
    assert audit.state is state
    assert said in " ".join((*audit.problems, *audit.warnings))


def test_values_that_are_not_finite_are_counted_by_column(tmp_path: Path) -> None:
    table = natural(gammaness=some(np.nan, 3), intensity=some(np.inf, 7))
    audit = audit_dl2(whole_dl2(tmp_path / NAME, table))
    assert audit.non_finite == {"gammaness": 3, "intensity": 7}


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    table = natural(gammaness=None, delta_t=None, reco_energy=some(np.nan, 300))
    audit = audit_dl2(write_dl2(tmp_path / NAME, table))
    assert audit.missing_columns == ["gammaness", "delta_t"]
    assert audit.missing_tables == list(ALWAYS)
    assert len(audit.problems) == 2 and len(audit.warnings) == 1


@pytest.mark.parametrize(("rows", "state"), [(N - 1, State.BROKEN), (N + 5, State.SUSPICIOUS)])
def test_rows_must_be_those_of_dl1(tmp_path: Path, rows: int, state: State) -> None:
    """More than DL1 leads to cannot be; fewer may be due to other filters."""
    path = whole_dl2(tmp_path / NAME)
    dl1 = dl1_of(tmp_path / "dl1_LST-1.Run15861.h5", rows)
    audit = audit_dl2(path, [dl1])
    assert (audit.state, audit.expected_rows) == (state, rows)
    text = f"It holds 3,000 events; its DL1 of {rows:,} events leads to {rows:,}."
    assert text in (*audit.problems, *audit.warnings)
    filters = json.dumps({"events_filters": {"intensity": [0, "inf"]}})
    assert audit_dl2(path, [dl1], filters).state is State.BROKEN, "the filters are known"
    assert audit_dl2(path, [dl1, tmp_path / "gone.h5"]).state is State.SUSPICIOUS


def test_subruns_are_added_up(tmp_path: Path) -> None:
    parts = [dl1_of(tmp_path / f"dl1_LST-1.Run15861.{n:04d}.h5", N // 2) for n in range(2)]
    audit = audit_dl2(whole_dl2(tmp_path / NAME), parts)
    assert (audit.state, audit.dl1_rows) == (State.OK, N)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.write_bytes(b"not a data file at all\n" * 300)


def stub(path: Path) -> None:
    with tables.open_file(str(path), "w") as handle:
        handle.create_group("/", "provenance")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(truncated, "truncated"), (emptied, "empty"), (foreign, "no HDF5"), (stub, "the stub that")],
)
def test_files_that_are_no_dl2(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(path := whole_dl2(tmp_path / NAME))
    audit = audit_dl2(path)
    assert audit.state is State.BROKEN
    assert said in " ".join(audit.problems)


def test_what_is_not_there(tmp_path: Path) -> None:
    for look, name in ((audit_dl2, NAME), (audit_dl3, "dl3_LST-1.Run15861.fits")):
        path = tmp_path / name
        assert look(path).state is State.MISSING
        path.symlink_to(tmp_path / "cleaned")
        audit: Dl2Audit | Dl3Audit = look(path)
        assert audit.state is State.MISSING
        assert "cleaned, which is gone" in audit.problems[0]


@pytest.mark.parametrize("time", [1e15, 1e300, -1e300])
def test_showers_at_absurd_times(tmp_path: Path, time: float) -> None:
    times = natural()["dragon_time"]
    times[5] = time
    audit = audit_dl2(whole_dl2(tmp_path / NAME, natural(dragon_time=times)))
    assert audit.state is State.BROKEN
    assert "Its showers are at times that no calendar has (dragon_time)." in audit.problems
    json.dumps(asdict(audit), allow_nan=False)


# ---- DL3 -----------------------------------------------------------------------------------------


def whole_dl3(folder: Path, **change: Any) -> Path:
    return write_dl3(folder / "dl3_LST-1.Run15861.fits", **change)


@pytest.mark.parametrize("cuts", [GLOBAL, BY_ENERGY])
def test_good_dl3(tmp_path: Path, cuts: dict[str, float]) -> None:
    audit = audit_dl3(whole_dl3(tmp_path, cuts=cuts))
    assert (audit.state, audit.problems, audit.warnings) == (State.OK, [], [])
    assert (audit.run, audit.source, audit.events) == (15861, "Crab", 50)
    assert audit.gti is not None
    assert (audit.gti.number, audit.gti.sum_s, audit.gti.events_outside) == (1, 1200.0, 0)
    assert (audit.livetime_s, audit.zenith_deg, audit.cuts) == (1172.0, 24.0, cuts)
    assert audit.offset_deg == pytest.approx(0.4, abs=0.01)
    assert audit.checksums == "none"
    json.dumps(asdict(audit), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({"gti": (2200.0, 1000.0)}, State.BROKEN, "do not end after they begin"),
        ({"gti": (1000.0, 1900.0, 1800.0, 2200.0)}, State.BROKEN, "before the one before has"),
        ({"gti": (1000.0, 1500.0)}, State.BROKEN, "outside of its good time intervals"),
        ({"gti": ()}, State.BROKEN, "no good time interval"),
        ({"n": 0}, State.BROKEN, "no event after the cuts"),
        ({"least_gammaness": 0.5}, State.BROKEN, "below the gammaness cut of its IRF (0.7)"),
        ({"run": 15862}, State.BROKEN, "run number 15862, its name says 15861"),
        ({"LIVETIME": 0.0}, State.BROKEN, "livetime is 0 s"),
        ({"LIVETIME": None, "DEADC": None}, State.BROKEN, "DEADC is missing"),
        ({"DEADC": None}, State.SUSPICIOUS, "LIVETIME / ONTIME is used"),
        ({"LIVETIME": 1300.0}, State.BROKEN, "livetime (1300.0 s) is above its time"),
        ({"DEADC": 1.7}, State.BROKEN, "not in 0 to 1"),
        ({"DEADC": 0.5}, State.SUSPICIOUS, "good time times DEADC is 600 s"),
        ({"LIVETIME": 600.0, "DEADC": 0.5}, State.SUSPICIOUS, "only 50% of its good time"),
        ({"RA_PNT": None}, State.BROKEN, "RA_PNT is missing"),
        ({"RA_OBJ": 93.0}, State.SUSPICIOUS, "deg away from the source"),
        ({"ALT_PNT": 40.0}, State.SUSPICIOUS, "outside of the simulated pointings"),
    ],
)
def test_odd_dl3(tmp_path: Path, change: dict[str, Any], state: State, said: str) -> None:
    audit = audit_dl3(whole_dl3(tmp_path, **change))
    assert said in " ".join((*audit.problems, *audit.warnings))
    assert audit.state is state


def test_an_event_far_outside_of_the_intervals(tmp_path: Path) -> None:
    """One is odd; edges rounded to seconds are not."""
    path = whole_dl3(tmp_path, n=3000)
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].data["TIME"][0] = 900.0
    audit = audit_dl3(path)
    assert audit.state is State.SUSPICIOUS
    assert audit.gti is not None and audit.gti.events_outside == 1
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].data["TIME"][0] = 999.5
    assert audit_dl3(path).state is State.OK


@pytest.mark.parametrize("name", ["EVENTS", "GTI", "EFFECTIVE AREA", "ENERGY DISPERSION"])
def test_an_hdu_that_lacks(tmp_path: Path, name: str) -> None:
    path = whole_dl3(tmp_path)
    with fits.open(path) as hdus:
        rest = fits.HDUList([hdu.copy() for hdu in hdus if hdu.name != name])
    rest.writeto(path, overwrite=True)
    audit = audit_dl3(path)
    assert audit.state is State.BROKEN
    assert audit.missing_hdus == [name]


def test_a_table_of_the_cuts_that_lacks(tmp_path: Path) -> None:
    path = whole_dl3(tmp_path, cuts=BY_ENERGY)
    with fits.open(path) as hdus:
        rest = fits.HDUList([hdu.copy() for hdu in hdus if hdu.name != "RAD_MAX"])
    rest.writeto(path, overwrite=True)
    assert audit_dl3(path).missing_hdus == ["RAD_MAX"]


@pytest.mark.parametrize("name", ["ENERGY", "TIME", "RA"])
def test_values_that_are_not_finite(tmp_path: Path, name: str) -> None:
    path = whole_dl3(tmp_path)
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].data[name][3] = np.nan
    audit = audit_dl3(path)
    assert (audit.state, audit.non_finite) == (State.BROKEN, {name: 1})


def test_checksums(tmp_path: Path) -> None:
    path = whole_dl3(tmp_path)
    with fits.open(path) as hdus:
        hdus.writeto(tmp_path / "dl3_LST-1.Run15861.signed.fits", checksum=True)
    signed = tmp_path / "dl3_LST-1.Run15861.signed.fits"
    assert (audit_dl3(signed).state, audit_dl3(signed).checksums) == (State.OK, "ok")
    content = bytearray(signed.read_bytes())
    place = content.index(b"Crab")
    content[place : place + 4] = b"Carb"
    signed.write_bytes(bytes(content))
    audit = audit_dl3(signed)
    assert (audit.state, audit.checksums) == (State.BROKEN, "bad")
    assert "not what it was written as" in audit.problems[0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(truncated, "truncated"), (emptied, "empty"), (foreign, "no FITS")],
)
def test_files_that_are_no_dl3(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(path := whole_dl3(tmp_path))
    audit = audit_dl3(path)
    assert audit.state is State.BROKEN
    assert said in " ".join(audit.problems)


@pytest.mark.parametrize(
    ("gti", "said"),
    [
        ((1000.0, np.inf), "1 of its 1 good time intervals begin or end at no finite time."),
        ((1000.0, np.nan), "at no finite time"),
        ((-np.inf, 2200.0), "at no finite time"),
        ((1000.0, 1e15), "Its times are impossible"),
        ((-1.7e308, 1.7e308), "The sum of its good time intervals is not finite."),
    ],
)
def test_absurd_intervals(tmp_path: Path, gti: tuple[float, ...], said: str) -> None:
    path = whole_dl3(tmp_path, gti=gti)
    fits.setval(path, "MJDREFI", value=58392, extname="GTI")
    audit = audit_dl3(path)
    assert audit.state is State.BROKEN
    assert said in " ".join(audit.problems)
    assert "FITS" not in " ".join(audit.problems)
    json.dumps(asdict(audit), allow_nan=False)


DAMAGED = "It is damaged: its content cannot be read"


def image_as_events(path: Path) -> None:
    with fits.open(path) as hdus:
        rest = [hdu.copy() for hdu in hdus if hdu.name != "EVENTS"]
    image = fits.ImageHDU(np.zeros((3, 3)), name="EVENTS")
    fits.HDUList([*rest, image]).writeto(path, overwrite=True)


def card(path: Path, text: bytes) -> None:
    """Write over the run number in the header."""
    content = path.read_bytes()
    place = content.index(b"OBS_ID  =")
    path.write_bytes(content[:place] + text.ljust(80) + content[place + 80 :])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (image_as_events, "Its EVENTS extension is no table."),
        (lambda path: card(path, b"OBS_ID  = 15 8x64"), DAMAGED),
        (lambda path: card(path, b"OBS_ID  = 1E400"), DAMAGED),
        (lambda path: card(path, b"OBS_ID  = 'abc'"), DAMAGED),
    ],
)
def test_damaged_content_of_dl3(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(path := whole_dl3(tmp_path))
    audit = audit_dl3(path)
    assert audit.state is State.BROKEN
    assert said in " ".join(audit.problems)
    json.dumps(asdict(audit), allow_nan=False)
