"""Run selection against the rules of lstchain's data-quality notebook, written out plainly here.

The oracle below follows notebooks/data_quality.ipynb of lstchain (state of 2026-07-09), on the
tables themselves; ASTRAN's way is through the file, the facts of each run and its cuts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from astran.base.night_data import FileRef, RunFile
from astran.config.analysis import Target
from astran.telescopes.lst.catalogue.file_inspection.datacheck_reader import steady_fraction
from astran.telescopes.lst.catalogue.file_inspection.examine import examine_file
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts, FileKind
from astran.telescopes.lst.catalogue.runs.quality_cuts import (
    KnownConditions,
    QualitySelection,
    apply_quality_cuts,
    quality_cuts,
)
from astran.telescopes.lst.settings import QualitySettings

pd = pytest.importorskip("pandas")
SOURCE = Target(name="source", ra=359.9, dec=-12.5)
NIGHTS, RUNS = 200, 5
CUTS = {
    "sky": {"quality.offset_min"},
    "zenith": {"quality.zenith_min"},
    "nsb": {"quality.nsb_max"},
    "interleaved": {"quality.interleaved"},
    "pointing": {"quality.pointing_max"},
    "fit": {"quality.fit_p_min"},
    "index": {"quality.index_min"},
    "rate": {"quality.rate_422_min", "quality.stable_fraction_min"},
    "half_peak": {"quality.half_peak_max"},
}


def made_up_run(rng: np.random.Generator, run: int) -> tuple[Any, dict[str, Any]]:
    """Subruns and the line of the run summary: mostly near a limit of one quantity."""
    number = int(rng.choice([1, 2, 5, 40, 120]))

    def near(limit: float, spread: float, usual: float) -> float:
        return float(rng.normal(limit, spread) if rng.random() < 0.25 else usual)

    offset, turn = near(rng.choice([0.0, 0.35, 0.45]), 0.02, 0.4), rng.uniform(0, 2 * np.pi)
    shift = near(0.01, 0.004, 0.002) * rng.choice([-1.0, 1.0], number)
    rates = near(1.5, 0.03, 1.75) + rng.normal(0, abs(near(0.06, 0.02, 0.02)), number)
    rates[rng.random(number) < near(0.2, 0.05, 0.0)] += rng.choice([0.3, 1.2])
    if rng.random() < 0.05:
        rates[rng.random(number) < 0.5] = np.nan
    index = near(rng.choice([-2.35, -2.1]), 0.02, -2.24) + rng.normal(0, 0.02, number)
    if rng.random() < 0.05:
        index[rng.random(number) < 0.5] = np.nan
    nsb = np.full(number, near(2.3, 0.2, 1.6))
    if rng.random() < 0.1:
        nsb[:] = np.nan
    rows = pd.DataFrame(
        {
            "yyyymmdd": 20260116,
            "runnumber": run,
            "subrun": np.arange(number),
            "time": 1.7686e9 + 8.0 * np.arange(number),
            "ra_tel": (SOURCE.ra + offset * np.sin(turn) / np.cos(np.radians(SOURCE.dec))) % 360,
            "dec_tel": SOURCE.dec + offset * np.cos(turn) + shift,
            "cos_zenith": np.cos(np.radians(abs(near(rng.choice([0.0, 75.0]), 1.0, 25.0)))),
            "picture_thresh": 8.0,
            "ZD_corrected_cosmics_rate_at_422_pe": rates,
            "ZD_corrected_cosmics_spectral_index": index,
            "intensity_spectrum_fit_p_value": rng.random(number) ** near(2.0, 0.5, 1.0),
            "ZD_corrected_intensity_at_half_peak_rate": near(50.0, 5.0, 40.0),
            "diffuse_nsb_std": nsb,
        }
    )
    counts = rng.choice([0.0, 1.0, 40000.0, np.nan], 2, p=[0.03, 0.05, 0.87, 0.05])
    line = {"runnumber": run, "num_pedestals": counts[0], "num_flatfield": counts[1]}
    return rows, line


def window_fraction(values: Any) -> float:
    """The notebook's find_mode with bw=0.15 and return_fraction=True."""
    low, high = np.nanmin(values), np.nanmax(values)
    if np.isnan(low) or low == high:
        return float("nan")
    if high - low < 0.15:
        return 1.0
    dx = 0.15 / 100
    counts, _ = np.histogram(
        values[~np.isnan(values)], bins=int((high - low) // dx + 2), range=(low - dx, high + dx)
    )
    total = np.cumsum(counts) / np.sum(counts)
    width = int(0.15 // dx)
    return float(np.nanmax(total[width:] - total[:-width]))


def decisions(rows: Any, line: dict[str, Any], dark: bool) -> dict[str, bool]:
    """What each cut of the notebook says of a run."""
    mean = np.nanmean
    ra = np.radians(rows["ra_tel"].to_numpy())
    ra_mean = np.arctan2(np.sin(ra).mean(), np.cos(ra).mean())
    dec = np.radians(rows["dec_tel"].mean())
    ra0, dec0 = np.radians([SOURCE.ra, SOURCE.dec])
    one = np.array([np.cos(dec) * np.cos(ra_mean), np.cos(dec) * np.sin(ra_mean), np.sin(dec)])
    two = np.array([np.cos(dec0) * np.cos(ra0), np.cos(dec0) * np.sin(ra0), np.sin(dec0)])
    away = np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two)), one @ two))
    cosine = rows["cos_zenith"].mean()
    index = rows["ZD_corrected_cosmics_spectral_index"].to_numpy()
    p_values = rows["intensity_spectrum_fit_p_value"].to_numpy()[~np.isnan(index)]
    statistic = (p_values.mean() - 0.5) * np.sqrt(12 * len(rows)) if p_values.size else np.nan
    rates = rows["ZD_corrected_cosmics_rate_at_422_pe"].to_numpy()
    nsb_limit, peak_limit = (2.3, 50.0) if dark else (np.nan, np.nan)
    return {
        "sky": bool(0.35 < away < 0.45),
        "zenith": bool(np.cos(np.radians(75)) < cosine < 1.0),
        "nsb": not mean(rows["diffuse_nsb_std"]) > nsb_limit,
        "interleaved": line["num_pedestals"] > 0 and line["num_flatfield"] > 0,
        "pointing": bool(np.std(rows["dec_tel"].to_numpy()) < 0.01),
        "fit": bool(statistic > -3),
        "index": bool(-2.35 < mean(index) < -2.10),
        "rate": bool(mean(rates) > 1.5 and window_fraction(rates) > 0.8),
        "half_peak": not mean(rows["ZD_corrected_intensity_at_half_peak_rate"]) > peak_limit,
    }


def select(
    path: Path, runs: list[int], settings: QualitySettings
) -> tuple[QualitySelection, dict[int, dict[str, bool]]]:
    """ASTRAN's selection, and what its cuts say by the names of the oracle."""
    facts = {
        int(r): CheckFacts.from_json(f) for r, f in examine_file(path, FileKind.DATACHECK).items()
    }
    known = {run: KnownConditions(run, check=facts[run], tailcut="tailcut84") for run in runs}
    files = [RunFile(run, FileRef(f"/dl1_{run}.h5", 1, 1)) for run in runs]
    cuts = quality_cuts(settings, list(known.values()), SOURCE)
    said = {}
    for run, one in known.items():
        failed = {cut.keys[0] for cut in cuts if (v := cut.value(one)) is not None and cut.fails(v)}
        said[run] = {name: not keys & failed for name, keys in CUTS.items()}
    return apply_quality_cuts(files, known, settings, SOURCE), said


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dark", [False, True])
def test_nights_that_were_made_up(tmp_path: Path, dark: bool) -> None:
    rng = np.random.default_rng(20260116 + dark)
    made = [made_up_run(rng, 30000 + number) for number in range(NIGHTS * RUNS // 2)]
    path = tmp_path / "DL1_datacheck_20260116.h5"
    pd.concat([rows for rows, _ in made]).to_hdf(path, key="cosmics_intensity_spectrum", mode="w")
    pd.DataFrame([line for _, line in made]).to_hdf(path, key="runsummary")
    settings = QualitySettings(**({"nsb_max": 2.3, "half_peak_max": 50.0} if dark else {}))
    runs = [line["runnumber"] for _, line in made]
    found, said = select(path, runs, settings)
    wanted = {line["runnumber"]: decisions(rows, line, dark) for rows, line in made}
    assert said == wanted
    good = [run for run in runs if all(wanted[run].values())]
    assert [run.run for run in found.runs] == good
    assert 0.1 < len(good) / len(runs) < 0.6, "both kinds are there"
    assert found.steps[-1].left == len(good)
    assert any(f"of {len(runs)} found; offset" in note for note in found.notes)


@pytest.mark.parametrize(
    ("rates", "fraction"),
    [([1.7], np.nan), ([1.7, 1.7], np.nan), ([1.7, 1.8, np.nan], 1.0), ([np.nan] * 3, np.nan)],
)
def test_the_fraction_of_one_rate(rates: list[float], fraction: float) -> None:
    assert steady_fraction(np.array(rates)) == pytest.approx(fraction, nan_ok=True)


def test_a_run_that_the_table_of_subruns_lacks_is_dropped(tmp_path: Path) -> None:
    """The notebook takes such runs out of the summary (8091, 18816 and three others)."""
    rows, line = made_up_run(np.random.default_rng(1), 30000)
    path = tmp_path / "DL1_datacheck_20260116.h5"
    rows.to_hdf(path, key="cosmics_intensity_spectrum", mode="w")
    pd.DataFrame([line, {**line, "runnumber": 30001}]).to_hdf(path, key="runsummary")
    facts = {
        int(r): CheckFacts.from_json(f) for r, f in examine_file(path, FileKind.DATACHECK).items()
    }
    known = {30001: KnownConditions(30001, check=facts[30001])}
    files = [RunFile(30001, FileRef("/dl1.h5", 1, 1))]
    found = apply_quality_cuts(files, known, QualitySettings(), SOURCE)
    assert "number of subruns in the data check 0 is not above 0" in found.left_out[0].reason


def test_the_periodogram(tmp_path: Path) -> None:
    """Off by default since 2025-10; a rate that swings with a period of 200 s is all power."""
    rows, line = made_up_run(np.random.default_rng(2), 30000)
    rows = pd.concat([rows.iloc[:1]] * 120, ignore_index=True)
    time = 8.0 * np.arange(120)
    rows["time"] = 1.7686e9 + time
    rows["ZD_corrected_cosmics_rate_at_422_pe"] = 1.75 + 0.02 * np.sin(2 * np.pi * time / 200)
    path = tmp_path / "DL1_datacheck_20260116.h5"
    rows.to_hdf(path, key="cosmics_intensity_spectrum", mode="w")
    pd.DataFrame([line]).to_hdf(path, key="runsummary")
    facts = CheckFacts.from_json(examine_file(path, FileKind.DATACHECK)["30000"])
    assert facts.periodic == pytest.approx(1.0, abs=0.05)
