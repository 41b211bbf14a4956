"""One case: all that will go wrong in one run, drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fakes.slurm.faults import RATES, Faults, Outage

BEGIN = 1_790_000_000.0
"""The played time of most cases begins here or in the half year after it [s since 1970]."""
_AWKWARD = (1_774_745_400.0, 1_792_888_200.0, 1_798_761_300.0)
"""Shortly before a change to and from summer time (Europe) and before the end of a year."""
_TROUBLES = {
    "oom": 6, "oom-as-failed": 2, "timeout": 4, "timeout-hard": 3, "deadline": 1, "node": 5,
    "node-late": 2, "boot": 1, "preempted": 4, "requeue": 5, "crash": 3, "silent": 2, "lying": 2,
    "tool": 5, "cancelled": 3, "withdrawn": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What happens in one run."""

    seed: int
    runs: int
    """Observation runs: each has a DL2 and a DL3 task."""
    begin: float
    faults: Faults
    accounting: bool
    min_job_age: float
    skew: float
    """The cluster's clock is ahead by this [s]."""
    federated: bool
    outside: bool
    """Slurm's commands are processes of their own."""
    kills: tuple[int, ...]
    """kill -9 of the driver at the n-th thing that it does, counted anew after each death."""
    pauses: dict[int, float]
    """After this tick the driver is not started for so long [s]."""
    recycle: int
    """At this tick the cluster begins to count its job ids anew; 0: never."""
    cancel: int
    """At this tick the analysis is cancelled; 0: never."""
    tick_s: tuple[float, float]
    scheduler: str = "slurm"
    """slurm or htcondor: what the same cluster is asked by."""

    @property
    def blind(self) -> bool:
        """Whether accounting may be silent about how a task ended."""
        return not self.accounting or any(o.daemon == "slurmdbd" for o in self.faults.outages)


def draw(seed: int, scheduler: str = "slurm") -> Case:
    """The case of a seed; always the same one."""
    dice = random.Random(seed)
    runs = dice.randint(1, 4)
    begin = dice.choice(_AWKWARD) if dice.random() < 0.2 else BEGIN + dice.uniform(0, 1.5e7)
    tasks = ["irf", "highlevel"]
    tasks += [f"{stage}_{number}" for stage in ("dl2", "dl3") for number in range(1, runs + 1)]
    outside = dice.random() < 0.01
    faults = Faults(
        seed=seed,
        rates=_rates(dice, hangs=not outside),
        outages=_outages(dice, begin),
        fates={
            f"Script_{task}.sh": dice.choices(
                list(_TROUBLES), list(_TROUBLES.values()), k=dice.choice((1, 1, 1, 2, 2, 3, 4))
            )
            for task in tasks
            if dice.random() < 0.4
        },
        wait_s=(0.0, dice.choice((0.0, 60.0, 600.0))),
        work_s=(5.0, dice.choice((60.0, 300.0, 1200.0))),
        lag_s=dice.choice((0.0, 0.0, 40.0)),
        taken_late_s=dice.choice((0.0, 30.0, 60.0)),
    )
    return Case(
        seed=seed,
        runs=runs,
        begin=begin,
        faults=faults,
        accounting=dice.random() < 0.75,
        min_job_age=dice.choice((60.0, 300.0, 300.0)),
        skew=dice.choice((0.0, 0.0, -200.0, 30.0, 200.0)),
        federated=dice.random() < 0.15,
        outside=outside,
        kills=tuple(int(10 ** dice.uniform(0, 2.3)) for _ in range(dice.choice((1, 1, 1, 2, 3)))),
        pauses={
            dice.randint(1, 25): dice.uniform(600, 5400) for _ in range(dice.choice((0, 0, 1, 2)))
        },
        recycle=dice.randint(3, 20) if dice.random() < 0.15 else 0,
        cancel=dice.randint(2, 12) if dice.random() < 0.06 else 0,
        tick_s=(45.0, dice.choice((60.0, 120.0, 240.0))),
        scheduler=scheduler,
    )


def _rates(dice: random.Random, *, hangs: bool) -> dict[str, float]:
    kinds = [kind for kind in RATES if hangs or "hangs" not in kind]
    return {kind: round(dice.uniform(0.02, 0.35), 3) for kind in kinds if dice.random() < 0.3}


def _outages(dice: random.Random, begin: float) -> tuple[Outage, ...]:
    found = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        start = begin + dice.uniform(0, 3600)
        found.append(Outage("slurmctld", start, start + dice.uniform(60, 2400)))
    kind = dice.random()
    if kind < 0.25:
        start = begin + dice.uniform(0, 3600)
        found.append(Outage("slurmdbd", start, start + dice.uniform(60, 7200)))
    elif kind < 0.4:  # stopped for good
        found.append(Outage("slurmdbd", begin + dice.uniform(0, 3600), float("inf")))
    return tuple(found)
