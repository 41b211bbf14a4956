"""What is particular to Slurm in the site configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from astran.config.model import Settings
from astran.config.placement import check_senders, placement_of_sender

_NOT_HERE = (
    (
        (
            *("--job-name", "-J", "--array", "-a", "--output", "-o", "--error", "-e", "--comment"),
            *("--parsable", "--export", "--requeue", "--wrap", "--chdir", "-D", "--test-only"),
        ),
        "is set by ASTRAN itself and cannot be changed",
    ),
    (("--wait", "-W"), "would keep ASTRAN waiting for the jobs"),
    (("--uid", "--gid"), "the jobs would belong to somebody else"),
    (
        ("--dependency", "-d"),
        "no job of ASTRAN waits for another: each is submitted when its inputs are there",
    ),
    (
        ("--clusters", "-M", "--cluster"),
        "the jobs would be looked for on this cluster; let SLURM_CONF name the other one",
    ),
)
"""Options of sbatch with which jobs could not be followed, and why."""


class SlurmPlacement(Settings):
    """Where on the cluster the tasks go, and who pays."""

    partition: str = Field("", description="Partition; empty: the cluster's default.")
    account: str = Field("", description="Account to be charged.")
    qos: str = Field("", description="Quality of service.")
    constraint: str = Field("", description="Node features to be asked for.")
    reservation: str = Field("", description="Reservation to be used.")


class SlurmSettings(SlurmPlacement):
    """What is particular to Slurm."""

    users: dict[str, SlurmPlacement] = Field(
        {},
        description="What differs for the analyses of a sender (a mail address) or of all senders "
        "of a domain (@institute.example). What is left out there is as above.",
        examples=[{"shifter@institute.example": {"qos": "fast", "reservation": "night"}}],
    )
    memory_per: Literal["node", "cpu"] = Field(
        "node",
        description="Whether memory is asked for per node (--mem) or per core (--mem-per-cpu), as "
        "some clusters demand.",
    )
    campaign_nice: int = Field(
        1000,
        ge=0,
        description="By how much the jobs of campaigns are put behind others (--nice); 0: not.",
    )
    options: tuple[str, ...] = Field((), description="Further options for sbatch, one per entry.")
    timeout: float = Field(60.0, gt=0, description="Longest wait for a Slurm command [s].")

    @field_validator("options")
    @classmethod
    def _only_harmless_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            if why := next((why for words, why in _NOT_HERE if _means(option, words)), ""):
                raise ValueError(f"{option!r}: {why}")
        return value

    @field_validator("users")
    @classmethod
    def _addresses(cls, value: dict[str, SlurmPlacement]) -> dict[str, SlurmPlacement]:
        return check_senders(value)

    def placement_of(self, sender: str) -> SlurmPlacement:
        """What holds for the analyses of a sender; empty: of nobody in particular."""
        return placement_of_sender(self, self.users, sender, SlurmPlacement)


def _means(option: str, words: tuple[str, ...]) -> bool:
    """Whether sbatch takes an option for one of these; it knows long ones by their beginnings."""
    if not option.startswith("--"):
        return option[:2] in words
    begun = option.split("=")[0]
    return len(begun) > 2 and any(word.startswith(begun) for word in words)
