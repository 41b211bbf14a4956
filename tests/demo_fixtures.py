"""A small simulated night for every test that needs real files of lstchain."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest

from astran.base.clock import SystemClock
from astran.demo.data_tree import DataTree
from astran.demo.forests import ForestSize
from astran.demo.simulate import Simulation
from astran.demo.simulate import simulated_night as make_night

TINY = Simulation(
    runs=2,
    duration=40.0,
    flux=4.0,
    gammas_thrown=2_400_000,
    protons_thrown=6_000_000,
    test_thrown=600_000,
    size=ForestSize(trees=10, depth=11, leaf=20),
)
"""A wobble pair; about 25 s to make, then kept in ASTRAN's cache."""


@dataclass(frozen=True, slots=True)
class SmallNight:
    """A copy of the night that tests may read, and what was simulated."""

    tree: DataTree
    simulation: Simulation

    @property
    def root(self) -> Path:
        return self.tree.root

    @property
    def runs(self) -> list[int]:
        return [self.simulation.first_run + index for index in range(self.simulation.runs)]


@pytest.fixture(scope="session")
def simulated_night(tmp_path_factory: pytest.TempPathFactory) -> SmallNight:
    """The night as files: DL1 of two runs, random forests, MC DL2, catalogues, truth."""
    from conftest import require

    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")
    folder = tmp_path_factory.mktemp("night") / "night"
    tree, _ = make_night(TINY, SystemClock(), output=folder)
    return SmallNight(tree, TINY)
