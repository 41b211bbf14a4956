"""Data checks of runs and subruns, as lstosa leaves them beside DL1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_archive import write_check

from astran.base.clock import SystemClock
from astran.catalogue.path_patterns import stat_file
from astran.config.site import DataSettings
from astran.telescopes.lst.catalogue.dl1.condition import Condition, Dl1Candidate
from astran.telescopes.lst.catalogue.dl1.datachecks import DataChecks
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector


def seen(folder: Path, run: int) -> Dl1Candidate:
    path = folder / f"dl1_LST-1.Run{run:05d}.h5"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"dl1")
    file = stat_file(path)
    assert file is not None
    return Dl1Candidate(run, (file,), "v0.10", "tailcut84", Condition.COMPLETE)


def told(
    tmp_path: Path, *runs: Dl1Candidate, budget_s: float = 60.0, **data: str
) -> tuple[dict[int, CheckFacts], bool]:
    eyes = Inspector(FactsCache.of(tmp_path), SystemClock(), settle_s=0, budget_s=budget_s)
    checks = DataChecks(DataSettings(**data), "20231213", eyes)
    return checks.of({run.run: run for run in runs})


def test_of_runs_and_of_subruns(tmp_path: Path) -> None:
    dl1 = tmp_path / "DL1" / "20231213" / "v0.10" / "tailcut84"
    write_check(dl1 / "datacheck" / "datacheck_dl1_LST-1.Run00001.h5", [1.6, 1.8])
    for part, spread in enumerate((2.0, 3.0)):
        write_check(dl1 / "datacheck" / f"datacheck_dl1_LST-1.Run00002.{part:04d}.h5", [spread])
    write_check(dl1 / "datacheck_dl1_LST-1.Run00003.h5", [1.5])
    write_check(dl1 / "datacheck" / "datacheck_dl1_LST-1.Run00004.h5", [1.5], pedestals=False)
    (dl1 / "datacheck" / "datacheck_dl1_LST-1.Run00005.h5").write_bytes(b"being written")
    found, everything = told(tmp_path, *(seen(dl1, run) for run in range(1, 7)))
    assert everything
    assert {run: facts.nsb for run, facts in found.items()} == {
        1: pytest.approx(1.7),
        2: pytest.approx(2.5),
        3: pytest.approx(1.5),
    }


def test_the_data_check_of_the_night_wins(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    dl1 = tmp_path / "DL1"
    runs = [seen(dl1, 1), seen(dl1, 2)]
    for run in (1, 2):
        write_check(dl1 / "datacheck" / f"datacheck_dl1_LST-1.Run0000{run}.h5", [2.0])
    night = tmp_path / "DL1_datacheck_20231213.h5"
    columns = {
        "runnumber": [1, 2],
        "diffuse_nsb_std": [1.6, np.nan],
        "ZD_corrected_cosmics_rate_at_422_pe": [1.7, 1.8],
    }
    pd.DataFrame(columns).to_hdf(night, key="cosmics_intensity_spectrum", mode="w")
    found, everything = told(tmp_path, *runs, datacheck=str(tmp_path / "DL1_datacheck_{date}.h5"))
    assert everything
    told_of = {run: (one.nsb, one.rate_422) for run, one in found.items()}
    assert told_of == {1: (1.6, 1.7), 2: (pytest.approx(2.0), 1.8)}
    assert "nsb" not in found[2].undefined


def test_what_there_was_no_time_for_is_said(tmp_path: Path) -> None:
    dl1 = tmp_path / "DL1"
    write_check(dl1 / "datacheck" / "datacheck_dl1_LST-1.Run00001.h5", [2.0])
    assert told(tmp_path, seen(dl1, 1), budget_s=0) == ({}, False)
    assert told(tmp_path, seen(dl1, 1))[1] is True
    found, everything = told(tmp_path, seen(dl1, 1), budget_s=0)
    assert everything and found[1].nsb == pytest.approx(2.0), "remembered"
