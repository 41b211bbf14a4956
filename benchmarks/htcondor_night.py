"""Is a night on HTCondor the same as on the local pool?

A small simulated night (kept in ASTRAN's cache) goes twice through lstchain and the high-level
analysis, by `astran --config-analysis FILE --submit`: on the local pool, and on a private HTCondor
pool with two machines. The two results.json must agree value by value, but for names, times, paths
and versions of the run itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from demo_fixtures import TINY  # noqa: E402
from services.condor import HOW, CondorPool, home  # noqa: E402

from astran.base.clock import SystemClock  # noqa: E402
from astran.demo.data_tree import DataTree  # noqa: E402
from astran.demo.simulate import simulated_night  # noqa: E402

_OF_THE_RUN = {"provenance", "created", "created_utc", "software", "input_files", "path", "files"}


def run_night(folder: Path, tree: DataTree, kind: str, env: Mapping[str, str]) -> dict[str, Any]:
    """The results of the night on one kind of scheduler."""
    folder.mkdir()
    small = {"cpus": 1, "memory_mb": 2500, "time_min": 30}
    stages = ("dl2", "irf", "dl3", "index", "highlevel")
    site = {
        "site": "Benchmark",
        "simulated": True,
        "workdir": str(folder / "work"),
        "scheduler": {"kind": kind, "resources": dict.fromkeys(stages, small)},
        "lstchain": {
            "default": "here",
            "environments": {"here": {"bin": str(Path(sys.executable).parent)}},
        },
        "data": tree.data_settings(),
    }
    (folder / "site.yml").write_text(yaml.safe_dump(site))
    (folder / "crab.yml").write_text(f"target: Crab\ndate: '{tree.night}'\n")
    words = ["--config-analysis", str(folder / "crab.yml"), "--site", str(folder / "site.yml")]
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "astran.cli.main", *words, "--submit"],
        env=dict(env),
        capture_output=True,
        text=True,
    )
    print(f"{kind}: return code {done.returncode}, {time.monotonic() - begin:.0f} s", flush=True)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    # the same file has a second name in the store of products
    found = next((folder / "work").glob("Crab*/**/results.json"))
    return json.loads(found.read_text())  # type: ignore[no-any-return]


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other} - _OF_THE_RUN):
            yield from differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif one != other:
        yield f"{place}: {str(one)[:60]} on the local pool, {str(other)[:60]} on HTCondor"


def count_values(one: Any) -> int:
    if isinstance(one, dict):
        return sum(count_values(value) for key, value in one.items() if key not in _OF_THE_RUN)
    return sum(map(count_values, one)) if isinstance(one, list) else 1


def main() -> int:
    """0 where the results agree."""
    if home() is None:
        sys.exit(f"HTCondor is not here. {HOW}")
    with tempfile.TemporaryDirectory() as name, CondorPool() as pool:
        folder = Path(name)
        tree, _ = simulated_night(TINY, SystemClock(), output=folder / "night")
        on_condor = run_night(folder / "htcondor", tree, "htcondor", pool.env)
        local = run_night(folder / "local", tree, "local", pool.env)
    found = list(differences(local, on_condor))
    print(f"{count_values(local)} values, {len(found)} differ", *found[:20], sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
