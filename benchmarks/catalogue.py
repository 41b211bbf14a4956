"""How long the catalogue takes: 20,000 runs listed and a night of them found, from the cache.

    python benchmarks/catalogue.py [--runs N] [--json]

An archive of small files in 10 runs a night and two versions is made in a temporary folder; what
their DL1 holds is put into the cache as if they had been opened, as opening is measured apart, on
real DL1 of a simulated night if there is one in ASTRAN's cache. The plain way, to open the files of
all runs at each listing, is reckoned from that.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from astran.base.clock import SystemClock
from astran.base.night_data import FileRef
from astran.catalogue.sources import is_same_source
from astran.config.site import SiteConfig
from astran.demo.cache import cache_root
from astran.telescopes.lst.catalogue.dl1.listing import list_dl1
from astran.telescopes.lst.catalogue.dl1.selection import Condition
from astran.telescopes.lst.catalogue.file_inspection.facts import Dl1Facts
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector

PER_NIGHT = 10
BAR_S = 10.0


def make(root: Path, runs: int) -> SiteConfig:
    """The archive and a site for it."""
    for number in range(runs):
        night = date(2020, 1, 1) + timedelta(days=number // PER_NIGHT)
        for version in ("v0.9", "v0.10"):
            folder = root / f"DL1/{night:%Y%m%d}/{version}/tailcut84"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"dl1_LST-1.Run{number:05d}.h5").write_bytes(b"x")
        if number % PER_NIGHT == 0:
            names = ("Crab", "Mrk421", "BLLac")
            rows = "".join(f"{number + k},{names[k % 3]}\n" for k in range(PER_NIGHT))
            table = root / f"monitoring/RunCatalog_{night:%Y%m%d}.ecsv"
            table.parent.mkdir(exist_ok=True)
            table.write_text(f"# %ECSV 1.0\n# delimiter: ','\nrun_id,source_name\n{rows}")
    data = {
        "dl1": f"{root}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
        "run_catalog": f"{root}/monitoring/RunCatalog_{{date}}.ecsv",
        "settle_s": 0,
    }
    return SiteConfig.model_validate({"site": "b", "workdir": str(root / "work"), "data": data})


def remember(site: SiteConfig, root: Path) -> int:
    """Put facts of every file into the cache."""
    memory = FactsCache.of(site.shared_dir)
    facts = Dl1Facts(events=10**7, showers=9 * 10**6, start=1.7e9, stop=1.7e9 + 1200, alt=70.0)
    entries = []
    for path in root.glob("DL1/*/*/*/*.h5"):
        status = path.stat()
        entries.append((FileRef(str(path), status.st_size, status.st_mtime_ns), facts.to_json()))
    memory.keep_all(entries, time.time())
    return len(entries)


def main() -> int:
    """Print the figures; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="one JSON object in one line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="astran-catalogue-") as folder:
        root = Path(folder)
        site = make(root, args.runs)
        figures: dict[str, Any] = {"name": "catalogue", "unit": "s", "runs": args.runs}
        figures["files"] = remember(site, root)
        figures["ours"], figures["cpu_s"] = timed(site, (), args.runs)
        figures["one_night_s"], _ = timed(site, ("20200105",), PER_NIGHT)
        figures["cache_mb"] = round(FactsCache.of(site.shared_dir).path.stat().st_size / 1e6, 1)
        figures["max_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        opened_s = opening(root)
    if opened_s is not None:
        figures["open_100_s"] = round(opened_s, 1)
        figures["peer"] = round(opened_s / 100 * args.runs, 1)
        figures["ratio"] = round(figures["peer"] / figures["ours"], 1)
    figures["bar_s"] = BAR_S
    if args.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    return int(figures["ours"] > BAR_S)


def timed(site: SiteConfig, nights: tuple[str, ...], expected: int) -> tuple[float, float]:
    """Wall and CPU time of a listing [s]."""
    begin, cpu = time.perf_counter(), time.process_time()
    rows = list_dl1(site, SystemClock(), is_same_source, nights=nights, opens=False)
    took = time.perf_counter() - begin, time.process_time() - cpu
    if len(rows) != expected or any(row.state is not Condition.COMPLETE for row in rows):
        raise SystemExit(f"{len(rows)} rows, or not all of them complete, in place of {expected}")
    return round(took[0], 2), round(took[1], 2)


def opening(root: Path) -> float | None:
    """Time to open 100 real files of DL1 [s]; None where there is none."""
    found = sorted((cache_root() / "simulated-night").glob("*/real/DL1/*/*/*/dl1_*.h5"))
    if not found:
        return None
    files = []
    for number in range(100):
        path = root / f"dl1_LST-1.Run99999.{number:04d}.h5"
        path.symlink_to(found[number % len(found)])
        status = path.stat()
        files.append(FileRef(str(path), status.st_size, status.st_mtime_ns))
    eyes = Inspector(FactsCache(root / "m.sqlite"), SystemClock(), settle_s=0, budget_s=600)
    begin = time.perf_counter()
    eyes.look(files, frozenset([files[0].path]))
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
