"""A fake cluster to be put on PATH: a folder with its state and with the commands.

It has what tests ask of a real one (`services.slurm.SlurmCluster`): `env`, `run`, `stop_daemon`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fakes.slurm import life
from fakes.slurm.commands import COMMANDS, answer
from fakes.slurm.faults import Faults
from fakes.slurm.state import State, locked, read, write

_PROGRAM = """\
#!{python} -ISE
import sys
sys.path.insert(0, {tests!r})
from {module} import main
sys.exit(main({folder!r}, {command!r}, sys.argv[1:]))
"""


class FakeCluster:
    """Parameters
    ----------
    folder : for state and commands
    faults : what goes wrong, and when
    state : first values of `State`, for example `version="24.11"`, `accounting=False`,
        `played=True`
    """

    commands: tuple[str, ...] = tuple(COMMANDS)
    module = "fakes.slurm.commands"

    def __init__(self, folder: Path, faults: Faults | None = None, **state: Any) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.conf = folder / "slurm.conf"
        self.conf.write_text("ClusterName=fake\n")
        write(folder, State(**state))
        (faults or Faults()).write(folder)
        tests = Path(__file__).resolve().parent.parent.parent
        for name in self.commands:
            program = self.bin / name
            program.write_text(
                _PROGRAM.format(
                    python=sys.executable,
                    tests=str(tests),
                    folder=str(folder),
                    command=name,
                    module=self.module,
                )
            )
            program.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with the cluster in it."""
        foreign = ("SLURM_", "SBATCH_", "SACCT_", "SQUEUE_", "SCANCEL_")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        path = f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**rest, "PATH": path, "SLURM_CONF": str(self.conf)}

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Output of a client command."""
        words = [str(word) for word in argv]
        said = answer(self.folder, words[0], words[1:], self.env)
        if check and (said.code or said.hangs):
            raise RuntimeError(f"{words[0]}: {said.stderr.strip()}")
        return said.stdout

    def close(self) -> None:
        """The end of the cluster: the runners of its jobs go when its folder has gone."""
        # a job that was just killed may still write its last word
        for _ in range(100):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.05)

    @property
    def state(self) -> State:
        """As it is now; changes are not kept."""
        return read(self.folder)

    def set(self, **values: Any) -> None:
        """Change the cluster: `now`, `accounting`, `max_submit`, ..."""
        with locked(self.folder) as state:
            for name, value in values.items():
                setattr(state, name, value)

    def play_until(self, now: float) -> None:
        """Move the played clock on; all that happens until then happens."""
        with locked(self.folder) as state:
            state.now = now
            life.advance(state, Faults.read(self.folder))

    def stop_daemon(self, name: str) -> None:
        self.set(stopped=sorted({*self.state.stopped, name}))

    def start_daemon(self, name: str) -> None:
        self.set(stopped=[one for one in self.state.stopped if one != name])

    def cancel_all(self, patience: float = 30.0) -> None:
        """End every job and wait until none is left."""
        self.set(stopped=[])
        self.run("scancel", "--full")
        end = time.monotonic() + patience
        while not all(e.ended for job in self.state.jobs for e in job.elements):
            if time.monotonic() > end:
                raise TimeoutError("the queue did not get empty")
            self.run("scancel", "--full")
            time.sleep(0.1)


def start_time_ms(cluster: FakeCluster) -> float:
    """What one command costs, as a process of its own [ms]."""
    begin = time.perf_counter()
    subprocess.run([str(cluster.bin / "squeue")], env=cluster.env, capture_output=True, check=True)
    return (time.perf_counter() - begin) * 1000
