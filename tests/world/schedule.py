"""A schedule: who does what, what goes wrong and when; drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fakes.slurm.faults import RATES

from world.world_faults import ANY, FAULTS, INTERLEAVED, LIES, Fault, Strike


class Word(StrEnum):
    """What a user mails."""

    LAUNCH = "launch"
    AGAIN = "again"
    """A launch mail arrives a second time, as mail servers now and then do."""
    CANCEL = "cancel"
    RETRY = "retry"
    STATUS = "status"
    NONSENSE = "nonsense"
    STRANGER = "stranger"
    """Somebody who may not ask."""


class Trouble(StrEnum):
    """What can be away for a while."""

    DATA = "data"
    DATABASE = "database"
    IMAP = "imap"
    SMTP = "smtp"
    SLURMCTLD = "slurmctld"
    SLURMDBD = "slurmdbd"
    WORK = "work"
    """Exit records cannot be read."""
    DISK = "disk"
    """No file can be written."""
    CLOCK = "clock"
    """The clock of the first launcher is a day ahead."""


@dataclass(frozen=True)
class Tick:
    """A launcher makes a tick, some time after what was before."""

    launcher: int
    wait_s: int
    strikes: tuple[Strike, ...] = ()
    times: int = 1
    """So many in a row; the strikes are of the first."""


@dataclass(frozen=True)
class Say:
    """A mail arrives; `about` is the number of the launch that it is about."""

    user: int
    word: Word
    about: int = 0


@dataclass(frozen=True)
class Turn:
    """Trouble begins, or is over."""

    trouble: Trouble
    on: bool


@dataclass(frozen=True)
class Arrive:
    """The next run of a night that is not there yet."""

    night: int


@dataclass(frozen=True)
class HandRun:
    """Somebody runs a night by hand: one tick of its own."""

    night: int
    wait_s: int
    strikes: tuple[Strike, ...] = ()


@dataclass(frozen=True)
class Operate:
    """The operator cancels, holds or releases an analysis, by its number, or loses its products
    once it has ended."""

    verb: str
    about: int


Step = Tick | Say | Turn | Arrive | HandRun | Operate


@dataclass(frozen=True)
class Schedule:
    """All that will happen until it becomes calm."""

    seed: int
    steps: tuple[Step, ...]
    launchers: int = 1
    users: int = 1
    runs: tuple[int, ...] = (2, 1)
    """Runs of each night."""
    there: tuple[int, ...] = (2, 1)
    """Of these, how many are there from the beginning."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Faults of Slurm's commands, see fakes.slurm.faults.RATES."""
    fates: Mapping[str, list[str]] = field(default_factory=dict)
    """What becomes of tasks, by the name of their scripts."""
    accounting: bool = True
    live_per_user: int = 20
    work_s: tuple[float, float] = (5.0, 300.0)
    lag_s: float = 0.0
    taken_late_s: float = 0.0
    copy_s: float = 0.0
    """Time until a blind copy arrives."""
    never: bool = False
    """Runs that are not there by the end of the steps never come."""


NIGHTS = ("20231206", "20231207")
_FATES = {
    "tool": 5, "node": 5, "preempted": 4, "timeout": 3, "timeout-hard": 3, "oom": 5, "crash": 4,
    "silent": 3, "lying": 3, "node-late": 3, "requeue": 4, "withdrawn": 3, "cancelled": 2,
    "boot": 1, "deadline": 1,
}  # fmt: skip
_AFTER_A_RECORD = (
    ["node-late", "silent"], ["preempted", "silent"], ["timeout", "crash"], ["node-late", "crash"],
    ["preempted", "node", "silent"], ["lying", "silent"],
)  # fmt: skip
"""What leaves a record, and then what leaves none."""
_WORDS = {
    Word.LAUNCH: 8, Word.AGAIN: 3, Word.CANCEL: 3, Word.RETRY: 2, Word.STATUS: 1,
    Word.NONSENSE: 1, Word.STRANGER: 1,
}  # fmt: skip
_PORTS = ("database",) * 5 + ("sbatch",) * 4 + ("smtp",) * 3 + (
    "squeue", "squeue", "sacct", "scancel", "imap-login", "imap-uids", "imap-fetch", "imap-claim",
    "imap-move", "imap-move", "imap-search", ANY, ANY,
)  # fmt: skip


def draw(seed: int) -> Schedule:
    """The schedule of a seed; always the same one. The first are written by hand."""
    from world.situations import SITUATIONS

    if seed < len(SITUATIONS):
        return SITUATIONS[seed]
    dice = random.Random(seed)
    launchers, users = dice.choice((1, 1, 2, 2, 3, 4)), dice.choice((1, 1, 2, 3, 5))
    runs = (dice.choice((1, 1, 2, 3)), 1)
    there = (dice.randint(0, runs[0]) if dice.random() < 0.3 else runs[0], 1)
    steps = _steps(dice, launchers, users)
    rates = {}
    if dice.random() < 0.5:
        rates = {k: round(dice.uniform(0.05, 0.4), 2) for k in RATES if dice.random() < 0.2}
    return Schedule(
        seed=seed,
        steps=steps,
        launchers=launchers,
        users=users,
        runs=runs,
        there=there,
        rates=rates,
        fates=_fates(dice, runs) if dice.random() < 0.6 else {},
        accounting=dice.random() < 0.8,
        live_per_user=dice.choice((1, 20, 20, 20)),
        work_s=(5.0, dice.choice((30.0, 300.0, 1500.0))),
        lag_s=dice.choice((0.0, 0.0, 40.0)),
        taken_late_s=dice.choice((0.0, 30.0, 60.0, 300.0)),
        copy_s=dice.choice((0.0, 0.0, 20.0)),
        never=dice.random() < 0.1,
    )


def _fates(dice: random.Random, runs: tuple[int, ...]) -> dict[str, list[str]]:
    tasks = ["irf", *(f"sum-{night}" for night in NIGHTS)]
    for night, number in zip(NIGHTS, runs, strict=True):
        tasks += [f"{s}-{night}-{run}" for s in ("dl2", "dl3") for run in range(1, number + 1)]
    return {f"Script_{task}.sh": _fate(dice) for task in tasks if dice.random() < 0.35}


def _fate(dice: random.Random) -> list[str]:
    if dice.random() < 0.15:
        return dice.choice(_AFTER_A_RECORD)
    return dice.choices(list(_FATES), list(_FATES.values()), k=dice.choice((1, 1, 2, 3)))


def _steps(dice: random.Random, launchers: int, users: int) -> tuple[Step, ...]:
    steps: list[Step] = [Say(0, Word.LAUNCH, dice.randrange(2))]
    launches, troubles = 1, dict[Trouble, bool]()
    for _ in range(dice.randint(6, 18)):
        kind = dice.random()
        if kind < 0.08:
            steps += _lies(dice, launchers)
        elif kind < 0.62:
            steps.append(_tick(dice, launchers))
        elif kind < 0.76:
            word = dice.choices(list(_WORDS), list(_WORDS.values()))[0]
            user = dice.randrange(users)
            if word is Word.LAUNCH:
                launches += 1
                steps.append(Say(user, word, dice.randrange(2)))
            else:
                steps.append(Say(user, word, dice.randrange(launches)))
        elif kind < 0.9:
            trouble = dice.choice(list(Trouble))
            troubles[trouble] = not troubles.get(trouble, False)
            steps.append(Turn(trouble, troubles[trouble]))
        elif kind < 0.93:
            steps.append(Arrive(0))
        elif kind < 0.97:
            steps.append(
                HandRun(dice.randrange(2), dice.randint(5, 200), _strikes(dice, launchers))
            )
        else:
            verb = dice.choice(("cancel", "hold", "release", "lose", "lose"))
            steps.append(Operate(verb, dice.randrange(launches)))
    return tuple(steps)


def _tick(dice: random.Random, launchers: int) -> Tick:
    wait = dice.choice((20, 60, 60, 60, 120, 600, 3600))
    return Tick(dice.randrange(launchers), wait, _strikes(dice, launchers))


def _strikes(dice: random.Random, launchers: int) -> tuple[Strike, ...]:
    found = []
    while dice.random() < 0.4:
        port = dice.choice(_PORTS)
        far = {"database": 40, ANY: 25}.get(port, 3)
        kinds = (*FAULTS, *LIES) if port in ("squeue", "sacct") else FAULTS
        found.append(Strike(port, dice.randint(1, far), dice.choice(kinds)))
    if launchers > 1 and dice.random() < 0.4:
        found.append(_meeting(dice))
    return tuple(found)


def _meeting(dice: random.Random) -> Strike:
    return Strike("database", dice.randint(3, 45), dice.choice(INTERLEAVED))


def meeting(schedule: Schedule, number: int) -> tuple[Strike, ...]:
    """Where the ticks of two launchers meet once everything works again: that is no fault."""
    if schedule.launchers == 1:
        return ()
    return (_meeting(random.Random(f"calm:{schedule.seed}:{number}")),)


def _lies(dice: random.Random, launchers: int) -> list[Step]:
    """Slurm hides what it took, for some looks or for a long while."""
    one = dice.randrange(launchers)
    hidden = (Strike("squeue", 1, Fault.HIDDEN), Strike("sacct", 1, Fault.HIDDEN))
    match dice.randrange(4):
        case 0:
            unclear = dice.choice((Fault.LATE, Fault.LATE, Fault.KILLED_AFTER))
            looks = (hidden, hidden, (Strike("squeue", 1, Fault.REFUSED), hidden[1]))
            return [
                Tick(one, 60, (Strike("sbatch", 1, unclear),)),
                *(Tick(one, wait, dice.choice(looks)) for wait in (100, dice.choice((20, 60)))),
            ]
        case 1:
            away, times = dice.choice((Trouble.SLURMCTLD, Trouble.SLURMDBD)), dice.randint(9, 14)
            return [Turn(away, on=True), Tick(one, 70, times=times), Turn(away, on=False)]
        case 2:
            return [Tick(one, dice.choice((60, 120)), hidden)]
        case _:
            strange = Strike("squeue", 1, Fault.STRANGE), Strike("sacct", 1, Fault.REFUSED)
            return [Tick(one, 60, strange), Tick(one, 120, strange)]


def describe(schedule: Schedule) -> dict[str, Any]:
    """All of it as plain data, for a person."""
    return {name: getattr(schedule, name) for name in schedule.__dataclass_fields__}
