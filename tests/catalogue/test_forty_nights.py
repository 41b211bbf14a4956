"""Nights laid out as real archives are: what is taken is what an analyser would take, or the plan
says why not.

The expectations come from how the data are made and selected on La Palma: names of lstosa and TCU,
the RunSummary and RunCatalog of lstchain, and the public reports of broken merges.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables

from astran.base.errors import CatalogueError
from astran.base.night_data import NightData
from astran.catalogue.sources import is_same_source, resolve_source
from astran.config.site import SiteConfig
from astran.telescopes.lst.catalogue.file_inspection import examine, inspector
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.catalogue.response.models import ALWAYS
from astran.telescopes.lst.hdf5_open import DL1_TABLE
from astran.telescopes.lst.settings import LstConfig

NIGHT = "20231213"
EVENING = datetime(2023, 12, 13, 23, tzinfo=UTC)
MORNING = datetime(2023, 12, 14, 15, tzinfo=UTC)
RATE_HZ = 4000.0
ROWS = np.dtype(
    [
        ("obs_id", "i8"),
        ("event_id", "i8"),
        ("event_type", "i8"),
        ("intensity", "f8"),
        ("length", "f8"),
        ("alt_tel", "f8"),
        ("az_tel", "f8"),
        ("dragon_time", "f8"),
    ]
)
SUBRUN = 400
"""Events of one."""


PLACES: dict[float, tuple[float, float]] = {}
"""Where on the sky [deg] an azimuth [rad] of these files is."""


def pointing(source: str, offset_deg: float) -> tuple[float, float]:
    """Altitude and azimuth [rad] that stand for a place so far north of a source; that DL1 is read
    rightly is tested elsewhere."""
    target = resolve_source(source)
    azimuth = (target.ra + offset_deg) / 100
    PLACES[azimuth] = (target.ra, target.dec + offset_deg)
    return 1.2, azimuth


def look_up(times: Any, alt: Any, az: Any) -> dict[str, float]:
    ra, dec = PLACES[float(az[0])]
    return {"ra": ra, "dec": dec, "dec_spread": 0.0, "moon_alt": -30.0, "moon_lit": 0.0}


NOT_OF_RUNS = ("Models", "Monte", "Quality", "Runs left after")
"""How notes begin that are no remark on a run."""


@dataclass
class Clock:
    time: datetime = MORNING

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Sky:
    """The archive of one night, to be spoilt."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    sources: dict[int, str] = field(default_factory=dict)
    summary: dict[int, tuple[int, str]] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    catalog_text: Callable[[str], str] = str
    catalog_age_s: float = 20_000.0

    def write(
        self,
        run: int,
        parts: Sequence[int] = (),
        *,
        part: int | None = None,
        source: str = "Crab",
        offset: float = 0.4,
        version: str = "v0.10",
        cut: str = "tailcut84",
        rows: int = SUBRUN,
        events_of: int | None = None,
        merged: bool = False,
        nan: bool = False,
        tree: str = "real",
        telescope: int = 1,
    ) -> Path:
        """DL1 of a run, of the events of some of its subruns; `part`: that subrun's own file."""
        numbers = [part] if part is not None else list(parts or [0])
        ids = np.concatenate([np.arange(number * rows, (number + 1) * rows) for number in numbers])
        table = np.zeros(len(ids), ROWS)
        table["obs_id"] = run if events_of is None else events_of
        table["event_id"] = ids + 1
        table["event_type"] = 32
        table["intensity"] = np.where(ids % 20 == 7, 422.0, 80.0)
        table["length"] = math.nan if nan else 0.2
        start = EVENING.timestamp() + (run % 100) * 60
        table["alt_tel"], table["az_tel"] = pointing(source, offset)
        table["dragon_time"] = start + ids / RATE_HZ
        name = f"Run{run:05d}" + ("" if part is None else f".{part:04d}")
        folder = self.root / tree / "DL1" / NIGHT / version / cut
        path = folder / f"dl1_LST-{telescope}.{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        group, _, node = DL1_TABLE.rpartition("/")
        with tables.open_file(str(path), "w") as handle:
            handle.create_table(group, node, table, createparents=True)
            if merged:
                names = [f"dl1_LST-1.Run{run:05d}.{number:04d}.h5" for number in numbers]
                handle.create_array("/source_filenames", "filenames", names, createparents=True)
        return self.age(path)

    def subruns(self, run: int, number: int = 3, **more: Any) -> list[Path]:
        return [self.write(run, part=part, **more) for part in range(number)]

    def age(self, path: Path, age_s: float = 10_000.0) -> Path:
        moment = self.clock.now().timestamp() - age_s
        os.utime(path, (moment, moment))
        return path

    def table(self, kind: str, head: str, rows: Sequence[str], tree: str = "real") -> Path:
        path = self.root / tree / kind / f"{kind}_{NIGHT}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "# %ECSV 1.0\n# ---\n# delimiter: ','\n" + "\n".join([head, *rows]) + "\n"
        path.write_text(self.catalog_text(text) if kind == "RunCatalog" else text)
        return self.age(path, self.catalog_age_s)

    def find(self, late: bool = False) -> NightData:
        head = "run_id,source_name,source_ra,source_dec"
        if self.sources or "run_catalog" in self.asked:
            rows = [f"{run},{name},83.6,22.0" for run, name in self.sources.items()]
            self.table("RunCatalog", head, rows)
        if self.summary:
            rows = [f"{run},{number},{kind}" for run, (number, kind) in self.summary.items()]
            self.table("RunSummary", "run_id,n_subruns,run_type", rows)
        for name in (*ALWAYS, "reg_disp_norm.sav", "cls_disp_sign.sav", "training_dirs.ecsv"):
            path = self.root / "models/dec_2276" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        node = self.root / "mc/node_theta_10.0_az_102.199_/dl2_g.h5"
        if not node.exists():
            node.parent.mkdir(parents=True)
            with tables.open_file(str(node), "w") as handle:
                handle.create_table(
                    "/dl2/event/telescope/parameters", "LST_LSTCam", ROWS, createparents=True
                )
        real = f"{self.root}/real"
        data = {
            "dl1": f"{real}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
            "run_catalog": f"{real}/RunCatalog/RunCatalog_{{date}}.ecsv",
            "run_summary": f"{real}/RunSummary/RunSummary_{{date}}.ecsv",
            "models": f"{self.root}/models",
            "mc_dl2": f"{self.root}/mc/node_*/dl2_*.h5",
            **self.data,
        }
        site = SiteConfig.model_validate(
            {"site": "t", "workdir": str(self.root / "work"), "data": data}
        )
        target = resolve_source("Crab").model_dump()
        config = LstConfig.model_validate(
            {
                "target": target,
                "date": NIGHT,
                # the files hold a tenth of a second
                "quality": {"apply": False},
                **{key: value for key, value in self.asked.items() if key != "run_catalog"},
            }
        )
        return LstCatalogue(site, self.clock, is_same_source).find(config, late=late)


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sky:
    """Files are opened in this process: Python started for each would take longer than all."""

    def look(words: list[str], *, stdin: str, **_: Any) -> None:
        import io
        import sys

        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        examine.main(words[3:])

    monkeypatch.setattr(inspector, "run_command", look)
    monkeypatch.setattr(examine, "_sky", look_up)
    return Sky(tmp_path)


@dataclass(frozen=True)
class Case:
    """A night, and what an analyser takes of it."""

    make: Callable[[Sky], object]
    taken: tuple[int, ...]
    complete: bool = True
    said: str = ""
    """Among the notes or the reasons of what is missing."""
    files: tuple[str, ...] = ()
    """Ends of the paths that are taken."""
    late: bool = False
    silent: bool = False
    """Nothing is to be said."""


def good(sky: Sky, *runs: int, **more: Any) -> None:
    """Whole runs of the Crab, in all tables."""
    for run in runs or (15861, 15863):
        sky.sources[run] = "Crab"
        sky.summary[run] = (1, "DATA")
        sky.write(run, **more)


def named(name: str, source: str = "Crab", offset: float = 0.4) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        good(sky)
        sky.sources[15862] = name
        sky.summary[15862] = (1, "DATA")
        sky.write(15862, source=source, offset=offset)

    return make


def without_row(source: str = "Crab") -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        good(sky)
        sky.summary[15862] = (1, "DATA")
        sky.write(15862, source=source)

    return make


def without_row_or_dl1(sky: Sky) -> None:
    good(sky)
    sky.summary[15862] = (1, "DATA")


def empty_catalog(sky: Sky) -> None:
    sky.asked["run_catalog"] = True
    sky.summary |= {15861: (1, "DATA"), 15862: (1, "DATA")}
    sky.write(15861)
    sky.write(15862)


def named_run(name: str, source: str) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        named(name, source)(sky)
        sky.asked["runs"] = [15862]

    return make


def half_merged(**more: Any) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        sky.sources[15861] = "Crab"
        sky.summary[15861] = (3, "DATA")
        sky.write(15861, **more)
        sky.subruns(15861)

    return make


def merge_alone(parts: Sequence[int], number: int = 3, **more: Any) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        sky.sources[15861] = "Crab"
        sky.summary[15861] = (number, "DATA")
        sky.write(15861, parts, **more)

    return make


def only_subruns(spoil: Callable[[Sky], object] | None = None) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        sky.sources[15861] = "Crab"
        sky.summary[15861] = (3, "DATA")
        sky.subruns(15861)
        if spoil is not None:
            spoil(sky)

    return make


def versions(*names: str, cut: str = "") -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        good(sky, 15861)
        for name in names:
            sky.write(15861, version=name, rows=300)
        if cut:
            sky.write(15861, cut=cut, rows=300)

    return make


def only_version(name: str) -> Callable[[Sky], None]:
    return lambda sky: good(sky, 15861, version=name)


def asked_version(sky: Sky) -> None:
    versions("v0.10.5rc1")(sky)
    sky.asked["dl1_version"] = "v0.10.5rc1"


def tonight(sky: Sky) -> None:
    sky.clock.time = datetime(2023, 12, 14, 4, tzinfo=UTC)
    good(sky)


def morning(hour: int, **more: Any) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        sky.clock.time = datetime(2023, 12, 14, hour, tzinfo=UTC)
        good(sky)
        sky.summary |= more.get("summary", {})
        if more.get("without_summary"):
            sky.summary.clear()
        sky.catalog_age_s = more.get("age_s", sky.catalog_age_s)

    return make


def tonight_with_runs_named(sky: Sky) -> None:
    tonight(sky)
    sky.asked["runs"] = [15861]


def cut_catalog(keep: int, age_s: float = 20_000.0) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        good(sky)
        sky.catalog_text = lambda text: text[:-keep]
        sky.catalog_age_s = age_s

    return make


def of_kind(kind: str, there: bool = False) -> Callable[[Sky], None]:
    def make(sky: Sky) -> None:
        good(sky)
        sky.sources[15862] = "Crab"
        sky.summary[15862] = (1, kind)
        if there:
            sky.write(15862)

    return make


def not_in_summary(sky: Sky) -> None:
    good(sky)
    del sky.summary[15863]


def points_elsewhere(sky: Sky) -> None:
    good(sky, 15861)
    good(sky, 15863, source="Mrk421")


def other_events(sky: Sky) -> None:
    good(sky, 15861)
    good(sky, 15863, events_of=15861)


def dangling(sky: Sky) -> None:
    good(sky, 15861)
    sky.sources[15863] = "Crab"
    path = sky.write(15863)
    path.unlink()
    path.symlink_to("/archive/moved/dl1.h5")


def good_link(sky: Sky) -> None:
    good(sky, 15861)
    path = sky.write(15861)
    aside = path.rename(sky.root / "elsewhere.h5")
    path.symlink_to(aside)


def copy_under_way(sky: Sky) -> None:
    good(sky)
    path = sky.write(15863)
    path.rename(path.with_name(f".{path.name}.Xq3z1a"))  # rsync


def growing(sky: Sky) -> None:
    good(sky)
    sky.age(sky.write(15863), 5.0)


def truncated(sky: Sky) -> None:
    good(sky)
    path = sky.write(15863)
    path.write_bytes(path.read_bytes()[:3000])
    sky.age(path)


def other_telescopes(sky: Sky) -> None:
    good(sky, 15861)
    sky.write(15861, telescope=2, rows=900)
    sky.data["dl1"] = (
        f"{sky.root}/real/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-*.Run{{run}}.h5"
    )


def across_midnight(sky: Sky) -> None:
    good(sky, 15861, 15999)  # half an hour apart, and on both sides of midnight in UTC


def lost_part(sky: Sky) -> None:
    (sky.root / f"real/DL1/{NIGHT}/v0.10/tailcut84/dl1_LST-1.Run15861.0001.h5").unlink()


def dark_part(sky: Sky) -> None:
    sky.write(15861, part=1, nan=True)


def same_part(sky: Sky) -> None:
    parts = sky.root / f"real/DL1/{NIGHT}/v0.10/tailcut84"
    first = parts / "dl1_LST-1.Run15861.0000.h5"
    (parts / "dl1_LST-1.Run15861.0001.h5").write_bytes(first.read_bytes())
    sky.age(parts / "dl1_LST-1.Run15861.0001.h5")


def all_dark(sky: Sky) -> None:
    good(sky, 15861)
    good(sky, 15863, nan=True)


def new_tree(sky: Sky, **more: Any) -> None:
    """The site's second tree, as at La Palma since May 2025."""
    new = f"{sky.root}/new"
    sky.data["trees"] = {
        "new": {
            "dl1": f"{new}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
            "run_catalog": f"{new}/RunCatalog/RunCatalog_{{date}}.ecsv",
            "run_summary": f"{new}/RunSummary/RunSummary_{{date}}.ecsv",
            "night_finished": f"{new}/OSA/Closer/{{date}}/{{version}}/NightFinished.txt",
            **more,
        }
    }


def in_new_tree(sky: Sky) -> None:
    new_tree(sky)
    for run in BOTH:
        sky.write(run, tree="new")
    sky.table("RunCatalog", "run_id,source_name", [f"{run},Crab" for run in BOTH], "new")
    sky.table("RunSummary", "run_id,n_subruns,run_type", [f"{run},1,DATA" for run in BOTH], "new")


def closed(sky: Sky) -> None:
    in_new_tree(sky)
    path = sky.root / f"new/OSA/Closer/{NIGHT}/v0.10/NightFinished.txt"
    path.parent.mkdir(parents=True)
    path.touch()


def in_both_trees(sky: Sky) -> None:
    in_new_tree(sky)
    good(sky, 15862)


def subruns_in_both_trees(sky: Sky) -> None:
    new_tree(sky)
    only_subruns()(sky)
    sky.subruns(15861, tree="new")


BOTH, ALL = (15861, 15863), (15861, 15862, 15863)
RUN_WISE = ("Run15861.h5",)
PARTS = ("Run15861.0000.h5", "Run15861.0001.h5", "Run15861.0002.h5")
CASES = {
    "plain": Case(good, BOTH, silent=True),
    # 1: names
    "wobble name": Case(named("Crab-wobble-0.7", offset=0.7), ALL, said="'Crab-wobble-0.7'"),
    "offset name": Case(named("Crab_offset_0.4"), ALL, said="it pointed 0.40 deg from Crab"),
    "Desconocido": Case(named("Desconocido"), ALL, said="'Desconocido'"),
    "Desconocido elsewhere": Case(named("Desconocido", "Mrk421"), BOTH),
    "made-up name": Case(named("MadeUpSource"), ALL, said="'MadeUpSource'"),
    "made-up name elsewhere": Case(named("MadeUpSource", "Mrk421"), BOTH, silent=True),
    "another spelling": Case(named("M 1"), ALL, silent=True),
    "another source": Case(named("Mrk421", "Mrk421"), BOTH, silent=True),
    "another source by name alone": Case(named("Mrk421"), BOTH, said="'Mrk421'; left out"),
    "wobble name elsewhere": Case(
        named("Crab-wobble-0.7", "Mrk421"), BOTH, said="it pointed 71 deg from Crab"
    ),
    "named run under another source": Case(named_run("Mrk421", "Crab"), (15862,), said="'Mrk421'"),
    "named run of another source": Case(named_run("MadeUp", "Mrk421"), (), said="pointed 71 deg"),
    "no row": Case(without_row(), ALL, said="Run 15862: taken, as it pointed 0.40 deg"),
    "no row, elsewhere": Case(without_row("Mrk421"), BOTH, silent=True),
    "no row, no DL1": Case(without_row_or_dl1, BOTH, complete=False, said="in runs 15862"),
    "no row, no DL1, late": Case(
        without_row_or_dl1, BOTH, late=True, said="no DL1 tells where it pointed"
    ),
    "empty RunCatalog": Case(empty_catalog, (15861, 15862), said="has no row of it"),
    # 2: merges
    "half merged": Case(
        half_merged(rows=600), (15861,), files=PARTS, said="holds 600 events, 3 subruns 1,200"
    ),
    "merged": Case(half_merged(parts=(0, 1, 2)), (15861,), files=RUN_WISE, silent=True),
    "merged, with a record": Case(
        half_merged(parts=(0, 1, 2), merged=True), (15861,), files=RUN_WISE, silent=True
    ),
    "half merged, with a record": Case(
        half_merged(parts=(0, 1), merged=True), (15861,), files=PARTS, said="merged from 2 of 3"
    ),
    "half merged alone": Case(
        merge_alone((0, 1), merged=True), (), complete=False, said="merged from 2 of 3 subruns"
    ),
    "half merged alone, late": Case(
        merge_alone((0, 1), merged=True), (15861,), late=True, said="merged from 2 of 3 subruns"
    ),
    "subrun twice": Case(
        merge_alone((0, 1, 1, 2)), (), complete=False, said="holds 400 events twice"
    ),
    "subrun twice, late": Case(
        merge_alone((0, 1, 1, 2)), (), complete=False, late=True, said="holds 400 events twice"
    ),
    "subrun twice beside its subruns": Case(
        half_merged(parts=(0, 1, 1, 2)), (15861,), files=PARTS, said="holds 400 events twice"
    ),
    "subrun missing in a merge": Case(
        merge_alone((0, 2)), (15861,), said="lacks 400 events in a row"
    ),
    "more subruns than the RunSummary": Case(
        merge_alone((0, 1, 2), 2, merged=True), (15861,), said="3 subruns, the RunSummary says 2"
    ),
    "subruns": Case(only_subruns(), (15861,), files=PARTS, silent=True),
    "subrun lost": Case(only_subruns(lost_part), (), complete=False, said="1 of 3 subruns"),
    "subrun twice under two numbers": Case(
        only_subruns(same_part), (), complete=False, said="events of the subrun before it"
    ),
    "events of another run": Case(other_events, (15861,), complete=False, said="events of run"),
    # 4: one bad part
    "subrun that cannot be reconstructed": Case(
        only_subruns(dark_part),
        (15861,),
        said="1 of its subruns hold no events that can be",
        files=(PARTS[0], PARTS[2]),
    ),
    "run that cannot be reconstructed": Case(all_dark, (15861,), said="no events that can be"),
    # 5: versions
    "test": Case(
        versions("v0.10.5_test"), (15861,), files=("v0.10/tailcut84/dl1_LST-1.Run15861.h5",)
    ),
    "release candidate": Case(
        versions("v0.10.5rc1"), (15861,), files=("v0.10/tailcut84/dl1_LST-1.Run15861.h5",)
    ),
    "backups": Case(
        versions("v0.10_old", "v0.11.bak", "backup_v0.12", cut="tailcut84_old"),
        (15861,),
        files=("v0.10/tailcut84/dl1_LST-1.Run15861.h5",),
    ),
    "newest release": Case(
        versions("v0.9", "v0.10.5"),
        (15861,),
        files=("v0.10.5/tailcut84/dl1_LST-1.Run15861.h5",),
        said="DL1 v0.10.5 taken, the newest of v0.9, v0.10, v0.10.5.",
    ),
    "named release candidate": Case(
        asked_version, (15861,), files=("v0.10.5rc1/tailcut84/dl1_LST-1.Run15861.h5",)
    ),
    "only a release candidate": Case(
        only_version("v0.10.5rc1"), (), complete=False, said="v0.10.5rc1/tailcut84, which is no"
    ),
    # 6: too early, too late
    "mail during the night": Case(tonight, BOTH, complete=False, said="2023-12-13 is not over"),
    "RunSummary of the morning": Case(morning(9), BOTH, silent=True),
    "morning without RunSummary": Case(morning(9, without_summary=True), BOTH, silent=True),
    "morning with a RunCatalog just written": Case(
        morning(9, without_summary=True, age_s=60),
        BOTH,
        complete=False,
        said="is not over",
    ),
    "before sunrise, all tables there": Case(morning(6), BOTH, complete=False, said="is not over"),
    "RunSummary with a run more": Case(
        morning(9, summary={15864: (1, "DATA")}), BOTH, complete=False, said="is not over"
    ),
    "named runs during the night": Case(tonight_with_runs_named, (15861,)),
    "cut RunCatalog": Case(cut_catalog(12), BOTH, complete=False, said="in the middle of a row"),
    "cut RunCatalog, late": Case(cut_catalog(12), BOTH, late=True, said="no row of it"),
    "RunCatalog cut in a name, just now": Case(
        cut_catalog(11, age_s=30), BOTH, complete=False, said="in the middle of a row"
    ),
    "RunCatalog without its last line feed, long ago": Case(cut_catalog(1), BOTH, silent=True),
    "ERROR": Case(of_kind("ERROR"), BOTH, said="the RunSummary has it as ERROR"),
    "ERROR with DL1": Case(of_kind("ERROR", there=True), BOTH, said="has it as ERROR"),
    "by hand": Case(of_kind("ERRPEDCALIB"), BOTH, said="ERRPEDCALIB"),
    "no DL1 yet": Case(of_kind("DATA"), BOTH, complete=False, said="no DL1 yet"),
    "not in the RunSummary": Case(not_in_summary, BOTH, said="the RunSummary has not"),
    # 7: pointing
    "points elsewhere": Case(points_elsewhere, BOTH, said="its DL1 points 70.8 deg from Crab"),
    # several trees
    "new tree": Case(in_new_tree, BOTH, said="not closed the night yet: 2 of 2 observations"),
    "closed night": Case(closed, BOTH, said="has closed the night (v0.10): 2 of 2 observations"),
    "night in both trees": Case(in_both_trees, ALL),
    "subruns in both trees": Case(subruns_in_both_trees, (15861,), files=PARTS),
    # 8: links, copies, telescopes, midnight
    "dangling link": Case(dangling, (15861,), complete=False, said="link to /archive/moved/dl1.h5"),
    "link": Case(good_link, (15861,), silent=True),
    "copy under way": Case(copy_under_way, (15861,), complete=False, said="no DL1 yet"),
    "growing": Case(growing, (15861,), complete=False, said="still being written"),
    "truncated": Case(truncated, (15861,), complete=False, said="truncated"),
    "several telescopes": Case(other_telescopes, (15861,), files=("dl1_LST-1.Run15861.h5",)),
    "midnight": Case(across_midnight, (15861, 15999), silent=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_an_analyser_takes(sky: Sky, case: Case) -> None:
    case.make(sky)
    data = sky.find(late=case.late)
    spoken = [*data.notes, *(f"Run {gap.run}: {gap.reason}" for gap in data.missing)]
    told = "\n".join(note for note in spoken if not note.startswith(NOT_OF_RUNS))
    assert tuple(run.run for run in data.runs) == case.taken, told
    assert data.complete == case.complete, told
    assert case.said in told
    if case.silent:
        assert [line for line in told.splitlines() if "kept, as quality" not in line] == []
    if case.files:
        paths = [file.path for run in data.runs for file in run.files]
        assert len(paths) == len(case.files)
        for path, end in zip(paths, case.files, strict=True):
            assert path.endswith(end)


def test_a_night_without_the_target_is_said_with_what_was_looked_at(sky: Sky) -> None:
    sky.sources[15861], sky.summary[15861] = "Mrk421", (1, "DATA")
    sky.write(15861, source="Mrk421")
    with pytest.raises(CatalogueError, match=r"No run of Crab.*Mrk421.*DL1 of 1 runs"):
        sky.find()


def test_a_monte_carlo_node_that_does_not_open_is_left_out(sky: Sky) -> None:
    good(sky, 15861)
    node = sky.root / "mc/node_theta_23.6_az_100.758_/dl2_g.h5"
    node.parent.mkdir(parents=True)
    with tables.open_file(str(node), "w") as handle:
        handle.create_table(
            "/dl2/event/telescope/parameters", "LST_LSTCam", ROWS, createparents=True
        )
    node.write_bytes(node.read_bytes()[:2000])
    data = sky.find()
    assert [one.name for one in data.monte_carlo[0].nodes] == ["theta_10.0_az_102.199"]
    (note,) = [note for note in data.notes if "is left out" in note]
    assert note.startswith("Monte Carlo node theta_23.6_az_100.758 is left out: it is truncated")
    (sky.root / "mc/node_theta_10.0_az_102.199_/dl2_g.h5").write_bytes(b"")
    with pytest.raises(CatalogueError, match="No file of the Monte Carlo"):
        sky.find()
