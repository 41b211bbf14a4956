"""How bright the sky was in a run, told by the formats of lstchain, and the level that follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astran.base.errors import ConfigError
from astran.base.night_data import FileRef, RunFile
from astran.config.model import build_settings
from astran.config.nsb import CLEANED, NsbSettings
from astran.telescopes.lst.catalogue.file_inspection.facts import CheckFacts
from astran.telescopes.lst.catalogue.response.nsb_level import (
    SkyBrightness,
    level_in_name,
    nearest_level,
    sky_brightness,
)

LOG = """
Input file: /fefs/aswg/data/real/DL1/20231213/v0.10/tailcut84/dl1_LST-1.Run15864.0000.h5
    Removed 0.32% of pixels (outliers) from pedestal median calculation

Number of subruns used in calculations: 10

Median of 95% quantile of pedestal charge: 5.012 p.e.

Cleaning settings:
{'picture_thresh': 8, 'boundary_thresh': 4, 'sigma': 2.5, 'keep_isolated_pixels': False}

Written to:
/fefs/aswg/data/real/auxiliary/TailCuts/dl1ab_Run15864.json

Additional NSB rate (over dark MC): 0.1534 p.e./ns
lstchain_find_tailcuts finished successfully!
"""
"""As lstchain_find_tailcuts writes it."""
LEVELS = [level for levels in CLEANED.values() for level in levels]


def settings(folder: Path | None = None, **more: Any) -> NsbSettings:
    if folder is not None:
        more = {
            "log": f"{folder}/log_find_tailcuts_Run{{run}}.log",
            "cleaning": f"{folder}/dl1ab_Run{{run}}.json",
            **more,
        }
    return build_settings(NsbSettings, more, "data.nsb")


def a_run(path: str = "/DL1/dl1.h5", tailcut: str = "tailcut84", run: int = 15864) -> RunFile:
    return RunFile(run, FileRef(path, 1, 1), tailcut=tailcut)


def tailcuts(folder: Path, run: int, picture: int, log: str = LOG) -> None:
    (folder / f"log_find_tailcuts_Run{run:05d}.log").write_text(log)
    content = {"tailcuts_clean_with_pedestal_threshold": {"picture_thresh": picture}}
    (folder / f"dl1ab_Run{run:05d}.json").write_text(json.dumps(content))


def test_the_log_of_the_tailcuts_finder_tells(tmp_path: Path) -> None:
    tailcuts(tmp_path, 864, 10)
    found = sky_brightness(a_run(run=864), None, settings(tmp_path), CheckFacts(nsb=3.0))
    assert (found.level, found.picture) == (0.1534, 10)
    assert "lstchain_find_tailcuts" in found.source
    # a sky darker than the Monte Carlo's
    tailcuts(tmp_path, 864, 8, LOG.replace("0.1534", "-0.0021"))
    assert sky_brightness(a_run(run=864), None, settings(tmp_path), CheckFacts()).level == -0.0021


def test_the_request_comes_first(tmp_path: Path) -> None:
    tailcuts(tmp_path, 15864, 8)
    found = sky_brightness(a_run(), 0.5, settings(tmp_path), CheckFacts())
    assert found.level == 0.5
    assert "dl2.nsb" in found.source
    # a person who names a level gets it, however the run was cleaned
    assert nearest_level(LEVELS, found, settings()) == 0.5


def test_order_of_the_sources(tmp_path: Path) -> None:
    table = {"of_spread": {1.6: 0.0, 2.0: 0.2, 3.0: 1.0}, "default": 0.07}
    # DL2 that is there was made with models of that level
    named = a_run("/DL2/20231213/tailcut84/nsb_tuning_0.38/dl2_LST-1.Run15864.h5")
    none = settings(tmp_path, **table)  # no file of the tailcuts finder yet
    assert sky_brightness(named, None, none, CheckFacts(nsb=1.8)).level == 0.38
    assert sky_brightness(a_run(), None, none, CheckFacts(nsb=1.8)).level == pytest.approx(0.1)
    assert sky_brightness(a_run(), None, none, CheckFacts()).level == 0.07
    assert "data.nsb.default" in sky_brightness(a_run(), None, none, CheckFacts()).source
    # without a table the spread of pedestals says nothing about the level
    assert sky_brightness(a_run(), None, settings(), CheckFacts(nsb=1.8)).level == 0.0


@pytest.mark.parametrize(("spread", "level"), [(1.0, 0.0), (1.6, 0.0), (2.5, 0.6), (9.0, 1.0)])
def test_spread_of_pedestals(spread: float, level: float) -> None:
    table = settings(of_spread={2.0: 0.2, 1.6: 0.0, 3.0: 1.0})
    assert sky_brightness(a_run(), None, table, CheckFacts(nsb=spread)).level == pytest.approx(
        level
    )


@pytest.mark.parametrize(
    ("tailcut", "picture"),
    [
        ("tailcut84", 8),
        ("tailcut1005", 10),
        ("tailcut1206", 12),
        ("tailcut104", 10),
        ("", None),
        ("x", None),
        ("tailcut77", None),
    ],
)
def test_cleaning_by_the_folder_of_dl1(tailcut: str, picture: int | None) -> None:
    assert sky_brightness(a_run(tailcut=tailcut), None, settings(), CheckFacts()).picture == picture


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tailcuts_clean": 3}'])
def test_a_broken_file_tells_nothing(tmp_path: Path, content: str) -> None:
    tailcuts(tmp_path, 15864, 10, log=content)
    (tmp_path / "dl1ab_Run15864.json").write_text(content)
    found = sky_brightness(a_run(), None, settings(tmp_path, default=0.14), CheckFacts())
    assert (found.level, found.picture) == (0.14, 8)


@pytest.mark.parametrize(
    ("level", "picture", "chosen"),
    [
        (0.1534, 8, 0.14),
        (-0.01, 8, 0.0),
        (0.30, 8, 0.22),  # 0.38 is as near, but cleaned otherwise
        (0.30, 10, 0.38),
        (0.30, None, 0.22),
        (0.46, 10, 0.5),
        (5.0, 18, 2.34),
        (0.1, 18, 2.34),
        (0.1, 99, 0.07),  # a cleaning that no level has: simply the nearest
    ],
)
def test_nearest_level_with_the_same_cleaning(
    level: float, picture: int | None, chosen: float
) -> None:
    assert nearest_level(LEVELS, SkyBrightness(level, "", picture), settings()) == chosen


def test_levels_that_are_not_there_are_not_chosen() -> None:
    assert nearest_level([0.07, 0.5], SkyBrightness(0.14, "", 8), settings()) == 0.07
    assert nearest_level([0.5, 0.81], SkyBrightness(0.14, "", 8), settings()) == 0.5


def test_levels_in_names() -> None:
    assert level_in_name("/models/20240918_v0.10.12_allsky_nsb_tuning_0.14/dec_2276") == "0.14"
    assert (
        level_in_name("/IRF/20250212_v0.10.17_allsky_interp_dl2_irfs_nsb_0.50/dec_2276") == "0.50"
    )
    assert level_in_name("/models/20231213_simulated/dec_2276") == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"log": "/logs/log.log"},
        {"cleaning": "logs/{run}.json"},
        {"of_spread": {1.0: 0.5, 2.0: 0.2}},
        {"of_spread": {1.0: -0.5}},
        {"default": -1},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        settings(**wrong)
