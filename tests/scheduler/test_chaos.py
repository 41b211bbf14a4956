"""A short leg of the chaos benchmark: every run ends as the injected faults call for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
KEYS = ["runs", "duplicates", "lost", "false_success", "stuck", "wrong_end"]


def chaos(*words: str, **variables: str) -> tuple[dict[str, Any], str]:
    """The object that it ends with, and all that it says."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), "--json", *words],
        env={**os.environ, **variables}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


def test_every_run_ends_as_it_should() -> None:
    found, said = chaos("--runs", "24", "--seed", "7000")
    assert list(found) == KEYS
    assert found == {"runs": 24, **dict.fromkeys(KEYS[1:], 0)}, said
    assert "0 runs without a kill" in said


def test_every_run_of_htcondor_ends_as_it_should() -> None:
    found, said = chaos("--runs", "8", "--seed", "7100", "--on", "htcondor")
    assert found == {"runs": 8, **dict.fromkeys(KEYS[1:], 0)}, said


def test_a_seed_gives_the_same_case_again() -> None:
    one, again = (chaos("--runs", "1", "--seed", "4", "--verbose")[1] for _ in range(2))
    assert one.splitlines()[0] == again.splitlines()[0]
    assert "kills" in one
