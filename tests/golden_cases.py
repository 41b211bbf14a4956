"""Plans that must stay as they are: stand-in files of fixed sizes and times, and what is made of
them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
import yaml
from fakes.lstchain_environment import make_environment
from origin_samples import write_dl2
from simulated_archive import NEW, OLD, TABLE, Archive

import astran
from astran.catalogue.sources import resolve_source
from astran.config.yaml_files import load_site
from astran.database.connection import Database
from astran.demo.data_tree import DataTree
from astran.demo.simulate import TEST_NODES, Simulation
from astran.service.context import Context
from astran.service.planning import describe_awaited, find_data, make_plan_of
from astran.telescopes.configuration import load_analysis

ROOT = "/srv/astran"
"""Stands for the folder of the test."""
PYTHON = "/opt/astran/bin/python3"
PACKAGE = "/opt/astran/lib/astran"
VERSION = "1.2.3"
"""Stands for ASTRAN's own version, which is part of some fingerprints."""
WRITTEN = 1702555200.0
"""When the files were written: 2023-12-14 12:00 UTC."""
NOW = datetime(2023, 12, 18, 9, tzinfo=UTC)
HDF5_SIZE = 1 << 18
"""Of each HDF5 file [bytes]: what the library itself needs depends on its version."""
MODELS = {
    "reg_energy.sav": 5000,
    "cls_gh.sav": 6000,
    "reg_disp_norm.sav": 7000,
    "cls_disp_sign.sav": 8000,
    "training_dirs.ecsv": 900,
}
EVENTS = np.dtype(
    [
        ("obs_id", "i8"),
        ("event_id", "i8"),
        ("event_type", "i8"),
        ("intensity", "f8"),
        ("alt_tel", "f8"),
        ("az_tel", "f8"),
        ("dragon_time", "f8"),
    ]
)


class SetClock:
    """Stands where it was put."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def sleep(self, seconds: float) -> None:
        self._moment += timedelta(seconds=seconds)


# ---- files ---------------------------------------------------------------------------------------


def stub(path: Path, size: int = 1000, written: float = WRITTEN) -> Path:
    """A file of which nothing but size and time is looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (written, written))
    return path


def fixed(path: Path, written: float | None = None) -> Path:
    """An HDF5 file with a size that does not depend on the library."""
    status = path.stat()
    assert status.st_size <= HDF5_SIZE, f"{path.name} needs {status.st_size} bytes"
    os.truncate(path, HDF5_SIZE)
    when = status.st_mtime if written is None else written
    os.utime(path, (when, when))
    return path


def dl1(path: Path, rows: int, zenith_deg: float = 20.0) -> Path:
    """Events enough for the catalogue: a tenth of pedestals, a twentieth of bright showers."""
    index = np.arange(rows)
    table = np.zeros(rows, EVENTS)
    table["event_type"] = np.where(index % 10, 32, 2)
    table["intensity"] = np.where(index % 20 == 7, 422.0, 80.0)
    table["alt_tel"], table["az_tel"] = np.radians(90.0 - zenith_deg), np.radians(255.0)
    # so that it is the Crab that stands there
    table["dragon_time"] = 1702521000.0 + (zenith_deg - 17.7) * 284.0 + index / 4000.0
    folder, _, name = TABLE.rpartition("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tables.open_file(str(path), "w") as handle:
        handle.create_table(folder, name, table, createparents=True)
    return fixed(path, WRITTEN)


def models(folder: Path) -> Path:
    for name, size in MODELS.items():
        path = stub(folder / name, size)
        if name == "training_dirs.ecsv":
            path.write_text("az zd\n250 10\n260 20\n270 60\n".ljust(size, "\n"))
            os.utime(path, (WRITTEN, WRITTEN))
    return folder


# ---- sites ---------------------------------------------------------------------------------------


def demo_night(root: Path) -> dict[str, Any]:
    """The section `data` for a night as the demo lays it out."""
    simulation = Simulation()
    tree = DataTree(root / "night", simulation.night, "20240918_v0.12_simulated")
    models(tree.models)
    tree.lstchain_config.write_text(json.dumps({"events_filters": {"intensity": [80, "inf"]}}))
    os.utime(tree.lstchain_config, (WRITTEN, WRITTEN))
    for node in TEST_NODES:
        fixed(write_dl2(tree.test_dl2(node), models=str(tree.models)), WRITTEN)
    runs = [simulation.first_run + index for index in range(simulation.runs)]
    for run in runs:
        dl1(tree.dl1(run), 1500, 18.0 + 2 * (run - runs[0]))
    tree.run_catalog.parent.mkdir(parents=True)
    rows = "".join(f"{run},Crab\n" for run in runs)
    tree.run_catalog.write_text(
        f"# %ECSV 1.0\n# ---\n# delimiter: ','\n# schema: astropy-2.0\nrun_id,source_name\n{rows}"
    )
    return tree.data_settings()


def archive(root: Path) -> dict[str, Any]:
    """The section `data` for the nights of the test archive, without what lstchain would make."""
    base = demo_night(root / "base")
    first = [dl1(root / "first" / f"dl1_LST-1.Run{run:05d}.h5", 900) for run in (1, 2)]
    made = Archive(root / "real", tuple(first), rows=300)
    for run in (100, 101):
        made.run("20231213", run, version=OLD)
        made.run("20231213", run, version=NEW)
    made.run("20231213", 102, "Mrk421")
    for run in (200, 201):
        made.run("20231214", run, parts=3)
    made.run("20231215", 300)
    made.run("20231215", 301, there=False)
    made.run("20231215", 302, "Mrk421")
    (damaged,) = made.run("20231216", 400)
    for run in (402, 403):
        made.run("20231216", run, version=OLD)
        made.run("20231216", run, version=NEW)
    for run in (500, 501, 502):
        made.run("20231217", run)
    made.run("20231217", 503, rate=0.2)
    made.write_tables()
    for path in sorted(made.root.rglob("*.h5")):
        fixed(path)
    broken = damaged.stat()
    os.truncate(damaged, 1000)
    os.utime(damaged, ns=(broken.st_mtime_ns, broken.st_mtime_ns))
    return {**base, **made.settings()}


def dl3(root: Path) -> dict[str, Any]:
    """The section `data` for a folder of DL3 of another's making."""
    for run in (5029747, 5029748):
        stub(root / "dl3" / "rad_max" / f"run_{run}.fits", 40_320)
    stub(root / "dl3" / "rad_max" / "hdu-index.fits.gz", 2880)
    return {"roots": [str(root / "dl3")]}


def dl2(root: Path) -> dict[str, Any]:
    """The section `data` for DL2 that somebody made with the models of the demo's night."""
    found = demo_night(root)
    for run in (15861, 15862):
        path = root / "dl2" / "crab" / f"dl2_LST-1.Run{run}.h5"
        fixed(write_dl2(path, models=found["models"]), WRITTEN)
    return {**found, "roots": [str(root / "dl2")]}


LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "demo": demo_night,
    "archive": archive,
    "dl2": dl2,
    "dl3": dl3,
}
RESOURCES = {
    stage: {"cpus": 1, "memory_mb": memory, "time_min": 20}
    for stage, memory in (("dl2", 1500), ("irf", 1200), ("dl3", 1500), ("index", 1000))
}
"""As a small machine has them."""


def lay_out_site(root: Path, layout: str) -> Path:
    """Make the files and the site configuration of a layout; returns the latter."""
    programs = make_environment(root / "lstchain")
    settings = {
        "site": "Golden",
        "workdir": str(root / "analyses"),
        "simulated": layout == "demo",
        "scheduler": {"kind": "local", "resources": RESOURCES if layout == "demo" else {}},
        "lstchain": {"default": "0.12", "environments": {"0.12": {"bin": str(programs)}}},
        "data": LAYOUTS[layout](root),
    }
    path = root / "site.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


@dataclass(frozen=True)
class Case:
    """A request to a site."""

    layout: str
    request: dict[str, Any]
    now: datetime = NOW


def _crab(layout: str, date: str, **more: Any) -> Case:
    return Case(layout, {"target": "Crab", "date": date, **more})


CASES = {
    "demo": _crab("demo", "20231213"),
    "demo-other-choices": _crab(
        "demo",
        "20231213",
        runs=[15861, 15863],
        dl2={"engine": "stock"},
        dl3={"gh_efficiency": 0.8, "theta_containment": 0.7, "intensity_min": 100},
        highlevel={"energy_min": 0.1, "off_regions": 5},
    ),
    "archive-two-versions": _crab("archive", "20231213"),
    "archive-other-source": Case("archive", {"target": "Mrk421", "date": "20231213"}),
    "archive-subruns": _crab("archive", "20231214"),
    "archive-one-missing": Case(
        "archive",
        {"target": "Crab", "date": "20231215"},
        datetime(2023, 12, 20, 9, tzinfo=UTC),
    ),
    "archive-one-awaited": Case(
        "archive",
        {"target": "Crab", "date": "20231215"},
        datetime(2023, 12, 16, 10, tzinfo=UTC),
    ),
    "archive-one-broken": _crab("archive", "20231216"),
    "archive-clouds": _crab("archive", "20231217", quality={"rate_422_min": 1.0}),
    "dl2": _crab("dl2", "20231213", start="dl2", folder="crab"),
    "dl3": _crab("dl3", "20131003", start="dl3", folder="rad_max"),
}


# ---- what is made of them ------------------------------------------------------------------------


@contextmanager
def pinned(root: Path) -> Iterator[None]:
    """Fingerprints as if everything lay below ROOT, and a fixed version of ASTRAN."""
    real = hashlib.sha256

    def sha256(data: Any = b"", **options: Any) -> Any:
        return real(rootless(bytes(data).decode("latin-1"), root).encode("latin-1"), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "sha256", sha256)
        patch.setattr(astran, "__version__", VERSION)
        # a plan leaves no trace at the site; what files hold is remembered below home instead
        patch.setenv("HOME", str(root / "home"))
        yield


def rootless(text: str, root: Path) -> str:
    """The text without the places in which this test and this ASTRAN happen to be."""
    return text.replace(str(root), ROOT).replace(str(Path(astran.__file__).parent), PACKAGE)


def plan_of(case: Case, root: Path) -> dict[str, Any]:
    """What a hand-run would show and do, as plain data that does not tell where it was made."""
    (root / "request.yml").write_text(yaml.safe_dump(case.request))
    config = load_analysis(root / "request.yml", resolve_source)
    at = load_site(root / "site.yml")
    with pinned(root):
        context = Context(at, Database("sqlite://"), SetClock(case.now), PYTHON)
        data = find_data(context, config, patient=True)
        waits = describe_awaited(context, config, data)
        plan = make_plan_of(context, config, data, at.workdir / config.label, keep=False)
    made: dict[str, Any] = {"waits": waits or "", **asdict(plan)}
    made["tasks"] = [task.to_json() for task in plan.tasks]
    made["files"] = {path: _read(text) for task in plan.tasks for path, text in task.files}
    for task in made["tasks"]:
        task["files"] = [path for path, _ in task["files"]]
        assert not task.pop("telescope"), "the default needs no name"
    text = rootless(json.dumps(made, default=str), root)
    return dict(json.loads(text))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
