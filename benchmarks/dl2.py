"""DL1 to DL2: whole processes of lstchain's own tool and of the fast engine, side by side.

Forests with lstchain's default settings (50/50/100/100 trees, depth 30) are grown on simulated
image parameters. `--nodes` makes them as large as real ones: small ones are some 100 MB of pickles,
large ones gigabytes. Both tools get the same DL1 file, the same models and the same core; each is a
new process, from its start to its end, and its largest resident memory is what the kernel says.

    python benchmarks/dl2.py --size small --json
    python benchmarks/dl2.py --size large --events 1000000 4000000 --json

The data are those of the simulated night (`astran simulate-night`), repeated as often as needed
with a little noise, so that no two events are the same.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TREES = {"reg_energy": 50, "reg_disp_norm": 50, "cls_disp_sign": 100, "cls_gh": 100}
SIZES = {"tiny": 2_000, "small": 30_000, "large": 500_000}
"""Nodes of a tree."""
GROWN = 4
"""Trees that are grown anew in a forest of large trees; the others are copies of these in memory of
their own. The first, which sorts the events, is grown once and not copied."""
PARAMETERS = "/dl1/event/telescope/parameters/LST_LSTCam"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 if the products differ or a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--size", choices=SIZES, default="small", help="of the trees")
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--trees", type=float, default=1.0, help="share of lstchain's numbers")
    parser.add_argument("--core", type=int, default=0, help="the core that both tools get")
    parser.add_argument(
        "--folder", type=Path, help="for models and data (kept); default: thrown away"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="astran-dl2-", dir=args.folder) as scratch:
        found = _measure(args, args.folder or Path(scratch), Path(scratch))
    if args.json:
        print(json.dumps(found))
    else:
        for row in found["rows"]:
            print(_line(row))
    good = all(row["same"] for row in found["rows"])
    return 0 if good else 1


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description."""


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['events']:>9,} events: stock {row['stock_s']:.1f} s, {row['stock_gb']:.2f} GB; "
        f"fast {row['fast_s']:.1f} s, {row['fast_gb']:.2f} GB; {row['faster']:.2f} times faster "
        f"({row['faster_cpu']:.2f} in time of the core), "
        f"{row['memory']:.2f} of the memory; products {'the same' if row['same'] else 'DIFFER'}"
    )


def _measure(args: argparse.Namespace, kept: Path, scratch: Path) -> dict[str, Any]:
    night = _night()
    models = kept / f"models-{args.size}-{args.trees:g}"
    if not models.exists():
        part = scratch / "models"
        megabytes = _grow(night, part, SIZES[args.size], args.trees)
        part.replace(models)
        (models / "megabytes").write_text(f"{megabytes:.0f}")
    flat = scratch / "flat"
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}
    begun = time.monotonic()
    _run(_fast("convert-models", models, flat), env, args.core)
    converted = time.monotonic() - begun
    rows = []
    for events in args.events:
        dl1 = kept / f"dl1_LST-1.Run{events // 1000:05d}.h5"
        if not dl1.exists():
            _repeat(night, dl1, events, scratch)
        rows.append(_compare(dl1, models, flat, scratch, env, args.core, events))
    return {
        "size": args.size,
        "pickles_mb": float((models / "megabytes").read_text()),
        "nodes_of_a_tree": SIZES[args.size],
        "conversion_s": round(converted, 1),
        "rows": rows,
    }


def _compare(
    dl1: Path, models: Path, flat: Path, scratch: Path, env: dict[str, str], core: int, events: int
) -> dict[str, Any]:
    stock, fast = scratch / f"stock-{events}", scratch / f"fast-{events}"
    common = ["-f", str(dl1), "-p", str(models)]
    tool = str(Path(sys.executable).with_name("lstchain_dl1_to_dl2"))
    ours = _run(
        [*_fast("dl2", models, flat), *common, "-o", str(fast), "--threads", "1"], env, core
    )
    peer = _run([tool, *common, "-o", str(stock)], env, core)
    name = dl1.name.replace("dl1", "dl2", 1)
    same = _same(stock / name, fast / name)
    shutil.rmtree(stock)
    shutil.rmtree(fast)
    return {
        "events": events,
        "stock_s": round(peer.wall_s, 1),
        "stock_cpu_s": round(peer.cpu_s, 1),
        "stock_gb": round(peer.gb, 2),
        "fast_s": round(ours.wall_s, 1),
        "fast_cpu_s": round(ours.cpu_s, 1),
        "fast_gb": round(ours.gb, 2),
        "faster": round(peer.wall_s / ours.wall_s, 2),
        "faster_cpu": round(peer.cpu_s / ours.cpu_s, 2),
        "memory": round(ours.gb / peer.gb, 2),
        "same": same,
    }


def _fast(command: str, models: Path, flat: Path) -> list[str]:
    astran = str(Path(sys.executable).with_name("astran"))
    places = ["--flat-models", str(flat), "--trust", str(models)]
    return [astran, command, *places, *([str(models)] if command == "convert-models" else [])]


@dataclass(frozen=True)
class Used:
    """What a process took: time on the clock and of the core [s], largest resident memory [GB]."""

    wall_s: float
    cpu_s: float
    gb: float


def _run(words: list[str], env: dict[str, str], core: int) -> Used:
    """A process on one core, from its start to its end."""
    begun = time.monotonic()
    process = subprocess.Popen(
        words,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[0]} ended with {process.returncode}: {' '.join(words)}")
    wall = time.monotonic() - begun
    return Used(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def _same(one: Path, other: Path) -> bool:
    """Whether the tables of events have the same bits."""
    import tables

    with tables.open_file(str(one)) as a, tables.open_file(str(other)) as b:
        x, y = (f.root.dl2.event.telescope.parameters.LST_LSTCam for f in (a, b))
        if (x.nrows, x.dtype) != (y.nrows, y.dtype):
            return False
        step = 200_000
        return all(
            x.read(i, i + step).tobytes() == y.read(i, i + step).tobytes()
            for i in range(0, x.nrows, step)
        )


def _night() -> Any:
    from astran.base.clock import SystemClock
    from astran.demo.simulate import Simulation, simulated_night

    tree, _ = simulated_night(Simulation(), SystemClock())
    return tree


def _grow(night: Any, folder: Path, nodes: int, share: float) -> float:
    """Forests of the wanted size, trained on what the night's own are asked. Returns their MB."""
    import joblib

    shutil.copytree(night.models, folder)
    megabytes = 0.0
    for name, trees in TREES.items():
        path = folder / f"{name}.sav"
        model = _grown(joblib.load(path), nodes, max(2, round(trees * share)))
        joblib.dump(model, path, compress=3)
        megabytes += path.stat().st_size / 1e6
    return megabytes


def _grown(model: Any, nodes: int, trees: int) -> Any:
    """A forest of the same kind and features with trees of about so many nodes."""
    rng = np.random.default_rng(1)
    rows = nodes * 5
    names = list(model.feature_names_in_)
    x = _features(model, rng, rows)
    raw = model.predict(x) if not hasattr(model, "classes_") else model.predict_proba(x)[:, 0]
    import pandas as pd

    table = pd.DataFrame(x, columns=names)
    noisy = raw + rng.normal(0, 0.3, rows)
    target = noisy if not hasattr(model, "classes_") else model.classes_[(noisy < 0.5) * 1]
    made = type(model)(
        n_estimators=min(trees, GROWN if nodes > 100_000 else trees),
        max_depth=30,
        min_samples_leaf=1 if nodes > 100_000 else 4,
        min_samples_split=4,
        max_samples=0.6,
        n_jobs=2,
        random_state=7,
    ).fit(table, target)
    grown = made.estimators_
    copies = (copy.deepcopy(grown[1 + i % (len(grown) - 1)]) for i in range(trees - len(grown)))
    made.estimators_ = [*grown, *copies]
    made.n_estimators = trees
    made.n_jobs = 1
    return made


def _features(model: Any, rng: np.random.Generator, rows: int) -> Any:
    """Values where the trees of a model cut, so that the copies get the same shape of data."""
    names = list(model.feature_names_in_)
    columns = []
    for number, name in enumerate(names):
        cuts = np.concatenate(
            [t.tree_.threshold[t.tree_.feature == number] for t in model.estimators_]
        )
        if name == "alt_tel":
            columns.append(rng.choice([0.9, 1.05, 1.2, 1.3, 1.4], rows))
        elif len(cuts):
            columns.append(rng.choice(cuts, rows) * rng.normal(1, 0.2, rows))
        else:
            columns.append(rng.normal(size=rows))
    return np.stack(columns, axis=1)


def _repeat(night: Any, dl1: Path, events: int, scratch: Path) -> None:
    """A DL1 file of so many events: those of the night's first run, with some noise."""
    import tables

    part = scratch / dl1.name
    first = min((night.root / "real/DL1").rglob("dl1_*.h5"))
    shutil.copy(first, part)
    rng = np.random.default_rng(2)
    with tables.open_file(str(part), "a") as handle:
        table = handle.get_node(PARAMETERS)
        own = table.read()
        duration = np.ptp(own["dragon_time"]) + 1e-4 if "dragon_time" in table.colnames else 0.0
        while table.nrows < events:
            more = own[: events - table.nrows].copy()
            for name in ("width", "length", "intensity", "time_gradient"):
                more[name] *= rng.normal(1, 0.02, len(more))
            more["event_id"] += table.nrows
            if duration:
                more["dragon_time"] += duration * (table.nrows // len(own))
            table.append(more)
            table.flush()
        if table.nrows > events:
            table.remove_rows(events)
    part.replace(dl1)


if __name__ == "__main__":
    sys.exit(main())
