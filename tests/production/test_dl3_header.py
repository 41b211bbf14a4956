"""What DL3 says of its origin in its primary header."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tables
from astropy.io import fits
from production_samples import TOOLS, a_config, a_night, a_site

from astran.base.errors import ProductError
from astran.base.tasks import Stage, Task
from astran.production.job.fits_header import write_header_cards
from astran.telescopes.lst.planning.dl3_header import IRFS_USED, fill_header, models_digest
from astran.telescopes.lst.planning.plan import make_plan


def dl3(tmp_path: Path, **config: object) -> Task:
    night = a_night()
    plan = make_plan(a_config(**config), a_site(tmp_path), night, TOOLS, tmp_path / "a", "python")
    return next(task for task in plan.tasks if task.stage is Stage.DL3)


def words(task: Task) -> dict[str, object]:
    return {keyword: value for keyword, value, _ in task.header}


def test_models_cuts_and_versions_are_told(tmp_path: Path) -> None:
    found = words(dl3(tmp_path))
    assert found["LSTVER"] == "0.12.3"
    assert found["ANALYSIS"] == "Crab20231213"
    assert found["RFMODEL"] == "/models/dec_2276"
    models = a_night().monte_carlo[0].models
    assert models is not None
    assert found["RFDIGEST"] == models_digest(models.files)
    assert (found["CUTTYPE"], found["CUTGH"], found["CUTTHETA"]) == ("global", 0.7, 0.2)
    assert found["CUTINT"] == 50.0
    other = words(dl3(tmp_path, dl3={"cuts": "energy-dependent", "theta_containment": 0.8}))
    assert (other["CUTTYPE"], other["CUTGHEFF"], other["CUTTHCON"]) == (
        "energy-dependent",
        0.7,
        0.8,
    )
    assert "CUTGH" not in other
    assert other["SELDIGST"] != found["SELDIGST"]
    assert other["TASKFP"] != found["TASKFP"]


def test_keywords_keep_to_the_standard(tmp_path: Path) -> None:
    for keyword, _, comment in dl3(tmp_path).header:
        assert len(keyword) <= 8
        assert keyword.isupper()
        assert comment.isascii()


def test_nothing_tells_who_asked_so_that_it_can_be_shared(tmp_path: Path) -> None:
    one, other = dl3(tmp_path), dl3(tmp_path / "other")
    assert one.fingerprint == other.fingerprint
    ours = [card for card in one.header if card[0] != "IRFDIR"]  # of this site
    assert ours == [card for card in other.header if card[0] != "IRFDIR"]


def test_the_digest_of_models_knows_names_sizes_and_times() -> None:
    models = a_night().monte_carlo[0].models
    assert models is not None
    first, *others = models.files
    assert models_digest(models.files) == models_digest(models.files[::-1])
    for change in ({"size": 1}, {"mtime_ns": 1}, {"path": "/x/y"}):
        assert models_digest([replace(first, **change), *others]) != models_digest(models.files)
    moved = [replace(one, path=f"/elsewhere/{one.name}") for one in models.files]
    assert models_digest(moved) == models_digest(models.files)


# ---- into the file -------------------------------------------------------------------------------


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "dl3.fits"
    table = fits.BinTableHDU.from_columns(
        [fits.Column("ENERGY", "E", array=np.linspace(0.1, 9, 1000))], name="EVENTS"
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, checksum=True)
    return path


def test_only_the_primary_header_changes(product: Path) -> None:
    before = product.read_bytes()
    folder = "/a/long/path/" + "of/many/folders/" * 9 + "dec_2276"
    write_header_cards(
        product, [("RFMODEL", folder, "random forests"), ("CUTGH", 0.7, "least gammaness")]
    )
    after = product.read_bytes()
    assert after.endswith(before[2880:])
    with fits.open(product, checksum=True) as hdus:
        assert hdus[0].header["RFMODEL"] == folder
        assert hdus[0].header["CUTGH"] == 0.7
        assert hdus[0].verify_checksum() == hdus[0].verify_datasum() == 1
        hdus.verify("exception")
    assert b"CONTINUE" in after
    assert list(product.parent.iterdir()) == [product]


def test_a_second_stamp_takes_the_place_of_the_first(product: Path) -> None:
    write_header_cards(product, [("RFMODEL", "/a" * 200, "")])
    write_header_cards(product, [("RFMODEL", "/short/\u00fc", "")])
    header = fits.getheader(product)
    assert header["RFMODEL"] == "/short/\\xfc"
    assert header.count("RFMODEL") == 1


def test_the_same_words_give_the_same_bytes(product: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.fits"
    copy.write_bytes(product.read_bytes())
    for path in (product, copy):
        write_header_cards(path, [("CUTGH", 0.7, "least gammaness")])
    assert product.read_bytes() == copy.read_bytes()


def test_what_is_no_fits_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dl3.fits"
    path.write_text("no FITS")
    with pytest.raises(ProductError, match="does not open as FITS"):
        write_header_cards(path, [("CUTGH", 0.7, "")])
    assert path.read_text() == "no FITS"


# ---- which IRFs were taken -----------------------------------------------------------------------


def irf(path: Path, zenith: float) -> Path:
    table = fits.BinTableHDU.from_columns(
        [fits.Column("EFFAREA", "E", array=[1.0])], name="EFFECTIVE AREA"
    )
    table.header["ZEN_PNT"], table.header["AZ_PNT"] = zenith, 100.0
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


@pytest.mark.parametrize(
    ("zenith", "log", "used", "mode"),
    [
        (
            17.0,
            "INFO Paths of IRFs used for interpolation: [PosixPath('/w/irf/irf_a.fits.gz'), "
            "PosixPath('/w/irf/irf_c.fits.gz')]",
            "a, c",
            "interpolated",
        ),
        (20.0, "", "b", "nearest"),
        (
            17.5,
            "INFO Nearest IRF /w/irf/irf_c.fits.gz is used without interpolation",
            "c",
            "nearest",
        ),
        (17.0, "", "a, b, c", "interpolated"),
    ],
)
def test_irfs_used(tmp_path: Path, zenith: float, log: str, used: str, mode: str) -> None:
    links = tuple(
        (f"irf/irf_{name}.fits.gz", str(irf(tmp_path / f"irf_{name}.fits.gz", at)))
        for name, at in (("a", 10.0), ("b", 20.0), ("c", 30.0))
    )
    dl2 = tmp_path / "dl2.h5"

    with tables.open_file(str(dl2), "w") as handle:
        handle.root._v_attrs["ASTRAN_DL2_ENGINE"] = "fast"
    (tmp_path / "log").write_text(
        f"INFO Paths of IRFs used for interpolation: irf_b.fits.gz\n{log}"
    )
    if not log:
        (tmp_path / "log").unlink()
    task = replace(
        dl3(tmp_path), links=links, log=str(tmp_path / "log"), argv=("tool", "-d", str(dl2))
    )
    found = {k: v for k, v, _ in fill_header(task, irf(tmp_path / "dl3.fits", zenith))}
    assert (found["IRFUSED"], found["IRFMODE"], found["DL2ENGIN"]) == (used, mode, "fast")
    assert IRFS_USED not in found.values()
