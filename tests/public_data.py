"""Public DL3 data of real telescopes, where the machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

VARIABLE = "ASTRAN_TEST_DATA"
DEFAULT = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def public_data() -> Callable[[str], Path]:
    """The folder of a public data set; without it the test is skipped and says so."""

    def folder(name: str) -> Path:
        given = os.environ.get(VARIABLE)
        path = Path(given or DEFAULT) / name
        if not path.is_dir():
            text = f"no public DL3 data in {path}: set {VARIABLE} to the folder that has them"
            # their terms forbid to ship them with the project: no machine need have them
            (pytest.fail if given else pytest.skip)(text)
        return path

    return folder
