"""The commands by name. They print what Slurm 22.05 and 24.11 print and return their codes,
misfortunes included; called in one process or, by the executables, each in one of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fakes.slurm import life
from fakes.slurm.asking import sacct, squeue
from fakes.slurm.call import Answer, Call, Usage
from fakes.slurm.faults import Faults
from fakes.slurm.sbatch import sbatch
from fakes.slurm.state import locked
from fakes.slurm.steering import scancel, scontrol, sinfo

COMMANDS: dict[str, Callable[[Call, list[str]], Answer]] = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scancel": scancel,
    "scontrol": scontrol,
    "sinfo": sinfo,
}


def answer(folder: Path, command: str, words: Sequence[str], env: Mapping[str, str]) -> Answer:
    """Carry out a command on the cluster that lives in a folder."""
    with locked(folder) as state:
        faults = Faults.read(folder)
        number = state.calls[command] = state.calls.get(command, 0) + 1
        if state.played:
            life.advance(state, faults)
        call = Call(folder, state, faults, command, number, env)
        try:
            return COMMANDS[command](call, list(words))
        except Usage as error:
            text = f'{command}: {error}\nTry "{command} --help" for more information\n'
            return Answer(stderr=text, code=1)


def main(folder: str, command: str, words: Sequence[str]) -> int:
    """What the executables run."""
    said = answer(Path(folder), command, words, os.environ)
    if said.hangs:
        time.sleep(3600)
    sys.stdout.write(said.stdout)
    sys.stderr.write(said.stderr)
    return said.code
