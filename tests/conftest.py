"""Shared fixtures, and the one way to say that a test needs something this machine lacks."""

from __future__ import annotations

import os

import pytest


def require(condition: object, what: str, how: str = "") -> None:
    """Go on only if `condition` holds.

    Without it the test is skipped, and says what is missing and how to get it. Where
    ASTRAN_REQUIRE_SERVICES=1 is set nothing may be skipped: there the test fails.
    """
    if condition:
        return
    text = f"{what} is not here. {how}".strip()
    if os.environ.get("ASTRAN_REQUIRE_SERVICES") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
