"""A limit on the computing time of a piece of work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN_S = 1.0
"""The signal comes again, should something on the way swallow the error."""


@contextmanager
def cpu_limit(limit_s: float, error: Exception) -> Iterator[None]:
    """Raise `error` in the work within when it has computed for `limit_s` seconds.

    Waiting does not count, so that a busy machine or a slow server makes no difference. A regular
    expression that backtracks is interrupted as well. Signals reach the main thread alone: in
    other threads there is no limit. A limit around this one goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = False

    def stop(signum: int, frame: object) -> None:
        if not over:
            raise error

    handler = signal.signal(signal.SIGVTALRM, stop)
    outer = signal.setitimer(signal.ITIMER_VIRTUAL, limit_s, _AGAIN_S)
    try:
        try:
            yield
        finally:
            over = True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *outer)
        signal.signal(signal.SIGVTALRM, handler)
