"""The local pool: a batch that was given up never runs, whoever is about to write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astran.base.clock import SystemClock
from astran.base.errors import SubmitRefused
from astran.base.scheduler import Batch, Missing
from astran.base.tasks import Resources
from astran.config.site import LocalSettings
from astran.scheduler.local.controller import LocalScheduler


def batch(folder: Path) -> Batch:
    return Batch(
        token="astran-A1-dl2-00000001",
        label="A1",
        scripts=(str(folder / "none.sh"),),
        logs=(str(folder / "none.log"),),
        tokens=("t",),
        resources=Resources(),
        folder=str(folder / "batch"),
    )


def test_what_was_given_up_is_refused(tmp_path: Path) -> None:
    pool = LocalScheduler(tmp_path / "pool", LocalSettings(), SystemClock())
    one = batch(tmp_path)
    assert pool.forbid(one.token, one.folder) is None
    assert pool.forbid(one.token, one.folder) is None, "twice is once"
    with pytest.raises(SubmitRefused) as caught:
        pool.submit(one)
    assert caught.value.transient
    pool.advance()
    since = datetime.now(UTC) - timedelta(hours=1)
    assert isinstance(pool.find_jobs({one.token: since})[one.token], Missing)


def test_what_is_in_the_queue_cannot_be_given_up(tmp_path: Path) -> None:
    pool = LocalScheduler(tmp_path / "pool", LocalSettings(cores=1), SystemClock())
    one = batch(tmp_path)
    assert pool.submit(one) == one.token
    assert pool.forbid(one.token, one.folder) == one.token
