"""A script as users of LAPP-ana write it, unchanged: by hand, and the same through Slurm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from demo_fixtures import SmallNight
from services.daemon import wait_until
from services.slurm import SlurmCluster
from simulated_archive import Archive

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]

NIGHT = "20231213"
PROGRAMS = Path(sys.executable).parent
DL2 = """
create_dl2_LP --config-analysis "$CONFIG" --output "$OUT" $WAY
"""
DL3 = """
check_dl2 "$OUT" --json > "$OUT/check_dl2.json" || [ $? = 3 ]
create_dl3_LP --config-analysis "$CONFIG" --output "$OUT" $WAY
"""
INDEX = """
create_index_LP --input "$OUT/DL3" --output "$OUT" $WAY
"""
CHECK = """
check_dl3 "$OUT" --json > "$OUT/check_dl3.json" || [ $? = 3 ]
"""


@pytest.fixture(scope="module")
def site(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short runs, one of them in subruns; one Monte Carlo node."""
    root, tree = tmp_path_factory.mktemp("lapp"), simulated_night.tree
    archive = Archive(root / "real", tuple(tree.dl1(run) for run in simulated_night.runs))
    archive.run(NIGHT, 1, parts=2)
    archive.run(NIGHT, 2)
    archive.write_tables()
    data = {**tree.data_settings(), **archive.settings()}
    data["mc_dl2"] = data["mc_dl2"].replace("node_*", "node_theta_23.630*")
    small = {"cpus": 1, "memory_mb": 2000, "time_min": 30}
    settings = {
        "site": "lapp",
        "workdir": str(root / "work"),
        "simulated": True,
        "scheduler": {
            "kind": "slurm",
            "resources": dict.fromkeys(("dl2", "irf", "dl3", "index"), small),
        },
        "lstchain": {"default": "here", "environments": {"here": {"bin": str(PROGRAMS)}}},
        "data": data,
    }
    (root / "site.yml").write_text(yaml.safe_dump(settings))
    (root / "config.yml").write_text(f"target: Crab\ndate: {NIGHT}\n")
    return root / "site.yml"


def run_script(site: Path, out: Path, text: str, way: str = "") -> str:
    out.mkdir(parents=True, exist_ok=True)
    names = {"CONFIG": site.with_name("config.yml"), "OUT": out, "WAY": way, "ASTRAN_SITE": site}
    env = {**os.environ, **{name: str(value) for name, value in names.items()}}
    env["PATH"] = f"{PROGRAMS}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text], env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def events(folder: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted((folder / "DL3").glob("dl3_*.fits")):
        with fits.open(path) as hdus:
            found[path.name] = np.array(hdus["EVENTS"].data["EVENT_ID"])
    return found


@pytest.mark.services
def test_by_hand_and_through_slurm(site: Path, slurm_env: SlurmCluster) -> None:
    by_hand = site.parent / "by-hand"
    run_script(site, by_hand, DL2 + DL3 + INDEX + CHECK)
    through = site.parent / "slurm"
    for text in (DL2, DL3, INDEX):
        told = run_script(site, through, text, "--submit")
        jobs = [line for line in told.splitlines() if ": job " in line]
        assert jobs and all("/jobmanager/" in line for line in jobs), told
        wait_until(
            "the jobs have ended",
            lambda: not slurm_env.run("squeue", "-h", "-o", "%i").strip(),
            timeout=600,
            every=1.0,
        )
    run_script(site, through, CHECK)
    assert list(through.glob("jobmanager/v*/Script_dl2_2.sh")), (
        "where users of LAPP-ana look for it"
    )
    for folder in (by_hand, through):
        for kind in ("check_dl2", "check_dl3"):
            found = json.loads((folder / f"{kind}.json").read_text())
            assert [run["run"] for run in found["runs"]] == [1, 2]
            assert {run["state"] for run in found["runs"]} <= {"ok", "suspicious"}
        assert {path.name for path in (folder / "DL3").glob("*-index*")} == {
            "hdu-index.fits.gz",
            "obs-index.fits.gz",
        }
    one, other = events(by_hand), events(through)
    assert one.keys() == other.keys() and len(one) == 2
    assert all(np.array_equal(one[name], other[name]) for name in one)
