"""Models, Monte Carlo and IRFs of several NSB levels, in trees named as on La Palma."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from origin_samples import write_dl2

from astran.base.clock import SystemClock
from astran.base.dl2_provenance import Dl2Provenance
from astran.base.errors import CatalogueError
from astran.base.night_data import NightData
from astran.config.site import SiteConfig
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.catalogue.response.models import ALWAYS, choose_models, model_folders
from astran.telescopes.lst.settings import LstConfig

FORESTS = (*ALWAYS, "reg_disp_norm.sav", "cls_disp_sign.sav", "training_dirs.ecsv")
LINES = ("dec_2276", "dec_3476", "dec_4822", "dec_6166", "dec_6676", "dec_931")
SOUTH = ("dec_min_413", "dec_min_1802", "dec_min_2924")
PRODUCTION = "20240918_v0.10.12_allsky_nsb_tuning_"
RESPONSES = "20250212_v0.10.17_allsky_interp_dl2_irfs_nsb_"
NODE = "node_theta_10.000_az_102.199_"


class AllSky:
    """The part of La Palma's tree that belongs to models."""

    def __init__(self, root: Path) -> None:
        self.root = root
        responses = f"{root}/DL2/AllSky/{RESPONSES}{{nsb}}"
        self.data: dict[str, Any] = {
            "dl1": f"{root}/DL1/{{date}}/{{version}}/{{tailcut}}/dl1_LST-1.Run{{run}}.h5",
            "models": f"{root}/models/AllSky/{PRODUCTION}{{nsb}}",
            "mc_dl2": f"{responses}/TestingDataset/{{dec}}/node_*/dl2_*.h5",
            "nsb": {"log": f"{root}/TailCuts/log_find_tailcuts_Run{{run}}.log"},
            "roots": [f"{root}/open"],
            "open_dl1": False,
            "settle_s": 0,
        }

    def file(self, name: str, text: str = "x") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def level(self, level: str, lines: tuple[str, ...] = ("dec_2276", "dec_3476")) -> None:
        for line in lines:
            for name in FORESTS:
                self.file(f"models/AllSky/{PRODUCTION}{level}/{line}/{name}")
            self.file(f"DL2/AllSky/{RESPONSES}{level}/TestingDataset/{line}/{NODE}/dl2_g.h5")

    def run(self, run: int, nsb: float | None, tailcut: str = "tailcut84") -> None:
        self.file(f"DL1/20231213/v0.10/{tailcut}/dl1_LST-1.Run{run:05d}.h5")
        if nsb is not None:
            text = f"\nAdditional NSB rate (over dark MC): {nsb:.4f} p.e./ns\n"
            self.file(f"TailCuts/log_find_tailcuts_Run{run:05d}.log", text)

    def find(self, **asked: Any) -> NightData:
        site = SiteConfig.model_validate(
            {"site": "t", "workdir": str(self.root / "work"), "data": self.data}
        )
        asked.setdefault("target", {"name": "Crab", "ra": 83.6331, "dec": 22.0145})
        config = LstConfig.model_validate({"date": "20231213", **asked})
        return LstCatalogue(site, SystemClock()).find(config)


@pytest.fixture
def sky(tmp_path: Path) -> AllSky:
    tree = AllSky(tmp_path)
    for level in ("0.00", "0.14", "0.50"):
        tree.level(level)
    return tree


def models_of(data: NightData) -> dict[int, str]:
    """Production of each run's models."""
    folders = {one.level: one.models for one in data.monte_carlo}
    return {run.run: Path(folders[run.level].folder).parent.name for run in data.runs}  # type: ignore[union-attr]


def test_each_run_gets_models_of_its_level(sky: AllSky) -> None:
    sky.run(15861, 0.1534)
    sky.run(15862, 0.4212, "tailcut1005")
    sky.run(15863, 0.1311)
    data = sky.find(runs=[15861, 15862, 15863])
    assert models_of(data) == {
        15861: f"{PRODUCTION}0.14",
        15862: f"{PRODUCTION}0.50",
        15863: f"{PRODUCTION}0.14",
    }
    # the Monte Carlo of the same level and declination line; levels not needed are not looked up
    assert [one.level for one in data.monte_carlo] == ["0.14", "0.50"]
    for one in data.monte_carlo:
        (node,) = one.nodes
        assert f"{RESPONSES}{one.level}/TestingDataset/dec_2276/" in node.file.path
    told = "\n".join(data.notes)
    assert "NSB level 0.14: runs 15861 (0.153 p.e./ns, cleaned at 8 p.e.), 15863" in told
    assert "NSB level 0.50: run 15862 (0.421 p.e./ns, cleaned at 10 p.e.); by the log of" in told
    assert f"Models: {PRODUCTION}0.50/dec_2276, trained along declination +22.76 deg" in told


def test_the_level_of_a_request_is_for_every_run(sky: AllSky) -> None:
    sky.run(15861, 0.02)
    sky.run(15862, None)
    data = sky.find(runs=[15861, 15862], dl2={"nsb": 0.13})
    assert set(models_of(data).values()) == {f"{PRODUCTION}0.14"}
    assert "by the request" in "\n".join(data.notes)


def test_what_the_tailcuts_finder_asks_for_is_compared(sky: AllSky) -> None:
    sky.run(15861, 0.4212, "tailcut84")
    sky.run(15862, 0.15)
    sky.file(
        "TailCuts/dl1ab_Run15861.json",
        '{"tailcuts_clean_with_pedestal_threshold": {"picture_thresh": 10}}',
    )
    sky.data["nsb"]["cleaning"] = str(sky.root / "TailCuts/dl1ab_Run{run}.json")
    told = sky.find(runs=[15861, 15862], dl2={"nsb": 0.14}).notes
    assert [note for note in told if "lstchain_find_tailcuts" in note] == [
        "Run 15861: by lstchain_find_tailcuts (0.421 p.e./ns) it is of NSB level 0.50; 0.14 was "
        "taken, by the request (dl2.nsb).",
        "Run 15861: its DL1 was cleaned at 8 p.e. (tailcut84), lstchain_find_tailcuts asks for "
        "10 p.e.",
    ]


def test_a_run_of_unknown_level_gets_the_default_and_it_is_said(sky: AllSky) -> None:
    sky.run(15861, None)
    data = sky.find(runs=[15861])
    assert models_of(data) == {15861: f"{PRODUCTION}0.00"}
    assert "default of the site" in "\n".join(data.notes)


def test_models_named_in_the_request_carry_their_level(sky: AllSky) -> None:
    sky.run(15861, 0.0)
    data = sky.find(runs=[15861], dl2={"models": f"{PRODUCTION}0.50/dec_3476"})
    (one,) = data.monte_carlo
    assert one.models is not None and one.models.folder.endswith("0.50/dec_3476")
    assert "_nsb_0.50/TestingDataset/dec_3476/" in one.nodes[0].file.path


def test_a_level_without_monte_carlo_stops_its_runs_only(sky: AllSky) -> None:
    sky.run(15861, 0.14)
    sky.run(15862, 0.5, "tailcut1005")
    for path in (sky.root / f"DL2/AllSky/{RESPONSES}0.50").rglob("*.h5"):
        path.unlink()
    data = sky.find(runs=[15861, 15862])
    assert [run.run for run in data.runs] == [15861]
    (gap,) = data.missing
    assert gap.run == 15862 and not gap.may_come
    assert "NSB level 0.50" in gap.reason and "no Monte Carlo" in gap.reason
    with pytest.raises(CatalogueError, match="No Monte Carlo"):
        sky.find(runs=[15862])


def test_trees_write_the_same_level_differently(sky: AllSky) -> None:
    (sky.root / f"DL2/AllSky/{RESPONSES}0.50").rename(sky.root / f"DL2/AllSky/{RESPONSES}0.5")
    sky.run(15862, 0.5, "tailcut1005")
    assert "_nsb_0.5/" in sky.find(runs=[15862]).monte_carlo[0].nodes[0].file.path


def test_dl2_names_its_level_in_its_folder(sky: AllSky) -> None:
    folder = "open/DL2/20231213/v0.10/tailcut1005/nsb_tuning_0.50"
    sky.file(f"{folder}/dl2_LST-1.Run15861.h5")
    data = sky.find(start="dl2", folder=str(sky.root / folder))
    assert [run.level for run in data.runs] == ["0.50"]
    (one,) = data.monte_carlo
    assert one.models is None and "_nsb_0.50/" in one.nodes[0].file.path


def test_ready_irfs_of_levels_without_any_models(sky: AllSky) -> None:
    del sky.data["models"], sky.data["mc_dl2"]
    sky.data["irf"] = f"{sky.root}/IRF/prod_nsb_{{nsb}}/irf_*.fits.gz"
    for level in ("0.00", "0.50"):
        sky.file(f"IRF/prod_nsb_{level}/irf_x.fits.gz")
    sky.file("open/nsb_tuning_0.50/dl2_LST-1.Run15861.h5")
    data = sky.find(start="dl2", folder=str(sky.root / "open/nsb_tuning_0.50"))
    assert [one.level for one in data.monte_carlo] == ["0.50"]


def test_a_folder_of_levels_needs_no_pattern(sky: AllSky) -> None:
    sky.data["models"] = f"{sky.root}/models/AllSky"
    sky.run(15861, 0.1534)
    assert models_of(sky.find(runs=[15861])) == {15861: f"{PRODUCTION}0.14"}
    # two productions of one level: nobody could tell which
    other = sky.root / "models/AllSky/20260101_v0.12_allsky_nsb_tuning_0.14/dec_2276"
    other.mkdir(parents=True)
    with pytest.raises(CatalogueError, match=r"several folders of models of the NSB level 0\.14"):
        sky.find(runs=[15861])


def test_a_pattern_that_names_the_lines(sky: AllSky) -> None:
    sky.data["models"] += "/{dec}"
    sky.run(15861, 0.1534)
    assert models_of(sky.find(runs=[15861])) == {15861: f"{PRODUCTION}0.14"}


def test_a_pattern_that_finds_nothing(sky: AllSky) -> None:
    with pytest.raises(CatalogueError, match="no folder of models like"):
        model_folders(sky.root / "models/elsewhere_{nsb}")


def test_a_link_out_of_the_models_is_no_level(sky: AllSky, tmp_path: Path) -> None:
    outside = sky.root / "evil"
    (sky.root / f"models/AllSky/{PRODUCTION}0.14").rename(outside)
    (sky.root / f"models/AllSky/{PRODUCTION}0.14").symlink_to(outside)
    assert [place.level for place in model_folders(Path(sky.data["models"]))] == ["0.00", "0.50"]


@pytest.mark.parametrize(
    ("declination", "line", "why"),
    [
        (22.01, "dec_2276", "the nearest to the source at +22.01 deg"),
        (15.0, "dec_2276", "of those that culminate at least as high (6.0 deg from the zenith"),
        (29.0, "dec_3476", "the nearest"),
        (-2.0, "dec_931", "at least as high"),
        (-5.0, "dec_min_413", "the nearest"),
        (-29.0, "dec_min_1802", "at least as high"),
        (-29.5, "dec_min_2924", "the nearest"),
    ],
)
def test_the_line_and_why(tmp_path: Path, declination: float, line: str, why: str) -> None:
    for name in (*LINES, *SOUTH):
        for forest in FORESTS:
            path = tmp_path / name / forest
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
    choice = choose_models(model_folders(tmp_path), declination)
    assert choice.line == line
    assert why in choice.note


# ---- Monte Carlo that is there as DL1 only, and what DL2 says of itself --------------------------


def test_monte_carlo_as_dl1_where_there_is_no_dl2(sky: AllSky) -> None:
    sky.data["mc_dl1"] = f"{sky.root}/mcDL1/prod_nsb_{{nsb}}/TestingDataset/node_*/dl1_*.h5"
    sky.file(f"mcDL1/prod_nsb_0.50/TestingDataset/{NODE}/dl1_g.h5")
    for path in (sky.root / f"DL2/AllSky/{RESPONSES}0.50").rglob("*.h5"):
        path.unlink()
    sky.run(15861, 0.14)
    sky.run(15862, 0.5, "tailcut1005")
    data = sky.find(runs=[15861, 15862])
    dl2, dl1 = (one.nodes[0] for one in data.monte_carlo)
    assert not dl2.dl1 and "/DL2/" in dl2.file.path
    assert dl1.dl1 and "/mcDL1/prod_nsb_0.50/" in dl1.file.path
    assert any("from DL1" in note for note in data.notes)


def test_kept_monte_carlo_is_listed(sky: AllSky) -> None:
    path = sky.file("work/shared/mc/prod_dec_2276/dl2_theta_1_az_2_0123.h5")
    sky.run(15861, 0.14)
    assert sky.find(runs=[15861]).kept_mc == (str(path),)


def test_dl2_tells_its_models_and_with_them_its_level(sky: AllSky) -> None:
    sky.data["open_dl1"] = True
    models = f"/fefs/aswg/data/models/AllSky/{PRODUCTION}0.50/dec_2276"
    write_dl2(sky.root / "open/dl2_LST-1.Run15861.h5", "0.11.2", models)
    write_dl2(sky.root / "open/dl2_LST-1.Run15862.h5", "0.10.12", record=False)
    (sky.root / "open/dl2_LST-1.Run15863.h5").write_text("no HDF5")
    for level in ("0.00", "0.50"):
        (node,) = (sky.root / f"DL2/AllSky/{RESPONSES}{level}").rglob("dec_2276/*/*.h5")
        write_dl2(node, "0.10.17", f"/models/{level}/dec_2276")
    data = sky.find(start="dl2", folder=str(sky.root / "open"))
    assert not data.looking
    assert [(run.level, run.origin) for run in data.runs] == [
        ("0.50", Dl2Provenance("0.11.2", models)),
        ("0.00", Dl2Provenance("0.10.12")),
        ("0.00", Dl2Provenance()),
    ]
    assert [one.nodes[0].origin for one in data.monte_carlo] == [
        Dl2Provenance("0.10.17", "/models/0.00/dec_2276"),
        Dl2Provenance("0.10.17", "/models/0.50/dec_2276"),
    ]
    assert any("by the models that its DL2 was made with" in note for note in data.notes)
