"""Nights, runs and targets: what of a folder belongs to the analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_dl3 import DEC, RA, write_run

from astran.base.errors import ProductError
from astran.base.night import Night
from astran.config.analysis import HighlevelSettings
from astran.highlevel.dl3.folder import scan_folder
from astran.highlevel.dl3.run_selection import RunSelection, select_runs
from astran.highlevel.options import Options


def choose(folder: Path, **values: Any) -> RunSelection:
    given = {"output": folder, "name": "Crab", "position": (RA, DEC), **values}
    return select_runs(
        scan_folder(folder), Options(dl3=(folder,), settings=HighlevelSettings(), **given)
    )


def ids(selection: RunSelection) -> list[int]:
    return [run.obs_id for run in selection.runs]


def test_a_night_ends_at_noon(tmp_path: Path) -> None:
    write_run(tmp_path, 1, start="2023-12-07T13:00:00")
    write_run(tmp_path, 2, start="2023-12-08T05:00:00")
    write_run(tmp_path, 3, start="2023-12-08T13:00:00")
    chosen = choose(tmp_path, night=Night.parse("20231207"))
    assert ids(chosen) == [1, 2]
    assert "night 2023-12-08" in chosen.excluded[0].reason
    assert chosen.warnings == ()


def test_a_night_without_runs_is_refused_and_names_the_others(tmp_path: Path) -> None:
    write_run(tmp_path, 1, start="2023-12-07T22:00:00")
    write_run(tmp_path, 2, start="2023-12-09T22:00:00")
    with pytest.raises(ProductError) as error:
        choose(tmp_path, night=Night.parse("20240101"))
    for word in ("2024-01-01", "2023-12-07", "2023-12-09"):
        assert word in error.value.message


def test_only_the_requested_runs_and_a_word_on_the_missing(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        write_run(tmp_path, run)
    chosen = choose(tmp_path, runs=frozenset({2, 7}))
    assert ids(chosen) == [2]
    assert {item.obs_id for item in chosen.excluded} == {1, 3}
    assert chosen.warnings == ("There is no DL3 of run 7.",)


def test_runs_are_in_order_of_time(tmp_path: Path) -> None:
    write_run(tmp_path, 5, start="2023-12-07T21:00:00")
    write_run(tmp_path, 4, start="2023-12-07T23:00:00")
    assert ids(choose(tmp_path)) == [5, 4]


def test_files_in_subfolders_count(tmp_path: Path) -> None:
    write_run(tmp_path / "data", 5)
    assert ids(choose(tmp_path)) == [5]


def test_a_run_elsewhere_on_the_sky_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, 1)
    write_run(tmp_path, 2, offset=3.0)
    chosen = choose(tmp_path)
    assert ids(chosen) == [1]
    assert "3.0 deg away from the target" in chosen.excluded[0].reason


def test_without_coordinates_the_headers_say_where(tmp_path: Path) -> None:
    write_run(tmp_path, 1)
    chosen = choose(tmp_path, position=None, name="")
    assert (chosen.target.name, chosen.target.ra) == ("Crab", pytest.approx(RA))


def test_without_coordinates_two_sources_are_a_question(tmp_path: Path) -> None:
    def elsewhere(hdus: Any) -> None:
        hdus["EVENTS"].header["DEC_OBJ"] = DEC + 2

    write_run(tmp_path, 1)
    write_run(tmp_path, 2, object_name="Other", change=elsewhere)
    with pytest.raises(ProductError, match=r"Crab, Other.*--ra and --dec"):
        choose(tmp_path, position=None, name="")
    assert ids(choose(tmp_path, position=None, name="crab")) == [1, 2]
