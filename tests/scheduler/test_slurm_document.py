"""The table of failures in docs/slurm.md names tests that exist, and at least one for each."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "slurm.md").read_text(encoding="utf-8")
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in lines if len(cells) == 3 and "what happens" not in cells[0]]


def test_every_failure_has_its_test() -> None:
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(rows()) > 35
    for failure, _, told in rows():
        named = re.findall(r"`(test_\w+)`", told)
        assert named, failure
        assert set(named) <= known, set(named) - known
