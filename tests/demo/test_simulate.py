"""The plan of a simulated night, and its steps."""

import dataclasses
import importlib.util
import itertools
from datetime import timedelta

import pytest
from conftest import require

from astran.base.clock import SystemClock
from astran.base.errors import CatalogueError, ConfigError
from astran.base.night import Night
from astran.demo import simulate as module
from astran.demo.observation import ObservedEvents
from astran.demo.simulate import Simulation, observation_plan, simulate, simulated_night

CLOCK = SystemClock()


@pytest.fixture
def lstchain():
    require(importlib.util.find_spec("lstchain"), "lstchain", "Install astran[lst].")


@pytest.mark.parametrize(
    "wrong", [{"runs": 0}, {"duration": 1.0}, {"duration": 1e5}, {"flux": 0.0}, {"flux": -1.0}]
)
def test_senseless_parameters_are_refused(wrong):
    with pytest.raises(ConfigError):
        Simulation(**wrong)


@pytest.mark.lstchain
def test_wobble_positions_take_turns_within_the_night(lstchain):
    simulation = Simulation(runs=4, duration=100.0)
    runs = observation_plan(simulation)
    assert [run.number for run in runs] == [15861, 15862, 15863, 15864]
    assert [run.wobble_angle for run in runs] == [90.0, 270.0, 90.0, 270.0]
    for before, after in itertools.pairwise(runs):
        assert after.start >= before.start + timedelta(seconds=before.duration)
    assert all(Night.of(run.start) == simulation.night for run in runs)


@pytest.mark.lstchain
def test_the_crab_is_not_observed_in_summer(lstchain):
    with pytest.raises(CatalogueError, match="2023-07-01"):
        observation_plan(Simulation(night=Night.parse("20230701")))


@pytest.mark.lstchain
def test_a_filled_folder_is_refused(lstchain, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="not empty"):
        simulated_night(Simulation(), CLOCK, output=tmp_path)


@pytest.mark.lstchain
def test_the_cache_key_follows_every_parameter(lstchain):
    base = Simulation()
    others = [
        dataclasses.replace(base, **change)
        for change in (
            {"runs": 4},
            {"duration": 60.0},
            {"flux": 1.0},
            {"seed": 1},
            {"night": Night.parse("20231214")},
            {"size": dataclasses.replace(base.size, trees=3)},
        )
    ]
    assert Simulation().key() == base.key()
    assert len({base.key(), *(other.key() for other in others)}) == len(others) + 1


@pytest.fixture
def quick(lstchain, monkeypatch):
    """Every slow part replaced; what was asked for is noted."""
    asked = []

    def monte_carlo(path, sample, node, thrown, number, seed):
        asked.append((path, seed))
        return 0

    def observe(path, run, seed):
        asked.append((path, seed))
        return ObservedEvents(run, run.ra, run.dec, 18.0, 250.0, 10, 8, _Ids(), [], 3, 20)

    monkeypatch.setattr(module.montecarlo, "simulate_node", monte_carlo)
    monkeypatch.setattr(module.observation, "observe_run", observe)
    for name in ("merge_dl1", "train_forests", "test_nodes_to_dl2"):
        monkeypatch.setattr(module.forests, name, lambda *args: None)
    monkeypatch.setattr(module, "mark_simulated", lambda path: None)
    return asked


class _Ids(list):
    def tolist(self):
        return list(self)


@pytest.mark.lstchain
def test_progress_reaches_its_end(quick, tmp_path):
    steps = []
    tmp_path = tmp_path / "night"
    tmp_path.mkdir()
    tree = simulate(tmp_path, Simulation(), lambda what, done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(len(steps)))
    assert steps[-1][0] == steps[-1][1]
    assert {total for _, total in steps} == {steps[-1][1]}
    assert not tree.scratch.exists()
    assert "SIMULATED" in (tmp_path / "README.md").read_text()


@pytest.mark.lstchain
def test_every_file_has_a_seed_and_a_name_of_its_own(quick, tmp_path):
    simulate(tmp_path, Simulation())
    paths, seeds = zip(*quick, strict=True)
    assert len(set(paths)) == len(set(seeds)) == len(quick) > 10
    first = list(quick)
    quick.clear()
    simulate(tmp_path, Simulation())
    assert quick == first
    quick.clear()
    simulate(tmp_path, Simulation(seed=99))
    assert not set(seeds) & {seed for _, seed in quick}


@pytest.mark.lstchain
def test_the_catalogues_can_be_read(quick, tmp_path):
    from astropy.table import Table

    tree = simulate(tmp_path, Simulation())
    catalog = Table.read(tree.run_catalog)
    assert list(catalog["run_id"]) == [15861, 15862, 15863]
    assert set(catalog["source_name"]) == {"Crab"}
    assert "SIMULATED" in catalog.meta["SIMULATED"]
    summary = Table.read(tree.run_summary)
    assert set(summary["run_type"]) == {"DATA"}
    assert Night.of(observation_plan(Simulation())[0].start) == tree.night
