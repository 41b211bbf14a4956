"""The kinds of schedulers that there are: the one list of them.

A further one is a line here, its settings in `astran.config.site.SchedulerSettings`, and a package
below `astran.scheduler`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from astran.config.model import nearest_word

AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class SchedulerKind:
    """A kind of scheduler, as it is found and loaded."""

    display_name: str
    factory: str
    """Its class, `module:name`; imported where a site uses it."""
    command: str = ""
    """A command that is on PATH where this machine can use it; empty: every machine can."""


KINDS: Final[dict[str, SchedulerKind]] = {
    "slurm": SchedulerKind("Slurm", "astran.scheduler.slurm.controller:SlurmScheduler", "sbatch"),
    "htcondor": SchedulerKind(
        "HTCondor", "astran.scheduler.htcondor.condor_pool:HTCondorScheduler", "condor_submit"
    ),
    "local": SchedulerKind("the local pool", "astran.scheduler.local.controller:LocalScheduler"),
}
"""By `scheduler.kind`, in the order in which `auto` takes what is there."""

KIND_HELP: Final = (
    f"{', '.join(KINDS)}, or {AUTO}: the first of these that this machine can use, by the commands "
    "that are on PATH."
)


def check_kind(value: str) -> str:
    """The value itself, if it is a kind or `auto` (ValueError otherwise)."""
    known = (AUTO, *KINDS)
    if value in known:
        return value
    near = nearest_word(value, known)
    hint = f"did you mean {near!r}?" if near else f"one of {', '.join(known)}"
    raise ValueError(f"is no kind of scheduler; {hint}")
