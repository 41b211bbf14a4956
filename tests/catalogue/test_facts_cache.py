"""What is remembered of files, and looking at files that are not known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astran.base.night_data import FileRef
from astran.catalogue.path_patterns import stat_file
from astran.telescopes.lst.catalogue.file_inspection.facts_cache import DOUBT_S, FactsCache
from astran.telescopes.lst.catalogue.file_inspection.inspector import Inspector

NOW = 1.7e9


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime.fromtimestamp(NOW, UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def a_file(name: str = "/a", size: int = 5, mtime_ns: int = 7) -> FileRef:
    return FileRef(name, size, mtime_ns)


def test_facts_count_only_for_the_file_as_it_was(tmp_path: Path) -> None:
    memory = FactsCache.of(tmp_path / "shared")
    memory.keep(a_file(), {"events": 3}, NOW)
    assert memory.recall([a_file()], NOW) == {"/a": {"events": 3}}
    assert memory.recall([a_file(size=6), a_file(mtime_ns=8), a_file("/b")], NOW) == {}
    memory.keep(a_file(size=6), {"events": 4}, NOW)
    assert memory.recall([a_file()], NOW) == {}


def test_what_was_wrong_is_looked_at_again_after_a_while(tmp_path: Path) -> None:
    """It may have been the file system."""
    memory = FactsCache.of(tmp_path)
    memory.keep(a_file(), {"problem": "it may not be read"}, NOW)
    assert memory.recall([a_file()], NOW + DOUBT_S - 1)
    assert not memory.recall([a_file()], NOW + DOUBT_S + 1)


def test_many_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    FactsCache.of(tmp_path)
    program = (
        "import sys; from pathlib import Path; from astran.base.night_data import FileRef\n"
        "from astran.telescopes.lst.catalogue.file_inspection.facts_cache import FactsCache\n"
        "m = FactsCache.of(Path(sys.argv[1]))\n"
        "for n in range(40): m.keep(FileRef(f'/{sys.argv[2]}/{n}', 1, 1), {'n': n}, 0.0)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen([*words, str(number)]) for number in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    files = [a_file(f"/{p}/{n}", 1, 1) for p in range(4) for n in range(40)]
    assert len(FactsCache.of(tmp_path).recall(files, NOW)) == 160


def test_a_site_whose_memory_cannot_be_written_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "shared").write_text("a file in place of the folder")
    memory = FactsCache.of(tmp_path / "shared")
    memory.keep(a_file(), {"events": 3}, NOW)
    assert FactsCache.of(tmp_path / "shared").recall([a_file()], NOW)
    assert memory.path.is_relative_to(tmp_path / "home")


# ---- looking -------------------------------------------------------------------------------------


def eyes(tmp_path: Path, clock: Hands, **more: float) -> Inspector:
    return Inspector(FactsCache.of(tmp_path / "shared"), clock, **{"settle_s": 60.0, **more})


def test_a_file_has_settled_when_it_rested(tmp_path: Path) -> None:
    clock = Hands()
    path = tmp_path / "x.h5"
    path.write_bytes(b"x")
    os.utime(path, (NOW - 59, NOW - 59))
    file = stat_file(path)
    assert file is not None
    assert not eyes(tmp_path, clock).settled(file)
    clock.sleep(2)
    assert eyes(tmp_path, clock).settled(file)
    assert not eyes(tmp_path, clock).settled(file, times=10)


def test_a_stamp_of_the_future_is_watched_instead(tmp_path: Path) -> None:
    clock = Hands()
    ahead = int((NOW + 1e6) * 1e9)
    assert not eyes(tmp_path, clock).settled(a_file(mtime_ns=ahead))
    clock.sleep(50)
    assert not eyes(tmp_path, clock).settled(a_file(size=6, mtime_ns=ahead)), "it grew"
    clock.sleep(50)
    assert not eyes(tmp_path, clock).settled(a_file(size=6, mtime_ns=ahead))
    clock.sleep(11)
    assert eyes(tmp_path, clock).settled(a_file(size=6, mtime_ns=ahead))


def test_unknown_files_are_opened_once(tmp_path: Path) -> None:
    clock = Hands()
    files = []
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_bytes(b"no HDF5")
        file = stat_file(tmp_path / name)
        assert file is not None
        files.append(file)
    assert eyes(tmp_path, clock).facts(files[0]) is None
    first = eyes(tmp_path, clock)
    assert first.look(files)
    assert first.facts(files[1]).problem == "it is no HDF5 file"  # type: ignore[union-attr]
    second = eyes(tmp_path, clock, budget_s=0)
    assert second.look(files), "remembered, as there is no time to open any"


def test_a_program_that_falls_over_a_file_blames_it_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 may crash: each look then sets one file aside, so that the others get their turn."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    clock = Hands()
    files = [a_file("/a"), a_file("/b")]
    first = eyes(tmp_path, clock)
    assert not first.look(files)
    problem = first.facts(files[0]).problem  # type: ignore[union-attr]
    assert problem.startswith("it cannot be opened: ")
    assert first.facts(files[1]) is None
    second = eyes(tmp_path, clock)
    assert second.look(files)


def test_without_opening_every_file_is_good(tmp_path: Path) -> None:
    blind = Inspector(FactsCache.of(tmp_path), Hands(), settle_s=60, opens=False)
    assert blind.look([a_file()])
    assert blind.facts(a_file()).problem == ""  # type: ignore[union-attr]
    json.dumps(blind.facts(a_file()).to_json())  # type: ignore[union-attr]


def test_a_broken_file_spoils_no_other(tmp_path: Path) -> None:
    """PyTables stumbles over some damage so badly that it cannot close the file again."""
    from test_examine import dl1

    names = ("a.h5", "b.h5", "c.h5")
    for name in names:
        dl1(tmp_path / name)
    content = bytearray((tmp_path / "b.h5").read_bytes())
    content[2000 : len(content) // 2] = bytes(len(content) // 2 - 2000)
    (tmp_path / "b.h5").write_bytes(content)
    files = [file for name in names if (file := stat_file(tmp_path / name)) is not None]
    looking = eyes(tmp_path, Hands())
    assert looking.look(files)
    problems = [looking.facts(file).problem for file in files]  # type: ignore[union-attr]
    assert problems[0] == problems[2] == ""
    assert "HDF5" in problems[1]
