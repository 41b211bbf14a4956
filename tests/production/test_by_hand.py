"""ASTRAN's products beside those of lstchain's tools as a person runs them: the same values.

The command lines here are written out as in lstchain's documentation; nothing of ASTRAN's makes
them. What differs by nature is named in the tests: the date of processing, and ASTRAN's own cards.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tables
from astropy.io import fits
from demo_fixtures import SmallNight

from astran.base.clock import SystemClock
from astran.base.exit_record import TaskOutcome
from astran.config.site import SiteConfig
from astran.telescopes.lst import manual
from astran.telescopes.lst.catalogue.night import LstCatalogue
from astran.telescopes.lst.environment.releases import find_toolset
from astran.telescopes.lst.manual import Workspace
from astran.telescopes.lst.settings import LstConfig

pytestmark = [pytest.mark.lstchain, pytest.mark.slow]
BIN = Path(sys.executable).parent
ROWS = 40_000
"""Events of the run that are used: 12 s."""
SELECTION = {
    "EventSelector": {
        "filters": {
            "intensity": [80, float("inf")],
            "width": [0, float("inf")],
            "length": [0, float("inf")],
            "r": [0, 1],
            "wl": [0.01, 1],
            "leakage_intensity_width_2": [0, 1],
            "event_type": [32, 32],
        }
    },
    "DL3Cuts": {"min_event_p_en_bin": 100, "min_gh_cut": 0.1, "max_gh_cut": 0.98},
    "DataBinning": {"true_energy_n_bins": 20, "reco_energy_n_bins": 25},
}
"""What a person would write for the cuts of the request below."""
REQUEST = {
    "intensity_min": 80,
    "gammaness_cut": 0.6,
    "theta_cut": 0.25,
    "tool": {"DataBinning.true_energy_n_bins": 20},
}
INTERPOLATION = "random_forest_zd_interpolation"
"""Of the forests over the zenith; that of the energy is switched off in the request."""
OF_THE_DAY = {"B_DELTA", "B_TOTAL", "B_INC"}
"""lstchain extrapolates the geomagnetic field to the moment of processing."""
OF_THE_MAKER = {"CREATED", "DATE", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY", ""}


@dataclass(frozen=True)
class Both:
    """Folders of the products: by hand, and by ASTRAN with each engine."""

    run: int
    hand: Path
    astran: Path
    shared: Path

    def dl2(self, engine: str) -> Path:
        return self.astran / engine / "DL2" / f"dl2_LST-1.Run{self.run}.h5"

    def dl3(self, engine: str) -> Path:
        return self.astran / engine / "DL3" / f"dl3_LST-1.Run{self.run}.fits"


def call(folder: Path, tool: str, *words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in (BIN / tool, *words)],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def both(simulated_night: SmallNight, tmp_path_factory: pytest.TempPathFactory) -> Both:
    import joblib

    root = tmp_path_factory.mktemp("by-hand")
    tree, run = simulated_night.tree, simulated_night.runs[0]
    # under their own names, by which the Monte Carlo knows them
    models = root.joinpath(*tree.models.parts[-2:])
    shutil.copytree(tree.models, models)
    for path in models.glob("*.sav"):
        model = joblib.load(path)
        # with more than one thread scikit-learn adds in the order in which they end: then even
        # lstchain_dl1_to_dl2 does not give the same bits twice
        model.n_jobs = 1
        joblib.dump(model, path)
    dl1 = root / tree.dl1(run).name
    shutil.copy(tree.dl1(run), dl1)
    with tables.open_file(str(dl1), "a") as handle:
        handle.get_node("/dl1/event/telescope/parameters/LST_LSTCam").remove_rows(ROWS)
    made = Both(run, root / "hand", root / "astran", root / "work" / "shared")
    made.hand.mkdir()
    with ThreadPoolExecutor(2) as pool:
        by_hand = pool.submit(_by_hand, made, simulated_night, dl1, models)
        _by_astran(made, simulated_night, dl1, models)
        by_hand.result()
    return made


def _by_hand(made: Both, night: SmallNight, dl1: Path, models: Path) -> None:
    hand, tree = made.hand, night.tree
    config = hand / "irf_dl3_tool_config.json"
    config.write_text(json.dumps(SELECTION))
    to_dl2 = json.loads((models / tree.lstchain_config.name).read_text())
    to_dl2[INTERPOLATION]["interpolate_energy"] = False
    (hand / "to_dl2.json").write_text(json.dumps(to_dl2))
    call(hand, "lstchain_dl1_to_dl2", "-f", dl1, "-p", models, "-o", hand, "-c", "to_dl2.json")
    (hand / "irf").mkdir()
    for gamma in sorted((tree.root / "mc" / "DL2").rglob("dl2_*.h5")):
        node = gamma.parent.name.removeprefix("node_").rstrip("_")
        call(hand, "lstchain_create_irf_files", "-g", gamma, "-o", f"irf/irf_{node}.fits.gz",
             "--point-like", "-c", config,
             "--global-gh-cut=0.6", "--global-theta-cut=0.25")  # fmt: skip
    (hand / "dl3").mkdir()
    call(hand, "lstchain_create_dl3_file", "-d", f"dl2_LST-1.Run{made.run}.h5", "-o", "dl3",
         "-i", "irf", "-p", "irf_*.fits.gz", "--source-name=Crab", "--source-ra=83.6331deg",
         "--source-dec=22.0145deg", "-c", config)  # fmt: skip


def _by_astran(made: Both, night: SmallNight, dl1: Path, models: Path) -> None:
    config = models / night.tree.lstchain_config.name
    data = {**night.tree.data_settings(), "models": str(models), "lstchain_config": str(config)}
    site = SiteConfig.model_validate(
        {
            "site": "by hand",
            "workdir": str(made.shared.parent),
            "lstchain": {"default": "here", "environments": {"here": {"bin": str(BIN)}}},
            "data": data,
        }
    )
    target = {"name": "Crab", "ra": 83.6331, "dec": 22.0145}
    asked = {"target": target, "date": str(night.simulation.night), "dl3": REQUEST}
    for engine in ("stock", "fast"):
        bench = Workspace(site, find_toolset(site), made.astran / engine, sys.executable)
        catalogue = LstCatalogue(site, SystemClock())
        to_dl2 = {f"{INTERPOLATION}.interpolate_energy": False}
        first = LstConfig.model_validate(
            {**asked, "dl2": {"engine": engine}, "lstchain_config": to_dl2}
        )
        found = catalogue.with_files(first, [dl1], with_irfs=False)
        records = manual.run_tasks(manual.dl2_tasks(first, found, bench), bench)
        second = LstConfig.model_validate({**asked, "start": "dl2"})
        found = catalogue.with_files(second, [made.dl2(engine)])
        tasks = manual.dl3_tasks(second, found, bench)
        records += manual.run_tasks(tasks, bench)
        for record in records:
            assert record.outcome is TaskOutcome.OK, (record.message, record.log_excerpt)


@pytest.mark.parametrize("engine", ["stock", "fast"])
def test_dl2(both: Both, engine: str) -> None:
    """Every table, column, type and bit; and every attribute but ASTRAN's own."""
    hand = both.hand / f"dl2_LST-1.Run{both.run}.h5"
    with tables.open_file(str(hand)) as one, tables.open_file(str(both.dl2(engine))) as other:
        nodes = list(one.walk_nodes("/", "Table"))
        assert len(nodes) > 3
        assert [n._v_pathname for n in nodes] == [
            n._v_pathname for n in other.walk_nodes("/", "Table")
        ]
        for node in nodes:
            mate = other.get_node(node._v_pathname)
            assert node.dtype == mate.dtype
            assert node.read().tobytes() == mate.read().tobytes(), node._v_pathname
        reconstructed = other.get_node("/dl2/event/telescope/parameters/LST_LSTCam")
        assert reconstructed.nrows > 0.9 * ROWS
        for name in one.root._v_attrs._v_attrnamesuser:
            assert repr(one.root._v_attrs[name]) == repr(other.root._v_attrs[name])
        more = set(other.root._v_attrs._v_attrnamesuser) - set(one.root._v_attrs._v_attrnamesuser)
        assert all(name.startswith("ASTRAN") for name in more)


def test_irfs(both: Both) -> None:
    made = {path.name: path for path in both.shared.glob("irf/*/irf_*.fits.gz")}
    by_hand = {path.name: path for path in (both.hand / "irf").glob("*.fits.gz")}
    assert made.keys() >= by_hand.keys() and len(by_hand) == 3
    for name, path in by_hand.items():
        same(path, made[name])


@pytest.mark.parametrize("engine", ["stock", "fast"])
def test_dl3(both: Both, engine: str) -> None:
    hand = both.hand / "dl3" / f"dl3_LST-1.Run{both.run}.fits"
    same(hand, both.dl3(engine))
    with fits.open(both.dl3(engine)) as hdus:
        names = [hdu.name for hdu in hdus]
        assert names[1:4] == ["EVENTS", "GTI", "POINTING"]
        assert {"EFFECTIVE AREA", "ENERGY DISPERSION"} <= set(names)
        assert len(hdus["EVENTS"].data) > 100
        assert len(hdus["EFFECTIVE AREA"].data["ENERG_LO"][0]) == 20


def number(value: object) -> float:
    """Of a card that may carry its unit."""
    return float(str(value).split()[0])


def same(hand: Path, made: Path) -> None:
    """All HDUs, columns, units, values and cards; ASTRAN may add cards, and lose none."""
    with fits.open(hand) as one, fits.open(made) as other:
        assert [hdu.name for hdu in one] == [hdu.name for hdu in other]
        for left, right in zip(one, other, strict=True):
            if left.data is not None:
                assert left.columns.names == right.columns.names
                assert left.columns.units == right.columns.units
                assert left.data.dtype == right.data.dtype
                for column in left.columns.names:
                    assert np.array(left.data[column]).tobytes() == (
                        np.array(right.data[column]).tobytes()
                    ), (left.name, column)
            for card in left.header.cards:
                if card.keyword in OF_THE_DAY:
                    assert number(right.header[card.keyword]) == pytest.approx(
                        number(card.value), rel=1e-6
                    )
                elif card.keyword not in OF_THE_MAKER:
                    assert right.header[card.keyword] == card.value, (left.name, card.keyword)
