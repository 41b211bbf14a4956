"""A fake pool to be put on PATH: a folder with its state and with HTCondor's commands."""

from __future__ import annotations

from pathlib import Path

from fakes.condor.condor_commands import COMMANDS, answer
from fakes.slurm.cluster import FakeCluster


class FakePool(FakeCluster):
    """See `FakeCluster`."""

    commands = tuple(COMMANDS)
    module = "fakes.condor.condor_commands"

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with the pool in it."""
        return {**super().env, "CONDOR_CONFIG": str(self.conf)}

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Output of a client command."""
        words = [str(word) for word in argv]
        said = answer(self.folder, words[0], words[1:], self.env)
        if check and (said.code or said.hangs):
            raise RuntimeError(f"{words[0]}: {said.stderr.strip()}")
        return said.stdout
