"""The cache holds complete folders or none, and each is made once."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from astran.base.clock import SystemClock
from astran.demo.cache import cache_root, cached

CLOCK = SystemClock()


def make_two_files(folder: Path) -> None:
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")


def never(folder: Path) -> None:
    raise AssertionError("made again")


def test_made_once_and_found_again(tmp_path):
    first, found = cached(tmp_path, "key", make_two_files, CLOCK)
    assert not found
    assert sorted(path.name for path in first.iterdir()) == ["a", "b"]
    assert cached(tmp_path, "key", never, CLOCK) == (first, True)


def test_another_key_is_another_folder(tmp_path):
    one, _ = cached(tmp_path, "one", make_two_files, CLOCK)
    two, found = cached(tmp_path, "two", make_two_files, CLOCK)
    assert not found
    assert one != two


def test_a_failure_leaves_nothing_behind(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise RuntimeError("no more disk")

    with pytest.raises(RuntimeError):
        cached(tmp_path, "key", fail, CLOCK)
    assert [path.name for path in tmp_path.iterdir()] == ["key.lock"]
    assert not cached(tmp_path, "key", make_two_files, CLOCK)[1]


def test_a_kill_leaves_no_half_folder(tmp_path):
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from astran.base.clock import SystemClock
        from astran.demo.cache import cached

        def make(folder):
            (folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

        cached(Path(sys.argv[1]), "key", make, SystemClock())
    """)
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert not (tmp_path / "key").exists()
    folder, found = cached(tmp_path, "key", make_two_files, CLOCK)
    assert not found
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_the_second_waits_for_the_first(tmp_path):
    second_waits, calls, results = threading.Event(), [], []

    def slow(folder: Path) -> None:
        calls.append(folder)
        started.set()
        assert second_waits.wait(20)
        make_two_files(folder)

    started = threading.Event()

    def first() -> None:
        results.append(cached(tmp_path, "key", slow, CLOCK))

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(20)
    folder, found = cached(tmp_path, "key", never, CLOCK, second_waits.set)
    thread.join(20)
    assert len(calls) == 1
    assert found
    assert results == [(folder, False)]
    assert (folder / "b").read_text() == "b"


def test_what_nobody_uses_is_forgotten(tmp_path):
    old, _ = cached(tmp_path, "old", make_two_files, CLOCK)
    used, _ = cached(tmp_path, "used", make_two_files, CLOCK)
    long_ago = CLOCK.now().timestamp() - 100 * 86400
    for folder in (old, used):
        os.utime(folder, (long_ago, long_ago))
    cached(tmp_path, "used", never, CLOCK)
    cached(tmp_path, "new", make_two_files, CLOCK)
    assert not old.exists()
    assert (used / "a").exists()


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTRAN_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"
    monkeypatch.delenv("ASTRAN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "astran"
    assert not list(tmp_path.iterdir())
