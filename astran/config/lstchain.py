"""The lstchain releases of a site: where each is, how it is entered, what belongs to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from astran.config.model import Settings


def absolute_path(path: Path) -> Path:
    """The path with `~` filled in (ValueError where it is not absolute)."""
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


class Runtime(StrEnum):
    """What runs a container image."""

    APPTAINER = "apptainer"
    SINGULARITY = "singularity"


class ReleaseData(Settings):
    """Data that only one release can read; what is not set is as in `data` of the site."""

    models: Path | None = Field(None, description="Folder of the random forests.")
    lstchain_config: Path | None = Field(
        None, description="lstchain JSON configuration to be given to dl1_to_dl2."
    )
    mc_dl2: str | None = Field(None, description="Pattern of the DL2 of MC test gammas.")
    mc_dl1: str | None = Field(None, description="Pattern of their DL1 files.")
    mc_dl2_diffuse: str | None = Field(None, description="Pattern of the DL2 of diffuse MC gammas.")
    mc_dl2_proton: str | None = Field(None, description="Pattern of the DL2 of MC protons.")
    mc_dl2_electron: str | None = Field(None, description="Pattern of the DL2 of MC electrons.")
    irf: str | None = Field(None, description="Pattern of ready IRF files.")


class Environment(Settings):
    """A software environment in which lstchain's tools are found. At most one of `bin`, `venv`,
    `conda` and `apptainer` says where; with none of them the tools are on PATH."""

    bin: Path | None = Field(None, description="Folder with the tools.")
    venv: Path | None = Field(None, description="Folder of a Python virtual environment.")
    conda: str = Field(
        "",
        description="Conda environment: its folder, or its name where conda, mamba or micromamba "
        "is on PATH.",
    )
    module: tuple[str, ...] = Field(
        (), description="Environment modules to be loaded first: one name or several."
    )
    apptainer: Path | None = Field(
        None, description="Container image (SIF file or folder) that holds lstchain."
    )
    runtime: Runtime = Field(
        Runtime.APPTAINER, description="Command for the image: apptainer or singularity."
    )
    binds: tuple[Path, ...] = Field(
        (),
        description="Further folders that the container shall see, beside those of this file.",
    )
    setup: tuple[str, ...] = Field(
        (), description="Shell lines that a job runs before all else, for what is not listed here."
    )
    variables: dict[str, str] = Field({}, description="Environment variables for the tools.")
    data: ReleaseData = Field(
        ReleaseData(), description="Models and Monte Carlo of this release, where they differ."
    )

    @field_validator("module", mode="before")
    @classmethod
    def _one_module(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("venv", "apptainer", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else absolute_path(value)

    @field_validator("conda", mode="after")
    @classmethod
    def _name_or_folder(cls, value: str) -> str:
        return str(absolute_path(Path(value))) if "/" in value else value

    @model_validator(mode="after")
    def _one_place(self) -> Environment:
        places = ("bin", "venv", "conda", "apptainer")
        given = [name for name in places if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} contradict each other; keep one of them")
        return self

    @property
    def folder(self) -> Path | None:
        """Folder of the programs, where it is known without entering the environment."""
        if self.venv is not None:
            return self.venv / "bin"
        if "/" in self.conda:
            return Path(self.conda) / "bin"
        return self.bin

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words that stand before each command of the environment."""
        if self.apptainer is None:
            return ()
        return (self.runtime.value, "exec", str(self.apptainer))

    @property
    def hidden(self) -> bool:
        """Whether it can change without a trace in the file system that ASTRAN looks at."""
        return bool(self.setup or self.module or (self.conda and "/" not in self.conda))


class LstchainSettings(Settings):
    """Which lstchain versions the site has, and where."""

    default: str = Field("default", description="Environment used where a request names none.")
    environments: dict[str, Environment] = Field(
        {"default": Environment()},
        description="Environments by the version that they hold, or by any name.",
        examples=[{"0.12.3": {"conda": "/path/to/envs/lstchain-0.12.3"}}],
    )

    same_series: bool = Field(
        False,
        description="DL2 of data and of Monte Carlo must be of one minor series (0.12.x); no: of "
        "releases that reconstruct alike, as all from 0.10.15 on.",
    )

    @model_validator(mode="after")
    def _default_exists(self) -> LstchainSettings:
        if self.default not in self.environments:
            raise ValueError(f"default {self.default!r} is not among the environments")
        return self

    @property
    def differ(self) -> bool:
        """Whether some environment has data of its own."""
        return any(each.data != ReleaseData() for each in self.environments.values())
