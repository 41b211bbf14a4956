"""A small archive as on La Palma, cut from DL1 of the simulated night: five nights, three sources,
run-wise and subrun-wise, two versions, and files with all that can be wrong with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import tables

from astran.base.night import Night
from astran.base.night_data import run_number

TABLE = "/dl1/event/telescope/parameters/LST_LSTCam"
NIGHT = Night.parse("20231213")
"""Of the simulated runs."""
SIDEREAL_DAY = timedelta(seconds=86164.0905)
"""After this the same direction above the horizon is the same on the sky."""
OLD, NEW = "v0.9", "v0.10"
CUT = "tailcut84"


def cut(source: Path, target: Path, first: int, last: int, shift: timedelta, rate: float) -> None:
    """Rows `first` to `last` of a DL1 file as a file of their own, later by `shift`; of the
    events between 300 and 600 p.e. only the fraction `rate` keeps its brightness (clouds)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tables.open_file(str(source)) as old, tables.open_file(str(target), "w") as new:
        for node in old.walk_nodes("/", "Table"):
            parent = node._v_parent._v_pathname
            rows = node.read(first, last) if node._v_pathname == TABLE else node.read()
            if node._v_pathname == TABLE:
                rows["dragon_time"] += shift.total_seconds()
                rows["obs_id"] = run_number(target.name) or 0
                bright = np.flatnonzero((rows["intensity"] > 300) & (rows["intensity"] < 600))
                rows["intensity"][bright[round(len(bright) * rate) :]] /= 3
            made = new.create_table(parent, node.name, rows, createparents=True)
            for name in node.attrs._v_attrnamesuser:
                made.attrs[name] = node.attrs[name]
        for name in old.root._v_attrs._v_attrnamesuser:
            new.root._v_attrs[name] = old.root._v_attrs[name]


@dataclass
class Archive:
    """The tree, and its tables run by run."""

    root: Path
    dl1: tuple[Path, ...]
    """Run-wise DL1 of the simulated night to cut from: a wobble pair."""
    rows: int = 6000
    """Events per file: about three seconds."""
    sources: dict[str, dict[int, str]] = field(default_factory=dict)
    subruns: dict[str, dict[int, int]] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """For the section `data` of a site configuration."""
        monitoring = self.root / "monitoring"
        return {
            "dl1": str(self.root / "DL1/{date}/{version}/{tailcut}/dl1_LST-1.Run{run}.h5"),
            "run_catalog": str(monitoring / "RunCatalog/RunCatalog_{date}.ecsv"),
            "run_summary": str(monitoring / "RunSummary/RunSummary_{date}.ecsv"),
            "datacheck": str(self.root / "check/{version}/{date}/DL1_datacheck_{date}.h5"),
            "settle_s": 60.0,
        }

    def run(
        self,
        night: str,
        run: int,
        source: str = "Crab",
        *,
        version: str = NEW,
        parts: int = 0,
        there: bool = True,
        rate: float = 1.0,
    ) -> list[Path]:
        """Add a run, run-wise or of `parts` subruns; with `there` False only to the tables."""
        self.sources.setdefault(night, {})[run] = source
        self.subruns.setdefault(night, {})[run] = max(parts, 1)
        return self.files(night, run, version, parts, rate) if there else []

    def files(
        self, night: str, run: int, version: str = NEW, parts: int = 0, rate: float = 1.0
    ) -> list[Path]:
        """The DL1 of a run that the tables know."""
        days = (Night.parse(night).evening - NIGHT.evening).days
        # another part of the night for each run, as nothing may overlap
        shift = days * SIDEREAL_DAY
        names = [f"Run{run:05d}.{part:04d}" for part in range(parts)] or [f"Run{run:05d}"]
        folder = self.root / "DL1" / night / version / CUT
        made = []
        for number, name in enumerate(names):
            path = folder / f"dl1_LST-1.{name}.h5"
            first = number * self.rows
            cut(self.dl1[run % len(self.dl1)], path, first, first + self.rows, shift, rate)
            made.append(self.age(path, night))
        return made

    def age(self, path: Path, night: str, hours: float = 7.0) -> Path:
        """Let a file be written `hours` after midnight, UTC."""
        evening = Night.parse(night).evening
        midnight = datetime(evening.year, evening.month, evening.day, tzinfo=UTC)
        moment = (midnight + timedelta(days=1, hours=hours)).timestamp()
        os.utime(path, (moment, moment))
        return path

    def datacheck(self, night: str, values: Mapping[int, tuple[float, float]]) -> Path:
        """A night-wise data check with NSB spread [p.e.] and dR/dI at 422 p.e. of each run, as
        pandas writes it."""
        import pandas as pd

        path = self.root / "check" / NEW / night / f"DL1_datacheck_{night}.h5"
        path.parent.mkdir(parents=True)
        rows = [
            {
                "runnumber": run,
                "subrun": part,
                "diffuse_nsb_std": nsb,
                # no two are the same: such a run is refused
                "ZD_corrected_cosmics_rate_at_422_pe": rate * (1 + 1e-4 * part),
                "anomalous_low_intensity_peak": False,
            }
            for run, (nsb, rate) in values.items()
            for part in range(2)
        ]
        pd.DataFrame(rows).to_hdf(path, key="cosmics_intensity_spectrum", mode="w")
        return path

    def write_tables(self, *, catalog: bool = True, nights: tuple[str, ...] = ()) -> None:
        """RunCatalog and RunSummary of the nights (all of them if none is named)."""
        for night in nights or tuple(self.sources):
            runs = self.sources[night]
            if catalog:
                rows = [f"{run},{name},83.6,22.0" for run, name in runs.items()]
                self._table("RunCatalog", night, "run_id,source_name,source_ra,source_dec", rows)
            counts = self.subruns[night]
            rows = [f"{run},{counts[run]},DATA,0" for run in runs]
            rows.append(f"{min(runs) - 1},1,PEDCALIB,0")
            self._table("RunSummary", night, "run_id,n_subruns,run_type,run_start", rows)

    def _table(self, kind: str, night: str, columns: str, rows: list[str]) -> None:
        path = self.root / "monitoring" / kind / f"{kind}_{night}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# schema: astropy-2.0\n"
        path.write_text(head + "\n".join([columns, *rows]) + "\n")


PIXELS = 10


def write_check(path: Path, spreads: Sequence[float], pedestals: bool = True) -> Path:
    """A data check of a run or subrun as lstchain_check_dl1 writes it: one row per subrun; a pixel
    near a star is brighter, a dead one has no value."""
    rows = np.zeros(
        len(spreads),
        [
            ("subrun_index", "i8"),
            ("charge_stddev", "f8", PIXELS),
            ("num_nearby_stars", "i8", PIXELS),
        ],
    )
    rows["charge_stddev"] = np.asarray(spreads)[:, None]
    rows["charge_stddev"][:, 0] = 9.0
    rows["num_nearby_stars"][:, 0] = 1
    rows["charge_stddev"][:, 1] = np.nan
    path.parent.mkdir(parents=True, exist_ok=True)
    with tables.open_file(str(path), "w") as handle:
        handle.create_table("/dl1datacheck", "cosmics", rows, createparents=True)
        if pedestals:
            handle.create_table("/dl1datacheck", "pedestals", rows)
    return path


def truncate(path: Path) -> None:
    """Leave the first half of a file, with its time stamp."""
    status = path.stat()
    with path.open("r+b") as handle:
        handle.truncate(status.st_size // 2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def without_events(path: Path) -> None:
    """Leave a good HDF5 file whose table has no rows, with its time stamp."""
    status = path.stat()
    spare = path.with_suffix(".old")
    path.rename(spare)
    cut(spare, path, 0, 0, timedelta(), 1.0)
    spare.unlink()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def copy(archive: Archive, to: Path) -> Archive:
    """The same archive elsewhere, for a test that changes it."""
    shutil.copytree(archive.root, to)
    return Archive(to, archive.dl1, archive.rows, archive.sources, archive.subruns)
