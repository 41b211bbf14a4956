"""What the catalogue finds for an analysis, on trees of small files."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astran.base.errors import CatalogueError
from astran.base.night_data import NightData
from astran.config.site import SiteConfig
from astran.telescopes.lst.catalogue.night import LstCatalogue, is_same_name
from astran.telescopes.lst.catalogue.response.models import ALWAYS
from astran.telescopes.lst.settings import LstConfig

NOW = datetime(2023, 12, 14, 15, tzinfo=UTC)


class FakeClock:
    """Stands where it is put."""

    def __init__(self, time: datetime = NOW) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Tree:
    """A site's data, to be filled file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        self.settings: dict[str, Any] = {
            "dl1": f"{root}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
            "run_catalog": f"{root}/RunCatalog_{{date}}.ecsv",
            "models": f"{root}/models",
            "mc_dl2": f"{root}/mc/{{dec}}/node_*/dl2_*.h5",
            "roots": [f"{root}/open"],
            # the files are not real ones
            "open_dl1": False,
        }
        for name in (*ALWAYS, "reg_disp_norm.sav", "cls_disp_sign.sav", "training_dirs.ecsv"):
            self.file(f"models/dec_2276/{name}")
        self.file("mc/dec_2276/node_theta_10.0_az_102.199_/dl2_g.h5")
        self.file("mc/dec_3476/node_theta_10.0_az_102.199_/dl2_g.h5")

    def file(self, name: str, age_s: float = 3600.0, content: bytes = b"x") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        moment = self.clock.now().timestamp() - age_s
        os.utime(path, (moment, moment))
        return path

    def dl1(self, run: int, version: str = "v0.12", cut: str = "tailcut84", **more: Any) -> Path:
        return self.file(f"DL1/20231213/{version}/{cut}/dl1_LST-1.Run{run}.h5", **more)

    def run_catalog(self, sources: dict[int, str]) -> None:
        rows = "".join(f"{run},{name}\n" for run, name in sources.items())
        text = f"# %ECSV 1.0\n# ---\n# delimiter: ','\nrun_id,source_name\n{rows}"
        self.file("RunCatalog_20231213.ecsv", content=text.encode())

    def find(self, **config: Any) -> NightData:
        site = SiteConfig.model_validate(
            {"site": "t", "workdir": str(self.root / "work"), "data": self.settings}
        )
        target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
        asked = {"target": target, "date": "20231213", **config}
        return LstCatalogue(site, self.clock).find(LstConfig.model_validate(asked))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# ---- runs and DL1 --------------------------------------------------------------------------------


def test_runs_of_the_target_by_the_run_catalogue(tree: Tree) -> None:
    tree.run_catalog({15863: "crab", 15861: "Crab", 15862: "Mrk421"})
    for run in (15861, 15862, 15863):
        tree.dl1(run)
    data = tree.find()
    assert [run.run for run in data.runs] == [15861, 15863]
    assert data.complete
    assert data.missing == ()
    assert (data.runs[0].version, data.runs[0].tailcut) == ("v0.12", "tailcut84")
    assert data.runs[0].file.size == 1


def test_names_are_compared_by_the_given_rule(tree: Tree) -> None:
    tree.run_catalog({15861: "M 1"})
    tree.dl1(15861)
    site = SiteConfig.model_validate(
        {"site": "t", "workdir": str(tree.root), "data": tree.settings}
    )
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    config = LstConfig.model_validate({"target": target, "date": "20231213"})
    catalogue = LstCatalogue(site, tree.clock, lambda a, b: {a, b} == {"M 1", "Crab"})
    assert [run.run for run in catalogue.find(config).runs] == [15861]
    with pytest.raises(CatalogueError):
        LstCatalogue(site, tree.clock).find(config)


def test_plain_comparison_of_names() -> None:
    assert is_same_name("Mrk 421", "mrk421")
    assert is_same_name("1ES1959+650", "1ES 1959+650")
    assert not is_same_name("Mrk 421", "Mrk 501")


def test_a_run_without_dl1_is_waited_for(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab", 15862: "Crab"})
    tree.dl1(15861)
    data = tree.find()
    assert not data.complete
    (gap,) = data.missing
    assert (gap.run, gap.reason, gap.may_come) == (15862, "no DL1 yet", True)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"age_s": 10.0}, "still being written"), ({"content": b""}, "still empty")],
)
def test_a_file_under_way_is_waited_for(tree: Tree, change: Any, said: str) -> None:
    tree.run_catalog({15861: "Crab"})
    tree.dl1(15861, **change)
    data = tree.find()
    assert not data.complete
    assert said in data.missing[0].reason
    if "age_s" in change:
        tree.clock.sleep(60)
        assert tree.find().complete


def test_the_newest_version_is_taken_and_said(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab"})
    for version in ("v0.9", "v0.12", "v0.10"):
        tree.dl1(15861, version)
    data = tree.find()
    assert data.runs[0].version == "v0.12"
    assert "DL1 v0.12 taken, the newest of v0.9, v0.10, v0.12." in data.notes


def test_a_newest_version_under_way_is_waited_for(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab"})
    tree.dl1(15861, "v0.10")
    tree.dl1(15861, "v0.12", age_s=5)
    assert tree.find().runs == ()


def test_of_two_cleanings_the_last_written_is_taken_and_said(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab"})
    tree.dl1(15861, cut="tailcut84", age_s=7200)
    tree.dl1(15861, cut="tailcut1005", age_s=3600)
    data = tree.find()
    assert data.runs[0].tailcut == "tailcut1005"
    assert any("tailcut1005 taken" in note for note in data.notes)


def test_mixed_versions_are_said(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab", 15862: "Crab"})
    tree.dl1(15861, "v0.10")
    tree.dl1(15862, "v0.12")
    assert any("15861: v0.10, 15862: v0.12" in note for note in tree.find().notes)


def test_subruns_make_a_run_once_all_are_there(tree: Tree) -> None:
    """The RunSummary tells how many there must be."""
    tree.settings["run_summary"] = f"{tree.root}/RunSummary_{{date}}.ecsv"
    text = "# %ECSV 1.0\n# delimiter: ','\nrun_id,n_subruns,run_type\n15861,3,DATA\n"
    tree.file("RunSummary_20231213.ecsv", content=text.encode())
    for part in range(2):
        tree.file(f"DL1/20231213/v0.10/tailcut84/dl1_LST-1.Run15861.{part:04d}.h5")
    data = tree.find(runs=[15861])
    assert data.missing[0].reason == "1 of 3 subruns have no DL1 yet"
    assert not data.complete
    tree.file("DL1/20231213/v0.10/tailcut84/dl1_LST-1.Run15861.0002.h5")
    (run,) = tree.find(runs=[15861]).runs
    assert [file.name[-7:] for file in run.parts] == ["0000.h5", "0001.h5", "0002.h5"]


def test_uncounted_subruns_must_have_settled_for_long(tree: Tree) -> None:
    tree.file("DL1/20231213/v0.10/tailcut84/dl1_LST-1.Run15861.0000.h5", age_s=300)
    data = tree.find(runs=[15861])
    assert "nobody tells how many" in data.missing[0].reason
    tree.clock.sleep(400)
    assert len(tree.find(runs=[15861]).runs) == 1


def test_a_name_that_lstchain_cannot_read_is_refused(tree: Tree) -> None:
    """lstchain takes the run number of DL3 from the file name."""
    tree.settings["dl1"] = f"{tree.root}/odd/run_{{run}}.h5"
    tree.file("odd/run_15861.h5")
    data = tree.find(runs=[15861])
    assert "LST-1.Run15861" in data.missing[0].reason
    assert data.complete  # waiting would not help


# ---- runs named in the request -------------------------------------------------------------------


def test_named_runs(tree: Tree) -> None:
    tree.settings["run_catalog"] = ""
    tree.dl1(15861)
    tree.dl1(15862)
    assert [run.run for run in tree.find(runs=[15862]).runs] == [15862]


def test_a_named_run_of_another_source_is_refused(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab", 15862: "Mrk421"})
    tree.dl1(15861)
    tree.dl1(15862)
    data = tree.find(runs=[15861, 15862])
    assert [run.run for run in data.runs] == [15861]
    assert data.missing[0].run == 15862
    assert "Mrk421" in data.missing[0].reason
    assert data.complete


def test_a_named_run_that_the_catalogue_does_not_know_is_tried(tree: Tree) -> None:
    tree.run_catalog({15861: "Crab"})
    tree.dl1(15899)
    assert [run.run for run in tree.find(runs=[15899]).runs] == [15899]


def test_without_catalogue_and_runs_the_runs_are_asked_for(tree: Tree) -> None:
    tree.settings["run_catalog"] = ""
    with pytest.raises(CatalogueError, match="Name the runs"):
        tree.find()


def test_a_catalogue_that_is_not_there_yet_is_waited_for(tree: Tree) -> None:
    data = tree.find()
    assert not data.complete
    assert any("not there yet" in note for note in data.notes)


def test_no_run_of_the_target(tree: Tree) -> None:
    tree.run_catalog({15861: "Mrk421"})
    with pytest.raises(CatalogueError, match=r"No run of Crab.*2023-12-13.*Mrk421"):
        tree.find()
    tree.clock.time = datetime(2023, 12, 14, 3, tzinfo=UTC)  # the night goes on
    assert not tree.find().complete


# ---- models, Monte Carlo, IRFs -------------------------------------------------------------------


def test_monte_carlo_of_the_line_of_the_models(tree: Tree) -> None:
    data = tree.find(runs=[15861])
    (alone,) = data.monte_carlo
    assert alone.models is not None
    assert alone.models.folder == str(tree.root / "models" / "dec_2276")
    (node,) = alone.nodes
    assert node.name == "theta_10.0_az_102.199"
    assert "/dec_2276/" in node.file.path
    assert any("dec_2276" in note for note in data.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": None}, "random forests"),
        ({"dl1": ""}, "where DL1 files are"),
        ({"mc_dl2": "/nowhere/*.h5"}, "No Monte Carlo"),
        ({"lstchain_config": "/nowhere/config.json"}, "cannot be read"),
        ({"lstchain_config": "/dev/null"}, "is no regular file"),
    ],
)
def test_what_cannot_come_by_waiting_is_said_at_once(
    tree: Tree, changes: dict[str, Any], said: str
) -> None:
    tree.settings.update(changes)
    with pytest.raises(CatalogueError, match=said):
        tree.find(runs=[15861])


def test_the_sites_lstchain_configuration_is_read(tree: Tree) -> None:
    path = tree.file("config.json", content=b'{"disp_method": "disp_vector"}')
    tree.settings["lstchain_config"] = str(path)
    config = tree.find(runs=[15861]).lstchain_config
    assert config is not None
    assert config.text == '{"disp_method": "disp_vector"}'
    assert config.file.path == str(path)


def test_kept_irfs_are_listed(tree: Tree) -> None:
    path = tree.file("work/shared/irf/global_01/irf_theta_10.0_az_102.199.fits.gz")
    assert tree.find(runs=[15861]).kept_irfs == (str(path),)


# ---- start from DL2 and DL3 ----------------------------------------------------------------------


def test_start_from_dl2(tree: Tree) -> None:
    tree.file("open/dl2/dl2_LST-1.Run15861.h5")
    tree.file("open/dl2/dl2_LST-1.Run15862.h5", age_s=1)
    data = tree.find(start="dl2", folder="dl2")
    assert [run.run for run in data.runs] == [15861]
    assert data.missing[0].may_come
    assert not data.complete
    assert data.folder == str(tree.root / "open" / "dl2")
    assert len(data.monte_carlo[0].nodes) == 1
    chosen = tree.find(start="dl2", folder="dl2", runs=[15861, 15999])
    assert [gap.run for gap in chosen.missing] == [15999]
    assert chosen.complete


def test_start_from_dl2_with_a_run_twice(tree: Tree) -> None:
    tree.file("open/dl2/dl2_LST-1.Run15861.h5")
    tree.file("open/dl2/dl2_LST-1.Run15861_old.h5")
    with pytest.raises(CatalogueError, match="run 15861 twice"):
        tree.find(start="dl2", folder="dl2")


def test_start_from_dl3_needs_nothing_else(tree: Tree) -> None:
    tree.settings = {"roots": tree.settings["roots"]}
    tree.file("open/magic/run1.fits")
    tree.file("open/magic/hdu-index.fits.gz")
    data = tree.find(start="dl3", folder="magic")
    assert data.complete
    assert [file.name for file in data.dl3] == ["run1.fits"]
    assert data.runs == ()


@pytest.mark.parametrize("start", ["dl2", "dl3"])
def test_start_elsewhere_or_from_nothing_is_refused(tree: Tree, start: str) -> None:
    (tree.root / "open" / "empty").mkdir(parents=True)
    with pytest.raises(CatalogueError, match=str(tree.root / "open")):
        tree.find(start=start, folder="/etc")
    with pytest.raises(CatalogueError, match="holds no"):
        tree.find(start=start, folder="empty")
    with pytest.raises(CatalogueError, match="folder"):
        tree.find(start=start)


# ---- given files ---------------------------------------------------------------------------------


def test_given_files(tree: Tree) -> None:
    paths = [tree.dl1(15862), tree.dl1(15861)]
    site = SiteConfig.model_validate(
        {"site": "t", "workdir": str(tree.root), "data": tree.settings}
    )
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    config = LstConfig.model_validate({"target": target, "date": "20231213"})
    catalogue = LstCatalogue(site, tree.clock)
    data = catalogue.with_files(config, paths)
    assert [run.run for run in data.runs] == [15861, 15862]
    assert data.monte_carlo[0].models is not None and data.monte_carlo[0].nodes
    assert catalogue.with_files(config, paths, with_irfs=False).monte_carlo[0].nodes == ()
    for bad in (tree.root / "none_LST-1.Run1.h5", tree.file("dl1_1.h5"), paths[0]):
        with pytest.raises(CatalogueError):
            catalogue.with_files(config, [paths[0], bad])


def test_given_subruns(tree: Tree) -> None:
    site = SiteConfig.model_validate(
        {"site": "t", "workdir": str(tree.root), "data": tree.settings}
    )
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    plain = {"target": target, "date": "20231213"}
    config = LstConfig.model_validate(plain)
    parts = [tree.file(f"dl1_LST-1.Run00007.{part:04d}.h5") for part in (1, 0)]
    catalogue = LstCatalogue(site, tree.clock)
    (run,) = catalogue.with_files(config, parts, with_irfs=False).runs
    assert [file.name[-7:] for file in run.parts] == ["0000.h5", "0001.h5"]
    with pytest.raises(CatalogueError, match="given twice"):
        catalogue.with_files(config, [*parts, tree.file("dl1_LST-1.Run00007.h5")])
    dl2 = LstConfig.model_validate({**plain, "start": "dl2"})
    with pytest.raises(CatalogueError, match="a part of run 7 only"):
        catalogue.with_files(dl2, parts)
