"""Nobody else reads what ASTRAN writes; the group reads products."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from astran.base.permissions import current_umask, private_umask, restrict_mode
from astran.cli.common import make_context
from astran.cli.launcher import main as launch
from astran.cli.main import main
from astran.config.yaml_files import load_site
from astran.database.connection import Database


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """As most accounts have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yml"
    path.write_text(f"site: T\nworkdir: {tmp_path / 'work'}\nscheduler: {{kind: local}}\n")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_umask_is_set_and_given_back() -> None:
    with private_umask():
        assert current_umask() == 0o027
    assert current_umask() == 0o022


def test_a_stricter_umask_stays() -> None:
    os.umask(0o077)
    with private_umask():
        assert current_umask() == 0o077


def test_the_umask_is_found_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert current_umask(tmp_path / "nowhere") == 0o022
    assert current_umask() == 0o022


@pytest.mark.parametrize("start", ["launcher", "astran"])
def test_a_fresh_site_is_private(site: Path, tmp_path: Path, start: str) -> None:
    words = ["--site", str(site)]
    assert (launch(words) if start == "launcher" else main(["status", *words])) == 0
    work = tmp_path / "work"
    assert mode(work) == 0o750
    assert mode(work / "astran.sqlite") == 0o600
    for path in work.rglob("*"):
        assert mode(path) & 0o027 == 0, path


def test_files_beside_the_database_are_private(tmp_path: Path) -> None:
    """SQLite keeps what was written there for a while."""
    database = Database.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    with database.begin() as db:
        db.exec_driver_sql("create table x (y)")
        modes = {path.name: mode(path) for path in tmp_path.iterdir()}
    database.close()
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}


def opened(site: Path, tmp_path: Path) -> tuple[Path, ...]:
    """A site as it was made before: readable for all."""
    make_context(load_site(site)).db.close()
    work = tmp_path / "work"
    journal = work / "astran.sqlite-wal"
    journal.touch()
    for path, wide in ((work, 0o755), (work / "astran.sqlite", 0o644), (journal, 0o664)):
        path.chmod(wide)
    return work, work / "astran.sqlite", journal


def test_a_start_mends_what_is_open(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, database, journal = opened(site, tmp_path)
    assert launch(["--site", str(site)]) == 0
    assert [mode(path) for path in (work, database, journal)] == [0o750, 0o600, 0o600]
    assert "mode narrowed to 0600" in capsys.readouterr().out
    assert launch(["--site", str(site)]) == 0
    assert capsys.readouterr().out == ""


def test_other_commands_mend_it_silently(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, database, _ = opened(site, tmp_path)
    assert main(["status", "--json", "--site", str(site)]) == 0
    assert (mode(work), mode(database)) == (0o750, 0o600)
    assert "mode" not in capsys.readouterr().out
    store = Database.open(f"sqlite:///{database}")
    with store.begin() as db:
        query = "select count(*) from event where kind = 'modes' and text like '%0600%'"
        assert db.exec_driver_sql(query).scalar_one() == 1
    store.close()


def test_what_is_stricter_stays(site: Path, tmp_path: Path) -> None:
    work, database, _ = opened(site, tmp_path)
    work.chmod(0o700)
    database.chmod(0o600)
    assert launch(["--site", str(site)]) == 0
    assert (mode(work), mode(database)) == (0o700, 0o600)


def test_a_folder_of_others_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert not restrict_mode(tmp_path, 0o750)
    assert mode(tmp_path) == 0o755


def test_a_folder_in_which_a_group_works_together_stays_writable(
    site: Path, tmp_path: Path
) -> None:
    work, _, _ = opened(site, tmp_path)
    work.chmod(0o2775)
    assert launch(["--site", str(site)]) == 0
    assert mode(work) == 0o2770


def test_pages_in_the_work_folder_can_still_be_served(site: Path, tmp_path: Path) -> None:
    pages = tmp_path / "work" / "pages"
    site.write_text(f"{site.read_text()}pages: {{output: {pages}}}\n")
    opened(site, tmp_path)
    assert main(["pages", "--site", str(site)]) == 0
    assert mode(tmp_path / "work") == 0o751
    assert {mode(path) for path in (pages, *pages.rglob("*")) if path.is_dir()} == {0o755}
    assert {mode(path) for path in pages.rglob("*") if path.is_file()} == {0o644}
