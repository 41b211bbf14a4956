"""The store of products: whole or absent, on the same disk or on another, killed at any line."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from astran.base import product_store
from astran.base.product_store import is_same_file, link_product, store_path, store_product

SHA = "0123456789abcdef" * 4


@pytest.fixture(params=["same disk", "other disk", "no hard links"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder for the store, on file systems of three kinds."""
    if request.param == "other disk":
        memory = Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
            monkeypatch.setattr(product_store.os, "link", refuse(errno.EXDEV))
            monkeypatch.setattr(Path, "rename", no_rename_between(tmp_path / "store"))
            yield tmp_path / "store"
            return
        folder = Path(mkdtemp(prefix="astran-store-", dir=memory))
        yield folder
        shutil.rmtree(folder)
        return
    if request.param == "no hard links":
        monkeypatch.setattr(product_store.os, "link", refuse(errno.EPERM))
    yield tmp_path / "store"


def refuse(number: int) -> object:
    def link(*args: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    return link


def no_rename_between(store: Path) -> object:
    plain = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if (store in self.parents) != (store in Path(target).parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return plain(self, target)

    return rename


def a_file(folder: Path, text: str = "events") -> Path:
    path = folder / "A1" / "DL3" / "dl3.fits"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "A1" / "results"
    (path / "spectra").mkdir(parents=True)
    (path / "results.json").write_text("{}")
    (path / "spectra" / "pha.fits").write_text("counts")
    return path


def leftovers(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob(f"{product_store.PART}*")]


def test_a_product_outlives_the_folder_of_its_analysis(store: Path, tmp_path: Path) -> None:
    product = a_file(tmp_path)
    before = product.stat().st_mtime_ns
    place = store_path(store, "ab" * 32, SHA, product.name)
    store_product(product, place)
    assert place == store / "ab" / ("ab" * 32) / SHA[:16] / "dl3.fits"
    assert product.read_text() == place.read_text() == "events"
    assert product.stat().st_mtime_ns == place.stat().st_mtime_ns == before
    second = tmp_path / "A2" / "DL3" / "dl3.fits"
    link_product(place, second)
    shutil.rmtree(tmp_path / "A1")
    assert second.read_text() == place.read_text() == "events"
    assert is_same_file(place, second)
    assert leftovers(store, tmp_path) == []


def test_a_folder_is_kept_as_a_whole(store: Path, tmp_path: Path) -> None:
    product = a_folder(tmp_path)
    place = store_path(store, "ab" * 32, SHA, "results")
    store_product(product, place)
    second = tmp_path / "A2" / "results"
    link_product(place, second)
    shutil.rmtree(tmp_path / "A1")
    for folder in (place, second):
        assert (folder / "spectra" / "pha.fits").read_text() == "counts"
        assert (folder / "results.json").read_text() == "{}"
    assert leftovers(store, tmp_path) == []


def test_keeping_twice_changes_nothing(store: Path, tmp_path: Path) -> None:
    for product in (a_file(tmp_path), a_folder(tmp_path)):
        place = store_path(store, "ab" * 32, SHA, product.name)
        store_product(product, place)
        inode = place.stat().st_ino
        store_product(product, place)
        assert place.stat().st_ino == inode
        assert is_same_file(place, product)


def test_what_an_attempt_made_again_becomes_what_is_stored(store: Path, tmp_path: Path) -> None:
    place = store_path(store, "ab" * 32, SHA, "dl3.fits")
    store_product(a_file(tmp_path), place)
    product = tmp_path / "A1" / "DL3" / "dl3.fits"
    product.unlink()
    product.write_text("events")  # of the same content, as its checksum says
    store_product(product, place)
    assert is_same_file(place, product)


@pytest.mark.parametrize("damage", ["EVENTS", "cut"])
def test_a_damaged_product_in_the_store_gives_way_to_a_good_one(
    store: Path, tmp_path: Path, damage: str
) -> None:
    place = store_path(store, "ab" * 32, SHA, "dl3.fits")
    product = a_file(tmp_path)
    store_product(product, place)
    product.write_text(damage)  # in place: by a hard link this is what is in the store, too
    product.unlink()
    place.write_text(damage)
    store_product(a_file(tmp_path), place)  # the task has run again
    assert product.read_text() == place.read_text() == "events"
    assert is_same_file(place, product)
    assert {path.read_text() for path in leftovers(store, tmp_path)} == {damage}
    assert {path.parent for path in leftovers(store, tmp_path)} == {place.parent}


def test_a_damaged_folder_in_the_store_gives_way_to_a_good_one(store: Path, tmp_path: Path) -> None:
    place = store_path(store, "ab" * 32, SHA, "results")
    product = a_folder(tmp_path)
    store_product(product, place)
    (place / "spectra" / "pha.fits").write_text("COUNTS")
    shutil.move(product, tmp_path / "before")
    store_product(a_folder(tmp_path), place)
    for folder in (product, place):
        assert (folder / "spectra" / "pha.fits").read_text() == "counts"
    (aside,) = leftovers(store)
    assert (aside / "spectra" / "pha.fits").read_text() == "COUNTS"


@pytest.mark.parametrize("kind", [a_file, a_folder])
def test_a_store_that_fails_half_way_leaves_the_product_as_it_was(
    store: Path, tmp_path: Path, kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = kind(tmp_path)  # type: ignore[operator]
    place = store_path(store, "ab" * 32, SHA, product.name)
    plain = Path.rename

    def stale(self: Path, target: Path) -> Path:
        if target == place:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return plain(self, target)

    monkeypatch.setattr(Path, "rename", stale)
    with pytest.raises(OSError, match="Stale"):
        store_product(product, place)
    assert not product.is_symlink()
    good = product / "spectra" / "pha.fits" if product.is_dir() else product
    assert good.read_text() in ("events", "counts")
    assert leftovers(store, tmp_path) == []


def test_a_link_takes_the_place_of_what_is_there(store: Path, tmp_path: Path) -> None:
    place = store_path(store, "ab" * 32, SHA, "dl3.fits")
    store_product(a_file(tmp_path), place)
    other = tmp_path / "A2" / "dl3.fits"
    other.parent.mkdir()
    other.write_text("half")
    link_product(place, other)
    assert other.read_text() == "events"
    other.unlink()
    other.symlink_to(tmp_path / "gone")
    link_product(place, other)
    assert other.read_text() == "events"
    folder, whole = tmp_path / "A2" / "results", store_path(store, "cd" * 32, SHA, "results")
    folder.mkdir()
    (folder / "old.json").write_text("old")
    store_product(a_folder(tmp_path), whole)
    link_product(whole, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["results.json", "spectra"]
    assert leftovers(store, tmp_path) == []


def test_no_room_leaves_the_product_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_store.os, "link", refuse(errno.ENOSPC))
    product, place = a_file(tmp_path), store_path(tmp_path / "store", "ab" * 32, SHA, "dl3.fits")
    with pytest.raises(OSError, match="No space"):
        store_product(product, place)
    assert product.read_text() == "events"
    assert not product.is_symlink()
    assert not place.exists()
    assert leftovers(tmp_path) == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it is run."""


ACTS = [(os, "link"), (Path, "rename"), (Path, "replace"), (Path, "symlink_to"), (Path, "unlink")]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("act", range(8))
@pytest.mark.parametrize("kind", [a_file, a_folder])
def test_killed_at_any_act_nothing_is_lost_and_it_can_be_begun_again(
    store: Path, tmp_path: Path, kind: object, act: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = kind(tmp_path)  # type: ignore[operator]
    place = store_path(store, "ab" * 32, SHA, product.name)
    count, dead = 0, False
    tidy = product_store._remove

    def cut(plain: object) -> object:
        def acted(*args: object, **more: object) -> object:
            nonlocal count, dead
            count += 1
            now = count - 1 == act
            made = None if now and when == "before" else plain(*args, **more)  # type: ignore[operator]
            if now:
                dead = True
                raise Killed
            return made

        return acted

    with monkeypatch.context() as patch:
        # a dead process tidies nothing
        patch.setattr(product_store, "_remove", lambda path: dead or tidy(path))
        for owner, name in ACTS:
            patch.setattr(owner, name, cut(getattr(owner, name)))
        with suppress(Killed):
            store_product(product, place)
    files = [tmp_path, store]
    contents = [p.read_text() for top in files for p in top.rglob("*") if p.is_file()]
    assert "events" in contents or "counts" in contents, "nothing is lost"
    if place.exists():
        whole = place / "spectra" / "pha.fits" if place.is_dir() else place
        assert whole.read_text() in ("events", "counts"), "what stands in the store is whole"
    if not product.exists():  # then the attempt has left no record, and is made again
        kind(tmp_path)  # type: ignore[operator]
    store_product(product, place)
    assert is_same_file(place, product)
