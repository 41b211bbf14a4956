"""The pages of 2,000 analyses: all of them at first, and again after one more analysis.

The database, plots and logs are made up; the pages are made by `astran pages`, in processes of
their own. The peer makes all pages again although only one analysis is new (`--anew`), which is
what a site generator without memory does.

    python benchmarks/pages.py --json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert

from astran.base.states import AnalysisState, TaskState
from astran.base.tasks import Output, Plan, ProductKind, Stage, Task
from astran.config.analysis import Target
from astran.database import plans
from astran.database.analyses import RequestOrigin, create_analysis, get_analysis, move_analysis
from astran.database.connection import Database
from astran.database.schema import tables as t
from astran.telescopes.lst.settings import LstConfig

BAR_FULL_S = 60.0
BAR_UPDATE_S = 2.0
PLOTS = ("theta2", "skymap", "cumulative", "rates")
RUNS = 5
FIRST = datetime(2022, 1, 1, 9, tzinfo=UTC)
_NUMBERS = {
    "n_on": 1185,
    "n_off": 972,
    "alpha": 1 / 3,
    "excess": 861.0,
    "excess_error": 35.9,
    "significance": 24.3,
    "livetime_h": 1.02,
    "rate_per_min": 14.0,
    "rate_error": 0.6,
}


def png(size: int) -> bytes:
    """A picture of about so many bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * 16 for _ in range(16)))
    noise = chunk(b"prVt", random.Random(1).randbytes(size))
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", head) + noise + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def task(folder: Path, key: str, stage: Stage, run: int | None, output: Path) -> Task:
    """A task as a plan holds it."""
    return Task(
        key=key,
        stage=stage,
        argv=("lstchain_tool", "--input", str(folder / "input.h5"), "--output", str(output)),
        outputs=(Output(output.name, str(output), ProductKind.DL2),),
        folder=str(folder),
        script=str(folder / f"{key}.sh"),
        log=str(folder / "log" / f"{key}.log"),
        record=str(folder / f"{key}.json"),
        run=run,
        fingerprint="f" * 64,
    )


def add_analysis(db: Connection, work: Path, number: int, picture: bytes) -> None:
    """An analysis of five runs that has ended, with plots, results and logs."""
    names = (
        "Crab",
        "Mrk 421",
        "Mrk 501",
        "1ES 1959+650",
        "BL Lac",
        "RS Oph",
        "M 87",
        "GRB 221009A",
    )
    now = FIRST + timedelta(hours=12 * number)
    config = LstConfig(
        target=Target(name=names[number % len(names)], ra=number % 360, dec=20.0),
        date=f"{now - timedelta(hours=24):%Y%m%d}",
    )
    origin = RequestOrigin(subject="ASTRAN-LAUNCH")
    made = create_analysis(
        db, now, origin, config.label, config.plain(), work, "a@institute.example"
    )
    folder = made.folder
    (folder / "log").mkdir(parents=True)
    results = folder / "results"
    results.mkdir()
    first = 15000 + 10 * number
    runs = [{"obs_id": first + n, **_NUMBERS} for n in range(RUNS)]
    plots = [{"file": f"{name}.png", "title": name, "alt": f"{name}, described"} for name in PLOTS]
    sigma = 5 + number % 40
    content = {"stacked": {**_NUMBERS, "significance": sigma}, "runs": runs, "plots": plots}
    (results / "results.json").write_text(json.dumps(content, indent=2))
    for name in PLOTS:
        (results / f"{name}.png").write_bytes(picture)
    tasks = []
    for run in range(first, first + RUNS):
        for stage in (Stage.DL2, Stage.DL3):
            key = f"{stage}-{run}"
            tasks.append(task(folder, key, stage, run, folder / f"{key}.h5"))
    tasks.append(task(folder, "highlevel", Stage.HIGHLEVEL, None, results))
    for one in tasks:
        lines = "".join(f"2023-12-07 INFO line {n} of the log of {one.key}\n" for n in range(60))
        Path(one.log).write_text(lines)
    source = (config.target.name, config.target.ra, config.target.dec)
    plan = Plan(tuple(tasks), versions=(("lstchain", "0.12.3"),))
    plans.store_plan(db, now, made.id, plan, date=config.date, source=source)
    rows = db.execute(t.task.select().where(t.task.c.analysis_id == made.id)).mappings().all()
    batch = db.execute(
        insert(t.submission).values(
            analysis_id=made.id,
            token=f"batch-{number}",
            scheduler="slurm",
            job_id=str(number),
            state="done",
            size=len(rows),
            folder=str(folder),
            intent=now,
            submitted=now,
        )
    ).inserted_primary_key
    assert batch is not None
    for row in rows:
        attempt = {
            "task_id": row["id"],
            "submission_id": batch[0],
            "number": 1,
            "token": f"{number}-{row['id']}",
            "array_index": 0,
            "requested": {},
            "outcome": "ok",
            "exit_code": 0,
            "node": "cp01",
            "max_rss_mb": 5000.0,
            "elapsed_s": 600.0,
            "ended": now + timedelta(minutes=12),
            "telling": [],
        }
        db.execute(insert(t.attempt).values(attempt))
        product = {"task_id": row["id"], "path": row["spec"]["outputs"][0]["path"], "kind": "dl2"}
        product |= {"size": 10**8, "mtime_ns": 1, "sha256": "a" * 64, "facts": {}}
        db.execute(insert(t.product).values(product))
        for word in ("submitting", "submitted", "running", "checking", "done"):
            event = {"at": now, "analysis_id": made.id, "task_id": row["id"]}
            db.execute(insert(t.event).values(event | {"kind": f"task-{word}", "text": word}))
    db.execute(t.task.update().where(t.task.c.analysis_id == made.id).values(state=TaskState.DONE))
    for state in (AnalysisState.RUNNING, AnalysisState.REPORTING, AnalysisState.DONE):
        assert move_analysis(db, now, get_analysis(db, made.id), state)


def pages(site: Path, output: Path, *more: str) -> float:
    """Seconds that `astran pages` takes."""
    begun = time.monotonic()
    words = [sys.executable, "-m", "astran.cli.main", "pages", "--site", str(site)]
    subprocess.run([*words, "--output", str(output), *more], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--analyses", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="astran-pages-") as name:
        folder = Path(name)
        work, site = folder / "work", folder / "site.yml"
        work.mkdir()
        site.write_text(f"site: Benchmark\nworkdir: {work}\nscheduler: {{kind: local}}\n")
        database = Database.open(f"sqlite:///{work / 'astran.sqlite'}")
        picture = png(40_000)
        with database.begin() as db:
            for number in range(args.analyses):
                add_analysis(db, work, number, picture)
        full = pages(site, folder / "out")
        with database.begin() as db:
            add_analysis(db, work, args.analyses, picture)
        update = pages(site, folder / "out")
        anew = pages(site, folder / "out", "--anew")
        files = sum(len(names) for _, _, names in os.walk(folder / "out"))
    missed = full > BAR_FULL_S or update > BAR_UPDATE_S
    if args.json:
        result = {
            "name": "pages",
            "ours": round(update, 3),
            "peer": round(anew, 3),
            "ratio": round(update / anew, 4),
            "unit": "s",
            "full_s": round(full, 2),
            "analyses": args.analyses,
            "files": files,
        }
        print(json.dumps(result))
    else:
        print(f"{args.analyses} analyses, {files} files")
        print(f"full site        {full:6.2f} s  (bar {BAR_FULL_S:.0f} s)")
        print(f"after one more   {update:6.2f} s  (bar {BAR_UPDATE_S:.0f} s)")
        print(f"all made anew    {anew:6.2f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
