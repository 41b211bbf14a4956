"""A value of the launch language that cannot be used."""

from __future__ import annotations


class BadValue(ValueError):
    """A value that cannot be used: why, and what would be right."""

    def __init__(self, reason: str, suggestion: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion


def shorten_value(text: str) -> str:
    """A value as it is shown in an answer."""
    return f"`{text if len(text) <= 40 else text[:39] + '…'}`"
