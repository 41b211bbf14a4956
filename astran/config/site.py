"""The site configuration: everything that differs between one installation and the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from astran.base.tasks import Stage
from astran.config.htcondor import HTCondorSettings
from astran.config.lstchain import (
    Environment,
    LstchainSettings,
    ReleaseData,
    Runtime,
    absolute_path,
)
from astran.config.mailbox import Auth, MailSettings, Quotas, Security, Server
from astran.config.model import Settings
from astran.config.nsb import NsbSettings
from astran.config.observations import DataSettings
from astran.config.scheduler_kinds import AUTO, KIND_HELP, check_kind
from astran.config.slurm import SlurmSettings

__all__ = [
    "Auth",
    "DataSettings",
    "Environment",
    "HTCondorSettings",
    "LocalSettings",
    "LstchainSettings",
    "MailSettings",
    "NsbSettings",
    "PackingSettings",
    "PagesSettings",
    "Quotas",
    "ReleaseData",
    "ResourceLimits",
    "Runtime",
    "SchedulerSettings",
    "Security",
    "Server",
    "SiteConfig",
    "SlurmSettings",
    "StageResources",
]


class LocalSettings(Settings):
    """The pool of processes on this machine."""

    cores: int | None = Field(None, ge=1, description="Cores to use; none: all of this machine.")
    memory_mb: int | None = Field(
        None, ge=100, description="Memory to use [MB]; none: 90 % of this machine's."
    )


class StageResources(Settings):
    """Resources for the tasks of a stage."""

    cpus: int = Field(1, ge=1, description="Cores per task.")
    memory_mb: int = Field(4000, ge=100, description="Memory per task [MB].")
    time_min: int = Field(120, ge=1, description="Time limit per task [min].")


class ResourceLimits(Settings):
    """The most that a task may ask for, whatever it needed before."""

    memory_mb: int | None = Field(
        None, ge=100, description="Memory per task [MB]; none: no limit of ASTRAN's own."
    )
    time_min: int | None = Field(
        None, ge=1, description="Time per task [min], for example the limit of the partition."
    )

    def memory(self, wanted_mb: int) -> int:
        """The wanted memory [MB], or the most that is allowed."""
        return wanted_mb if self.memory_mb is None else min(wanted_mb, self.memory_mb)

    def time(self, wanted_min: int) -> int:
        """The wanted time [min], or the most that is allowed."""
        return wanted_min if self.time_min is None else min(wanted_min, self.time_min)


_RESOURCES: dict[str, StageResources] = {
    # figures for LST-1 runs of 20 min with standard forests
    Stage.DL2: StageResources(cpus=2, memory_mb=16000, time_min=240),
    Stage.IRF: StageResources(cpus=1, memory_mb=6000, time_min=60),
    Stage.DL3: StageResources(cpus=1, memory_mb=8000, time_min=60),
    Stage.INDEX: StageResources(cpus=1, memory_mb=2000, time_min=30),
    Stage.HIGHLEVEL: StageResources(cpus=1, memory_mb=4000, time_min=60),
}


class PackingSettings(Settings):
    """What the packing of subruns into tasks reckons with: start-up below a tenth of each task."""

    start_s: float = Field(10.0, gt=0, description="Start of lstchain_dl1_to_dl2 [s].")
    forests_mb_per_s: float = Field(
        30.0, gt=0, description="Speed of loading random forests, of their size on disk [MB/s]."
    )
    events_per_s: float = Field(
        20000.0, gt=0, description="Events per second from DL1 to DL2 with the cores of a task."
    )


class SchedulerSettings(Settings):
    """How tasks are run."""

    kind: str = Field(AUTO, description=KIND_HELP)
    throttle: int = Field(0, ge=0, description="At most so many tasks of an array at once; 0: all.")
    most_tasks: int | None = Field(
        None,
        ge=1,
        description="At most so many tasks in the scheduler at once, waiting or running; none: as "
        "many as it takes.",
    )
    kept_free: int | None = Field(
        None,
        ge=0,
        description="Places that campaigns leave free for other analyses; none: a tenth of "
        "most_tasks, or of what the scheduler took before it refused more.",
    )
    nights_at_once: int = Field(
        10, ge=1, description="Nights of one request for several nights that are under way at once."
    )
    lost_after_min: float = Field(
        15.0,
        gt=0,
        description="A job that the scheduler no longer knows counts as lost after this [min].",
    )
    poll_shortest_s: float = Field(
        2.0,
        ge=0,
        description="Shortest pause between two polls of a scheduler: after a change [s].",
    )
    poll_longest_s: float = Field(
        180.0, ge=0, description="Longest pause, reached while nothing changes [s]."
    )
    slurm: SlurmSettings = Field(SlurmSettings(), description="Slurm.")
    htcondor: HTCondorSettings = Field(HTCondorSettings(), description="HTCondor.")
    local: LocalSettings = Field(LocalSettings(), description="This machine.")
    resources: dict[str, StageResources] = Field(
        _RESOURCES,
        description="Resources by stage, until some tasks were run; stages not named keep "
        "their default.",
    )
    packing: PackingSettings = Field(PackingSettings(), description="Packing of subruns.")
    limits: ResourceLimits = Field(
        ResourceLimits(), description="The most that a task may ask for."
    )
    learn: bool = Field(
        True,
        description="Ask for what the last tasks of a kind needed, with head-room; no: always for "
        "the figures in resources.",
    )
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="Attempts per task and cause of failure, the first included, for causes that "
        "pass; never more than 12 attempts altogether.",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_old_places(cls, data: Any) -> Any:
        slurm = data.get("slurm") if isinstance(data, dict) else None
        if not isinstance(slurm, dict):
            return data
        moved = {name: slurm[name] for name in _ONCE_OF_SLURM if name in slurm}
        if twice := moved.keys() & data.keys():
            raise ValueError(f"slurm.{min(twice)} is the old place of {min(twice)}: give one")
        rest = {name: value for name, value in slurm.items() if name not in moved}
        return {**data, **moved, "slurm": rest}

    @model_validator(mode="after")
    def _leaves_places(self) -> SchedulerSettings:
        if self.most_tasks and self.kept_free and self.kept_free >= self.most_tasks:
            raise ValueError("kept_free must be below most_tasks, or no campaign ever runs")
        return self

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        return check_kind(value)

    @field_validator("resources")
    @classmethod
    def _complete(cls, value: dict[str, StageResources]) -> dict[str, StageResources]:
        return {**_RESOURCES, **value}


_ONCE_OF_SLURM = ("throttle", "lost_after_min", "poll_shortest_s", "poll_longest_s")
"""Settings of every scheduler that stood in the section of Slurm."""


class PagesSettings(Settings):
    """Browsable pages of all analyses, as plain files."""

    output: Path | None = Field(
        None,
        description="Folder of the pages, brought up to date after every report; "
        "none: only `astran pages` writes them.",
    )
    url: str = Field(
        "",
        description="Address at which that folder is served; report mails then point to it.",
        examples=["https://institute.example/astran"],
    )
    private: tuple[str, ...] = Field(
        (),
        description="Targets that stay out of the pages: names, also with * and ?. A name of the "
        "source catalogue covers all its other names and its place in the sky.",
        examples=[["Crab", "GRB*"]],
    )

    @field_validator("output", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else absolute_path(value)

    @field_validator("url")
    @classmethod
    def _served(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")


class TelescopeSettings(Settings):
    """A telescope of the site."""

    chain: str = Field(
        "",
        description="Its chain, module:attribute or FILE.py:attribute; empty: of a package.",
    )
    settings: dict[str, Any] = Field({}, description="What that chain calls its settings.")


class SiteConfig(Settings):
    """One installation of ASTRAN."""

    site: str = Field(description="Name of the site, shown in mails.", examples=["My institute"])
    telescope: str = Field("", description="Telescope of requests that name none; empty: LST-1.")
    telescopes: dict[str, TelescopeSettings] = Field(
        {},
        description="Telescopes beside LST-1, and what their chains need to know.",
        examples=[{"TOY": {"chain": "/path/to/toy_chain.py:CHAIN"}}],
    )
    workdir: Path = Field(
        description="Folder for analyses, scripts, logs and results; an absolute path.",
        examples=["/path/to/astran"],
    )
    database: str = Field(
        "",
        description="Database URL; empty: SQLite in <workdir>/astran.sqlite (local disk).",
        examples=["postgresql://astran@db.institute.example/astran"],
    )
    mail: MailSettings | None = Field(
        None, description="The mailbox; none: no mail, only hand-runs."
    )
    scheduler: SchedulerSettings = Field(SchedulerSettings(), description="Running tasks.")
    lstchain: LstchainSettings = Field(LstchainSettings(), description="lstchain versions.")
    data: DataSettings = Field(DataSettings(), description="Where the data are.")
    shared: Path | None = Field(
        None, description="Folder for products kept for everyone (IRFs); none: <workdir>/shared."
    )
    products: Path | None = Field(
        None,
        description="Folder of the store in which all analyses share their products; none: "
        "<shared>/products. Best on the disk of the work folder: there it takes no room, "
        "elsewhere products are copied to it and linked.",
    )
    pages: PagesSettings = Field(PagesSettings(), description="Browsable pages.")
    disk_reserve_gb: float = Field(
        2.0,
        ge=0,
        description="Room to be left on the disk of the work folder [GB]; jobs whose products "
        "would need it wait.",
    )
    simulated: bool = Field(
        False, description="All data of this site are simulated; said on every plot and mail."
    )
    _file: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _known_stages(self) -> SiteConfig:
        unknown = self.scheduler.resources.keys() - set(Stage)
        # others have stages of their own, which only their chains know
        if unknown and not self.telescopes:
            stages = ", ".join(Stage)
            raise ValueError(f"scheduler.resources: {min(unknown)} is no stage; stages: {stages}")
        return self

    @field_validator("workdir", "shared", "products", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else absolute_path(value)

    @property
    def file(self) -> Path | None:
        """The file that it was read from; None for one that was made otherwise."""
        return self._file

    def read_from(self, path: Path) -> SiteConfig:
        """The same, read from a file."""
        copy = self.model_copy()
        copy._file = path.expanduser().resolve()
        return copy

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.workdir / 'astran.sqlite'}"

    @property
    def shared_dir(self) -> Path:
        return self.shared or self.workdir / "shared"

    def with_release(self, environment: str) -> SiteConfig:
        """The site as seen from one lstchain environment: with the data of its own."""
        own = self.lstchain.environments[environment].data
        given = {name: value for name, value in own if value is not None}
        if not given:
            return self
        return self.model_copy(update={"data": self.data.model_copy(update=given)})

    @property
    def chains(self) -> dict[str, str]:
        """The chains that the site names, by telescope."""
        return {name: each.chain for name, each in self.telescopes.items() if each.chain}

    @property
    def flat_models_dir(self) -> Path:
        """Random forests that were converted for the fast engine."""
        return self.shared_dir / "models"

    @property
    def products_dir(self) -> Path:
        return self.products or self.shared_dir / "products"
