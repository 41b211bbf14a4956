"""What is particular to HTCondor in the site configuration."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator

from astran.config.model import Settings, nearest_word
from astran.config.placement import check_senders, placement_of_sender

_BY_ASTRAN = "is set by ASTRAN itself and cannot be changed"
_RESTARTS = "HTCondor would run a task again by itself, beside ASTRAN's own attempts"
_OUT_OF_SIGHT = "jobs would be lost from sight"
_REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *("arguments", "args", "batch_name", "error", "executable", "initialdir", "iwd"),
            *("input", "log", "output", "queue", "periodic_hold", "periodic_hold_reason"),
            *("periodic_hold_subcode", "periodic_remove", "request_cpus", "request_memory"),
            *("transfer_executable", "universe", "when_to_transfer_output", "noop_job"),
            *("periodicremove", "periodichold", "jobbatchname", "userlog", "cmd"),
            *("requestcpus", "requestmemory", "log_xml", "dagman_log"),
        ),
        _BY_ASTRAN,
    ),
    **dict.fromkeys(
        ("max_retries", "retry_until", "success_exit_code", "periodic_release", "on_exit_remove",
         "on_exit_hold", "periodicrelease", "onexitremove", "onexithold",
         "checkpoint_exit_code"),
        _RESTARTS,
    ),
    **dict.fromkeys(
        ("max_materialize", "max_idle", "materialize_max_idle", "leave_in_queue", "hold",
         "leavejobinqueue", "deferral_time", "crondaymonth", "cron_minute", "cron_hour"),
        _OUT_OF_SIGHT,
    ),
    "getenv": "the secrets in ASTRAN's own environment would reach the jobs",
    "requirements": "give it as scheduler.htcondor.requirements",
    "accounting_group": "give it as scheduler.htcondor.accounting_group",
    "accounting_group_user": "give it as scheduler.htcondor.accounting_group_user",
    "concurrency_limits": "give them as scheduler.htcondor.concurrency_limits",
    "container_image": "give it as scheduler.htcondor.container",
    "docker_image": "give it as scheduler.htcondor.container",
    "should_transfer_files": "give it as scheduler.htcondor.file_transfer",
}  # fmt: skip
"""Submit commands with which jobs could not be followed, and why."""
_USUAL: Final = (
    "environment", "rank", "priority", "request_disk", "request_gpus", "job_lease_duration",
    "nice_user", "notification", "notify_user", "email_attributes", "transfer_input_files",
    "kill_sig", "job_max_vacate_time", "max_job_retirement_time", "stack_size", "coresize",
    "next_job_start_delay", "cuda_version", "container_target_dir", "use_oauth_services",
)  # fmt: skip
"""Submit commands that a site may well want: a near miss of one is a mistake."""
_LINE = re.compile(r"(\+|my\.)?([a-z_][\w.]*)\s*=\s*\S", re.IGNORECASE)


class HTCondorPlacement(Settings):
    """Where in the pool the tasks go, and who pays."""

    accounting_group: str = Field("", description="Accounting group to be charged.")
    accounting_group_user: str = Field("", description="User within that group.")
    requirements: str = Field(
        "",
        description="Further condition on the machines, as a ClassAd expression.",
        examples=['TARGET.OpSysAndVer == "AlmaLinux9"'],
    )

    @field_validator("accounting_group", "accounting_group_user", "requirements")
    @classmethod
    def _plain(cls, value: str) -> str:
        return _one_line(value)


class HTCondorSettings(HTCondorPlacement):
    """What is particular to HTCondor."""

    users: dict[str, HTCondorPlacement] = Field(
        {},
        description="What differs for the analyses of a sender (a mail address) or of all senders "
        "of a domain (@institute.example). What is left out there is as above.",
        examples=[{"@institute.example": {"accounting_group": "group_gamma"}}],
    )
    pool: str = Field("", description="Central manager; empty: that of this machine.")
    schedd: str = Field("", description="Schedd to submit to; empty: that of this machine.")
    container: str = Field(
        "",
        description="Image of a container in which the tasks run (container universe).",
        examples=["/path/to/analysis.sif"],
    )
    file_transfer: bool = Field(
        False,
        description="False: only machines whose FILESYSTEM_DOMAIN is that of this one. True: also "
        "others. The work folder must be there under the same path in both cases.",
    )
    concurrency_limits: str = Field("", description="Concurrency limits that each task counts for.")
    lines: tuple[str, ...] = Field(
        (), description="Further lines of the submit description, one per entry.",
        examples=[["job_lease_duration = 1200", "+WantShortQueue = True"]],
    )  # fmt: skip
    timeout: float = Field(60.0, gt=0, description="Longest wait for an HTCondor command [s].")

    @field_validator("lines")
    @classmethod
    def _only_harmless_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            _check_line(line)
        return value

    @field_validator("users")
    @classmethod
    def _addresses(cls, value: dict[str, HTCondorPlacement]) -> dict[str, HTCondorPlacement]:
        return check_senders(value)

    @field_validator("pool", "schedd", "container", "concurrency_limits")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return _one_line(value)

    def placement_of(self, sender: str) -> HTCondorPlacement:
        """What holds for the analyses of a sender; empty: of nobody in particular."""
        return placement_of_sender(self, self.users, sender, HTCondorPlacement)


def _check_line(line: str) -> None:
    """ValueError where a line of the submit description may not be added."""
    _one_line(line)
    match = _LINE.match(line.strip())
    if match is None:
        word = line.split()[0].lower() if line.split() else ""
        why = _REFUSED.get(word, "is no line of the form `name = value`")
        raise ValueError(f"{line!r}: {why}")
    name = match[2].lower()
    if why := _REFUSED.get(name, ""):
        raise ValueError(f"{line!r}: {why}")
    if name.startswith("astran"):
        raise ValueError(f"{line!r}: {_BY_ASTRAN}")
    if match[1] or name in _USUAL:
        return
    if near := nearest_word(name, (*_REFUSED, *_USUAL), cutoff=0.85):
        raise ValueError(f"{line!r}: did you mean {near!r}?")


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line, without control characters")
    return text
