"""The tables of failures of the schedulers name tests that exist, and at least one for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rows(document: str) -> list[list[str]]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in lines if len(cells) == 3 and "what happens" not in cells[0]]


@pytest.mark.parametrize(("document", "least"), [("slurm.md", 35), ("htcondor.md", 25)])
def test_every_failure_has_its_test(document: str, least: int) -> None:
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(rows(document)) > least
    for failure, _, told in rows(document):
        named = re.findall(r"`(test_\w+)`", told)
        assert named, failure
        assert set(named) <= known, set(named) - known
