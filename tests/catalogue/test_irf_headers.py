"""Monte Carlo nodes, and the cuts of IRF files read without astropy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astran.base.errors import CatalogueError
from astran.base.night_data import IrfCuts
from astran.telescopes.lst.catalogue.response.irf_files import (
    kept_irfs,
    mc_nodes,
    node_name,
    read_irf_cuts,
    ready_irfs,
)


def write_irf(path: Path, **words: float | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = fits.Header()
    for number in range(60):  # a header of more than one block
        header[f"FILL{number}"] = ("a text / with a slash", "comment")
    header.update({"ZEN_PNT": 23.63, **words})
    header["HIERARCH ETRUE_SCALE"] = 1.0
    hdu = fits.BinTableHDU(Table({"EFFAREA": np.ones((1, 25))}), header, name="EFFECTIVE AREA")
    fits.HDUList([fits.PrimaryHDU(), hdu, fits.ImageHDU(np.ones(9))]).writeto(path)
    return path


@pytest.mark.parametrize("name", ["irf.fits", "irf.fits.gz"])
def test_cuts_as_astropy_writes_them(tmp_path: Path, name: str) -> None:
    path = write_irf(tmp_path / name, GH_CUT=0.7, RAD_MAX=0.2)
    assert read_irf_cuts(path) == IrfCuts(gammaness_cut=0.7, theta_cut=0.2)


def test_energy_dependent_cuts(tmp_path: Path) -> None:
    path = write_irf(tmp_path / "irf.fits.gz", GH_EFF=0.7, TH_CONT=0.68)
    assert read_irf_cuts(path) == IrfCuts(gh_efficiency=0.7, theta_containment=0.68)


def test_files_that_are_no_irf(tmp_path: Path) -> None:
    whole = write_irf(tmp_path / "irf.fits", GH_CUT=0.7).read_bytes()
    for number, content in enumerate((b"", b"no FITS file", whole[:4000], b"A" * 2880 * 50)):
        path = tmp_path / f"broken{number}.fits"
        path.write_bytes(content)
        assert read_irf_cuts(path) is None, number
    cut = tmp_path / "cut.fits.gz"
    cut.write_bytes(gzip.compress(whole)[:300])
    assert read_irf_cuts(cut) is None
    assert read_irf_cuts(tmp_path / "none.fits") is None


def test_ready_irfs_in_a_tree_of_nodes(tmp_path: Path) -> None:
    for zenith, cut in (("10.000", 0.7), ("23.630", 0.8)):
        node = tmp_path / f"node_theta_{zenith}_az_102.199_"
        write_irf(node / "irf_prod_Gamma.fits.gz", GH_CUT=cut, RAD_MAX=0.2)
    (tmp_path / "node_theta_1.0_az_2.0_").mkdir()
    (tmp_path / "node_theta_1.0_az_2.0_" / "irf_prod_Gamma.fits.gz").write_bytes(b"broken")
    found, notes = ready_irfs(f"{tmp_path}/node_*/irf_*.fits.gz")
    assert [(irf.name, irf.cuts.gammaness_cut) for irf in found] == [
        ("theta_10.000_az_102.199", 0.7),
        ("theta_23.630_az_102.199", 0.8),
    ]
    (note,) = notes
    assert "node_theta_1.0_az_2.0_/irf_prod_Gamma.fits.gz is left out" in note


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/mc/node_theta_23.630_az_100.758_/dl2_x_merged.h5", "theta_23.630_az_100.758"),
        ("/mc/node_corsika_theta_6.000_az_180.000_/x.h5", "theta_6.000_az_180.000"),
        ("/mc/dl2_p_node_theta_10.0_az_248.117__merged.h5", "theta_10.0_az_248.117"),
        ("/irf/irf_my node.fits.gz", "my_node"),
        ("/mc/dl2_gamma.h5", "gamma"),
    ],
)
def test_names_of_nodes(path: str, name: str) -> None:
    assert node_name(path) == name


def test_monte_carlo_nodes(tmp_path: Path) -> None:
    for name in ("node_theta_23.630_az_100.758_", "node_theta_10.000_az_102.199_"):
        (tmp_path / "p1" / name).mkdir(parents=True)
        (tmp_path / "p1" / name / "dl2_g.h5").write_bytes(b"x")
    nodes = mc_nodes(f"{tmp_path}/{{dec}}/node_*/dl2_*.h5", dec="p1")
    assert [node.name for node in nodes] == ["theta_10.000_az_102.199", "theta_23.630_az_100.758"]


def test_mixed_productions_are_refused(tmp_path: Path) -> None:
    for production in ("p1", "p2"):
        node = tmp_path / production / "node_theta_23.630_az_100.758_"
        node.mkdir(parents=True)
        (node / "dl2_g.h5").write_bytes(b"x")
    with pytest.raises(CatalogueError, match=r"several .* theta_23\.630_az_100\.758"):
        mc_nodes(f"{tmp_path}/*/node_*/dl2_*.h5")


def test_no_monte_carlo(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No Monte Carlo"):
        mc_nodes(f"{tmp_path}/*.h5")


def test_kept_irfs(tmp_path: Path) -> None:
    assert kept_irfs(tmp_path) == ()
    path = tmp_path / "irf" / "global_0123" / "irf_theta_1_az_2.fits.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (path.parent / ".work-irf").mkdir()
    (path.parent / ".work-irf" / "irf_x.fits.gz").write_bytes(b"half")
    assert kept_irfs(tmp_path) == (str(path),)
