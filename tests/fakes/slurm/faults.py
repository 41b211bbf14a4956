"""What goes wrong, and when: a plan with a seed, so that every misfortune can be had again."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path

RATES = (
    "sbatch-hangs-taken",  # no answer in time, the job is taken (perhaps some time later)
    "sbatch-hangs-lost",  # no answer in time, the request never arrives
    "sbatch-timeout-taken",  # "Socket timed out", the job is taken
    "sbatch-timeout-lost",
    "sbatch-noisy",  # banners around the id
    "sbatch-garbage-taken",  # rc 0 without an id; the job is taken
    "sbatch-cluster",  # "12;cluster"
    "sbatch-quota",  # a limit that passes
    "squeue-fails",
    "squeue-hangs",
    "squeue-garbage",  # cut in the middle of a row
    "squeue-doubled",  # rows twice
    "squeue-shuffled",
    "squeue-noisy",  # banners on stdout and stderr
    "squeue-short",  # rows are missing, rc 0
    "squeue-stale",  # as of a minute ago: what has just ended still runs
    "squeue-strange",  # a state that nobody knows
    "sacct-fails",
    "sacct-hangs",
    "sacct-garbage",
    "sacct-doubled",
    "sacct-shuffled",
    "sacct-noisy",
    "sacct-short",
    "sacct-lags",  # hears of an end only a minute later
    "sacct-runaway",  # says RUNNING for ever
    "sacct-stranger",  # an old job of somebody else with our id
    "scancel-fails",
    "scancel-lost",  # rc 0 without a word, and nothing is cancelled
)


@dataclass(frozen=True)
class Outage:
    """A daemon that is away from `begin` to `end` (seconds since 1970)."""

    daemon: str
    begin: float
    end: float


@dataclass(frozen=True)
class Faults:
    """The plan. Without any entry all goes well."""

    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    """Probability of each kind of fault in each call; see RATES."""
    outages: tuple[Outage, ...] = ()
    fates: dict[str, list[str]] = field(default_factory=dict)
    """What becomes of each run of a task, by the name of its script; `ok` after the last."""
    wait_s: tuple[float, float] = (0.0, 0.0)
    """Time in the queue, at least and at most."""
    work_s: tuple[float, float] = (60.0, 60.0)
    """Time at work."""
    lag_s: float = 0.0
    """What a task leaves becomes visible up to so much later (network file system)."""
    taken_late_s: float = 0.0
    """A request whose sender got no answer is carried out up to so much later."""

    def strikes(self, kind: str, number: int) -> bool:
        """Whether a fault happens in the call with that number."""
        rate = self.rates.get(kind, 0.0)
        return rate > 0.0 and self.dice(kind, number).random() < rate

    def dice(self, *words: object) -> random.Random:
        """Dice that fall the same way each time for the same words."""
        return random.Random(f"{self.seed}:{':'.join(map(str, words))}")

    def away(self, daemon: str, now: float) -> bool:
        return any(o.daemon == daemon and o.begin <= now < o.end for o in self.outages)

    def fate(self, task: str, run: int) -> str:
        """What becomes of the run (from 0) of a task."""
        fates = self.fates.get(task, [])
        return fates[run] if run < len(fates) else "ok"

    def write(self, folder: Path) -> None:
        (folder / "faults.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Faults:
        try:
            data = json.loads((folder / "faults.json").read_text())
        except FileNotFoundError:
            return cls()
        data["outages"] = tuple(Outage(**outage) for outage in data["outages"])
        data["wait_s"], data["work_s"] = tuple(data["wait_s"]), tuple(data["work_s"])
        return cls(**data)
