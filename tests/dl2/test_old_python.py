"""The fast engine started by a Python of old releases of lstchain, which cannot run ASTRAN."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import astran

START = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
sys.executable = sys.argv[1]
del sys.argv[:2]
sys.argv.insert(0, "dl2")
runpy.run_path({engine!r}, run_name="__main__")
"""


def test_the_stock_tool_gets_the_words_that_are_its_own(tmp_path: Path) -> None:
    tool = tmp_path / "lstchain_dl1_to_dl2"
    tool.write_text('#!/bin/bash\necho "$@"\nexit 7\n')
    tool.chmod(0o755)
    engine = str(Path(astran.__file__).parent / "dl2")
    ours = ["--flat-models", "/flat", "--trust", "/m", "--trust=/n", "--threads", "2"]
    words = ["-f", "a.h5", "b.h5", "-p", "/m", *ours, "--any-release", "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-c", START.format(engine=engine), str(tmp_path / "python"), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines() == [
        "astran dl2: stock engine, because of Python 3.9",
        "-f a.h5 b.h5 -p /m -o out",
    ]
