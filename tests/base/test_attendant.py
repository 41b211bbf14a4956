"""Running a command in the foreground, with stop signals passed on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from astran.base.errors import ToolMissing
from astran.base.process import ProcessAttendant

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("ready", flush=True)
time.sleep(60); time.sleep(60)
"""


def signal_self_when(path: Path, word: str, number: int) -> threading.Thread:
    """Send a signal to this process once a file holds a word."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if path.exists() and word in path.read_text():
                break
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_output_goes_to_the_file_and_the_code_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessAttendant() as attendant:
        code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
        ended = attendant.run([sys.executable, "-c", code], output=log)
    assert ended.returncode == 3
    assert ended.stopped_by is None
    assert set(log.read_text().split()) == {"out", "err"}


def test_environment_and_folder(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessAttendant() as attendant:
        attendant.run(
            ["/bin/sh", "-c", "pwd; echo $WORD"], env={"WORD": "x"}, cwd=tmp_path, output=log
        )
    assert log.read_text().split() == [str(tmp_path), "x"]


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with ProcessAttendant() as attendant, pytest.raises(ToolMissing, match="/nowhere/tool"):
        attendant.run(["/nowhere/tool"])


def test_a_stubborn_command_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = time.monotonic()
    with ProcessAttendant(grace=0.5) as attendant:
        thread = signal_self_when(log, "ready", signal.SIGTERM)
        ended = attendant.run([sys.executable, "-c", STUBBORN], output=log)
        thread.join()
    assert ended.returncode == -signal.SIGKILL
    assert ended.stopped_by == signal.SIGTERM
    assert "asked" in log.read_text()
    assert time.monotonic() - started < 20


def test_a_signal_before_the_start_ends_the_command_at_once(tmp_path: Path) -> None:
    with ProcessAttendant() as attendant:
        os.kill(os.getpid(), signal.SIGTERM)
        started = time.monotonic()
        ended = attendant.run(["sleep", "60"])
    assert ended.returncode == -signal.SIGTERM
    assert time.monotonic() - started < 20


def test_what_the_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessAttendant() as attendant:
        attendant.run(["/bin/sh", "-c", "sleep 600 & echo $!"], output=log)
    child = int(log.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    pytest.fail("the child still runs")


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    with ProcessAttendant():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)] == before
