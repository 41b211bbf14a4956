"""Training of small random forests and DL2 of the Monte Carlo, by lstchain's own tools."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astran.base.errors import ProductError
from astran.base.process import run_command
from astran.demo.data_tree import DataTree
from astran.demo.montecarlo import EventSample, SimulatedNode

_FORESTS = ("energy_regressor", "disp_regressor", "disp_classifier", "particle_classifier")
_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True)
class ForestSize:
    """Size of each random forest; lstchain's own are 50-100 trees of depth 30, leaves of 10."""

    trees: int = 16
    depth: int = 12
    leaf: int = 20
    jobs: int = 2


def run_tool(name: str) -> str:
    """A command of the environment in which this Python runs; by name alone if not found there."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def quiet_environment(folder: Path) -> dict[str, str]:
    """Environment for lstchain's tools: one thread per library, and no search for Earth-rotation
    tables on the network, which an offline machine would wait for."""
    settings = folder / "astropy"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "astropy.cfg").write_text("[utils.iers.iers]\nauto_download = False\n")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, "XDG_CONFIG_HOME": str(folder), "MPLBACKEND": "agg"}


def training_config(size: ForestSize) -> dict[str, Any]:
    """lstchain's standard configuration with smaller forests.

    lstchain replaces whole top-level entries, so each is given complete. Half of the gammas (not
    a fifth) train the gamma/hadron separation, and the classes are balanced: the scale of
    gammaness depends on their ratio.
    """
    from lstchain.io import standard_config

    config: dict[str, Any] = json.loads(json.dumps(standard_config))
    for forest in _FORESTS:
        arguments = config[f"random_forest_{forest}_args"]
        arguments["n_estimators"] = size.trees
        arguments["max_depth"] = size.depth
        arguments["min_samples_leaf"] = size.leaf
        arguments["n_jobs"] = size.jobs
    config["random_forest_particle_classifier_args"]["class_weight"] = "balanced"
    config["n_training_events"] |= {"gamma_tmp_regressors": 0.5, "gamma_classifier": 0.5}
    return config


def merge_dl1(tree: DataTree, env: dict[str, str]) -> None:
    """Merge the training nodes into one file per kind of particle."""

    def one(sample: EventSample) -> None:
        run_command(
            [
                run_tool("lstchain_merge_hdf5_files"),
                *("-d", str(tree.training(sample))),
                *("-o", str(tree.merged(sample))),
                *("--pattern", "node_*/*.h5"),
                "--no-image",
                "--no-progress",
            ],
            timeout=_TIMEOUT,
            env=env,
        )
        _expect([tree.merged(sample)])

    _both(one, (EventSample.GAMMA_DIFFUSE, EventSample.PROTONS))


def train_forests(
    tree: DataTree, nodes: Iterable[SimulatedNode], size: ForestSize, env: dict[str, str]
) -> None:
    """Train the forests, and write the training pointings that lstchain interpolates between."""
    import astropy.units as u
    from astropy.table import QTable

    tree.models.mkdir(parents=True, exist_ok=True)
    tree.lstchain_config.write_text(json.dumps(training_config(size), indent=2))
    run_command(
        [
            run_tool("lstchain_mc_trainpipe"),
            *("--fg", str(tree.merged(EventSample.GAMMA_DIFFUSE))),
            *("--fp", str(tree.merged(EventSample.PROTONS))),
            *("-o", str(tree.models)),
            *("-c", str(tree.lstchain_config)),
        ],
        timeout=_TIMEOUT,
        env=env,
        cwd=tree.models,
    )
    names = ("reg_energy", "reg_disp_norm", "cls_disp_sign", "cls_gh")
    _expect([tree.models / f"{name}.sav" for name in names])
    _check_classes(tree.models / "cls_gh.sav")
    ordered = sorted(nodes)
    directions = QTable(
        {"az": [n.azimuth for n in ordered] * u.deg, "zd": [n.zenith for n in ordered] * u.deg},
        meta={"SIMULATED": True},
    )
    directions.write(tree.models / "training_dirs.ecsv", overwrite=True)


def _check_classes(path: Path) -> None:
    """lstchain drops events with a missing feature without a word, down to the last proton."""
    import joblib

    classes = [int(value) for value in joblib.load(path).classes_]
    expected = [EventSample.GAMMA_DIFFUSE.traits.mc_type, EventSample.PROTONS.traits.mc_type]
    if classes != expected:
        raise ProductError(
            f"{path} separates the classes {classes} instead of {expected}.",
            "Look at the training events: one kind of particle was dropped.",
        )


def test_nodes_to_dl2(tree: DataTree, nodes: Sequence[SimulatedNode], env: dict[str, str]) -> None:
    """DL2 of the gammas for the IRFs; the nodes are shared out over two processes."""

    def some(part: Sequence[SimulatedNode]) -> None:
        for folder in {tree.test_dl2(node).parent for node in part}:
            folder.mkdir(parents=True, exist_ok=True)
        scratch = tree.scratch / part[0].name
        run_command(
            [
                run_tool("lstchain_dl1_to_dl2"),
                *(word for node in part for word in ("-f", str(tree.test_dl1(node)))),
                *("-p", str(tree.models)),
                *("-o", str(scratch)),
                *("-c", str(tree.lstchain_config)),
                "--overwrite",
                *("--provenance-log", str(scratch / "provenance.log")),
            ],
            timeout=_TIMEOUT,
            env=env,
        )
        for node in part:
            made = scratch / tree.test_dl2(node).name
            _expect([made])
            made.replace(tree.test_dl2(node))

    _both(some, [part for part in (nodes[::2], nodes[1::2]) if part])


def _both(work: Any, items: Sequence[Any]) -> None:
    """Two tools at once: each spends most of its time on one core."""
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(work, item) for item in items]:
            future.result()


def _expect(paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.is_file() or not path.stat().st_size:
            raise ProductError(f"lstchain reported success but did not write {path}.")
