"""Starting the driver tick by tick, each in a process of its own, and killing it by SIGKILL."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from chaoslib.case import Case
from chaoslib.house import House, context_of
from fakes.condor import condor_commands as condor
from fakes.slurm import commands as slurm
from sqlalchemy import Engine, event

from astran.base.errors import ToolTimeout
from astran.base.process import Completed, run_command
from astran.base.scheduler import Scheduler
from astran.base.states import AnalysisState
from astran.database import analyses
from astran.scheduler.htcondor.condor_pool import HTCondorScheduler
from astran.scheduler.slurm.controller import SlurmScheduler
from astran.service.jobs.cancellation import request_cancel
from astran.service.tick import run_tick

ANALYSIS = 1
MAX_TICKS = 600
_FAULT = 3
"""Return code of a tick in which ASTRAN itself failed."""


class Killer:
    """Counts what the driver does, and kills it at the n-th deed: before or after a statement, a
    commit, a command of Slurm or a change of a file."""

    def __init__(self, at: int, after: str = "") -> None:
        self._left = at
        self._after = after

    def deed(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def command(self, name: str) -> None:
        """A command of Slurm has done its work, and its answer has not been read yet."""
        if name == self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.deed()

    def watch(self) -> None:
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, self.deed)
        changes = {"os.rename", "os.symlink", "os.mkdir", "os.remove"}

        def audit(name: str, words: tuple[Any, ...]) -> None:
            if name in changes or (name == "open" and _writes(words)):
                self.deed()

        sys.addaudithook(audit)


def _writes(words: Sequence[Any]) -> bool:
    mode, flags = words[1], words[2]
    return any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & os.O_CREAT)


class Commands:
    """Slurm's commands in this process, behind the port of `astran.base.process.run_command`."""

    def __init__(self, house: House, killer: Killer | None) -> None:
        self._house = house
        self._killer = killer

    def __call__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        words = [os.fspath(word) for word in argv]
        if self._killer is not None:
            self._killer.deed()
        answer = condor.answer if words[0] in condor.COMMANDS else slurm.answer
        said = answer(self._house.cluster.folder, words[0], words[1:], env or {})
        if self._killer is not None:
            self._killer.command(words[0])
        if said.hangs:
            self._house.clock.sleep(timeout)
            self._house.cluster.set(now=self._house.clock.seconds)
            raise ToolTimeout(f"{words[0]} did not end within {timeout:g} s.")
        return Completed(tuple(words), said.code, said.stdout, said.stderr)


def drive(house: House, case: Case) -> tuple[int, int, bool]:
    """Tick until the analysis has ended: (ticks, kills, whether a tick failed by itself)."""
    dice = random.Random(case.seed)
    kills = list(case.kills)
    killed, failed = 0, False
    for number in range(1, MAX_TICKS + 1):
        house.clock.seconds += dice.uniform(*case.tick_s) + case.pauses.get(number, 0.0)
        house.cluster.play_until(house.clock.seconds)
        if number == case.recycle:
            house.cluster.set(next_id=100)
        code = one_tick(house, case, number, kills[0] if kills else 0)
        house.clock.seconds = max(house.clock.seconds, house.cluster.state.now)
        if code == -signal.SIGKILL:
            killed += 1
            kills.pop(0)
        elif kills:
            kills[0] = max(1, kills[0] * 2 // 3)  # this tick was too short: nearer to its beginning
        if code and code != -signal.SIGKILL:
            failed = True
        if ended(house):
            return number, killed, failed
    return MAX_TICKS, killed, failed


def ended(house: House) -> bool:
    """Whether the analysis has come to its end."""
    return AnalysisState(state_of(house)).final


def state_of(house: House) -> str:
    db = sqlite3.connect(house.database)
    try:
        (state,) = db.execute("select state from analysis").fetchone()
        return str(state)
    finally:
        db.close()


def one_tick(house: House, case: Case, number: int, kill_at: int = 0, kill_after: str = "") -> int:
    """Return code of the tick; negative: the signal by which it died.

    It is killed at its n-th deed, or after a command of Slurm.
    """
    if not kill_at and not kill_after:
        return _tick(house, case, number, None)  # nobody is killed: no process of its own is needed
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    code = _FAULT
    with suppress(BaseException):
        code = _tick(house, case, number, Killer(kill_at, kill_after))
    os._exit(code)


def _tick(house: House, case: Case, number: int, killer: Killer | None) -> int:
    if killer is not None:
        killer.watch()
    settings, environ = house.site.scheduler, house.cluster.env
    runner = run_command if case.outside else Commands(house, killer)
    dice = random.Random(number)

    def make_scheduler() -> Scheduler:
        if case.scheduler == "htcondor":
            return HTCondorScheduler(settings.htcondor, house.site.workdir, environ, runner)
        return SlurmScheduler(settings.slurm, environ, dice, runner)

    context = context_of(house, make_scheduler=make_scheduler, rng=dice)
    if number == case.cancel:
        with context.db.begin() as db:
            analysis = analyses.get_analysis(db, ANALYSIS)
        if not analysis.state.final:
            request_cancel(context, analysis)
    result = run_tick(context, mail=False)
    context.db.close()
    return _FAULT if result.faults else 0
