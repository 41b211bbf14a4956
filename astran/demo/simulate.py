"""A whole simulated LST-1 night of the Crab: Monte Carlo, random forests, observed runs."""

from __future__ import annotations

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from astran.base.clock import Clock
from astran.base.errors import CatalogueError, ConfigError, ToolMissing
from astran.base.night import Night
from astran.base.tasks import fingerprint
from astran.demo import forests, montecarlo, observation
from astran.demo.cache import cache_root, cached
from astran.demo.catalogs import write_catalogs
from astran.demo.data_tree import DataTree
from astran.demo.dl1_format import mark_simulated
from astran.demo.forests import ForestSize
from astran.demo.montecarlo import EventSample, SimulatedNode
from astran.demo.observation import ObservedEvents, SimulatedRun
from astran.demo.truth import write_truth

SOURCE = "Crab"
RA, DEC = 83.6331, 22.0145
"""The Crab pulsar, ICRS [deg]."""

# pointings of the LST all-sky production west of culmination, along the Crab's path
TRAINING_NODES = (
    SimulatedNode(9.579, 233.112),
    SimulatedNode(16.087, 251.910),
    SimulatedNode(23.161, 260.739),
    SimulatedNode(30.390, 266.360),
)
# these three enclose the pointings of the night in the plane in which lstchain interpolates IRFs
TEST_NODES = (
    SimulatedNode(10.0, 248.117),
    SimulatedNode(23.630, 259.265),
    SimulatedNode(32.059, 248.099),
)
DEFAULT_NIGHT = Night(date(2023, 12, 13))
SMALL_FORESTS = ForestSize()
_START_ZENITH = 18.4  # deg, of the source at the start of the first run
_GENERATOR = (
    *("shower", "sampling", "dl1_format", "montecarlo", "observation"),
    *("forests", "data_tree", "catalogs", "truth", "simulate"),
)
_PAUSE = 45.0  # s between runs
_WOBBLE_ANGLES = (90.0, 270.0)


class SimulationProgress(Protocol):
    """Told about each step: what is being done, and how many steps of how many are done."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def no_progress(step: str, done: int, total: int) -> None:
    """No progress display."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is to be simulated; equal parameters and seed give equal events."""

    night: Night = DEFAULT_NIGHT
    runs: int = 3
    duration: float = 75.0
    """Of each run [s]."""
    flux: float = 3.0
    """Of the Crab, in Crab units."""
    seed: int = 20231213
    first_run: int = 15861
    gammas_thrown: int = 3_600_000
    """Diffuse gammas per training node."""
    protons_thrown: int = 9_000_000
    """Per training node."""
    test_thrown: int = 900_000
    """Ring gammas per test node."""
    size: ForestSize = SMALL_FORESTS

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ConfigError("At least one run is needed.")
        if not 10.0 <= self.duration <= 1800.0:
            raise ConfigError("A run lasts between 10 s and 1800 s.")
        if not 0.0 < self.flux <= 100.0:
            raise ConfigError("The flux lies between 0 and 100 Crab units.")

    @property
    def production(self) -> str:
        """Name of the Monte Carlo production."""
        return f"{self.night}_simulated"

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "night": str(self.night)}

    def key(self) -> str:
        """Name in the cache: parameters, generator and the versions that shape the files."""
        code = {name: (Path(__file__).parent / f"{name}.py").read_text() for name in _GENERATOR}
        versions = {name: _version(name) for name in ("lstchain", "scikit-learn", "numpy")}
        return fingerprint(parameters=self.to_json(), code=code, versions=versions)[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise ToolMissing(
            f"The simulation needs {package}, which is not installed here.",
            "Install it with: pip install 'astran[lst]'",
        ) from error


def simulated_night(
    simulation: Simulation,
    clock: Clock,
    progress: SimulationProgress = no_progress,
    output: Path | None = None,
) -> tuple[DataTree, bool]:
    """A simulated night, from the cache if it was made before.

    Parameters
    ----------
    output : folder for a copy of it, absent or empty; none: the one in the cache is returned

    Returns
    -------
    the tree of its files, and whether it came from the cache

    Raises
    ------
    ToolMissing : lstchain is not installed
    ConfigError : `output` holds files already
    CatalogueError : the Crab cannot be observed in that night
    """
    if output is not None and output.exists() and any(output.iterdir()):
        raise ConfigError(f"The folder {output} is not empty.", cure="Name a new folder.")

    def make(folder: Path) -> None:
        simulate(folder, simulation, progress)

    def waiting() -> None:
        progress("Another process is simulating the same night; waiting for it", 0, 1)

    root = cache_root() / "simulated-night"
    folder, found = cached(root, simulation.key(), make, clock, waiting)
    if output is not None:
        shutil.copytree(folder, output, dirs_exist_ok=True)
        folder = output.resolve()
    return DataTree(folder, simulation.night, simulation.production), found


def simulate(
    folder: Path, simulation: Simulation, progress: SimulationProgress = no_progress
) -> DataTree:
    """Simulate a night into a folder, without any cache."""
    tree = DataTree(folder, simulation.night, simulation.production)
    steps = _Steps(progress, total=2 * len(TRAINING_NODES) + len(TEST_NODES) + simulation.runs + 4)
    plan = observation_plan(simulation)
    env = forests.quiet_environment(tree.scratch / "settings")
    _monte_carlo(tree, simulation, steps)
    with ThreadPoolExecutor(1) as pool:
        # lstchain's tools work on the Monte Carlo while this process makes the observed runs
        learning = pool.submit(_learn, tree, simulation, env, steps)
        observed = [_observe(tree, simulation, run, steps) for run in plan]
        learning.result()
    write_catalogs(tree, SOURCE, observed)
    write_truth(tree, SOURCE, observed, simulation.to_json())
    shutil.rmtree(tree.scratch)
    steps.done("The night is complete")
    return tree


class _Steps:
    """Counts the steps for the progress display."""

    def __init__(self, progress: SimulationProgress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress("Loading lstchain", 0, total)

    def done(self, what: str) -> None:
        self._done += 1
        self._progress(what, self._done, self._total)


def _seed(simulation: Simulation, *path: int) -> int:
    """Seeds that are independent of each other, one per file."""
    sequence = np.random.SeedSequence(simulation.seed, spawn_key=path)
    return int(sequence.generate_state(1, np.uint64)[0])


def _monte_carlo(tree: DataTree, simulation: Simulation, steps: _Steps) -> None:
    samples = (
        (EventSample.GAMMA_DIFFUSE, TRAINING_NODES, simulation.gammas_thrown, tree.training_node),
        (EventSample.PROTONS, TRAINING_NODES, simulation.protons_thrown, tree.training_node),
        (
            EventSample.GAMMA_RING,
            TEST_NODES,
            simulation.test_thrown,
            lambda _, node, __: tree.test_dl1(node),
        ),
    )
    for kind, (sample, nodes, thrown, place) in enumerate(samples):
        for index, node in enumerate(nodes):
            number = 1000 * kind + index + 1
            seed = _seed(simulation, 0, kind, index)
            path = place(sample, node, number)
            montecarlo.simulate_node(path, sample, node, thrown, number, seed)
            steps.done(f"Monte Carlo: {sample.value} at {node.zenith:.1f} deg")


def _learn(tree: DataTree, simulation: Simulation, env: dict[str, str], steps: _Steps) -> None:
    forests.merge_dl1(tree, env)
    steps.done("Training events merged")
    forests.train_forests(tree, TRAINING_NODES, simulation.size, env)
    steps.done("Random forests trained")
    forests.test_nodes_to_dl2(tree, TEST_NODES, env)
    for node in TEST_NODES:
        mark_simulated(tree.test_dl2(node))
    steps.done("DL2 of the Monte Carlo made")


def _observe(
    tree: DataTree, simulation: Simulation, run: SimulatedRun, steps: _Steps
) -> ObservedEvents:
    observed = observation.observe_run(tree.dl1(run.number), run, _seed(simulation, 1, run.number))
    steps.done(f"Run {run.number} observed")
    return observed


def observation_plan(simulation: Simulation) -> list[SimulatedRun]:
    """The runs of the night: wobble positions in turn, short pauses in between."""
    start = _observing_time(simulation.night)
    step = timedelta(seconds=simulation.duration + _PAUSE)
    return [
        SimulatedRun(
            number=simulation.first_run + index,
            start=start + index * step,
            duration=simulation.duration,
            ra=RA,
            dec=DEC,
            wobble_angle=_WOBBLE_ANGLES[index % 2],
            flux=simulation.flux,
        )
        for index in range(simulation.runs)
    ]


def _observing_time(night: Night) -> datetime:
    """When the Crab sinks through the zenith angle of the first run, on a whole minute (UTC)."""
    import astropy.units as u
    from astropy.coordinates import AltAz, SkyCoord, get_sun
    from astropy.time import Time
    from astropy.utils import iers
    from ctapipe_io_lst.constants import LST1_LOCATION

    noon = datetime(night.evening.year, night.evening.month, night.evening.day, 12, tzinfo=UTC)
    minutes = np.arange(0, 24 * 60)
    with iers.conf.set_temp("auto_download", False):
        times = Time(noon) + minutes * u.min
        frame = AltAz(obstime=times, location=LST1_LOCATION)
        zenith = 90.0 - SkyCoord(RA, DEC, unit="deg").transform_to(frame).alt.deg
        sinking = (zenith[:-1] < _START_ZENITH) & (zenith[1:] >= _START_ZENITH)
        moment = int(np.flatnonzero(sinking)[0])
        sun = get_sun(times[moment]).transform_to(
            AltAz(obstime=times[moment], location=LST1_LOCATION)
        )
    if sun.alt.deg > -12.0:
        raise CatalogueError(
            f"In the night of {night.iso} the Crab sinks from its height by daylight.",
            "Choose a night between mid-October and mid-March.",
        )
    return noon + timedelta(minutes=moment)
