"""lstchain's own advice on the intensity cut, beside the cut that was taken."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from product_samples import events, whole_dl2
from production_samples import TOOLS, a_config, a_night, a_site

from astran.base.tasks import Stage
from astran.production.job.logs import find_remarks
from astran.telescopes.lst.environment import compare_intensity_cut
from astran.telescopes.lst.planning.plan import make_plan


def showers(edge_pe: float | None, number: int = 20_000) -> np.ndarray:
    """A power law of showers, with a smooth edge, half at `edge_pe`."""
    rng = np.random.default_rng(1)
    intensity = 10 * (1 - rng.random(40 * number)) ** (-1 / 1.24)
    if edge_pe is not None:
        seen = rng.random(intensity.size) < 1 / (1 + (edge_pe / intensity) ** 12)
        intensity = intensity[seen]
    return intensity[:number]


def test_the_tool_for_dl3_is_asked_where_the_cut_is_chosen(tmp_path: Path) -> None:
    night = a_night()
    first, second = night.runs
    night = replace(night, runs=(replace(first, intensity_min=74.0), second))
    for asked, words in (("auto", ["74", "50"]), (60, [])):
        config = a_config(dl3={"intensity_min": asked})
        plan = make_plan(config, a_site(tmp_path), night, TOOLS, tmp_path / "Crab", "/usr/bin/py")
        dl3 = [task for task in plan.tasks if task.stage is Stage.DL3]
        told = [task.argv[2] for task in dl3 if task.argv[1] == compare_intensity_cut.__file__]
        assert told == words
        for task in dl3:
            place = 4 if words else 0
            assert task.argv[place].endswith("lstchain_create_dl3_file")
            assert not words or task.argv[3] == task.argv[task.argv.index("-d") + 1]


def a_dl2(path: Path, intensity: np.ndarray) -> Path:
    table = events(
        n=intensity.size,
        intensity=intensity,
        event_type=np.full(intensity.size, 32),
        dragon_time=1.7e9 + 2e-4 * np.arange(intensity.size),
        delta_t=np.full(intensity.size, 2e-4),
    )
    return whole_dl2(path, table)


def test_dl2_is_compared_by_the_installed_lstchain_before_the_tool_runs(tmp_path: Path) -> None:
    pytest.importorskip("lstchain")
    clear = a_dl2(tmp_path / "dl2_LST-1.Run00001.h5", showers(90.0))
    no_peak = a_dl2(tmp_path / "dl2_LST-1.Run00002.h5", showers(None))
    program = compare_intensity_cut.__file__
    line = " && ".join(
        f"{sys.executable} {program} {taken} {dl2} echo tool"
        for taken, dl2 in ((50, clear), (50, no_peak))
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.stdout.count("tool\n") == 2, "the tool runs, whatever was found"
    log = tmp_path / "task.log"
    log.write_text(done.stdout)
    first, second = find_remarks(log)
    # 1.3 times the intensity at half of the peak rate, by get_intensity_cut
    assert re.fullmatch(r".*recommends 1[012]\d p.e.; 50 p.e. was taken.", first)
    assert "finds no clear peak" in second


@pytest.mark.parametrize(
    ("taken", "advised", "said"),
    [
        (111.0, 111.4, ""),
        (50.0, 50.0, ""),
        (50.0, 74.3, "recommends 74 p.e.; 50 p.e. was taken."),
        (58.0, 520.0, "recommends 520 p.e."),
        (50.0, float("nan"), "finds no clear peak"),
    ],
)
def test_what_is_a_difference(taken: float, advised: float, said: str) -> None:
    found = compare_intensity_cut.describe_difference(taken, advised)
    assert said in found and bool(found) is bool(said)


def test_the_tool_runs_where_nothing_can_be_compared(tmp_path: Path) -> None:
    words = [sys.executable, compare_intensity_cut.__file__, "50", str(tmp_path / "none.h5")]
    done = subprocess.run([*words, "echo", "tool"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.endswith("tool\n")
