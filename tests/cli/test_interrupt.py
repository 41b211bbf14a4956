"""Ctrl-C at a moment when Python drops what is raised."""

from __future__ import annotations

import os
import signal

import pytest

from astran.cli.interrupt import interruptible


class Dropped:
    """Nothing that is raised in a finalizer reaches anybody."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_comes_through_at_the_next_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible() as check:
        check()
        dropped = Dropped()
        del dropped
        check()
    assert signal.getsignal(signal.SIGINT) is before


def test_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("nothing came")
