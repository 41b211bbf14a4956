"""`astran compare` on copies of public DL3 files into which one change was planted: that change is
named, with its cause, and nothing else is."""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import angular_separation
from astropy.io import fits

from astran.highlevel.comparison.changes import ChangeKind
from astran.highlevel.comparison.compare_sides import Comparison, compare_sides
from astran.highlevel.comparison.comparison_text import comparison_lines
from astran.highlevel.comparison.sides import read_side

Hdus = Any
Edit = Callable[[Hdus], None]
MAGIC, VERITAS, HESS = "joint-crab/magic", "joint-crab/veritas", "hess-dl3-dr1/data"


def keep(hdus: Hdus, chosen: Callable[[Any], Any]) -> None:
    table = hdus["EVENTS"]
    table.data = table.data[np.asarray(chosen(table.data))]


def set_column(name: str, make: Callable[[Any], Any]) -> Edit:
    def edit(hdus: Hdus) -> None:
        hdus["EVENTS"].data[name] = make(hdus["EVENTS"].data)

    return edit


def set_words(place: str, **words: object) -> Edit:
    def edit(hdus: Hdus) -> None:
        for name, value in words.items():
            hdus[place].header[name] = value

    return edit


def both(*edits: Edit) -> Edit:
    def edit(hdus: Hdus) -> None:
        for one in edits:
            one(hdus)

    return edit


def noise(width: float, number: int) -> Any:
    return np.exp(np.random.default_rng(1).normal(0, width, number))


def shorten_good_time(hdus: Hdus) -> None:
    stop = hdus["GTI"].data["STOP"][0] - 300.0
    hdus["GTI"].data["STOP"][0] = stop
    keep(hdus, lambda events: events["TIME"] <= stop)


def move_times(hdus: Hdus) -> None:
    hdus["EVENTS"].data["TIME"] += 3.0
    for name in ("START", "STOP"):
        hdus["GTI"].data[name] += 3.0


def scramble_times(hdus: Hdus) -> None:
    hdus["EVENTS"].data["TIME"][::20] += 0.3


def scale_area(hdus: Hdus) -> None:
    hdus["EFFECTIVE AREA"].data["EFFAREA"] *= 1.1


def other_dispersion(hdus: Hdus) -> None:
    hdus["ENERGY DISPERSION"].data["MATRIX"][:] = hdus["ENERGY DISPERSION"].data["MATRIX"][
        ..., ::-1
    ]


def double_theta_cuts(hdus: Hdus) -> None:
    hdus["RAD_MAX"].data["RAD_MAX"] *= 2


def drop_some(hdus: Hdus) -> None:
    keep(hdus, lambda events: np.random.default_rng(2).random(len(events)) > 0.1)


def drop_far(hdus: Hdus) -> None:
    header = hdus["EVENTS"].header
    pointing = np.radians([header["RA_PNT"], header["DEC_PNT"]])

    def near(events: Any) -> Any:
        places = (np.radians(events[name].astype(float)) for name in ("RA", "DEC"))
        return np.degrees(angular_separation(*places, *pointing)) < 1.1

    keep(hdus, near)


def scale_exactly(events: Any) -> Any:
    return events["ENERGY"] * 1.05


def scale_with_noise(events: Any) -> Any:
    return events["ENERGY"] * 1.05 * noise(0.1, len(events))


NEW_SOFTWARE = set_words("EVENTS", CREATOR="another program 2.0")
NEW_MODELS = set_words("PRIMARY", RFDIGEST="b" * 64)
OLD_MODELS = set_words("PRIMARY", RFDIGEST="a" * 64)
SCALE = set_column("ENERGY", scale_exactly)

PLANTS: dict[str, tuple[str, Edit, dict[str, str]]] = {
    "least energy": (
        MAGIC,
        lambda hdus: keep(hdus, lambda e: e["ENERGY"] > 0.1),
        {"cut": "cuts"},
    ),
    "largest energy": (
        VERITAS,
        lambda hdus: keep(hdus, lambda e: e["ENERGY"] < 5.0),
        {"cut": "cuts"},
    ),
    "offset": (MAGIC, drop_far, {"cut": "cuts"}),
    "two cuts": (
        MAGIC,
        both(lambda hdus: keep(hdus, lambda e: e["ENERGY"] > 0.1), drop_far),
        {"cut": "cuts"},
    ),
    "theta cut of the IRFs": (
        VERITAS,
        both(*(set_words(name, RAD_MAX=0.12) for name in ("EFFECTIVE AREA", "ENERGY DISPERSION"))),
        {"cut": "cuts"},
    ),
    "energy threshold": (
        VERITAS,
        both(*(set_words(name, LO_THRES=0.3) for name in ("EFFECTIVE AREA", "ENERGY DISPERSION"))),
        {"cut": "cuts"},
    ),
    "table of theta cuts": (
        "magic/rad_max/data",
        lambda hdus: hdus["RAD_MAX"].data.__setitem__(
            "RAD_MAX", hdus["RAD_MAX"].data["RAD_MAX"] * 2
        ),
        {"cut": "cuts"},
    ),
    "class of cuts": (HESS, set_words("EVENTS", EV_CLASS="hard"), {"cut": "cuts"}),
    "energy scale": (MAGIC, SCALE, {"energy scale": "unexplained"}),
    "energy scale with scatter": (
        HESS,
        set_column("ENERGY", scale_with_noise),
        {"energy scale": "unexplained"},
    ),
    "energies that scatter": (
        MAGIC,
        set_column("ENERGY", lambda e: e["ENERGY"] * noise(0.1, len(e))),
        {"energies": "unexplained"},
    ),
    "directions": (
        MAGIC,
        set_column("DEC", lambda e: e["DEC"] + 0.02),
        {"directions": "unexplained"},
    ),
    "dead time": (
        VERITAS,
        set_words("EVENTS", DEADC=0.8, LIVETIME=1203.0 * 0.8),
        {"livetime": "unexplained"},
    ),
    "livetime alone": (MAGIC, set_words("EVENTS", LIVETIME=1100.0), {"livetime": "unexplained"}),
    "good time": (MAGIC, shorten_good_time, {"good time": "unexplained"}),
    "times": (VERITAS, move_times, {"event times": "unexplained"}),
    "times of some events": (MAGIC, scramble_times, {"event times": "unexplained"}),
    "numbers": (
        MAGIC,
        set_column("EVENT_ID", lambda e: np.arange(len(e)) + 10**7),
        {"event numbers": "unexplained"},
    ),
    "events at random": (MAGIC, drop_some, {"events": "unexplained"}),
    "effective area": (VERITAS, scale_area, {"irf": "models"}),
    "energy dispersion": (MAGIC, other_dispersion, {"irf": "models"}),
    "an IRF less": (HESS, lambda hdus: hdus.__delitem__("PSF"), {"irf": "models"}),
    "pointing": (
        VERITAS,
        set_words("EVENTS", RA_PNT=83.2),
        {"pointing": "unexplained"},
    ),
    "position of the object": (VERITAS, set_words("EVENTS", RA_OBJ=83.8), {"target": "settings"}),
    "version": (MAGIC, NEW_SOFTWARE, {"software": "software"}),
    "version with a scale": (
        MAGIC,
        both(NEW_SOFTWARE, SCALE),
        {"software": "software", "energy scale": "software"},
    ),
}


def edit_file(path: Path, edit: Edit) -> None:
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            _ = hdu.data
        edit(hdus)
        hdus.writeto(path, overwrite=True)


def dl3_of(folder: Path) -> Iterator[Path]:
    found = sorted(path for path in folder.iterdir() if "index" not in path.name)
    yield from (path for path in found if ".fits" in path.name)


@pytest.fixture
def sides(public_data: Callable[[str], Path], tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Two folders with copies of up to so many runs of a public data set."""

    def make(name: str, most: int = 2) -> tuple[Path, Path]:
        places = tmp_path / "old", tmp_path / "new"
        for place in places:
            place.mkdir()
            for path in list(dl3_of(public_data(name)))[:most]:
                shutil.copyfile(path, place / path.name)
                (place / path.name).chmod(0o644)
        return places

    return make


def compare(old: Path, new: Path) -> Comparison:
    return compare_sides(read_side("old", old), read_side("new", new))


def kinds(found: Comparison) -> dict[str, str]:
    return {one.kind.value: one.attribution for one in found.changes}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_change_is_named_and_nothing_else(
    sides: Callable[..., tuple[Path, Path]], plant: str
) -> None:
    data, edit, expected = PLANTS[plant]
    old, new = sides(data)
    changed = next(dl3_of(new))
    edit_file(changed, edit)
    found = compare(old, new)
    assert kinds(found) == expected
    with fits.open(changed) as hdus:
        run = int(hdus["EVENTS"].header["OBS_ID"])
    assert {one.runs for one in found.changes} == {(run,)}
    assert all(len(line) <= 80 for line in comparison_lines(found) if not line.startswith("o"))


# ---- the numbers of a change ---------------------------------------------------------------------


def test_the_energy_scale_is_measured(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(HESS)
    for path in dl3_of(new):
        edit_file(path, set_column("ENERGY", scale_with_noise))
    scale = compare(old, new).energy_scale
    assert scale is not None
    assert scale.median == pytest.approx(1.05, abs=4 * scale.error)
    assert scale.width_68 == pytest.approx(0.1, rel=0.05)
    # the median of normal numbers: 1.2533 sigma / sqrt(n)
    assert scale.error == pytest.approx(1.05 * 1.2533 * 0.1 / math.sqrt(scale.events), rel=0.05)


def test_the_energy_of_a_cut_is_told(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC)
    for path in dl3_of(new):
        edit_file(path, lambda hdus: keep(hdus, lambda e: e["ENERGY"] >= 0.1))
    (change,) = compare(old, new).changes
    assert "ENERGY > 0.1 in new (measured)" in change.text
    assert len(change.runs) == 2


def test_a_cut_that_was_taken_away_is_told(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC, 1)
    edit_file(next(dl3_of(old)), lambda hdus: keep(hdus, lambda e: e["ENERGY"] >= 0.1))
    (change,) = compare(old, new).changes
    assert change.kind is ChangeKind.CUT
    assert "ENERGY > 0.1 no longer in new" in change.text


def test_a_cut_that_takes_few_events_of_each_run_is_one_cut(
    sides: Callable[..., tuple[Path, Path]],
) -> None:
    """No run of five minutes would tell it by itself."""
    old, new = sides("joint-crab/fact", 12)
    lost = []
    for path in dl3_of(new):
        with fits.open(path) as hdus:
            lost.append(int((hdus["EVENTS"].data["ENERGY"] > 7.0).sum()))
        edit_file(path, lambda hdus: keep(hdus, lambda e: e["ENERGY"] <= 7.0))
    assert 0 < min(number for number in lost if number) < 3
    (change,) = compare(old, new).changes
    assert "ENERGY < 7 in new (measured)" in change.text
    assert f"{sum(lost):,} events lost" in change.text
    assert len(change.runs) == sum(number > 0 for number in lost)


def test_ten_lost_runs(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides("joint-crab/fact", 20)
    for path in list(dl3_of(new))[3:13]:
        path.unlink()
    found = compare(old, new)
    assert kinds(found) == {"runs": "data"}
    (change,) = found.changes
    assert change.text == "10 runs only in old"
    assert len(change.runs) == 10
    night = found.nights[0]
    assert (night.old_runs, night.new_runs) == (20, 10)
    # 300 s each, DEADC about 0.98
    assert night.old_livetime_h == pytest.approx(2 * night.new_livetime_h, rel=0.01)


def test_a_truncated_file_is_named(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC)
    path = next(dl3_of(new))
    path.write_bytes(path.read_bytes()[:150_000])
    found = compare(old, new)
    (change,) = found.changes
    assert change.kind is ChangeKind.RUNS
    assert "unusable in new" in change.text and "truncated" in change.text


def test_of_two_recorded_causes_none_is_chosen(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC, 1)
    edit_file(next(dl3_of(old)), OLD_MODELS)
    edit_file(next(dl3_of(new)), both(NEW_MODELS, NEW_SOFTWARE, SCALE))
    assert kinds(compare(old, new)) == {
        "software": "software",
        "models": "models",
        "energy scale": "software or models",
    }


def test_a_change_of_other_runs_is_no_cause(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC)
    first, second = dl3_of(new)
    edit_file(first, NEW_SOFTWARE)
    edit_file(second, SCALE)
    assert kinds(compare(old, new)) == {"software": "software", "energy scale": "unexplained"}


# ---- nothing changed -----------------------------------------------------------------------------


def other_order(hdus: Hdus) -> None:
    table = hdus["EVENTS"]
    table.data = table.data[np.random.default_rng(3).permutation(len(table.data))]


def double_precision(hdus: Hdus) -> None:
    old = hdus["EVENTS"]
    columns = [
        fits.Column(c.name, "D" if c.format == "1E" else c.format, unit=c.unit, array=c.array)
        for c in old.columns
    ]
    header = old.header.copy()
    hdus["EVENTS"] = fits.BinTableHDU.from_columns(columns, header, name="EVENTS")


def other_reference(hdus: Hdus) -> None:
    for name, columns in (("EVENTS", ("TIME",)), ("GTI", ("START", "STOP"))):
        hdus[name].header["MJDREFI"] += 100
        for column in columns:
            hdus[name].data[column] -= 100 * 86400.0


def wrap_right_ascension(hdus: Hdus) -> None:
    hdus["EVENTS"].data["RA"] = hdus["EVENTS"].data["RA"] % 360.0


def use_gev(hdus: Hdus) -> None:
    hdus["EVENTS"].data["ENERGY"] *= 1000.0
    hdus["EVENTS"].columns["ENERGY"].unit = "GeV"


CONTROLS: dict[str, tuple[str, Edit]] = {
    "written again": (VERITAS, lambda hdus: None),
    "other order of events": (MAGIC, other_order),
    "double precision": (MAGIC, double_precision),
    "other reference time": (VERITAS, other_reference),
    "right ascension within a circle": (MAGIC, wrap_right_ascension),
    "other unit of energy": (MAGIC, use_gev),
    "date of the file": (HESS, set_words("EVENTS", DATE="2026-01-01T00:00:00")),
    "checksums": (MAGIC, lambda hdus: [hdu.add_checksum() for hdu in hdus] and None),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_what_is_only_written_otherwise_is_the_same(
    sides: Callable[..., tuple[Path, Path]], control: str
) -> None:
    data, edit = CONTROLS[control]
    old, new = sides(data)
    for path in dl3_of(new):
        edit_file(path, edit)
    found = compare(old, new)
    assert kinds(found) == {}
    assert found.same
    assert all(run.common == run.old_events == run.new_events for run in found.runs)


def test_copies_are_the_same(sides: Callable[..., tuple[Path, Path]]) -> None:
    old, new = sides(MAGIC)
    assert compare(old, new).same


def test_other_names_and_compression_are_the_same(
    sides: Callable[..., tuple[Path, Path]],
) -> None:
    old, new = sides(VERITAS)
    for number, path in enumerate(list(dl3_of(new))):
        (new / f"{number}.fits.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    assert compare(old, new).same


def test_numbers_that_stand_twice_are_told_apart_by_time(
    sides: Callable[..., tuple[Path, Path]],
) -> None:
    """As event numbers that begin anew with each subrun."""
    old, new = sides(MAGIC, 1)
    for place in (old, new):
        number = set_column("EVENT_ID", lambda e: np.arange(len(e)) % 500)
        edit_file(next(dl3_of(place)), number)
    edit_file(next(dl3_of(new)), other_order)
    assert compare(old, new).same
    edit_file(next(dl3_of(new)), drop_some)
    found = compare(old, new)
    assert kinds(found) == {"events": "unexplained"}
    assert found.runs[0].common == found.runs[0].new_events
