"""The cluster: the fake Slurm in memory, behind the runner that the Slurm scheduler calls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.slurm import life
from fakes.slurm.call import Answer, Call, Usage
from fakes.slurm.commands import COMMANDS
from fakes.slurm.faults import Faults
from fakes.slurm.state import Element, Job, State

from astran.base.errors import ToolFailed, ToolTimeout
from astran.base.exit_record import ExitRecord, ProductRecord, TaskOutcome
from astran.base.process import Completed
from astran.scheduler.array_files import DECLINED
from world.world_faults import Fault, call

if TYPE_CHECKING:
    from world.play import World

_SOCKET = "error: Socket timed out on send/recv operation"
_OF_CALL = {
    ("squeue", Fault.STRANGE): "squeue-strange",
    ("squeue", Fault.STALE): "squeue-stale",
    # what gets no answer may be taken some time later
    ("sbatch", Fault.LATE): "sbatch-timeout-taken",
    ("sbatch", Fault.KILLED_AFTER): "sbatch-timeout-taken",
}


class WorldCluster:
    """Slurm as it truly is."""

    def __init__(self, world: World, faults: Faults, now: float, *, accounting: bool) -> None:
        self.world = world
        self.faults = faults
        self.state = State(played=True, now=now, next_id=100, accounting=accounting)

    def advance(self) -> None:
        """All that happens up to now happens."""
        self.state.now = self.world.clock.seconds
        life.advance(self.state, self.faults)

    def answer(self, words: Sequence[str], env: Mapping[str, str]) -> Answer:
        self.advance()
        name, state = words[0], self.state
        number = state.calls[name] = state.calls.get(name, 0) + 1
        one = Call(Path(), state, self._faults_now(name), name, number, env)
        try:
            said = COMMANDS[name](one, list(words[1:]))
        except Usage as error:
            return Answer(stderr=f"{name}: {error}\n", code=1)
        hidden = self.world.fault is Fault.HIDDEN and not said.code
        return Answer() if hidden and name in ("squeue", "sacct") else said

    def _faults_now(self, command: str) -> Faults:
        """Those of this call: what becomes of it, beside what may always happen."""
        fault = self.world.fault
        kind = _OF_CALL.get((command, fault)) if fault is not None else None
        return replace(self.faults, rates={**self.faults.rates, kind: 1.0}) if kind else self.faults

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """The runner of the Slurm scheduler."""
        words = [os.fspath(word) for word in argv]
        said = call(
            self.world,
            words[0],
            lambda: self.answer(words, env or {}),
            lambda: Answer(stderr=f"{words[0]}: {_SOCKET}\n", code=1),
            " ".join(word for word in words[1:] if word.startswith(("--name", "--job-name"))),
        )
        if said.hangs:
            self.world.clock.sleep(timeout)
            raise ToolTimeout(f"{words[0]} did not end within {timeout:g} s.")
        if check and said.code:
            raise ToolFailed(f"{words[0]} failed", said.code, said.stdout, said.stderr)
        return Completed(tuple(words), said.code, said.stdout, said.stderr)

    @property
    def alive(self) -> list[tuple[Job, Element]]:
        """What waits or runs."""
        return [(j, e) for j in self.state.jobs for e in j.elements if not e.ended]


def play(job: Job, element: Element, deed: str) -> int:
    """In place of bash: what the array's script and the runner of a task do; the return code."""
    if not deed:
        return 0
    script = Path(job.script)
    lines = script.with_suffix(".tsv").read_text().splitlines()
    _, task, _, token = lines[element.index or 0].split("\t")
    Path(job.output.replace("%a", str(element.index)).replace("%%", "%")).open("ab").close()
    owner = script.with_suffix(".owner")
    if not owner.is_symlink():
        owner.symlink_to(str(job.id))
    if owner.readlink().name != str(job.id):
        return DECLINED
    if deed != "start":
        _leave(Path(task), token, deed, element)
    return 0


def _leave(script: Path, token: str, deed: str, element: Element) -> None:
    """Product and exit record of an attempt, beside its script as the world's chain names them."""
    stem = script.name.removeprefix("Script_").removesuffix(".sh")
    product = script.parent.parent / "products" / f"{stem}.product"
    products: tuple[ProductRecord, ...] = ()
    if deed == "ok":
        product.parent.mkdir(parents=True, exist_ok=True)
        product.write_text(token)
        at = int((element.end or 0) * 1e9)
        os.utime(product, ns=(at, at))
        products = (ProductRecord(str(product), len(token), at, stem, "world"),)
    elif deed == "lying":
        products = (ProductRecord(f"{product}.lost", 1, 0, stem, "world"),)
    outcome = {"tool": TaskOutcome.TOOL_FAILED, "stopped": TaskOutcome.STOPPED}.get(
        deed, TaskOutcome.OK
    )
    ExitRecord(
        token=token, key=stem, outcome=outcome, returncode=10 if deed == "tool" else 0,
        message=deed, started="2026-01-01T00:00:00+00:00", ended="2026-01-01T00:01:00+00:00",
        host="n1", products=products,
    ).write(script.with_suffix(".record.json"))  # fmt: skip
