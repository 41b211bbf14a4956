"""Full-enclosure and background IRFs: asked for, planned, checked, and as lstchain makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from astropy.io import fits
from demo_fixtures import SmallNight
from product_samples import write_dl3
from production_samples import TOOLS, a_config, a_night, a_site, ref

from astran.base.errors import CatalogueError, ProductError
from astran.base.night import Night
from astran.base.night_data import IrfCuts, NightData, ReadyIrf
from astran.base.tasks import Plan, Stage, Task
from astran.cli.main import main
from astran.demo.montecarlo import EventSample, simulate_node
from astran.demo.simulate import TEST_NODES
from astran.launch_language.parser import parse
from astran.launch_language.resolve import resolve_config
from astran.production.checks.dl3 import check_dl3
from astran.production.checks.irf import check_irf
from astran.telescopes.lst.catalogue.file_inspection.inspector import PATIENT_S
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.planning.plan import make_plan

FULL = {"irf_kind": "full-enclosure"}
ENERGY_DEPENDENT = {"cuts": "energy-dependent", "gh_efficiency": 0.8}


def with_background(night: NightData) -> NightData:
    (one,) = night.monte_carlo
    nodes = tuple(
        replace(node, proton=ref(f"/mc/p_{node.name}.h5"), electron=ref(f"/mc/e_{node.name}.h5"))
        for node in one.nodes
    )
    return replace(night, monte_carlo=(replace(one, nodes=nodes),))


def a_plan(tmp_path: Path, night: NightData | None = None, **dl3: Any) -> Plan:
    site, config = a_site(tmp_path), a_config(dl3=dl3)
    return make_plan(config, site, night or a_night(), TOOLS, tmp_path / "Crab", "/usr/bin/python3")


def first(plan: Plan, stage: Stage) -> Task:
    return next(task for task in plan.tasks if task.stage is stage)


@pytest.mark.parametrize(
    ("dl3", "cuts"),
    [
        ({"gammaness_cut": 0.6}, ["--global-gh-cut=0.6"]),
        (ENERGY_DEPENDENT, ["--energy-dependent-gh", "--gh-efficiency=0.8"]),
    ],
)
def test_lstchain_is_asked_without_point_like_and_without_theta(
    tmp_path: Path, dl3: dict[str, Any], cuts: list[str]
) -> None:
    """lstchain_create_irf_files --help: --point-like, otherwise full enclosure."""
    words = first(a_plan(tmp_path, **FULL, **dl3), Stage.IRF).argv
    assert [word for word in words if "gh" in word or "theta-" in word[:20]] == cuts
    assert "--point-like" not in words


def test_the_theta_cut_is_made_at_the_high_level(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, **FULL, theta_cut=0.15)
    assert "--theta-cut=0.15" in first(plan, Stage.HIGHLEVEL).argv
    point_like = first(a_plan(tmp_path, theta_cut=0.15), Stage.HIGHLEVEL).argv
    assert not [word for word in point_like if word.startswith("--theta-cut")]


def test_irfs_of_different_kinds_never_share_a_folder(tmp_path: Path) -> None:
    """lstchain refuses a folder of both (compare_irfs: HDUCLAS3)."""
    night = with_background(a_night())
    plans = [
        a_plan(tmp_path, night, **dl3)
        for dl3 in ({}, FULL, {"background": True}, {**FULL, "background": True})
    ]
    for stage in (Stage.IRF, Stage.DL3):
        assert len({first(plan, stage).fingerprint for plan in plans}) == len(plans)
    folders = {Path(first(plan, Stage.IRF).outputs[0].path).parent for plan in plans}
    assert len(folders) == len(plans)


def test_a_background_is_made_of_protons_and_electrons(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, with_background(a_night()), **FULL, background=True)
    task = first(plan, Stage.IRF)
    at = {word: task.argv[task.argv.index(word) + 1] for word in ("-g", "-p", "-e")}
    assert at["-p"].startswith("/mc/p_theta") and at["-e"].startswith("/mc/e_theta")
    assert {at["-p"], at["-e"]} < set(task.inputs)
    assert "--use-nearest-irf-node" in first(plan, Stage.DL3).argv
    assert any("interpolates no background" in note for note in plan.notes)


def test_ready_irfs_serve_their_own_kind_only(tmp_path: Path) -> None:
    ready = (
        ReadyIrf("theta_10.000_az_102.199", ref("/irf/a.fits.gz"), IrfCuts(0.7, 0.2)),
        ReadyIrf("theta_10.000_az_102.199", ref("/irf/b.fits.gz"), IrfCuts(0.7)),
    )
    night = a_night(ready_irfs=ready, nodes=())
    for dl3, path in (({}, "/irf/a.fits.gz"), (FULL, "/irf/b.fits.gz")):
        assert path in first(a_plan(tmp_path, night, **dl3), Stage.DL3).inputs
    with pytest.raises(CatalogueError, match="with background"):
        a_plan(tmp_path, night, background=True)


@pytest.mark.parametrize("line", ["dl3.irf_kind: full-enclosure", "IRF type: Full enclosure"])
def test_a_mail_asks_for_them(line: str) -> None:
    asked = parse(f"target: Crab\ndate: 20231207\n{line}\nbackground IRF: yes\n")
    config = resolve_config(asked, lambda _: a_config().target, Night.parse("20240101"))
    assert config.dl3.full_enclosure and config.dl3.background


def test_a_site_without_protons_says_so(tmp_path: Path) -> None:
    node = tmp_path / "mc/node_theta_10.000_az_102.199_/dl2_gamma.h5"
    node.parent.mkdir(parents=True)
    node.touch()
    dl2 = tmp_path / "dl2_LST-1.Run00001.h5"
    dl2.touch()
    data = {"mc_dl2": str(tmp_path / "mc/node_*/dl2_gamma.h5"), "open_dl1": False}
    catalogue = LstCatalogue(a_site(tmp_path, data=data), None, lambda *_: True, PATIENT_S, False)  # type: ignore[arg-type]
    with pytest.raises(CatalogueError, match="mc_dl2_proton"):
        catalogue.with_files(a_config(start="dl2", dl3={"background": True}), [dl2])


def test_the_check_refuses_irfs_of_the_other_kind(tmp_path: Path) -> None:
    point_like = write_dl3(tmp_path / "dl3_LST-1.Run15861.fits")
    with pytest.raises(ProductError, match="point-like IRFs instead of full-enclosure"):
        check_dl3(point_like, {"irf_kind": "full-enclosure"})
    with pytest.raises(ProductError, match="no background IRF"):
        check_dl3(point_like, {"background": True})


# ---- with lstchain -------------------------------------------------------------------------------

NODE = TEST_NODES[0]
THROWN = {
    "gamma": (EventSample.GAMMA_DIFFUSE, 1_500_000),
    "proton": (EventSample.PROTONS, 1_500_000),
    # an electron's shower is a gamma's
    "electron": (EventSample.GAMMA_DIFFUSE, 300_000),
}


@pytest.fixture(scope="module")
def made(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an analysis with full-enclosure and background IRFs, from DL1 to results."""
    root, tree = tmp_path_factory.mktemp("full"), simulated_night.tree
    folder = root / "mc" / NODE.name
    folder.mkdir(parents=True)
    programs = Path(sys.executable).parent
    words = [str(programs / "lstchain_dl1_to_dl2"), "-p", str(tree.models), "-o", str(folder)]
    words += ["-c", str(tree.lstchain_config)]
    for number, (particle, (sample, thrown)) in enumerate(THROWN.items(), 1):
        dl1 = folder / f"dl1_{particle}.h5"
        simulate_node(dl1, sample, NODE, thrown, number, seed=number)
        words += ["-f", str(dl1)]
    subprocess.run(words, check=True, timeout=600, capture_output=True)
    data = tree.data_settings()
    for key, particle in (
        ("mc_dl2_diffuse", "gamma"),
        ("mc_dl2_proton", "proton"),
        ("mc_dl2_electron", "electron"),
    ):
        data[key] = str(root / f"mc/node_*/dl2_{particle}.h5")
    settings = {
        "site": "full",
        "workdir": str(root / "work"),
        "simulated": True,
        "scheduler": {"kind": "local"},
        "lstchain": {"default": "here", "environments": {"here": {"bin": str(programs)}}},
        "data": data,
    }
    (root / "site.yml").write_text(yaml.safe_dump(settings))
    night = tree.run_catalog.stem.rpartition("_")[2]
    config: dict[str, Any] = {"target": "Crab", "date": night, "runs": simulated_night.runs[:1]}
    config["dl3"] = {**FULL, "background": True}
    (root / "config.yml").write_text(yaml.safe_dump(config))
    options = ["--site", str(root / "site.yml")]
    code = main(["--config-analysis", str(root / "config.yml"), "--submit", *options])
    assert code == 0
    return root / "work" / f"Crab{night}"


@pytest.mark.lstchain
@pytest.mark.slow
def test_lstchain_makes_them_and_maps_and_models_work(made: Path) -> None:
    expect = {"gammaness_cut": 0.7, "irf_kind": "full-enclosure", "background": True}
    (irf,) = made.parent.rglob("irf_theta*.fits.gz")
    check_irf(irf, expect)
    for path in sorted((made / "DL3").glob("dl3_*.fits")):
        check_dl3(path, expect)
        with fits.open(path) as hdus:
            kinds = {hdu.header.get("HDUCLAS4") for hdu in hdus}
        assert {"AEFF_2D", "EDISP_2D", "PSF_TABLE", "BKG_2D"} <= kinds
    results = json.loads((made / "results" / "results.json").read_text())
    stacked = results["stacked"]
    assert stacked["theta_cut_deg"] == 0.2, "the cut of the request"
    assert stacked["significance"] > 5
    crab = results["spectrum"]["crab"]
    assert abs(crab["value"] - 4) < 3 * crab["error"], "four Crabs were simulated"
    assert results["map"]["background"] == "irf", "the acceptance is the background IRF's"
    _fit_in_three_dimensions(made / "DL3")


def _fit_in_three_dimensions(folder: Path) -> None:
    """gammapy's own 3D analysis of the index that the analysis left."""
    from astropy import units
    from astropy.coordinates import SkyCoord
    from gammapy.data import DataStore
    from gammapy.datasets import MapDataset
    from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker
    from gammapy.maps import MapAxis, WcsGeom

    observations = DataStore.from_dir(folder).get_observations(required_irf="full-enclosure")
    assert len(observations) == 1
    crab = SkyCoord(83.633, 22.0145, unit="deg")
    axis = MapAxis.from_energy_bounds(0.1, 10, 4, unit="TeV")
    true = MapAxis.from_energy_bounds(0.05, 20, 8, unit="TeV", name="energy_true")
    geometry = WcsGeom.create(skydir=crab, width=1.0, binsz=0.1, axes=[axis])
    dataset = MapDatasetMaker().run(
        MapDataset.create(geometry, energy_axis_true=true), observations[0]
    )
    dataset = FoVBackgroundMaker(method="scale").run(dataset)
    assert dataset.background.data.sum() > 0
    assert dataset.exposure.get_by_coord((crab, 1 * units.TeV)) > 0
    kernel = dataset.psf.get_psf_kernel(position=crab, geom=geometry.to_image().to_cube([true]))
    assert kernel.data.sum(axis=(1, 2)).max() == pytest.approx(1, rel=0.01)
