"""Checks of products, on good files and on files broken in one way each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from astropy.io import fits
from astropy.table import Table
from product_samples import (
    BY_ENERGY,
    GLOBAL,
    RATE,
    irf_hdus,
    natural,
    whole_dl2,
    write_dl3,
    write_irf,
)

from astran.base.errors import ProductError
from astran.base.tasks import ProductKind
from astran.telescopes.lst.checks.product_checks import check_product

# ---- DL2 -----------------------------------------------------------------------------------------


def test_good_dl2_of_data(tmp_path: Path) -> None:
    facts = check_product(whole_dl2(tmp_path / "dl2.h5"), ProductKind.DL2, {})
    assert facts["rows"] == facts["showers"] == 3000
    assert facts["data"] is True
    assert facts["rate_hz"] == pytest.approx(RATE, rel=0.02)
    assert facts["warnings"] == []


def test_good_dl2_of_monte_carlo(tmp_path: Path) -> None:
    facts = check_product(whole_dl2(tmp_path / "dl2.h5", natural(mc=True)), ProductKind.DL2, {})
    assert facts["data"] is False
    assert "rate_hz" not in facts


def test_thinned_data_get_a_warning_about_the_livetime(tmp_path: Path) -> None:
    path = whole_dl2(tmp_path / "dl2.h5", natural(rate=200.0))
    remarks = " ".join(check_product(path, ProductKind.DL2, {})["warnings"])
    assert "shower events per second: lstchain's livetime" in remarks


def test_pedestals_do_not_count_as_showers(tmp_path: Path) -> None:
    """Only gaps between shower events make livetime."""
    kinds = np.where(np.arange(3000) % 10 == 0, 32, 2)
    path = whole_dl2(tmp_path / "dl2.h5", natural(event_type=kinds))
    facts = check_product(path, ProductKind.DL2, {})
    assert facts["showers"] == 300
    assert facts["rate_hz"] == pytest.approx(RATE / 10, rel=0.02)
    assert facts["warnings"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (natural(n=0), "holds no event"),
        (natural(gammaness=None), "lacks the columns gammaness"),
        (natural(delta_t=None), "lacks the columns delta_t"),
        (natural(mc=True, mc_az=None), "lacks the columns mc_az"),
        (natural(reco_energy=np.full(3000, np.nan)), "no finite reco_energy"),
        (natural(event_type=np.full(3000, 2)), "no shower event"),
    ],
)
def test_bad_dl2(tmp_path: Path, table: np.ndarray, said: str) -> None:
    path = whole_dl2(tmp_path / "dl2.h5", table)
    with pytest.raises(ProductError, match=said):
        check_product(path, ProductKind.DL2, {})


def test_the_stub_of_a_failed_start(tmp_path: Path) -> None:
    path = tmp_path / "dl2.h5"
    with tables.open_file(str(path), "w") as handle:
        handle.create_group("/", "provenance")
    assert path.stat().st_size < 20_000
    with pytest.raises(ProductError, match="stub that a failed run leaves"):
        check_product(path, ProductKind.DL2, {})


@pytest.mark.parametrize("kind", list(ProductKind))
@pytest.mark.parametrize("content", [b"", b"not a data file at all\n" * 300])
def test_empty_and_foreign_files(tmp_path: Path, kind: ProductKind, content: bytes) -> None:
    path = tmp_path / ("results.json" if kind is ProductKind.RESULTS else "dl3_x.fits")
    path.write_bytes(content)
    with pytest.raises(ProductError):
        check_product(tmp_path if kind is ProductKind.RESULTS else path, kind, {})


def test_truncated_dl2(tmp_path: Path) -> None:
    path = whole_dl2(tmp_path / "dl2.h5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ProductError, match=r"truncated|damaged"):
        check_product(path, ProductKind.DL2, {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for kind in ProductKind:
        with pytest.raises(ProductError, match="cannot be read"):
            check_product(tmp_path / "none", kind, {})


# ---- IRF and DL3 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [GLOBAL, BY_ENERGY])
def test_good_irf(tmp_path: Path, cuts: dict[str, float]) -> None:
    facts = check_product(write_irf(tmp_path / "irf.fits.gz", cuts), ProductKind.IRF, cuts)
    assert facts["cuts"] == cuts
    assert facts["zenith_deg"] == 23.63


@pytest.mark.parametrize(
    "wanted",
    [
        {"gammaness_cut": 0.8, "theta_cut": 0.2},
        {"gammaness_cut": 0.7, "theta_cut": 0.1},
        BY_ENERGY,
    ],
)
def test_irf_of_other_cuts(tmp_path: Path, wanted: dict[str, float]) -> None:
    with pytest.raises(ProductError, match="other cuts than asked for"):
        check_product(write_irf(tmp_path / "irf.fits.gz", GLOBAL), ProductKind.IRF, wanted)


def test_energy_dependent_cuts_need_their_tables(tmp_path: Path) -> None:
    hdus = irf_hdus(BY_ENERGY)[:2]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "irf.fits.gz")
    with pytest.raises(ProductError, match="GH_CUTS"):
        check_product(tmp_path / "irf.fits.gz", ProductKind.IRF, {})


@pytest.mark.parametrize("azimuth", [-259.2, 360.0])
def test_azimuths_of_nodes_stay_within_a_turn(tmp_path: Path, azimuth: float) -> None:
    with pytest.raises(ProductError, match="azimuth"):
        check_product(
            write_irf(tmp_path / "irf.fits", GLOBAL, azimuth=azimuth), ProductKind.IRF, {}
        )


@pytest.mark.parametrize("area", [0.0, np.nan])
def test_an_irf_needs_an_effective_area(tmp_path: Path, area: float) -> None:
    with pytest.raises(ProductError, match="effective area"):
        check_product(write_irf(tmp_path / "irf.fits", GLOBAL, area=area), ProductKind.IRF, {})


@pytest.mark.parametrize("cuts", [GLOBAL, BY_ENERGY])
def test_good_dl3(tmp_path: Path, cuts: dict[str, float]) -> None:
    path = write_dl3(tmp_path / "dl3.fits", cuts=cuts)
    facts = check_product(path, ProductKind.DL3, {"run": 15861, **cuts})
    assert (facts["events"], facts["run"], facts["object"]) == (50, 15861, "Crab")
    assert facts["livetime_s"] == 1172.0
    assert facts["ontime_s"] == 1200.0
    assert facts["rad_max_deg"] == cuts.get("theta_cut")
    assert facts["rad_max_table"] is ("theta_containment" in cuts)
    assert facts["warnings"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "no event after the cuts"),
        ({"gti": ()}, "no good time interval"),
        ({"gti": (1000.0, 1000.0)}, "do not end after they begin"),
        ({"LIVETIME": 0.0}, "livetime is 0 s"),
        ({"LIVETIME": None, "DEADC": 0.0}, "DEADC is 0, not in 0 to 1"),
        ({"run": 15862}, "run number 15862 instead of 15861"),
        ({"cuts": {"gammaness_cut": 0.6, "theta_cut": 0.2}}, "other cuts than asked for"),
        ({"cuts": BY_ENERGY}, "other cuts than asked for"),
        ({"least_gammaness": 0.5}, "below the gammaness cut of its IRF"),
    ],
)
def test_bad_dl3(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write_dl3(tmp_path / "dl3.fits", **change)
    with pytest.raises(ProductError, match=said):
        check_product(path, ProductKind.DL3, {"run": 15861, **GLOBAL})


def test_interpolated_irfs_tell_their_cuts_elsewhere(tmp_path: Path) -> None:
    path = write_dl3(tmp_path / "dl3.fits", cuts=BY_ENERGY)
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name in ("EFFECTIVE AREA", "ENERGY DISPERSION"):
                del hdu.header["GH_EFF"], hdu.header["TH_CONT"]
            if hdu.name in ("GH_CUTS", "RAD_MAX"):
                hdu.header.update({"GH_EFF": 0.7, "TH_CONT": 0.68})
    assert check_product(path, ProductKind.DL3, {"run": 15861, **BY_ENERGY})["cuts"] == BY_ENERGY


def test_short_livetime_gets_a_warning(tmp_path: Path) -> None:
    path = write_dl3(tmp_path / "dl3.fits", LIVETIME=600.0, DEADC=0.5)
    (remark,) = check_product(path, ProductKind.DL3, {})["warnings"]
    assert "50% of its good time" in remark


def test_a_far_irf_node_gets_a_warning(tmp_path: Path) -> None:
    """lstchain takes the nearest node and says so only in its log."""
    path = write_dl3(tmp_path / "dl3.fits", ALT_PNT=40.0)
    (remark,) = check_product(path, ProductKind.DL3, {})["warnings"]
    assert "outside" in remark and "50.0 deg" in remark


def test_dl3_without_irfs(tmp_path: Path) -> None:
    path = write_dl3(tmp_path / "dl3.fits")
    with fits.open(path) as hdus:
        hdus[:3].writeto(tmp_path / "bare.fits")
    with pytest.raises(ProductError, match="EFFECTIVE AREA"):
        check_product(tmp_path / "bare.fits", ProductKind.DL3, {})


def test_truncated_dl3(tmp_path: Path) -> None:
    path = write_dl3(tmp_path / "dl3.fits")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ProductError):
        check_product(path, ProductKind.DL3, {})


# ---- index ---------------------------------------------------------------------------------------


def write_index(folder: Path, names: list[str], base: str = ".") -> tuple[Path, Path]:
    """Both index files of the given DL3 files."""
    rows = Table({"OBS_ID": range(len(names)), "FILE_DIR": [base] * len(names), "FILE_NAME": names})
    paths = folder / "hdu-index.fits.gz", folder / "obs-index.fits.gz"
    rows.write(paths[0], format="fits")
    rows["OBS_ID",].write(paths[1], format="fits")
    return paths


NAMES = ["dl3_LST-1.Run15861.fits", "dl3_LST-1.Run15862.fits"]


@pytest.fixture
def dl3_folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"dl3")
    return tmp_path


def test_good_index(dl3_folder: Path) -> None:
    for path in write_index(dl3_folder, NAMES):
        assert check_product(path, ProductKind.INDEX, {})["files"] == 2


def test_a_file_that_lstchain_skipped_is_missed(dl3_folder: Path) -> None:
    hdu, obs = write_index(dl3_folder, NAMES[:1])
    with pytest.raises(ProductError, match=f"does not list {NAMES[1]}"):
        check_product(hdu, ProductKind.INDEX, {})
    with pytest.raises(ProductError, match="1 runs in 1 rows"):
        check_product(obs, ProductKind.INDEX, {})


def test_an_index_made_in_another_folder_points_nowhere(dl3_folder: Path) -> None:
    hdu, _ = write_index(dl3_folder, NAMES, base="..")
    with pytest.raises(ProductError, match="files that are not there"):
        check_product(hdu, ProductKind.INDEX, {})


def test_an_index_without_dl3(tmp_path: Path) -> None:
    hdu, _ = write_index(tmp_path, NAMES)
    with pytest.raises(ProductError, match="no DL3 file"):
        check_product(hdu, ProductKind.INDEX, {})


# ---- results -------------------------------------------------------------------------------------

STACKED = {
    "n_on": 10,
    "n_off": 4,
    "alpha": 0.5,
    "excess": 8.0,
    "significance": None,
    "livetime_h": 1.0,
}
RUN = {"obs_id": 1, **STACKED}


def write_results(folder: Path, **changes: Any) -> Path:
    data = {"stacked": STACKED, "runs": [RUN], "plots": [{"file": "a.png"}], **changes}
    (folder / "results.json").write_text(json.dumps(data))
    (folder / "a.png").write_bytes(b"png")
    return folder


def test_facts_can_be_written_as_json(tmp_path: Path) -> None:
    write_results(tmp_path, stacked={**STACKED, "significance": float("nan")})
    facts = check_product(tmp_path, ProductKind.RESULTS, {})
    assert facts["significance"] is None
    json.dumps(facts, allow_nan=False)


def test_good_results(tmp_path: Path) -> None:
    facts = check_product(write_results(tmp_path), ProductKind.RESULTS, {})
    assert facts["n_on"] == 10
    assert facts["significance"] is None  # nobody could tell one, and says so
    assert (facts["runs"], facts["plots"]) == (1, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stacked": None}, "no numbers"),
        ({"stacked": {"n_on": 3}}, "lacks n_off"),
        ({"stacked": {**STACKED, "n_on": None}}, "lacks n_on"),
        ({"stacked": {**STACKED, "livetime_h": float("nan")}}, "lacks livetime_h"),
        ({"stacked": {**STACKED, "excess": "8"}}, "lacks excess"),
        ({"runs": []}, "lists no run"),
        ({"runs": [RUN, {"obs_id": 2}]}, "run 2, lacks n_on"),
        ({"map": None}, "no `map`"),
        ({"map": None, "left_out": [{"kind": "plot", "name": "skymap"}]}, "no `map`"),
        ({"plots": {"file": "a.png"}}, "plots without files"),
        ({"plots": ["a.png"]}, "plots without files"),
        ({"files": {"map": "gone.fits"}}, "gone.fits"),
        ({"files": {"ogip": ["../a.png"]}}, "not in its folder"),
        ({"plots": [{"file": "gone.png"}]}, "gone.png"),
    ],
)
def test_bad_results(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProductError, match=said):
        check_product(write_results(tmp_path, **change), ProductKind.RESULTS, {})


@pytest.mark.parametrize(
    "change",
    [
        {"plots": [], "left_out": [{"kind": "plot", "name": "theta2", "reason": "odd"}]},
        {"map": None, "left_out": [{"kind": "calculation", "name": "map", "reason": "odd"}]},
        {"files": {"run_table": "a.png", "ogip": ["a.png"]}},
    ],
)
def test_results_without_a_part_that_says_why(tmp_path: Path, change: dict[str, Any]) -> None:
    facts = check_product(write_results(tmp_path, **change), ProductKind.RESULTS, {})
    assert facts["n_on"] == 10
    assert facts["left_out"] == len(change.get("left_out", []))


def test_results_that_are_no_json(tmp_path: Path) -> None:
    write_results(tmp_path)
    shutil.copy(tmp_path / "a.png", tmp_path / "results.json")
    with pytest.raises(ProductError, match="not valid JSON"):
        check_product(tmp_path, ProductKind.RESULTS, {})
