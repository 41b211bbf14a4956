"""Which DL1 of a run is taken, in every condition that its files can be in."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from astran.base.night_data import FileRef
from astran.catalogue.path_patterns import MatchedPath
from astran.telescopes.lst.catalogue.dl1.night_archive import subrun_pattern
from astran.telescopes.lst.catalogue.dl1.selection import (
    Condition,
    Dl1Selection,
    assess_candidate,
    candidates_by_run,
    select_dl1,
)
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.runs.run_tables import Summary
from astran.telescopes.lst.catalogue.runs.target_runs import (
    position_angle_deg,
    runs_by_pointing,
    separation_deg,
)
from astran.telescopes.lst.settings import LstConfig

RUN = 15861


@dataclass
class FakeEyes:
    """Files are good unless named."""

    growing: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)

    def settled(self, file: FileRef, times: int = 1) -> bool:
        return file.path not in self.growing

    def facts(self, file: FileRef) -> Dl1Facts | None:
        if file.path in self.unseen:
            return None
        if file.path in self.broken:
            return Dl1Facts(problem="it is truncated")
        return Dl1Facts(events=0 if file.path in self.empty else 100)


def a_file(
    version: str, part: int | None = None, cut: str = "tailcut84", mtime: int = 1
) -> MatchedPath:
    name = f"dl1_LST-1.Run{RUN}" + ("" if part is None else f".{part:04d}") + ".h5"
    path = f"/DL1/20231213/{version}/{cut}/{name}"
    return MatchedPath(FileRef(path, 10, mtime), RUN, version, cut, "20231213")


def path(version: str, part: int | None = None) -> str:
    return a_file(version, part).file.path


def choose(
    *found: MatchedPath, eyes: FakeEyes | None = None, late: bool = False, expected: int = 0
) -> Dl1Selection:
    return select_dl1(candidates_by_run(found), [RUN], eyes or FakeEyes(), {RUN: expected}, late)


def taken(picked: Dl1Selection) -> list[str]:
    return [file.path for run in picked.runs for file in run.files]


@pytest.mark.parametrize("late", [False, True])
def test_the_newest_complete_version(late: bool) -> None:
    picked = choose(a_file("v0.9"), a_file("v0.10"), a_file("v0.10.1"), late=late)
    assert taken(picked) == [path("v0.10.1")]
    assert picked.notes == ("DL1 v0.10.1 taken, the newest of v0.9, v0.10, v0.10.1.",)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"growing": {path("v0.10")}}, "its DL1 file is still being written"),
        ({"broken": {path("v0.10")}}, "its DL1 file is broken: it is truncated"),
    ],
)
def test_trouble_with_the_newest_version(trouble: dict[str, set[str]], said: str) -> None:
    files, eyes = (a_file("v0.9"), a_file("v0.10")), FakeEyes(**trouble)
    (gap,) = choose(*files, eyes=eyes).missing
    assert (gap.reason, gap.may_come) == (said, True)
    picked = choose(*files, eyes=eyes, late=True)
    assert taken(picked) == [path("v0.9")]
    assert (
        f"Run {RUN}: DL1 v0.9 tailcut84 taken, because of v0.10 tailcut84 {said}." in picked.notes
    )


def test_a_version_without_events_is_passed_over_at_once() -> None:
    eyes = FakeEyes(empty={path("v0.10")})
    assert taken(choose(a_file("v0.9"), a_file("v0.10"), eyes=eyes)) == [path("v0.9")]
    (gap,) = choose(a_file("v0.10"), eyes=eyes).missing
    assert (gap.reason, gap.may_come) == ("its DL1 file holds no events", False)


def test_the_run_wise_file_before_subruns_and_these_where_it_is_not_good() -> None:
    files = (a_file("v0.10"), a_file("v0.10", 0), a_file("v0.10", 1))
    assert taken(choose(*files, expected=2)) == [path("v0.10")]
    picked = choose(*files, eyes=FakeEyes(broken={path("v0.10")}), expected=2)
    assert taken(picked) == [path("v0.10", 0), path("v0.10", 1)]


def test_a_newer_version_in_subruns_before_an_older_run_wise() -> None:
    files = (a_file("v0.9"), a_file("v0.10", 0), a_file("v0.10", 1))
    assert taken(choose(*files, expected=2)) == [path("v0.10", 0), path("v0.10", 1)]


@pytest.mark.parametrize(
    ("parts", "expected", "eyes", "said"),
    [
        ((0, 2), 3, FakeEyes(), "1 of 3 subruns have no DL1 yet"),
        ((0, 2), 0, FakeEyes(), "1 of 3 subruns have no DL1 yet"),
        ((0, 1), 2, FakeEyes(growing={path("v1", 1)}), "DL1 of 1 of 2 subruns is still being"),
        ((0, 1), 2, FakeEyes(broken={path("v1", 0)}), "Run15861.0000.h5 is broken: it is trunc"),
    ],
)
def test_subruns_that_are_not_all_there(
    parts: tuple[int, ...], expected: int, eyes: FakeEyes, said: str
) -> None:
    files = [a_file("v1", part) for part in parts]
    (gap,) = choose(*files, eyes=eyes, expected=expected).missing
    assert said in gap.reason
    picked = choose(*files, eyes=eyes, expected=expected, late=True)
    good = [p.file.path for p in files if p.file.path not in eyes.growing | eyes.broken]
    assert taken(picked) == good
    assert any("it is analysed without them" in note for note in picked.notes)


def test_an_empty_subrun_holds_nothing_up() -> None:
    eyes = FakeEyes(empty={path("v1", 1)})
    picked = choose(*(a_file("v1", part) for part in (0, 1, 2)), eyes=eyes, expected=3)
    assert taken(picked) == [path("v1", 0), path("v1", 2)]
    assert "1 of its subruns hold no events" in picked.notes[-1]


def test_what_was_never_opened_is_neither_taken_nor_passed_over() -> None:
    files = (a_file("v0.9"), a_file("v0.10"))
    for late in (False, True):
        picked = choose(*files, eyes=FakeEyes(unseen={path("v0.10")}), late=late)
        assert (picked.runs, picked.unseen) == ((), True)
    both = FakeEyes(broken={path("v0.10")}, unseen={path("v0.9")})
    assert choose(*files, eyes=both, late=True).unseen, "the next best one is to be opened"


def test_the_cleaning_that_was_written_last() -> None:
    files = (a_file("v1", cut="tailcut84", mtime=1), a_file("v1", cut="tailcut1005", mtime=2))
    assert "tailcut1005" in taken(choose(*files))[0]


def test_the_condition_of_a_file_without_content() -> None:
    one = a_file("v1")
    empty = MatchedPath(FileRef(one.file.path, 0, 1), RUN, "v1", "tailcut84")
    seen = assess_candidate([empty], FakeEyes())
    assert (seen.condition, seen.reason) == (Condition.GROWING, "its DL1 file is still empty")


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("/d/{date}/dl1_LST-1.Run{run}.h5", "/d/{date}/dl1_LST-1.Run{run}.{subrun}.h5"),
        ("/d/dl1_LST-1.Run{run}*.h5", ""),
        ("/d/{run}/dl1.h5", ""),
        ("/d/dl1.Run{run}.{subrun}.h5", ""),
    ],
)
def test_the_pattern_of_subruns(whole: str, parts: str) -> None:
    assert subrun_pattern(whole) == parts


# ---- runs by pointing ----------------------------------------------------------------------------

CRAB = LstConfig.model_validate(
    {"target": {"name": "Crab", "ra": 83.6331, "dec": 22.0145}, "date": "20231213"}
)
POINTINGS = {
    1: Dl1Facts(events=5, ra=84.06, dec=22.01),
    2: Dl1Facts(events=5, ra=83.20, dec=22.01),
    3: Dl1Facts(events=5, ra=166.1, dec=38.2),
    4: Dl1Facts(events=5),
}


def test_runs_that_pointed_at_the_target() -> None:
    wanted = runs_by_pointing(CRAB, POINTINGS, [], {}, over=True, quiet=True)
    assert (wanted.runs, wanted.complete) == ((1, 2), True)
    assert not runs_by_pointing(CRAB, POINTINGS, [], {}, over=False, quiet=True).complete
    assert not runs_by_pointing(CRAB, POINTINGS, [], {}, over=True, quiet=False).complete


def test_the_run_summary_tells_what_is_still_to_come() -> None:
    summary = {5: Summary(5, 1, "DATA"), 6: Summary(6, 1, "PEDCALIB")}
    wanted = runs_by_pointing(CRAB, POINTINGS, [], summary, over=True, quiet=True)
    assert not wanted.complete
    assert "runs 5." in wanted.notes[1]
    assert runs_by_pointing(CRAB, POINTINGS, [], {1: Summary(1, 1, "DATA")}, over=True, quiet=False)


def test_angles_on_the_sky() -> None:
    assert separation_deg(83.6331, 22.0145, 83.6331, 22.4145) == pytest.approx(0.4)
    assert separation_deg(359.9, 0, 0.1, 0) == pytest.approx(0.2)
    assert position_angle_deg(83.6, 22.0, 83.6, 22.4) == pytest.approx(0)
    assert position_angle_deg(83.6, 22.0, 84.0, 22.0) == pytest.approx(90, abs=0.2), "east"
