"""Schedules that are written by hand: situations that chance seldom brings, each played first."""

from __future__ import annotations

from dataclasses import replace

from world.schedule import (
    NIGHTS,
    Arrive,
    HandRun,
    Operate,
    Say,
    Schedule,
    Step,
    Tick,
    Trouble,
    Turn,
    Word,
)
from world.world_faults import Fault, Strike

_LAUNCH = Say(0, Word.LAUNCH, 0)
_HIDDEN = (Strike("squeue", 1, Fault.HIDDEN), Strike("sacct", 1, Fault.HIDDEN))
_SILENT = (Strike("squeue", 1, Fault.REFUSED), Strike("sacct", 1, Fault.REFUSED))
_STRANGE = (Strike("squeue", 1, Fault.STRANGE), Strike("sacct", 1, Fault.REFUSED))
_LONG = (1500.0, 1500.0)


def _night(*steps: Step, **values: object) -> Schedule:
    return replace(Schedule(0, (_LAUNCH, *steps)), **values)  # type: ignore[arg-type]


def _fates(**by_stage: list[str]) -> dict[str, list[str]]:
    """What becomes of the first run of the first night, by stage."""
    return {
        f"Script_{stage}-{NIGHTS[0]}-1.sh" if stage != "irf" else "Script_irf.sh": fates
        for stage, fates in by_stage.items()
    }


def _meetings(*numbers: int) -> tuple[Strike, ...]:
    return tuple(Strike("database", number, Fault.OTHERS_BEFORE) for number in numbers)


_UNCLEAR = Tick(0, 20, (Strike("sbatch", 1, Fault.LATE), Strike("sbatch", 2, Fault.KILLED_AFTER)))
_COMMON = (
    # what was submitted turns up minutes later, or is not shown, or nobody answers
    _night(_UNCLEAR, Tick(0, 100, _HIDDEN), Tick(0, 40), Tick(0, 60), taken_late_s=300.0),
    _night(
        _UNCLEAR,
        Tick(0, 100, _SILENT),
        Tick(0, 40, _SILENT),
        Tick(0, 60, _SILENT),
        work_s=_LONG,
    ),
    _night(
        *(Tick(0, wait) for wait in (20, 60, 100, 100, 300)),
        rates={"sbatch-garbage-taken": 1.0},
        seed=1026,  # for this one sbatch says the words of a refusal, and has taken the job
    ),
    # others ask for what is in doubt
    _night(
        Say(1, Word.LAUNCH, 0),
        Tick(0, 20, (Strike("sbatch", 1, Fault.LATE),)),
        *(Tick(0, 25) for _ in range(6)),
        users=2,
        work_s=(20.0, 30.0),
    ),
    # work that goes on is not shown: once, for ten polls, in a word that nobody knows
    _night(
        Tick(0, 20),
        Tick(0, 60),
        Tick(0, 100, _HIDDEN),
        Tick(0, 100, _STRANGE),
        Tick(0, 100),
        Tick(0, 200, _STRANGE),
        Tick(0, 100),
        work_s=_LONG,
        accounting=False,
    ),
    _night(
        Tick(0, 20),
        Tick(0, 60),
        Turn(Trouble.SLURMCTLD, on=True),
        Tick(0, 300, times=12),
        Turn(Trouble.SLURMCTLD, on=False),
        Tick(0, 60),
        work_s=(6000.0, 6000.0),
        accounting=False,
    ),
    # ends that leave a record, and then ends that leave none
    _night(
        *(Tick(0, wait) for wait in (20, 300, 120, 300, 300)),
        fates={
            **_fates(dl2=["node-late", "silent"], irf=["preempted", "silent"], dl3=["oom", "oom"]),
            f"Script_dl2-{NIGHTS[0]}-2.sh": ["node"] * 4,
        },
        lag_s=40.0,
    ),
    _night(
        *(Tick(0, wait) for wait in (20, 300, 120, 300, 300)),
        Say(0, Word.RETRY, 0),
        Tick(0, 60),
        Tick(0, 300),
        fates=_fates(dl2=["timeout", "crash"], irf=["node"] * 2, dl3=["tool", "silent"]),
    ),
    _night(
        *(Tick(0, wait) for wait in (20, 300, 120, 300, 120, 300)),
        fates=_fates(dl2=["preempted", "preempted", "node", "node"], irf=["withdrawn"]),
        accounting=False,
    ),
    _night(
        Tick(0, 20),
        Tick(0, 60, times=3),
        Tick(0, 60, times=8),
        fates=_fates(dl2=["boot"], irf=["oom"], dl3=["requeue", "lying"]),
        rates={"sbatch-quota": 0.3},
    ),
    # a mail is cut short at each of its steps
    *(
        _night(
            Say(1, Word.LAUNCH, 1),
            Tick(0, 20, (strike,)),
            Say(0, Word.AGAIN, 0),
            Say(0, Word.NONSENSE),
            Tick(0, 60, (Strike("imap-fetch", 2, Fault.REFUSED),)),
            users=2,
        )
        for strike in (
            Strike("imap-move", 1, Fault.KILLED_AFTER),
            Strike("imap-move", 2, Fault.KILLED_BEFORE),
            Strike("imap-move", 1, Fault.REFUSED),
            Strike("imap-fetch", 1, Fault.REFUSED),
            *(Strike("database", n, Fault.KILLED_BEFORE) for n in (7, 8, 9, 10)),
        )
    ),
    # letters: no answer, no server for hours, a death at the server
    _night(
        Tick(0, 20, (Strike("smtp", 1, Fault.LATE),)),
        Tick(0, 30),
        Turn(Trouble.SMTP, on=True),
        Tick(0, 600, times=3),
        Turn(Trouble.SMTP, on=False),
        Tick(0, 600, (Strike("smtp", 1, Fault.KILLED_AFTER),)),
        copy_s=50.0,
    ),
    # launchers meet wherever they can
    *(
        _night(
            Say(1, Word.LAUNCH, 0),
            Tick(0, 20, _meetings(*range(first, 60, 8))),
            Tick(1, 300, _meetings(*range(first, 60, 8))),
            Tick(0, 300, _meetings(*range(first, 60, 8))),
            Tick(1, 300, _meetings(*range(first, 60, 8))),
            Tick(0, 300, _meetings(*range(first, 60, 8))),
            launchers=2,
            users=2,
            work_s=(20.0, 40.0),
        )
        for first in (3, 7)
    ),
    *(
        _night(
            Tick(0, 20, _meetings(first)),
            Tick(0, 300, _meetings(second)),
            Tick(0, 300, _meetings(second)),
            Tick(0, 300, _meetings(third)),
            launchers=2,
            work_s=(20.0, 40.0),
        )
        for first, second, third in ((15, 14, 21), (13, 19, 25), (20, 21, 24), (23, 17, 29))
    ),
    # who ends, holds and repeats what
    _night(
        Tick(0, 20),
        Say(1, Word.CANCEL, 0),
        Tick(0, 60),
        Say(0, Word.CANCEL, 0),
        Tick(0, 60, (Strike("scancel", 1, Fault.REFUSED),)),
        Tick(0, 60, times=3),
        users=2,
        work_s=_LONG,
    ),
    _night(
        Turn(Trouble.DATA, on=True),
        Tick(0, 20),
        Say(0, Word.CANCEL, 0),
        Tick(0, 60),
        Turn(Trouble.DATA, on=False),
        Tick(0, 60),
    ),
    _night(
        Tick(0, 20),
        Operate("hold", 0),
        Tick(0, 300, times=3),
        work_s=(20.0, 40.0),
        taken_late_s=60.0,
    ),
    _night(
        Tick(0, 20, (Strike("sbatch", 1, Fault.KILLED_AFTER),)),
        Say(0, Word.CANCEL, 0),
        Tick(0, 30),
        Tick(0, 100, _HIDDEN),
        Tick(0, 60),
        taken_late_s=100.0,
    ),
    # data that come late, or never; a site in trouble for hours
    _night(Tick(0, 20), Tick(0, 600), Arrive(0), Tick(0, 600), there=(1, 1), runs=(2, 1)),
    _night(Tick(0, 20), Tick(0, 3600), never=True, there=(1, 1), runs=(2, 1)),
    Schedule(
        0,
        (Say(0, Word.LAUNCH, 1), Tick(0, 20), Tick(0, 3600), Tick(0, 3600)),
        there=(1, 0),
        runs=(1, 1),
    ),
    _night(
        Turn(Trouble.DATA, on=True),
        Tick(0, 20),
        Tick(0, 3600, times=4),
        Turn(Trouble.DATA, on=False),
        Tick(0, 3600),
        Turn(Trouble.WORK, on=True),
        Tick(0, 600, times=3),
        Turn(Trouble.WORK, on=False),
    ),
    _night(
        Tick(0, 20),
        Turn(Trouble.DISK, on=True),
        Say(0, Word.LAUNCH, 1),
        Tick(0, 3600, times=3),
        Turn(Trouble.DISK, on=False),
        Tick(0, 3600),
        Turn(Trouble.CLOCK, on=True),
        Tick(0, 60),
        Turn(Trouble.CLOCK, on=False),
    ),
    Schedule(
        0,
        (
            Say(0, Word.LAUNCH, 1),
            Tick(0, 20),
            Tick(0, 60),
            Turn(Trouble.DATA, on=True),
            Tick(0, 14400, times=16),
            Turn(Trouble.DATA, on=False),
        ),
        runs=(1, 2),
        there=(1, 1),
        work_s=(120000.0, 120000.0),
    ),
    # the same work again, by others, by hand, and after its products were lost
    _night(
        Say(0, Word.LAUNCH, 0),
        Say(1, Word.LAUNCH, 1),
        Say(0, Word.STRANGER),
        Tick(0, 20),
        Tick(0, 60),
        users=2,
        live_per_user=1,
    ),
    _night(
        Tick(0, 20),
        Tick(0, 300, times=4),
        Operate("lose", 0),
        Say(1, Word.LAUNCH, 0),
        Tick(0, 60, times=3),
        HandRun(0, 60),
        Tick(0, 60, times=2),
        users=2,
        work_s=(20.0, 40.0),
    ),
    # others ask for what has ended and is not judged yet, as its record is not visible
    _night(
        Say(1, Word.LAUNCH, 0),
        Tick(0, 20),
        Tick(0, 13, times=9),
        users=2,
        lag_s=58.0,
        work_s=(20.0, 30.0),
        seed=500,
    ),
)
_FIRST = (7, 6, 25, 35, 36, 18, 10, 3, 30, 33, 27, 26, 9, 8, 28, 31, 32, 12, 19)
"""Those that show most kinds of faults."""
_ORDER = (*_FIRST, *(number for number in range(len(_COMMON)) if number not in _FIRST))
SITUATIONS = tuple(replace(_COMMON[n], seed=_COMMON[n].seed or n) for n in _ORDER)
