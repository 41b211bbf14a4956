"""What people wish for single tasks: to be cancelled, held, released."""

from __future__ import annotations

from enum import StrEnum


class Wish(StrEnum):
    """Kept in `task.wish` until the scheduler confirms it."""

    NONE = ""
    CANCEL = "cancel"
    HOLD = "hold"
    """Stays until it is taken back: the task is not submitted, or waits in the queue held."""
    RELEASE = "release"
