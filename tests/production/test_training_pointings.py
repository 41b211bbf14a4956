"""Runs that point where no forest was trained are named in the plan, before the compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from production_samples import TOOLS, a_config, a_night, a_site, the_models

from astran.telescopes.lst.catalogue.response.models import (
    ALWAYS,
    DIRECTION,
    ModelFolder,
    choose_models,
)
from astran.telescopes.lst.planning.plan import make_plan

NODES = ((9.6, 233.0), (16.1, 252.0), (23.2, 261.0), (30.4, 266.0), (9.6, 127.0))
"""Zenith distance and azimuth [deg]: west of the culmination, and one east."""
EAST, WEST = 100.0, 260.0


def notes(
    tmp_path: Path, zenith: float, azimuth: float, training: tuple[tuple[float, float], ...] | None
) -> list[str]:
    night = a_night()
    models = replace(the_models(night), training=training)
    first, *others = night.runs
    night = replace(
        night,
        runs=(replace(first, pointing=(zenith, azimuth)), *others),
        monte_carlo=(replace(night.monte_carlo[0], models=models),),
    )
    plan = make_plan(
        a_config(), a_site(tmp_path), night, TOOLS, tmp_path / "Crab", "/usr/bin/python3"
    )
    return [note for note in plan.notes if "trained" in note]


@pytest.mark.parametrize(
    ("zenith", "azimuth", "said"),
    [
        # weights of add_zd_interpolation_info: w1 = (cos zd - c0) / (c1 - c0)
        (58.0, WEST, "58.0 deg lies outside of the nodes that the forests were trained at (9.6 to"),
        (20.0, WEST, ""),
        (6.7, WEST, ""),  # the Crab at its culmination: w1 = -0.28
        (33.0, WEST, ""),  # w1 = -0.41
        (36.0, WEST, "36.0 deg"),  # w1 = -0.95
        (20.0, EAST, "20.0 deg"),  # there is one node on that side
        (9.6, EAST, ""),
    ],
)
def test_a_run_beyond_the_training_nodes(
    tmp_path: Path, zenith: float, azimuth: float, said: str
) -> None:
    found = notes(tmp_path, zenith, azimuth, NODES)
    assert [said in note for note in found] == [True] * bool(said)
    assert all(note.startswith("Run 15861: ") for note in found)


def test_a_side_without_nodes(tmp_path: Path) -> None:
    (said,) = notes(tmp_path, 20.0, EAST, NODES[:4])
    assert "on the other side of culmination only" in said


def test_a_table_that_cannot_be_read_is_no_agreement(tmp_path: Path) -> None:
    (said,) = notes(tmp_path, 20.0, WEST, None)
    assert said.startswith("Not checked")
    assert notes(tmp_path, 20.0, WEST, ()) == []


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("# %ECSV 1.0\n# ---\n# schema: astropy-2.0\naz zd\n233.1 9.6\n251.9 16.1\n",
         ((9.6, 233.1), (16.1, 251.9))),
        ("# %ECSV 1.0\n# delimiter: ','\nzd,az\n9.6,233.1\n", ((9.6, 233.1),)),
        ("x" * 30, None),
        ("az zd\n", None),
        ("az zd\n233.1\n", None),
        (None, ()),
    ],
)  # fmt: skip
def test_the_nodes_are_read_from_the_folder_of_the_models(
    tmp_path: Path, text: str | None, nodes: tuple[tuple[float, float], ...] | None
) -> None:
    for name in (*ALWAYS, *DIRECTION[0]):
        (tmp_path / name).touch()
    if text is not None:
        (tmp_path / "training_dirs.ecsv").write_text(text)
    assert choose_models([ModelFolder(tmp_path)], 22.0).models.training == nodes
