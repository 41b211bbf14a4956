"""Two hundred damaged products: what a task calls done, check_dl2 and check_dl3 call whole, and
what they call broken, no task keeps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from astropy.io import fits
from product_samples import events, natural, whole_dl2, write_dl3
from production_samples import TOOLS, a_config, a_night, a_site, site_settings

from astran.base.errors import ProductError
from astran.base.tasks import ProductKind, Stage
from astran.production.audit.dl3_audit import audit_dl3
from astran.production.audit.findings import State
from astran.telescopes.lst.chain import CHAIN
from astran.telescopes.lst.checks.dl2_audit import FEATURES, audit_dl2
from astran.telescopes.lst.hdf5_open import DL1_TABLE
from astran.telescopes.lst.planning.plan import make_plan

RUN = 15861
BAD = (State.BROKEN, State.MISSING)
GOOD = natural(obs_id=np.full(3000, RUN))
VALUES = (np.nan, np.inf, -1.0, 0.0, 1e30)
SHARES = (1, 40, 3000)
"""So many of the 3,000 events are changed."""
Damage = Callable[[Path], None]


def columns_of_dl2() -> Iterator[tuple[str, np.ndarray]]:
    """Each column that later steps need, spoilt in several ways, or gone."""
    numbers = ("reco_energy", "reco_alt", "reco_az", "gammaness", "dragon_time", "delta_t")
    for name in numbers:
        for value in VALUES:
            for share in SHARES:
                table = GOOD.copy()
                table[name][:share] = value
                yield f"{name}={value} in {share}", table
    for name in GOOD.dtype.names or ():
        yield f"without {name}", events(**{name: None}) if name != "obs_id" else events()


def rows_of_dl2() -> Iterator[tuple[str, np.ndarray]]:
    """Rows that are there twice, lack, stand elsewhere or are of another run."""
    for share in (1, 500, 3000):
        yield f"{share} rows twice", np.concatenate([GOOD, GOOD[:share]])
    for first, last in ((0, 1), (0, 1500), (1000, 2000), (1, 3000)):
        yield f"rows {first} to {last} lack", np.delete(GOOD, slice(first, last))
    yield "no rows", GOOD[:0]
    yield "backwards", GOOD[::-1]
    for name, value in (("obs_id", RUN + 1), ("event_id", 7), ("event_type", 2), ("tel_id", 9)):
        table = GOOD.copy()
        table[name] = value
        yield f"{name}={value}", table


def cut_at(share: float) -> Damage:
    def damage(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return damage


def flip(seed: int) -> Damage:
    """Some bytes are not what they were."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        chance = np.random.default_rng(seed)
        for place in chance.integers(0, len(content), 30):
            content[place] ^= int(chance.integers(1, 256))
        path.write_bytes(bytes(content))

    return damage


def key(name: str, value: Any) -> Damage:
    def damage(path: Path) -> None:
        with fits.open(path, mode="update") as hdus:
            if value is None:
                hdus["EVENTS"].header.remove(name, ignore_missing=True)
            else:
                hdus["EVENTS"].header[name] = value

    return damage


def column(hdu: str, name: str, value: float, share: int) -> Damage:
    def damage(path: Path) -> None:
        with fits.open(path, mode="update") as hdus:
            hdus[hdu].data[name][:share] = value

    return damage


def without_hdu(name: str) -> Damage:
    def damage(path: Path) -> None:
        with fits.open(path) as hdus:
            left = fits.HDUList([hdu for hdu in hdus if hdu.name != name])
            left.writeto(path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    return damage


def damages_of_dl3() -> Iterator[tuple[str, Damage]]:
    names = ("OBS_ID", "RA_PNT", "DEC_PNT", "RA_OBJ", "ONTIME", "LIVETIME", "DEADC", "MJDREFI",
             "MJDREFF", "ALT_PNT")  # fmt: skip
    for name in names:
        for value in (None, -5, 0, 1e9, "text"):
            yield f"{name}={value}", key(name, value)
    for name in ("TIME", "RA", "DEC", "ENERGY", "GAMMANESS", "EVENT_ID"):
        for value in (0.0, -1.0) if name == "EVENT_ID" else (np.nan, -1.0, 1e12):
            yield f"{name}={value}", column("EVENTS", name, value, 50)
    for value in (np.nan, 0.0, 1e9):
        yield f"START={value}", column("GTI", "START", value, 1)
        yield f"STOP={value}", column("GTI", "STOP", value, 1)
    for name in ("EVENTS", "GTI", "EFFECTIVE AREA", "ENERGY DISPERSION"):
        yield f"without {name}", without_hdu(name)


DL2_TABLES = dict((*columns_of_dl2(), *rows_of_dl2()))
DL3_DAMAGES = dict(damages_of_dl3())
BYTES = {f"cut at {share}": cut_at(share) for share in (0.0, 0.05, 0.3, 0.6, 0.9, 0.99)} | {
    f"bytes {seed}": flip(seed) for seed in range(10)
}


def test_there_are_two_hundred() -> None:
    assert len(DL2_TABLES) + len(DL3_DAMAGES) + 2 * len(BYTES) >= 200


def task_says(path: Path, kind: ProductKind, **expect: Any) -> str:
    """Why the task that made it fails; empty: it is done."""
    try:
        CHAIN.check_product(path, kind, expect)
    except ProductError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def dl1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the good DL2 was made of: its events, and 100 that cannot be reconstructed."""
    table = np.zeros(3100, [(name, "f8") for name in FEATURES])
    table["width"][3000:] = np.nan
    path = tmp_path_factory.mktemp("dl1") / f"dl1_LST-1.Run{RUN}.h5"
    where, _, leaf = DL1_TABLE.rpartition("/")
    with tables.open_file(str(path), "w") as handle:
        handle.create_table(where, leaf, obj=table, createparents=True)
    return path


SETTINGS = '{"events_filters": {}}'


def compare_dl2(path: Path, dl1: Path, what: str) -> bool:
    """Both judges on one file; returns whether it is good."""
    expect = {"dl1": str(dl1), "dl1_to_dl2": SETTINGS}
    reason = task_says(path, ProductKind.DL2, **expect)
    audit = audit_dl2(path, [dl1], SETTINGS)
    assert (audit.state in BAD) == bool(reason), f"{what}: {reason or audit.problems}"
    return not reason


@pytest.mark.parametrize("part", range(6))
def test_dl2(tmp_path: Path, dl1: Path, part: int) -> None:
    for what, table in list(DL2_TABLES.items())[part::6]:
        path = whole_dl2(tmp_path / f"dl2_LST-1.Run{RUN}.h5", table)
        compare_dl2(path, dl1, what)


def test_dl2_that_is_cut_or_of_other_bytes(tmp_path: Path, dl1: Path) -> None:
    good = whole_dl2(tmp_path / "good.h5", GOOD)
    path = tmp_path / f"dl2_LST-1.Run{RUN}.h5"
    for what, damage in BYTES.items():
        shutil.copyfile(good, path)
        damage(path)
        compare_dl2(path, dl1, what)


def test_what_is_good_is_good_for_both(tmp_path: Path, dl1: Path) -> None:
    path = whole_dl2(tmp_path / f"dl2_LST-1.Run{RUN}.h5", GOOD)
    assert compare_dl2(path, dl1, "good")
    for share in (1, 500):
        path = whole_dl2(path, GOOD[share:])
        assert not compare_dl2(path, dl1, "events of its DL1 lack")


@pytest.mark.parametrize("part", range(4))
def test_dl3(tmp_path: Path, part: int) -> None:
    good = write_dl3(tmp_path / "good.fits", RA_PNT=83.2, DEC_PNT=22.0)
    path = tmp_path / f"dl3_LST-1.Run{RUN}.fits"
    assert task_says(good, ProductKind.DL3, run=RUN) == ""
    for what, damage in list((DL3_DAMAGES | BYTES).items())[part::4]:
        shutil.copyfile(good, path)
        damage(path)
        # without `run`, which only the task knows
        reason, audit = task_says(path, ProductKind.DL3), audit_dl3(path)
        assert (audit.state in BAD) == bool(reason), f"{what}: {reason or audit.problems}"


def test_a_task_knows_the_dl1_of_its_dl2(tmp_path: Path) -> None:
    night = a_night(lstchain_config=site_settings('{"events_filters": {"intensity": [0, "inf"]}}'))
    plan = make_plan(a_config(), a_site(tmp_path), night, TOOLS, tmp_path / "x", "/p", Stage.DL2)
    for task in plan.tasks:
        (output,) = task.outputs
        expect = CHAIN.expect_of(task, output)
        assert expect["dl1"] == task.inputs[0]
        assert "events_filters" in str(expect["dl1_to_dl2"])
