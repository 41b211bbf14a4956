"""Stand-ins for Slurm's commands that say what a test tells them: for answers that no healthy
cluster gives on demand. Each call is written down."""

from __future__ import annotations

import os
from pathlib import Path

_COMMAND = """\
#!/bin/bash
printf '%s\\x1f' "$@" >> "{here}/{name}.calls"
echo >> "{here}/{name}.calls"
cat "{here}/{name}.stdout" 2>/dev/null
cat "{here}/{name}.stderr" >&2 2>/dev/null
exit $(cat "{here}/{name}.code")
"""


class FakeSlurm:
    """A folder with sbatch, squeue, sacct, scancel and scontrol; silent and content at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol"):
            program = folder / name
            program.write_text(_COMMAND.format(here=folder, name=name))
            program.chmod(0o755)
            self.says(name)

    def says(self, name: str, stdout: str = "", stderr: str = "", code: int = 0) -> None:
        for kind, text in (("stdout", stdout), ("stderr", stderr), ("code", str(code))):
            (self.folder / f"{name}.{kind}").write_text(text)

    def calls(self, name: str) -> list[list[str]]:
        path = self.folder / f"{name}.calls"
        if not path.exists():
            return []
        return [line.split("\x1f")[:-1] for line in path.read_text().splitlines()]

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
