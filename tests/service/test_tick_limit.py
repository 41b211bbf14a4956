"""No tick lasts for ever, and the next one says what became of it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from mail_desk import Desk

from astran.base.files import try_lock
from astran.service import tick
from astran.service.heartbeat import lock_path
from astran.service.tick_limit import note_tick, read_note

HANGS = """
import time
from datetime import timedelta
from astran.service.tick_limit import limit_wall_time
with limit_wall_time(timedelta(seconds=0.2)):
    time.sleep(60)
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # no server is asked
    monkeypatch.setattr(tick, "_do_all", lambda *_: None)
    return Desk(tmp_path)


def test_a_process_that_hangs_is_ended_and_says_where() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True)
    assert done.returncode != 0
    assert "line 6" in done.stderr


def test_a_tick_leaves_no_note_behind(desk: Desk) -> None:
    assert not tick.run_tick(desk.context()).busy
    assert read_note(desk.site) is None


def test_the_next_tick_says_that_one_died(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), note_tick(desk.site, desk.clock.now()):
        raise KeyboardInterrupt
    with caplog.at_level(logging.WARNING):
        tick.run_tick(desk.context())
    assert "the tick of 2023-12-08T09:00:00 UTC" in caplog.text
    assert "did not end" in caplog.text
    assert read_note(desk.site) is None, "said once"


def test_a_tick_says_why_it_did_nothing(desk: Desk) -> None:
    with try_lock(lock_path(desk.site)), note_tick(desk.site, desk.clock.now()):
        result = tick.run_tick(desk.context())
    assert result.busy
    assert "nothing was done: the tick of 2023-12-08T09:00:00 UTC (process" in result.reason
