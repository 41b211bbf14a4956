"""A limit on computing time that also ends what does not look around."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from astran.service.intake.cpu_limit import cpu_limit


class TooLongError(Exception):
    """The limit."""


def compute(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_loop_is_interrupted() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    begin = time.process_time()
    with pytest.raises(TooLongError), cpu_limit(0.2, TooLongError()):
        compute(20)
    assert time.process_time() - begin < 5
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_a_regular_expression_is_interrupted() -> None:
    begin = time.process_time()
    with pytest.raises(TooLongError), cpu_limit(0.2, TooLongError()):
        re.fullmatch(r"(a+)+", "a" * 60 + "!")
    assert time.process_time() - begin < 5


def test_an_error_that_is_swallowed_comes_again() -> None:
    with pytest.raises(TooLongError), cpu_limit(0.2, TooLongError()):
        try:
            compute(20)
        except Exception:  # noqa: BLE001 - that is what is tried
            compute(20)


def test_what_ends_in_time_is_left_alone() -> None:
    with cpu_limit(0.3, TooLongError()):
        time.sleep(0.6)
    compute(0.5)


def test_the_limit_around_goes_on() -> None:
    with pytest.raises(TooLongError), cpu_limit(0.3, TooLongError()):
        with cpu_limit(50, ValueError()):
            pass
        compute(20)


def test_other_threads_have_no_limit() -> None:
    done: list[bool] = []

    def work() -> None:
        with cpu_limit(0.01, TooLongError()):
            compute(0.1)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
