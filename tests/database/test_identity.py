"""A store that was there must be there: nothing is made in place of what is not mounted."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import yaml
from services.postgres import Postgres

from astran.base.errors import StoreError
from astran.base.files import write_atomic
from astran.cli.common import make_context
from astran.cli.main import main
from astran.config.yaml_files import load_site
from astran.database.connection import Database
from astran.database.location import identity, opening

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a site configuration into a folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def write(name: str = "site.yml", **keys: object) -> Path:
        folder = tmp_path / "etc"
        folder.mkdir(exist_ok=True)
        values = {"site": "Test", "workdir": str(tmp_path / "work"), **keys}
        path = folder / name
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def start(path: Path) -> None:
    """As each command that uses the store."""
    make_context(load_site(path)).db.close()


def unmount(folder: Path) -> Path:
    """The folder that remains where a file system was mounted; returns what was in it."""
    away = folder.with_name(f"{folder.name}-away")
    folder.rename(away)
    folder.mkdir()
    return away


def mount(away: Path, folder: Path) -> None:
    folder.rmdir()
    away.rename(folder)


def test_a_work_folder_never_seen_is_made(write: Write, tmp_path: Path) -> None:
    site = write()
    start(site)
    start(site)
    assert (tmp_path / "work" / "astran.sqlite").is_file()


def test_a_store_that_is_gone_is_not_made_anew(write: Write, tmp_path: Path) -> None:
    site, work = write(), tmp_path / "work"
    start(site)
    away = unmount(work)
    with pytest.raises(StoreError, match=rf"{work}.*[Mm]ount.*astran db init"):
        start(site)
    assert list(work.iterdir()) == []
    mount(away, work)
    start(site)


def test_neither_is_one_whose_mount_point_is_gone(write: Write, tmp_path: Path) -> None:
    site, work = write(), tmp_path / "work"
    start(site)
    work.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        start(site)
    assert not work.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["show", "A1"],
        ["clean"],
        ["db", "upgrade"],
        ["db", "version"],
        ["pages"],
    ],
)
def test_every_command_says_so(
    write: Write, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    site, work = write(), tmp_path / "work"
    start(site)
    unmount(work)
    assert main([*words, "--site", str(site)]) == 2
    assert "not the one that was used before" in capsys.readouterr().err
    assert list(work.iterdir()) == []


def test_the_doctor_says_so(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, work = write(), tmp_path / "work"
    start(site)
    unmount(work)
    assert main(["doctor", "--json", "--site", str(site)]) == 1
    rows = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    for part in ("workdir", "database"):
        assert rows[part]["result"] == "fail"
        assert "mount" in rows[part]["cure"].lower()


def test_init_begins_anew_on_the_users_word(write: Write, tmp_path: Path) -> None:
    site, work = write(), tmp_path / "work"
    start(site)
    unmount(work)
    assert main(["db", "init", "--site", str(site)]) == 0
    start(site)
    assert (work / "astran.sqlite").is_file()


def test_init_keeps_what_is_there(write: Write, tmp_path: Path) -> None:
    site = write()
    start(site)
    before = (tmp_path / "work" / identity.MARKER).read_text()
    assert main(["db", "init", "--site", str(site)]) == 0
    assert (tmp_path / "work" / identity.MARKER).read_text() == before


def test_a_folder_that_was_moved_on_purpose(write: Write, tmp_path: Path) -> None:
    site = write()
    start(site)
    (tmp_path / "work").rename(tmp_path / "new")
    site = write(workdir=str(tmp_path / "new"))
    start(site)
    unmount(tmp_path / "new")
    with pytest.raises(StoreError):
        start(site)


def test_a_database_that_was_lost_is_not_made_anew(write: Write, tmp_path: Path) -> None:
    site = write()
    start(site)
    database = tmp_path / "work" / "astran.sqlite"
    database.unlink()
    with pytest.raises(StoreError, match=r"database .* is not there any more"):
        start(site)
    assert not database.exists()


def test_a_database_on_another_disk(write: Write, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    site = write(database=f"sqlite:///{disk / 'a.sqlite'}")
    start(site)
    away = unmount(disk)
    with pytest.raises(StoreError, match="not there any more"):
        start(site)
    assert list(disk.iterdir()) == []
    mount(away, disk)
    start(site)


def test_a_folder_of_another_site_is_refused(write: Write, tmp_path: Path) -> None:
    site, other = write(), write("other.yml", workdir=str(tmp_path / "other"))
    start(site)
    start(other)
    unmount(tmp_path / "work").rename(tmp_path / "gone")
    (tmp_path / "work").rmdir()
    (tmp_path / "other").rename(tmp_path / "work")
    with pytest.raises(StoreError, match="store of another site"):
        start(site)


def test_two_sites_in_one_folder_know_only_their_own(write: Write, tmp_path: Path) -> None:
    start(write())
    start(write("other.yml", workdir=str(tmp_path / "other")))
    unmount(tmp_path / "work")
    start(write("other.yml", workdir=str(tmp_path / "other")))


def test_a_server_database_knows_its_folder(
    write: Write, tmp_path: Path, postgres: Postgres
) -> None:
    """Also where nothing else remembers it, as on another machine."""
    site = write(database=postgres.url(postgres.new_database()))
    start(site)
    away = unmount(tmp_path / "work")
    for memory in identity.memory_files(load_site(site)):
        memory.unlink(missing_ok=True)
    with pytest.raises(StoreError, match="does not belong to the work folder"):
        start(site)
    assert list((tmp_path / "work").iterdir()) == []
    mount(away, tmp_path / "work")
    start(site)
    unmount(tmp_path / "work")
    assert main(["db", "init", "--site", str(site)]) == 0
    start(site)


def test_a_server_database_that_is_empty_is_not_the_one(
    write: Write, tmp_path: Path, postgres: Postgres
) -> None:
    start(write(database=postgres.url(postgres.new_database())))
    with pytest.raises(StoreError, match="not there any more"):
        start(write(database=postgres.url(postgres.new_database())))


def test_a_store_of_before_is_adopted(write: Write, tmp_path: Path) -> None:
    site, work = write(), tmp_path / "work"
    work.mkdir()
    Database.open(f"sqlite:///{work / 'astran.sqlite'}").close()
    start(site)
    unmount(work)
    with pytest.raises(StoreError):
        start(site)


def test_a_crash_on_the_way_is_gone_on_from(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*args: object, **options: object) -> None:
        raise Killed

    site = write()
    for place in ("open", "identity"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Database, place, kill)
            start(site)
    for function in ("_complete", "remember"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(opening, function, kill)
            start(site)
    start(site)


def established(path: Path) -> str:
    """Name of the store of a site, as each process finds or makes it."""
    store = opening.open_store(load_site(path))
    try:
        return store.identity()
    finally:
        store.close()


def test_some_that_begin_at_once_make_one_store(write: Write, tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        names = set(pool.map(established, [write()] * 8))
    assert len(names) == 1


def test_a_folder_of_configurations_that_cannot_be_written(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, work = write(), tmp_path / "work"

    def write_elsewhere(path: Path, content: str) -> None:
        if path.is_relative_to(site.parent):
            raise PermissionError(13, "Permission denied", str(path))
        write_atomic(path, content)

    monkeypatch.setattr(identity, "write_atomic", write_elsewhere)
    start(site)
    assert [path.name for path in site.parent.iterdir()] == ["site.yml"]
    assert list((tmp_path / "home").rglob("*.store"))
    unmount(work)
    with pytest.raises(StoreError):
        start(site)


def test_no_database_appears_where_one_was_open(tmp_path: Path) -> None:
    """A file system that goes away in the middle of a tick."""
    file = tmp_path / "a.sqlite"
    database = Database.open(f"sqlite:///{file}")
    database.close()
    file.unlink()
    with pytest.raises(Exception, match="unable to open"), database.begin():
        pass
    assert not file.exists()


def test_a_damaged_marker_is_no_new_site(write: Write, tmp_path: Path) -> None:
    site = write()
    start(site)
    (tmp_path / "work" / identity.MARKER).write_text("")
    with pytest.raises(StoreError, match=r"damaged.*astran db init"):
        start(site)
    assert main(["db", "init", "--site", str(site)]) == 0
    start(site)
